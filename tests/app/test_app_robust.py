"""What a terminal, its owner and the libraries do to the watch screen: it always shows what it means to show."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import builders
import pytest
from emulator import RecordingDriver, Terminal, difference
from textual.events import Paste, Resize
from textual.geometry import Size
from textual.pilot import Pilot

from tests.bench import slow_line
from tui.app import display, updates
from tui.app.app import CnntrainApp
from tui.app.screens.watch import WatchScreen
from tui.core.rundir import RunDir

KEYS = (
    "m", "tab", "shift+tab", "l", "plus", "minus", "0", "left", "right", "shift+left", "o", "4", "down", "pagedown",
    "up", "5", "end", "9", "8", "1", "f2", "f4", "f2", "question_mark", "escape", "d", "escape", "y", "down", "escape",
    "less_than_sign", "greater_than_sign", "h", "H", "s", "escape", "ctrl+l",
)  # fmt: skip


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., CnntrainApp]]:
    made: list[RunDir] = []
    for name in ("NO_COLOR", "CNNTRAIN_THEME", "CNNTRAIN_ASCII", "CNNTRAIN_ECO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")

    def make(**changes: Any) -> CnntrainApp:
        made.append(builders.make_run(tmp_path, **{"steps": 300, "epochs": 3, "status": "running", **changes}))
        builders.stop_the_clock(monkeypatch, made[-1])
        app = CnntrainApp(runs_root=tmp_path, open_run=made[-1])
        app.driver_class = RecordingDriver
        return app

    yield make
    for run in made:
        if run in builders._HELD:
            builders.let_go(run)


async def wrong(pilot: Pilot[Any], terminal: Terminal) -> list[str]:
    """Return what is wrong on the terminal once nothing more is written; what is still to be written is not wrong."""
    quiet, found = 0, ["nothing was written"]
    for _ in range(100):
        await pilot.pause(0.05)
        quiet = 0 if terminal.feed() else quiet + 1
        if quiet >= 2:
            found = difference(terminal)
            if not found:
                break
    return found


@pytest.mark.long
@pytest.mark.parametrize("exact", [True, False], ids=["cells", "stock"])
async def test_the_terminal_shows_what_is_meant_over_a_whole_session(
    watched: Callable[..., CnntrainApp], exact: bool
) -> None:
    dice = random.Random(0)
    app = watched(layers=30, classes=tuple(f"class {i}" for i in range(40)))
    app.cell_exact = exact
    run = app._open_run
    assert run is not None
    step = 300
    async with app.run_test(headless=False, size=(120, 40)) as pilot:
        terminal = Terminal(app)
        terminal.screen.reset_mode(7)
        await wrong(pilot, terminal)
        keys = KEYS if exact else KEYS[:6]
        for number, key in enumerate(keys):
            if number % 9 == 4:
                await pilot.resize_terminal(*dice.choice([(80, 24), (200, 60), (60, 50), (100, 30), (120, 40)]))
            if number % 3 == 0:
                rows = [[step + i, 20 + i, dice.random(), 0.5, 0.1, dice.random(), 2000, 0.1, 0.1] for i in range(1, 8)]
                builders.append_records(run, "batches", 1, tuple(metric.name for metric in builders.BATCH), rows)
                step += 7
            await pilot.press(key)
            assert await wrong(pilot, terminal) == [], (key, app.size)


@pytest.mark.parametrize("missing", ["updates", "frame", "console"])
async def test_without_textuals_private_parts_it_draws_textuals_way(
    watched: Callable[..., CnntrainApp], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = watched()
    match missing:
        case "updates":
            monkeypatch.setattr(updates, "_LAYOUT", None)
            monkeypatch.setattr(updates, "_CHOPS", None)
        case "frame":
            monkeypatch.delattr("tui.app.frame.Frame.put")
        case _:
            monkeypatch.delattr(display.CellExactApp, "_will_be_written")
    async with app.run_test(headless=False, size=(100, 30)) as pilot:
        terminal = Terminal(app)
        terminal.screen.reset_mode(7)
        assert await wrong(pilot, terminal) == []
        await pilot.press("2")
        assert await wrong(pilot, terminal) == []
        assert any("accuracy" in line for line in terminal.screen.display)


async def test_a_storm_of_sizes_is_followed_now_and_then_and_to_its_end(watched: Callable[..., CnntrainApp]) -> None:
    app = watched()
    async with app.run_test(headless=False, size=(120, 40)) as pilot:
        terminal = Terminal(app)
        await wrong(pilot, terminal)
        followed: list[Size] = []
        screen = app.screen
        assert isinstance(screen, WatchScreen)
        fit = screen.dashboard.fit_panels
        screen.dashboard.fit_panels = lambda: (followed.append(app.size), fit())[1]  # type: ignore[method-assign]
        for width in range(70, 170):
            size = Size(width, 40)
            app._driver._size = size  # type: ignore[union-attr]
            app.post_message(Resize(size, size))
        for _ in range(100):
            await pilot.pause(0.05)
            if app.size.width == 169:
                break
        assert await wrong(pilot, terminal) == []
        assert app.size.width == 169
        assert len(followed) < 20


async def test_a_paste_presses_no_keys(watched: Callable[..., CnntrainApp]) -> None:
    app = watched()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.2)
        screen = app.screen
        app.post_message(Paste("sq\x1b[2Jpvc" * 1000))
        await pilot.pause(0.2)
        assert app.screen is screen
        assert app._open_run is not None
        assert not list(app._open_run.control.iterdir())


@pytest.mark.long
@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_names_without_end_a_thousand_classes_and_300_layers(
    watched: Callable[..., CnntrainApp], size: tuple[int, int]
) -> None:
    app = watched(
        name="20260131-120000-" + "very-long-" * 20,
        classes=tuple(f"{'class写真' * 30}-{i}" for i in range(1000)),
        layers=tuple(f"{'block.' * 40}{i}.weight" for i in range(300)),
        steps=30,
    )
    async with app.run_test(headless=False, size=size) as pilot:
        terminal = Terminal(app)
        terminal.screen.reset_mode(7)
        await wrong(pilot, terminal)
        for key in ("4", "end", "5", "end", "m", "y", "end", "escape", "9"):
            await pilot.press(key)
            assert await wrong(pilot, terminal) == [], key


NOISY = """
import os, sys
sys.path.insert(0, {root!r})
from textual.app import ComposeResult
from textual.widgets import Static
from tui.app.display import CellExactApp

class Noisy(CellExactApp[None]):
    def compose(self) -> ComposeResult:
        yield Static("all is well", id="text")
    def on_mount(self) -> None:
        self.set_timer(0.2, self.noise)
    def noise(self) -> None:
        os.write(1, b"NOISE")
        os.write(2, b"NOISE")
        print("NOISE", flush=True)
        print("NOISE", file=sys.stderr, flush=True)
        self.query_one(Static).update("made a noise")

app = Noisy()
app.run()
os.write(2, b"AFTERWARDS")
"""


def test_what_a_library_prints_does_not_reach_the_screen() -> None:
    code = NOISY.format(root=str(Path(__file__).parent.parent.parent))
    terminal = slow_line.Terminal([sys.executable, "-c", code], (60, 10), emulate=True)
    assert terminal.screen is not None
    lines = lambda: " ".join(terminal.screen.display)  # type: ignore[union-attr]  # noqa: E731
    assert terminal.read(60, lambda data: "a noise" in lines()) is not None
    terminal.read(0.3)
    assert "NOISE" not in lines()
    terminal.press(b"\x11")  # ctrl+q
    assert terminal.read(60, lambda data: "AFTERWARDS" in lines()) is not None
    terminal.close()
