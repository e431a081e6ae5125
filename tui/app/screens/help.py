"""What the keys do on the screen below: told by the bindings themselves, there is no second list."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui.app.widgets.columns import Cell, line

_WIDTHS = (14, 16)


class HelpScreen(ModalScreen[None]):
    """Lists the keys of ``screen`` as they are when it opens."""

    CSS_PATH = "help.tcss"
    BINDINGS = [
        Binding("escape,question_mark,f1,q", "dismiss", "Close", id="help.close", tooltip="Close this help."),
    ]

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._about = screen

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box"):
            yield Static(Content.styled("Keys on this screen", "bold"), id="heading")
            with Container(id="keys"):
                for keys, title, explanation in rows(self._about):
                    with_keys = line([Cell(keys, _WIDTHS[0], "bold $accent"), Cell(title, _WIDTHS[1])])
                    yield Static(with_keys, classes="keys")
                    yield Static(Content(explanation), classes="explanation")
            if legend := getattr(self._about, "LEGEND", ""):
                yield Static(Content(legend), id="legend")
            yield Static(
                Content("Ctrl+P searches all commands. With the mouse: click, scroll, or press a key in the footer."),
                id="more",
            )


def rows(screen: Screen[Any]) -> list[tuple[str, str, str]]:
    """Return (keys, what they do, explanation) of everything that has a key on ``screen`` now.

    Bindings without an id are not ours: what arrows do in a list or letters in a field needs no words.
    """
    found: dict[str, tuple[list[str], str, str]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.id:
            keys, _, _ = found.setdefault(binding.id, ([], binding.description, binding.tooltip))
            key = screen.app.get_key_display(binding)
            if key not in keys:
                keys.append(key)
    return [(" ".join(keys), title, explanation) for keys, title, explanation in found.values()]
