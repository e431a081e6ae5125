"""What the tests of the screens share: a quiet app in a home of its own, and waiting until nothing moves any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

from tui.app.app import CnntrainApp


def make_app(home: Path, monkeypatch: pytest.MonkeyPatch, **arguments: object) -> CnntrainApp:
    """Return the app as it starts in ``home``: paths are shown below ``~``, runs are kept in ``runs``."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(home)
    return CnntrainApp(runs_root=Path("runs"), **arguments)  # type: ignore[arg-type]


async def settle(pilot: Pilot[None]) -> None:
    """Wait until the threads are done and what they found is shown."""
    for _ in range(2):
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def until(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something is so; that it never is within that time is a failure."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s; this is shown:\n{text_of(pilot.app)}"
        await pilot.pause(0.02)


async def breathe() -> None:
    """Let messages arrive and one frame be drawn: quicker than `Pilot.pause`, which waits until the processor rests."""
    for _ in range(10):
        await asyncio.sleep(0)
    await asyncio.sleep(0.025)


def text_of(app: App[Any]) -> str:
    """Return what is on the screen, line by line."""
    screen = app.screen
    lines = screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines)
