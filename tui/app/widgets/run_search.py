"""The line above the runs in which a person says which ones to show, and what is said about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from tui.app.widgets.text_field import TextField
from tui.core.text import clean
from tui.runs.filter import Filter, FilterError


class Typed(TextField):
    """What is typed; the keys that end it stand in the footer instead of those that would only be typed, too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Done", id="search.done", tooltip="Go to what was found."),
        Binding(
            "escape",
            "screen.leave_search",
            "All runs",
            id="search.leave",
            tooltip="Show all runs again.",
        ),
    ]


class RunSearch(Horizontal):
    """A field, hidden until `open` is called."""

    DEFAULT_CSS = """
    RunSearch { height: 1; display: none; padding: 0 1; }
    RunSearch #sign { width: 2; color: $accent; }
    RunSearch TextField { width: 1fr; }
    RunSearch #says {
        width: auto; max-width: 60%; padding-left: 2; color: $text-muted;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    RunSearch.-wrong { height: auto; layout: grid; grid-size: 2; grid-columns: 2 1fr; grid-rows: 1 auto; }
    RunSearch.-wrong #says { column-span: 2; width: 1fr; max-width: 100%; max-height: 3; text-wrap: wrap; }
    """

    @dataclass
    class Changed(Message):
        """Something else is wanted."""

        text: str

    class Entered(Message):
        """The person is done with typing, and it is a filter."""

    def compose(self) -> ComposeResult:
        yield Static(Content("/"), id="sign")
        yield Typed(placeholder="words, or best.accuracy>70% and lr<0.1", id="text", select_on_focus=False)
        yield Static(id="says")

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(TextField).value.strip()

    def open(self) -> None:
        """Let a person type."""
        self.display = True
        self.query_one(TextField).focus()

    def close(self) -> bool:
        """Ask for all runs again; return whether it was open."""
        was_open = self.display
        self.display = False
        self.query_one(TextField).value = ""
        return was_open

    def say(self, words: str) -> None:
        """Show how many were found."""
        self.set_class(False, "-wrong")
        self.query_one("#says", Static).update(Content(words))

    def say_wrong(self, error: FilterError) -> None:
        """Show what is wrong, on lines of its own: it would be cut beside the field."""
        self.set_class(True, "-wrong")
        words = f"{error.cause[0].upper()}{error.cause[1:]}. {error.next_step}"
        self.query_one("#says", Static).update(Content.styled(clean(words, 400), "$text-warning"))

    @on(TextField.Changed)
    def _changed(self, event: TextField.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(self.text))

    @on(TextField.Submitted)
    def _submitted(self, event: TextField.Submitted) -> None:
        event.stop()
        try:
            Filter(self.text)
        except FilterError:
            return  # what is wrong stands there; elsewhere the keys that correct it would be commands
        self.post_message(self.Entered())
