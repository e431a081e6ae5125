"""Pictures of the watch screen: made from a run that is the same every time, under a clock that stands still.

`pytest tests/app/test_app_watch_pictures.py --snapshot-update` takes them anew; look at them before they are committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import builders
import pytest
from textual.pilot import Pilot

from tui.app.app import CnntrainApp
from tui.app.screens.watch import WatchScreen
from tui.app.widgets.bars import Sampler
from tui.runs.machine import Card, Observed, Sample

BUSY = Sample(
    8, 0.62, 5.1, 11 << 30, 32 << 30, 61.0, 1.9, 900 << 20, (Card("Example", 0.93, 18 << 30, 24 << 30, 66, 310),)
)  # fmt: skip
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One time zone and one kind of terminal, whoever runs the tests."""
    for name, value in (("TZ", "UTC"), ("COLORTERM", "truecolor"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "COLORFGBG", "CNNTRAIN_THEME", "CNNTRAIN_ASCII", "CNNTRAIN_ECO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Sampler, "newest", lambda sampler: Observed("example-host", BUSY))
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def app_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., CnntrainApp]]:
    made = []

    def make(**changes: Any) -> CnntrainApp:
        run = builders.make_run(
            tmp_path, name="20260131-120000-cifar10", steps=1240, epochs=5, classes=CLASSES, **changes
        )  # fmt: skip
        builders.stop_the_clock(monkeypatch, run)
        made.append(run)
        # A path in the picture must not be the machine's own.
        monkeypatch.setenv("HOME", str(tmp_path))
        return CnntrainApp(runs_root=tmp_path, open_run=run)

    yield make
    for run in made:
        if run in builders._HELD:
            builders.let_go(run)


async def drawn(pilot: Pilot[Any]) -> None:
    """Wait until the run has been read and nothing moves any more."""
    before, same = "", 0
    for _ in range(300):
        await pilot.pause(0.03)
        screen = pilot.app.screen
        text = "".join(strip.text for strip in screen._compositor.render_strips())
        same = same + 1 if text == before and isinstance(screen, WatchScreen) and screen._pace.turn > 1 else 0
        before = text
        if same == 3:
            break


SIZES = [(120, 40), (80, 24), (200, 60), (60, 50)]


@pytest.mark.parametrize("size", SIZES, ids=[f"{width}x{height}" for width, height in SIZES])
def test_a_run_that_trains(app_on: Any, snap_compare: Any, size: tuple[int, int]) -> None:
    assert snap_compare(app_on(status="running"), terminal_size=size, run_before=drawn)


def test_a_run_that_has_finished(app_on: Any, snap_compare: Any) -> None:
    assert snap_compare(app_on(status="finished"), terminal_size=(120, 40), run_before=drawn)


@pytest.mark.parametrize(
    ("name", "value"), [("CNNTRAIN_THEME", "light"), ("CNNTRAIN_THEME", "colour-blind"), ("CNNTRAIN_ASCII", "on")]
)
def test_a_run_as_a_person_likes_it(
    app_on: Any, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert snap_compare(app_on(status="running"), terminal_size=(120, 40), run_before=drawn)


def test_the_machine_page(app_on: Any, snap_compare: Any) -> None:
    async def last_page(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        await pilot.press("9", "tab")
        await drawn(pilot)

    assert snap_compare(app_on(status="running"), terminal_size=(80, 24), run_before=last_page)


def test_the_layers_enlarged(app_on: Any, snap_compare: Any) -> None:
    async def enlarged(pilot: Pilot[Any]) -> None:
        await drawn(pilot)
        await pilot.press("4", "m")
        await drawn(pilot)

    assert snap_compare(app_on(status="running", layers=24), terminal_size=(120, 40), run_before=enlarged)
