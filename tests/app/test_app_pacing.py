"""Frames at the pace of the terminal: the rule, the app that follows it, and a look at the disk that never ends."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import builders
import pytest
from emulator import RecordingDriver, Terminal, difference
from textual.app import ComposeResult
from textual.events import CursorPosition
from textual.widgets import Static
from walking import until

from tui.app.app import CnntrainApp
from tui.app.display import CellExactApp
from tui.app.pacing import QUESTION, Pacer
from tui.app.screens.watch import WatchScreen
from tui.app.widgets.status import StatusBar
from tui.core import control


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Line:
    """A pacer, and a line with so many bytes a second and so many seconds there and back."""

    def __init__(self, rate: float, way: float) -> None:
        self.clock = Clock()
        self.pacer = Pacer(self.clock)
        self.rate, self.way = rate, way
        self.answers: list[float] = []
        self.free = 0.0

    def send(self, size: int, *, urgent: bool = False) -> int:
        """Write as much as may be of so many bytes; return how many those were."""
        sent = 0
        while sent < size and (room := self.pacer.room(urgent=urgent)) != 0:
            part = min(size - sent, size if room is None else room)
            for one in self.pacer.asked("x" * part).split(QUESTION)[:-1]:
                self.free = max(self.free, self.clock.now) + (len(one) + len(QUESTION)) / self.rate
                self.answers.append(self.free + self.way)
            sent += part
        return sent

    @property
    def queue(self) -> float:
        """Seconds until what was written has been carried."""
        return max(0.0, self.free - self.clock.now)

    def answer(self) -> None:
        """Let time pass until the next answer."""
        self.clock.now = max(self.clock.now, self.answers.pop(0))
        self.pacer.answered(self.clock.now)

    def settle(self) -> None:
        while self.answers:
            self.answer()
        self.clock.now += 1


def test_a_frame_waits_for_the_answer_to_the_one_before() -> None:
    line = Line(1e6, 0.1)
    assert line.send(5000) == 2048  # before anything is known of the line
    assert line.pacer.wait > 0
    assert line.send(10) == 0
    line.settle()
    assert line.pacer.wait == 0
    assert line.send(5000) == 5000


@pytest.mark.parametrize("rate", [1_000, 2_000, 10_000, 50_000])
def test_a_slow_line_is_never_filled(rate: int) -> None:
    line = Line(rate, 0.1)
    line.send(7000)
    line.settle()
    longest = 0.0
    for _ in range(30):
        line.send(4000)
        longest = max(longest, line.queue)
        line.answer()
    line.settle()
    assert longest < 0.1 + 256 / rate
    line.send(400)
    line.send(4000, urgent=True)  # a key was pressed
    assert line.queue < 0.3 + 256 / rate


def test_what_is_urgent_keeps_a_slow_line_busy() -> None:
    line, left = Line(10_000, 0.1), 20_000
    line.send(7000)
    line.settle()
    began = line.clock.now
    while left:
        left -= line.send(left, urgent=True)
        if left:
            line.answer()
    assert line.clock.now - began < 1.5 * 20_000 / 10_000


def test_a_terminal_that_never_answers_is_asked_once() -> None:
    pacer = Pacer(clock := Clock())
    assert pacer.asked("first") == f"{QUESTION}first{QUESTION}"
    assert pacer.room(urgent=True) == 0
    clock.now += pacer.wait
    assert pacer.room(urgent=False) is None
    assert pacer.asked("second") == "second"
    assert pacer.wait == 0
    pacer.answered(clock.now)  # it did after all, but late
    assert pacer.asked("third").endswith(QUESTION)


def test_an_answer_that_was_lost_is_given_up_after_a_while() -> None:
    line = Line(1e6, 0.01)
    line.send(10)
    line.settle()
    line.send(10)
    line.clock.now += 5
    assert line.pacer.wait == pytest.approx(5)
    line.clock.now += 5
    assert line.pacer.wait == 0
    assert line.send(10) == 10
    line.pacer.answered(line.clock.now)
    line.pacer.answered(line.clock.now)  # the lost one came after all
    assert line.send(10) == 10


def test_a_line_is_slow_by_what_it_carries_and_fast_again_when_it_carries_more() -> None:
    line = Line(1e6, 0.05)

    def frames(count: int) -> bool:
        for _ in range(count):
            line.send(600)
            line.settle()
        return line.pacer.slow

    assert not frames(20)
    line.rate = 2_000
    assert frames(60)
    line.rate = 1e6
    assert not frames(150)
    line.way = 0.9  # fast, but on the far side of the moon
    assert frames(300)


class Counter(CellExactApp[None]):
    paced = True

    def compose(self) -> ComposeResult:
        yield Static("0", id="number")


async def test_nothing_is_written_until_the_terminal_answers() -> None:
    app = Counter(driver_class=RecordingDriver)
    async with app.run_test(headless=False, size=(40, 5)) as pilot:
        terminal = Terminal(app)
        await pilot.pause()
        assert QUESTION in terminal.feed()
        for number in range(1, 5):
            app.query_one(Static).update(f"number {number}")
            await pilot.pause()
            assert terminal.feed() == ""
        for _ in range(2):  # before the first frame there was a question, too
            app.post_message(CursorPosition(0, 0))
        await until(pilot, lambda: "number 4" in "".join(app._driver.written))  # type: ignore[union-attr]
        assert terminal.feed().count(QUESTION) == 1
        assert difference(terminal) == []


async def test_a_request_on_a_disk_that_does_not_answer_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path, steps=400, epochs=4, status="running")
    builders.stop_the_clock(monkeypatch, run)
    app = CnntrainApp(runs_root=tmp_path, open_run=run)
    answers, make = threading.Event(), os.mkdir

    def slow(path: Any, *rest: Any, **more: Any) -> None:
        if Path(path) == run.control:
            assert threading.current_thread() is not threading.main_thread()
            answers.wait(60)
        make(path, *rest, **more)

    monkeypatch.setattr("tui.app.screens.asking._PATIENCE", 0.05)
    try:
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await until(pilot, lambda: len(app.screen_stack) > 1 and app.screen_stack[1]._pace.turn > 2)  # type: ignore[attr-defined]
            screen = app.screen
            assert isinstance(screen, WatchScreen)
            monkeypatch.setattr(os, "mkdir", slow)
            await pilot.press("v")
            await until(pilot, lambda: "The disk does not answer." in text(app))
            assert "The disk does not answer." in text(app)
            assert control.pending(run) == []
            await pilot.press("m")  # keys are answered
            assert screen.dashboard.maximised
            answers.set()
            await until(pilot, lambda: bool(control.pending(run)))
            assert [request.action for request in control.pending(run)] == ["validate"]
            await until(pilot, lambda: "Validating after this step." in text(app))
            assert "Validating after this step." in text(app)
    finally:
        answers.set()
        builders.let_go(run)


async def test_what_would_hold_up_a_paint_waits_until_all_of_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pacer, "room", lambda pacer, urgent: 0 if pacer.wait else 400)
    app, called = Counter(driver_class=RecordingDriver), list[bool]()
    async with app.run_test(headless=False, size=(80, 40)) as pilot:
        app.query_one(Static).update("\n".join(f"{row} " * 25 for row in range(40)))
        await until(pilot, lambda: app._frame.behind and app._pacer.wait > 0)
        app.after_paint(lambda: called.append(app._frame.behind))
        app.query_one(Static).update("\n".join(f"{row}!" * 25 for row in range(40)))
        await pilot.pause(0.1)
        assert not called
        for _ in range(300):
            if called:
                break
            app.post_message(CursorPosition(0, 0))
            await pilot.pause(0.02)
        assert called == [False]


async def test_a_disk_that_does_not_answer_stops_nothing_but_the_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path, steps=400, epochs=4, status="running")
    builders.stop_the_clock(monkeypatch, run)
    app = CnntrainApp(runs_root=tmp_path, open_run=run)
    answers, asked = threading.Event(), threading.Event()
    answers.set()
    read = os.pread

    def slow(*arguments: Any) -> bytes:
        if threading.current_thread().name == "reader":
            asked.set()
        assert answers.is_set() or threading.current_thread() is not threading.main_thread()
        answers.wait(60)
        return read(*arguments)

    monkeypatch.setattr("tui.app.screens.watch._STALE", 0.1)
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: len(app.screen_stack) > 1 and app.screen_stack[1]._pace.turn > 2)  # type: ignore[attr-defined]
            screen = app.screen
            assert isinstance(screen, WatchScreen)
            monkeypatch.setattr(os, "pread", slow)
            answers.clear()
            builders.append_records(run, "batches", 1, tuple(m.name for m in builders.BATCH), [[401, 99, *[0.5] * 7]])
            await until(pilot, lambda: asked.is_set() and screen.query_one(StatusBar).stale is not None)
            assert "stale since" in text(app)
            await pilot.press("m")  # keys are answered
            assert screen.dashboard.maximised
            await pilot.press("plus", "left", "question_mark")
            assert app.screen is not screen
            await pilot.press("escape")
            answers.set()
            await until(pilot, lambda: "401" in text(app))
            assert "stale since" not in text(app)
    finally:
        answers.set()
        builders.let_go(run)


def text(app: CnntrainApp) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())
