"""The cell-exact update, proven by replaying what was written through a terminal emulator."""

from __future__ import annotations

import random
from typing import Any

import pytest
from emulator import RecordingDriver, Terminal, difference, written
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Grid, VerticalScroll
from textual.events import CursorPosition
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Button, Footer, Input, Static

from tui.app.display import CellExactApp
from tui.app.frame import Frame, Piece
from tui.app.pacing import QUESTION, Pacer

WORDS = ["loss", "⣿⡇⠁", "写真", "e\u0301", "──", "bold", "…", "🐈 cat", "[/]", "12.5 %", " ", "▁▂▃", "naïve"]
STYLES = ["", "bold red", "on #202040", "underline", "reverse #80ff00", "dim italic", "#5fd7ff on #101010"]


class Dialog(ModalScreen[None]):
    CSS = "Dialog { align: center middle; } Dialog > VerticalScroll { width: 30; height: 8; border: heavy green; }"

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static("写真 in a dialog ⣿⡇")
            yield Input("typed")
            yield Button("OK")


class Busy(CellExactApp[None]):
    CSS = "Grid { grid-size: 3; } Static { border: round $primary; } #scroll Static { height: 3; }"

    def compose(self) -> ComposeResult:
        with Grid():
            for number in range(5):
                yield Static(id=f"cell{number}", markup=False)
            with VerticalScroll(id="scroll"):
                for number in range(8):
                    yield Static(f"row {number} " * 4)
        yield Footer()

    def change(self, dice: random.Random) -> None:
        target = self.query_one(f"#cell{dice.randrange(5)}", Static)
        text = Text()
        for _ in range(dice.randrange(30)):
            text.append(dice.choice(WORDS), dice.choice(STYLES))
        target.update(text, layout=False)


def busy(**kwargs: Any) -> Busy:
    return Busy(driver_class=RecordingDriver, **kwargs)


async def settled(pilot: Pilot[None], terminal: Terminal) -> None:
    """Returns once the first paint is whole: on a loaded machine the footer comes a while after the rest."""
    quiet = 0
    while quiet < 5:
        await pilot.pause(0.1)
        quiet = 0 if terminal.feed() else quiet + 1


@pytest.mark.parametrize("seed", range(3))
async def test_the_terminal_always_shows_what_the_app_means(seed: int) -> None:
    dice = random.Random(seed)
    app = busy()
    async with app.run_test(headless=False, size=(60, 20)) as pilot:
        terminal = Terminal(app)
        terminal.screen.reset_mode(7)
        for _ in range(25):
            match dice.randrange(12):
                case 0:
                    await pilot.resize_terminal(dice.randrange(30, 90), dice.randrange(10, 30))
                    await settled(pilot, terminal)  # sizes are followed a few times a second
                case 1:
                    await app.push_screen(Dialog())
                case 2 if len(app.screen_stack) > 1:
                    app.pop_screen()
                case 3:
                    app.query(VerticalScroll).first().scroll_relative(y=dice.randrange(-3, 4), animate=False)
                case _:
                    app.screen_stack[0].query_one("#cell0", Static)
                    if len(app.screen_stack) == 1:
                        for _ in range(3):
                            app.change(dice)
            await pilot.pause()
            await pilot.pause(0.03)
            terminal.feed()
            assert difference(terminal) == []


@pytest.mark.parametrize("seed", range(2))
async def test_a_line_that_takes_a_few_cells_at_a_time_comes_to_show_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(seed)
    room = Pacer.room
    monkeypatch.setattr(
        Pacer, "room", lambda pacer, urgent: dice.randrange(1, 400) if room(pacer, urgent=urgent) != 0 else 0
    )
    app, asked = busy(), 0
    app.paced = True
    async with app.run_test(headless=False, size=(60, 20)) as pilot:
        terminal = Terminal(app)
        terminal.screen.reset_mode(7)
        for _ in range(8):
            for _ in range(dice.randrange(5)):
                match dice.randrange(10):
                    case 0:
                        await app.push_screen(Dialog())
                    case 1 if len(app.screen_stack) > 1:
                        app.pop_screen()
                    case 2:
                        await pilot.resize_terminal(dice.randrange(30, 90), dice.randrange(10, 30))
                    case 3:
                        app.query(VerticalScroll).first().scroll_relative(y=dice.randrange(-3, 4), animate=False)
                    case _ if len(app.screen_stack) == 1:
                        app.change(dice)
                await pilot.pause()
                asked += terminal.feed().count(QUESTION)
                if asked and dice.randrange(2):
                    app.post_message(CursorPosition(0, 0))
                    asked -= 1
            quiet = 0
            while quiet < 5:
                for _ in range(asked):
                    app.post_message(CursorPosition(0, 0))
                await pilot.pause(0.05)
                written = terminal.feed()
                asked = written.count(QUESTION)
                quiet = 0 if written else quiet + 1
            assert not app._frame.behind
            assert difference(terminal) == []


