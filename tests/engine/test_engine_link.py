"""The door: events and records that survive a full disk, requests, and words for what is wrong with a disk."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tui.core import control
from tui.core.events import Ended, Message, Preparing
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.engine import link as links
from tui.engine.link import Link, Vanished


@pytest.fixture
def link(run: RunDir) -> Iterator[Link]:
    link = Link(run, 1)
    yield link
    link.close()


class Disk:
    """Lets a number of bytes through to some files, then is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.room = 1 << 40
        self._name = name
        self._write = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, handle: int, data: bytes) -> int:
        if self._name in os.readlink(f"/proc/self/fd/{handle}"):
            if self.room <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[: self.room]
            self.room -= len(data)
        return self._write(handle, data)


def test_a_torn_line_of_an_earlier_attempt_stays_alone(run: RunDir, events: Any) -> None:
    run.events.write_bytes(b'{"kind":"message","le')
    Link(run, 2).message("info", "after")
    lines = run.events.read_bytes().splitlines()
    assert len(lines) == 2
    assert b"after" in lines[1]


def test_events_wait_for_room_and_lines_stay_whole(
    run: RunDir, link: Link, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, "events.jsonl")
    link.message("info", "one")
    disk.room = 20  # tears the next line
    link.message("info", "two")
    link.message("info", "three")
    disk.room = 1 << 40
    link.message("info", "four")
    assert [event.text for event in events(run, Message)] == ["one", "two", "three", "four"]


def test_lost_records_are_a_gap_that_is_reported(
    run: RunDir, link: Link, events: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link.open_records(BATCHES, ("loss",))
    disk = Disk(monkeypatch, ".seg")
    for step in range(1, 11):
        if step == 4:
            disk.room = 11  # in the middle of a record: it is finished when there is room again
        if step == 8:
            disk.room = 1 << 40
        link.record(BATCHES, step, 0.0, [float(step)])
    assert records(run) == {step: {"loss": float(step)} for step in (1, 2, 3, 4, 8, 9, 10)}
    texts = [event.text for event in events(run, Message)]
    assert texts == [
        "Records (batches) cannot be written from step 5 on: the disk is full. Training goes on.",
        "Records (batches) of the steps 5 to 7 were lost: the disk is full.",
    ]
    disk.room = 0
    for step in (11, 12):
        link.record(BATCHES, step, 0.0, [float(step)])
    link.tell_lost()  # no more will come
    link.tell_lost()
    texts = [event.text for event in events(run, Message)]
    assert texts[3:] == ["Records (batches) of the steps 11 to 12 were lost: the disk is full."]


def test_an_attempt_records_once(run: RunDir, link: Link) -> None:
    link.open_records(BATCHES, ("loss",))
    with pytest.raises(FileExistsError):
        Link(run, 1).open_records(BATCHES, ("loss",))


def test_preparing_is_thinned_out(run: RunDir, link: Link, events: Any) -> None:
    for done in range(1000):
        link.preparing("decoding", done, 1000)
    link.preparing("model")
    told = [(event.stage, event.done) for event in events(run, Preparing)]
    assert told == [("decoding", 0), ("model", 0)]


def test_only_the_first_last_word_counts(run: RunDir, link: Link, events: Any) -> None:
    for text in ("first", "second"):
        link.event(Ended(reason="stopped", exit_code=75, text=text))
    link.message("info", "too late")
    assert [event.text for event in events(run)] == ["first"]


def test_events_carry_the_step(run: RunDir, link: Link, events: Any) -> None:
    link.step = 12
    link.message("info", "x")
    assert events(run)[0].step == 12


def test_requests_are_polled_now_and_then(run: RunDir, link: Link) -> None:
    assert link.requests() == []
    control.ask(run, "save")
    assert link.requests() == []  # not again so soon
    assert [request.action for request in link.requests(at_once=True)] == ["save"]


def test_a_run_that_is_gone(run: RunDir, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(run.path)
    with pytest.raises(Vanished):
        link.requests()


def test_a_stale_network_file_system_is_not_a_lost_run(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(path: object) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(links.os, "stat", stale)
    assert link.requests() == []


def test_a_log_that_cannot_be_written_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, text: str) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(links.sys, "stderr", Full())
    links.say("this is lost")


def test_only_a_stop_is_answered_before_the_loop(run: RunDir, link: Link, events: Any) -> None:
    assert not link.stop_wanted()
    control.ask(run, "validate")
    control.ask(run, "stop")
    link._last_poll = 0.0
    assert link.stop_wanted()
    link.answer_stop()
    assert [request.action for request in control.pending(run)] == ["validate"]
    assert [event.action for event in events(run)] == ["stop"]
