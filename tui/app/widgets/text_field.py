"""A one-line text input that holds nothing a terminal could obey, whatever is pasted into it."""

from __future__ import annotations

from textual import events
from textual.widgets import Input


class TextField(Input):
    """An `Input` without border; control characters and half characters are taken out of its value."""

    DEFAULT_CSS = """
    TextField {
        border: none;
        height: 1;
        padding: 0 1;
        background: $surface;
        &:focus { border: none; background: $panel; background-tint: $foreground 0%; }
        &.-invalid, &.-invalid:focus { border: none; }
    }
    """

    def on_mount(self) -> None:
        """A cursor that blinks is two updates a second for nothing."""
        self.cursor_blink = False

    def validate_value(self, value: str) -> str:
        """Keep what can be printed."""
        return value if value.isprintable() else "".join(letter for letter in value if letter.isprintable())

    async def _on_key(self, event: events.Key) -> None:
        """Let keys that edit act when they come: Textual has them wait until letters typed behind them are there."""
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            own = not binding.priority and "." not in binding.action
            if own and await self.app.run_action(binding.action, self):
                event.stop()
                event.prevent_default()
                return
        await super()._on_key(event)
