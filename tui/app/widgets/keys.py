"""The keys of a screen at its bottom; that of the palette only where it covers none of the others."""

from __future__ import annotations

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

_AROUND = 3
"""Cells of a key beside its name and what it does."""


class Keys(Footer):
    """Shows the palette's key last, if there is room."""

    crowded = False
    """Whether there was none."""

    def compose(self) -> ComposeResult:
        """Leave the palette's key out where it would lie over another one."""
        keys = list(super().compose())
        self.crowded = sum(map(_width, keys)) > self.app.size.width
        yield from (key for key in keys if not (self.crowded and key.has_class("-command-palette")))

    async def on_resize(self) -> None:
        """See whether there is room now."""
        keys = list(super().compose())
        if self.crowded != (sum(map(_width, keys)) > self.app.size.width):
            await self.recompose()


def _width(key: Widget) -> int:
    return cell_len(key.key_display) + cell_len(key.description) + _AROUND if isinstance(key, FooterKey) else 0
