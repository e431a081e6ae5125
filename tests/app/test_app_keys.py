"""The line of keys at the bottom: what it shows in how much room, and that a click presses one."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Static

from tui.app.app import CnntrainApp
from tui.app.ascii import plain
from tui.app.widgets.keys import Key, Keys, fitted

OWN = [("escape", "esc", "Back"), ("s", "s", "Stop"), ("p", "p", "Pause"), ("v", "v", "Validate")]
KEYS = [Key(key, shown, what, True, "", False) for key, shown, what in OWN]
KEYS += [Key("question_mark", "?", "Help", True, "", True), Key("q", "q", "Quit", True, "", True)]
PALETTE = Key("ctrl+p", "^p", "palette", True, "", True, palette=True)


@pytest.mark.parametrize(
    ("width", "shown", "before", "left_out"),
    [
        (70, "Back Stop Pause Validate Help Quit palette", 1, False),
        (67, "Back Stop Pause Validate Help Quit palette", 1, False),
        (66, "Back Stop Pause Validate Help Quit", 1, False),
        (55, "Back Stop Pause Validate Help Quit", 1, False),
        (54, "Back Stop Pause Validate Help Quit", 0, False),
        (49, "Back Stop Pause Validate Help Quit", 0, False),
        (48, "Back Stop Pause Help Quit", 0, True),
        (30, "Back Stop Help Quit", 0, True),
        (29, "Back Help Quit", 0, True),
        (5, "Back Help Quit", 0, True),
    ],
)
def test_what_has_no_room_is_left_out_and_never_the_way_out(
    width: int, shown: str, before: int, left_out: bool
) -> None:
    fit = fitted([*KEYS, PALETTE], width)
    assert " ".join(key.what for key in fit.keys) == shown
    assert (fit.before, fit.left_out) == (before, left_out)


def test_escape_stays_where_it_comes_last() -> None:
    keys = [Key("n", "^n", "Next", True, "", False), Key("escape", "esc", "Back", True, "", False), *KEYS[-2:]]
    assert [key.what for key in fitted(keys, 25).keys] == ["Back", "Help", "Quit"]


class Page(Screen[None]):
    BINDINGS = [
        Binding("escape", "back", "Back"),
        Binding("a", "press('a')", "Alpha", tooltip="Presses alpha."),
        Binding("b", "press('b')", "Beta"),
        Binding("c", "press('c')", "Gamma", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.pressed: list[str] = []
        self.open = {"a", "b"}

    def compose(self) -> ComposeResult:
        yield Static("content")
        yield Keys()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return True if action != "press" or parameters[0] in self.open else None if parameters[0] == "b" else False

    def action_press(self, key: str) -> None:
        self.pressed.append(key)


class Pages(App[None]):
    BINDINGS = [Binding("question_mark", "help", "Help", key_display="?"), Binding("q", "quit", "Quit")]

    def get_default_screen(self) -> Screen[None]:
        return Page()


def last_line(app: App[None]) -> str:
    return app.screen._compositor.render_strips()[-1].text.rstrip()


async def test_the_line_is_there_with_the_first_paint_and_follows_the_actions() -> None:
    app = Pages()
    async with app.run_test(size=(60, 10)) as pilot:
        page = app.screen
        assert isinstance(page, Page)
        assert last_line(app).startswith(" esc Back  a Alpha  b Beta  ? Help  q Quit")
        assert last_line(app).endswith("▏^p palette")
        page.open = {"b"}
        page.refresh_bindings()
        await pilot.pause()
        assert "Alpha" not in last_line(app)
        await pilot.resize_terminal(30, 10)
        await pilot.pause()
        assert last_line(app) == "esc Back b Beta ? Help q Quit"

        await pilot.resize_terminal(29, 10)
        await pilot.pause()
        assert last_line(app) == "esc Back … ? Help q Quit"


async def test_a_click_presses_the_key_under_it_and_the_pointer_is_told_what_it_does() -> None:
    app = Pages()
    async with app.run_test(size=(60, 10)) as pilot:
        page, keys = app.screen, app.screen.query_one(Keys)
        assert isinstance(page, Page)
        at = last_line(app).index("Alpha")
        await pilot.hover(Keys, offset=(at, 0))
        assert keys.tooltip == "Presses alpha."
        await pilot.click(Keys, offset=(at, 0))
        await pilot.click(Keys, offset=(last_line(app).index("Beta"), 0))
        await pilot.click(Keys, offset=(last_line(app).index("▏") - 2, 0))
        await pilot.pause()
        assert page.pressed == ["a", "b"]
        await pilot.hover(Static)
        await pilot.click(Keys, offset=(last_line(app).index("palette"), 0))
        await pilot.pause()
        assert app.screen is not page


async def test_a_key_that_cannot_be_used_is_dim_and_a_click_on_it_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Pages()
    rung: list[bool] = []
    monkeypatch.setattr(app, "bell", lambda: rung.append(True))
    async with app.run_test(size=(60, 10)) as pilot:
        page = app.screen
        assert isinstance(page, Page)
        page.open = {"a"}
        page.refresh_bindings()
        await pilot.pause()
        strip = app.screen._compositor.render_strips()[-1]
        colours = {segment.text.strip(): segment.style.color for segment in strip if segment.style}
        assert colours["Beta"] != colours["Alpha"] == colours["Help"]
        await pilot.click(Keys, offset=(last_line(app).index("Beta"), 0))
        assert (rung, page.pressed) == ([True], [])


@pytest.mark.parametrize(
    ("key", "shown"), [("enter", "enter"), ("backspace", "backspace"), ("ctrl+t", "^t"), ("left", "←")]
)
def test_keys_have_names_that_every_font_can_show(tmp_path: Path, key: str, shown: str) -> None:
    app = CnntrainApp(runs_root=tmp_path)
    assert app.get_key_display(Binding(key, "act", "Act")) == shown
    assert plain(shown).isascii()
    assert "?" not in plain(shown)
