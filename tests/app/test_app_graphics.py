"""Pictures in pixels: when a terminal is taken to show them, and what is sent to one that does."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from emulator import written
from PIL import Image
from rich.color import ColorSystem
from rich.style import Style
from textual.app import App, ComposeResult
from walking import breathe

from tui.app import graphics
from tui.app.frame import Frame, Piece
from tui.app.widgets.cells import drawn, way_of
from tui.app.widgets.exhibit import Exhibit
from tui.app.widgets.exhibit import Piece as Shown
from tui.core.errors import UsageError

PLACEHOLDER = "\U0010eeee"


@pytest.fixture(autouse=True)
def cells() -> Iterator[None]:
    yield
    graphics.use("cells")
    graphics._sent.clear()


class Terminal:
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-256color"}, "cells"),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "foot-direct"}, "sixel"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "sixel"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "sixel"),  # which SSH passes on
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux-0/default,1,0", "KITTY_WINDOW_ID": "1"}, "cells"),
        ({"TERM": "screen-256color", "TERM_PROGRAM": "WezTerm"}, "cells"),
        ({}, "cells"),
    ],
)
def test_what_a_terminal_is_taken_for(
    environment: dict[str, str], protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "__stdout__", Terminal())
    assert graphics.promised(environment) == protocol
    monkeypatch.setattr(sys, "__stdout__", None)
    assert graphics.promised(environment) == "cells"


def test_a_person_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    graphics.use("kitty")
    graphics.prepare({"TERM": "xterm-kitty", "CNNTRAIN_PICTURES": "cells"})
    assert graphics.protocol() == "cells"
    with pytest.raises(UsageError, match='CNNTRAIN_PICTURES is "ascii"'):
        graphics.prepare({"CNNTRAIN_PICTURES": "ascii"})


def test_the_library_is_not_touched_where_it_cannot_help(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("textual_image")]:
        monkeypatch.delitem(sys.modules, name)
    graphics.prepare({"TERM": "xterm-256color"})
    assert not [name for name in sys.modules if name.startswith("textual_image")]


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("textual_image", "textual_image._terminal", "textual_image.renderable"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys, "__stdout__", Terminal())
    graphics.prepare({"TERM": "xterm-kitty"})
    assert graphics.protocol() == "cells"
    with pytest.raises(UsageError, match=r"needs the package textual-image.*cnntrain\[pictures\]"):
        graphics.prepare({"CNNTRAIN_PICTURES": "sixel"})


def test_a_chosen_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("textual_image.renderable")
    for wanted in ("kitty", "sixel"):
        graphics.prepare({"TERM": "tmux-256color", "TMUX": "x", "CNNTRAIN_PICTURES": wanted})
        assert graphics.protocol() == wanted


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    tgp = pytest.importorskip("textual_image.renderable.tgp")
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(tgp, "_send_tgp_message", lambda **fields: sent.append(fields))
    return sent


def test_a_kitty_terminal_gets_the_pixels_and_cells_that_stand_for_them(messages: list[dict[str, Any]]) -> None:
    pixels = Image.linear_gradient("L").resize((60, 30)).convert("RGB").tobytes()
    lines = drawn(pixels, 60, 30, 20, 8, "kitty", Style())
    assert ["".join(segment.text for segment in line).count(PLACEHOLDER) for line in lines] == [
        0,
        20,
        20,
        20,
        20,
        20,
        0,
        0,
    ]
    content = base64.b64decode("".join(message["payload"] for message in messages if "f" in message))
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert image.width == 2 * image.height
    placement = messages[-1]
    assert (placement["a"], placement["c"], placement["r"], placement["U"]) == ("p", 20, 5, 1)
    style = next(segment.style for segment in lines[1] if PLACEHOLDER in segment.text)
    assert style is not None
    assert style.color is not None
    assert style.color.triplet is not None
    red, green, blue = style.color.triplet
    assert (red << 16) | (green << 8) | blue == placement["i"] & 0xFFFFFF
    # They are cells like all others: written once, and again only when they change.
    frame = Frame(ColorSystem.TRUECOLOR)
    frame.fit(20, 8)
    assert written(frame, [Piece(y, 0, line) for y, line in enumerate(lines)]).count(PLACEHOLDER) == 100
    assert written(frame, [Piece(y, 0, line) for y, line in enumerate(lines)]) == ""


def test_a_terminal_is_told_what_to_forget(messages: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics, "_MOST", 3)
    for _ in range(5):
        graphics.placed(Image.new("RGB", (4, 4)), 2, 1)
    assert sum(message.get("a") == "d" for message in messages) == 2
    graphics.forget()
    assert sum(message.get("a") == "d" for message in messages) == 5


class ExhibitApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Exhibit(id="exhibit")


async def test_kitty_needs_all_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    graphics.use("kitty")
    monkeypatch.setenv("COLORTERM", "truecolor")
    async with ExhibitApp().run_test() as pilot:
        monkeypatch.setattr(pilot.app.console, "_color_system", ColorSystem.TRUECOLOR)
        assert way_of(pilot.app) == "kitty"
        monkeypatch.setattr(pilot.app.console, "_color_system", ColorSystem.EIGHT_BIT)
        assert way_of(pilot.app) == "many"


async def test_sixels_lie_over_the_cells_of_their_pictures() -> None:
    widget = pytest.importorskip("textual_image.widget")
    graphics.use("sixel")
    async with ExhibitApp().run_test(size=(60, 20)) as pilot:
        exhibit = pilot.app.query_one(Exhibit)
        pieces = [Shown("one", 40, 20, bytes(40 * 20 * 3)), Shown("none", words="…"), Shown("two", 8, 8, bytes(192))]
        exhibit.show("Three", pieces)
        for _ in range(5):
            await breathe()
        pictures = list(exhibit.query(widget.SixelImage))
        assert [(picture.region.x, picture.region.width, picture.region.height) for picture in pictures] == [
            (0, 18, 4),
            (40, 18, 9),
        ]
        strips = pictures[0].query_one("_ImageSixelImpl").render_lines(pictures[0].region.reset_offset)
        assert any("\x1bP" in segment.text for strip in strips for segment in strip)
        exhibit.show("Three", pieces)  # the same: nothing is laid anew
        assert list(exhibit.query(widget.SixelImage)) == pictures