async def test_an_unchanged_repaint_writes_nothing_and_a_changed_cell_a_few_bytes() -> None:
    app = busy()
    async with app.run_test(headless=False, size=(80, 24)) as pilot:
        terminal = Terminal(app)
        cell = app.query_one("#cell1", Static)
        cell.update(Text("step 100"), layout=False)
        await settled(pilot, terminal)
        cell.refresh()
        await pilot.pause(0.1)
        assert terminal.feed() == ""
        cell.update(Text("step 101"), layout=False)
        written = ""
        while not written:
            await pilot.pause(0.1)
            written = terminal.feed()
        assert 0 < len(written) < 60
        assert difference(terminal) == []


@pytest.mark.parametrize("asking", [False, True])
async def test_redraw_repairs_what_others_wrote_over_a_question_too(asking: bool) -> None:
    app = busy()
    async with app.run_test(headless=False, size=(60, 20)) as pilot:
        terminal = Terminal(app)
        if asking:
            app.push_screen(Dialog())
            await pilot.pause(0.1)
        terminal.feed()
        terminal.stream.feed("\x1b[5;5HBroadcast message from root")
        assert difference(terminal)
        await pilot.press("ctrl+l")
        await pilot.pause(0.1)
        terminal.feed()
        assert difference(terminal) == []
        assert isinstance(app.screen, Dialog) is asking


async def test_what_cells_cannot_hold_goes_the_stock_way() -> None:
    app = busy()
    async with app.run_test(headless=False, size=(60, 20)) as pilot:
        terminal = Terminal(app)
        text = Text("see ")
        text.append("here", Style(link="https://example.org"))
        app.query_one("#cell2", Static).update(text, layout=False)
        await pilot.pause(0.1)
        assert "\x1b]8;" in terminal.feed()
        assert app.query_one("#cell2", Static).render_line(0).text.startswith("see here")
        app.query_one("#cell2", Static).update(Text("no link"), layout=False)
        await pilot.pause(0.1)
        terminal.feed()
        assert difference(terminal) == []


async def test_the_stock_way_is_one_attribute_away() -> None:
    app = busy()
    app.cell_exact = False
    async with app.run_test(headless=False, size=(60, 20)) as pilot:
        terminal = Terminal(app)
        app.query_one("#cell2", Static).refresh()
        await pilot.pause(0.1)
        terminal.feed()
        app.query_one("#cell2", Static).refresh()
        await pilot.pause(0.1)
        assert len(terminal.feed()) > 100
        assert difference(terminal) == []


def test_an_unknown_pen_is_kept_apart_from_a_known_one() -> None:
    frame = Frame(ColorSystem.EIGHT_BIT)
    frame.fit(10, 1)
    red, green = Style(color="red"), Style(color="green")
    both = [Piece(0, 0, [Segment("ab", red), Segment("cd", green)])]
    assert written(frame, both) == "\x1b[H\x1b[31mab\x1b[32mcd\x1b[m"
    assert written(frame, both) == ""
    assert written(frame, [Piece(0, 1, [Segment("b", green)])]) == "\x1b[1;2H\x1b[32mb\x1b[m"
    frame.forget()
    assert written(frame, [Piece(0, 0, [Segment("ab", red)])]) == "\x1b[H\x1b[31mab\x1b[m"


def test_what_is_urgent_is_written_first_and_of_what_changed_again_only_the_newest() -> None:
    frame = Frame(ColorSystem.EIGHT_BIT)
    frame.fit(10, 5)
    frame.put([Piece(0, 0, [Segment("chart")]), Piece(1, 0, [Segment("chart")])])
    frame.put([Piece(2, 0, [Segment("key")]), Piece(3, 0, [Segment("focus")])], urgency=1)
    frame.put([Piece(1, 0, [Segment("later")])], urgency=1)
    frame.put([Piece(4, 0, [Segment("next key")])], urgency=2)
    assert frame.write(12) == "\x1b[5Hnext key"
    assert frame.write(9, first=[3]) == "\x1b[4Hfocus"
    frame.put([Piece(0, 0, [Segment("newer")])])
    assert frame.write(6) == "\x1b[3Hke"
    assert frame.urgent
    assert frame.write() == "\x1b[3;3Hy\x1b[2Hlater\x1b[Hnewer"
    assert not frame.behind
    assert frame.write() == ""
