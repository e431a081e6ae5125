"""Rows that go past the compositor: the terminal shows the same, whatever lies over them."""

from __future__ import annotations

import random

import pytest
from emulator import RecordingDriver, Terminal, difference
from textual.app import ComposeResult
from textual.containers import Grid, VerticalScroll
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.app.display import CellExactApp
from tui.app.widgets.panel import Panel, Row

WORDS = ("loss ", "⣿⡇⠁", "写真", "── ", "12.5 %", "naïve ", "▁▂▃")
TONES = ("text", "line", "muted", "strong", "bad")


class Words(Panel):
    words: tuple[Row, ...] = ()

    def body(self, width: int, height: int) -> list[Row]:
        return list(self.words)


class Over(ModalScreen[None]):
    CSS = "Over { align: center middle; } Over Static { width: 20; height: 5; background: red; }"

    def compose(self) -> ComposeResult:
        yield Static("over it")


class Panels(CellExactApp[None]):
    CSS = "Grid { grid-size: 2; height: 12; } VerticalScroll { height: 1fr; } VerticalScroll Words { height: 6; }"

    def compose(self) -> ComposeResult:
        with Grid():
            for number in range(4):
                yield Words(f"panel {number}", number + 1)
        with VerticalScroll():
            for number in range(3):
                yield Words(f"cut {number}")

    def change(self, dice: random.Random, panels: list[Words]) -> None:
        for panel in panels:
            row = tuple((dice.choice(WORDS), dice.choice(TONES)) for _ in range(dice.randrange(4)))
            at = dice.randrange(4)
            panel.words = (*panel.words[:at], row, *panel.words[at + 1 :])  # type: ignore[assignment]
            panel.redraw()


def panels_of(app: Panels) -> list[Words]:
    return list(app.screen_stack[0].query(Words))


async def shown(pilot: Pilot[None], terminal: Terminal) -> None:
    """Wait until nothing more is written: a toast comes by way of several messages."""
    quiet = 0
    while quiet < 3:
        await pilot.pause(0.05)
        quiet = 0 if terminal.feed() else quiet + 1


async def started(app: Panels, pilot: Pilot[None]) -> Terminal:
    """Return what shows the app, all panels drawn."""
    terminal = Terminal(app)
    terminal.screen.reset_mode(7)
    app.change(random.Random(0), panels_of(app))
    await shown(pilot, terminal)
    return terminal


@pytest.mark.parametrize("seed", range(3))
async def test_the_terminal_shows_what_is_meant_whatever_lies_over_the_rows(seed: int) -> None:
    dice = random.Random(seed)
    app = Panels(driver_class=RecordingDriver)
    async with app.run_test(headless=False, size=(60, 20), notifications=True) as pilot:
        terminal = await started(app, pilot)
        for _ in range(25):
            match dice.randrange(8):
                case 0 if len(app._notifications) < 3:
                    app.notify("a toast", timeout=dice.choice((0.2, 60)))
                case 1 if len(app.screen_stack) == 1:
                    await app.push_screen(Over())
                case 1:
                    app.pop_screen()
                case 2:
                    app.screen_stack[0].query_one(VerticalScroll).scroll_relative(
                        y=dice.randrange(-3, 4), animate=False
                    )
                case 3:
                    app.screen_stack[0].query(Words).first().styles.height = dice.randrange(3, 6)
            with app.together():
                app.change(dice, dice.sample(panels_of(app), 3))
            await shown(pilot, terminal)
            assert difference(terminal) == []


async def test_rows_that_nothing_covers_are_written_at_once_and_without_a_message() -> None:
    app = Panels(driver_class=RecordingDriver)
    async with app.run_test(headless=False, size=(60, 20), notifications=True) as pilot:
        terminal = await started(app, pilot)
        with app.together():
            app.change(random.Random(1), panels_of(app)[:4])
        assert terminal.feed()  # nothing was awaited
        assert difference(terminal) == []
        assert not app.screen._dirty_widgets
        assert not any(panel._repaint_required for panel in panels_of(app))


async def test_rows_under_a_toast_go_textuals_way() -> None:
    app = Panels(driver_class=RecordingDriver)
    async with app.run_test(headless=False, size=(60, 20), notifications=True) as pilot:
        terminal = await started(app, pilot)
        app.notify("a toast " * 20, timeout=60)
        await shown(pilot, terminal)
        with app.together():
            app.change(random.Random(1), panels_of(app))
        assert not terminal.feed()
        await shown(pilot, terminal)
        assert "a toast" in "".join(cell for row in terminal.cells() for cell, *_ in row)
        assert difference(terminal) == []
