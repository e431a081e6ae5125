"""Frames at the pace of the terminal: the rule, the app that follows it, and a look at the disk that never ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import pytest
from emulator import RecordingDriver, Terminal, difference
from textual.app import ComposeResult
from textual.events import CursorPosition
from textual.pilot import Pilot
from textual.widgets import Static

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


def test_a_frame_waits_for_the_answer_to_the_one_before() -> None:
    pacer = Pacer(clock := Clock())
    assert pacer.wait == 0
    assert pacer.ask() == QUESTION
    assert pacer.wait > 0
    assert pacer.ask() == ""
    clock.now += 0.1
    pacer.answered()
    assert (pacer.wait, pacer.ask(), pacer.slow) == (0, QUESTION, False)


def test_a_terminal_that_never_answers_is_asked_once() -> None:
    pacer = Pacer(clock := Clock())
    pacer.ask()
    clock.now += pacer.wait
    assert pacer.wait == 0
    assert pacer.ask() == ""
    assert pacer.wait == 0


def test_an_answer_that_was_lost_is_given_up_after_a_while() -> None:
    pacer = Pacer(clock := Clock())
    pacer.ask()
    pacer.answered()
    pacer.ask()
    clock.now += 5
    assert pacer.wait == 5
    clock.now += 5
    assert pacer.wait == 0
    assert pacer.ask() == QUESTION
    pacer.answered()
    pacer.answered()  # the lost one came after all
    assert pacer.ask() == QUESTION


def test_two_late_answers_make_a_line_slow_and_many_quick_ones_fast() -> None:
    pacer = Pacer(clock := Clock())

    def answer(seconds: float) -> bool:
        pacer.ask()
        clock.now += seconds
        pacer.answered()
        return pacer.slow

    assert [answer(s) for s in (0.6, 0.1, 0.7, 0.8)] == [False, False, False, True]
    assert answer(0.4)
    assert [answer(0.01) for _ in range(20)] == [True] * 19 + [False]


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
            await until(pilot, lambda: len(app.screen_stack) > 1 and app.screen_stack[1]._beat > 2)  # type: ignore[attr-defined]
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


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    for _ in range(300):
        if condition():
            return
        await pilot.pause(0.03)


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
            await until(pilot, lambda: len(app.screen_stack) > 1 and app.screen_stack[1]._beat > 2)  # type: ignore[attr-defined]
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
