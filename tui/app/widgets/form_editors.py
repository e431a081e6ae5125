"""What takes the keys of the form's current field: a text field over its value, or the lines where it is a choice."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.binding import Binding
from textual.message import Message

from tui.app.widgets.form_lines import FormLines
from tui.app.widgets.text_field import TextField


class Editor(TextField):
    """The text field that lies over the value of the current field."""

    DEFAULT_CSS = """
    Editor {
        layer: above;
        position: absolute;
        display: none;
    }
    """

    numeric = False
    """No number has a ``?``: there it stays the key for help."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Leave ``?`` to the screen while a number is edited."""
        return not (self.numeric and character == "?") and super().check_consume_key(key, character)

    async def _on_key(self, event: events.Key) -> None:
        if self.numeric and event.character == "?":
            event.prevent_default()
            return
        await super()._on_key(event)


class ChoiceLines(FormLines):
    """The lines have the focus while the current field is a choice."""

    BINDINGS = [
        Binding("left", "step(-1)", "Previous", id="choice.previous", show=False, tooltip="Take the value before."),
        Binding("right,space", "step(1)", "Next", id="choice.next", show=False, tooltip="Take the next value."),
        Binding(
            "enter",
            "open",
            "Choose",
            id="choice.open",
            tooltip="Choose from a list; type to search in it.",
        ),
    ]

    @dataclass
    class Step(Message):
        """The next value is wanted, or the one before."""

        by: int

    @dataclass
    class Open(Message):
        """The list is wanted, with something typed for its search already."""

        typed: str = ""

    def action_step(self, by: int) -> None:
        """Tell."""
        self.post_message(self.Step(by))

    def action_open(self) -> None:
        """Tell."""
        self.post_message(self.Open())

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Letters and digits are for the search: they are no keys of the screen or the app here."""
        return character is not None and (character.isalnum() or character in "_-")

    def on_key(self, event: events.Key) -> None:
        """A letter is the start of a search; what was typed before the list could take the focus goes there too."""
        late = event.is_printable and not self.screen.is_current
        if event.character is not None and (late or self.check_consume_key(event.key, event.character)):
            event.stop()
            event.prevent_default()
            self.post_message(self.Open(event.character))
