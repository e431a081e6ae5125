"""The writer of the summaries: beside the records, and never in their way."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.engine.link import Link
from tui.runs.tail import RecordTail


@pytest.fixture
def link(tmp_path: Path) -> Link:
    run = RunDir(tmp_path / "run")
    run.make()
    link = Link(run, 1)
    link.open_records(BATCHES, ("loss", "rate"))
    return link


def record(link: Link, first: int, last: int) -> None:
    for step in range(first, last + 1):
        link.record(BATCHES, step, 1e9 + step, [float(step), 0.5])


def test_a_short_run_has_no_summaries(link: Link) -> None:
    record(link, 1, 255)
    assert not list(link.run.metrics.glob("*.pyr"))
    record(link, 256, 256)
    assert [path.name for path in sorted(link.run.metrics.glob("*.pyr"))] == [
        "batches-0001.1.pyr",
        "batches-0001.2.pyr",
    ]


def test_a_full_disk_ends_the_summaries_and_costs_no_record(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    record(link, 1, 300)
    write = os.write

    def full(file: int, data: Any) -> int:
        if os.readlink(f"/proc/self/fd/{file}").endswith(".pyr"):
            write(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    record(link, 301, 1000)
    monkeypatch.undo()
    record(link, 1001, 2000)
    tail = RecordTail(link.run.segment(BATCHES, 1))
    block = tail.poll()
    assert block is not None
    assert block.steps.tolist() == list(range(1, 2001))
    assert b"cannot be written" not in link.run.events.read_bytes()
    sizes = [path.stat().st_size for path in sorted(link.run.metrics.glob("*.pyr"))]
    record(link, 2001, 3000)
    assert [path.stat().st_size for path in sorted(link.run.metrics.glob("*.pyr"))] == sizes


def test_summaries_that_are_in_the_way_are_left_alone(link: Link) -> None:
    path = link.run.summary(BATCHES, 1, 1)
    path.write_bytes(b"someone else's")
    record(link, 1, 1000)
    assert path.read_bytes() == b"someone else's"
    assert RecordTail(link.run.segment(BATCHES, 1)).whole_records() == 1000
