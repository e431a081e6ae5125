"""The keys of a screen at its bottom: all where there is room, else as many as leave those of help and of leaving."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

_AROUND, _TIGHT = 3, 2
"""Cells of a key beside its name and what it does, and where room is scarce."""


@dataclass(frozen=True)
class Fit:
    """What a width has room for."""

    palette: bool = True
    """The palette's key."""
    tight: bool = False
    """Whether keys stand close to each other."""
    left_out: frozenset[str] = frozenset()
    """Names of keys that have no place."""


class Keys(Footer):
    """Shows the palette's key if there is room, and leaves out the last of the screen's own keys if there is none.

    Those of the app (help, quit) and Escape are always shown: help tells of all others.
    """

    DEFAULT_CSS = """
    Keys.-tight FooterKey .footer-key--key {
        padding: 0 1 0 0;
    }
    """

    fit = Fit()
    """What there was room for."""

    def compose(self) -> ComposeResult:
        """Leave out what would lie over another key, or beyond the edge."""
        keys = list(super().compose())
        self.fit = self._fitting(keys)
        self.set_class(self.fit.tight, "-tight")
        yield from (key for key in keys if not self._without(key))

    async def on_resize(self) -> None:
        """See whether there is room now."""
        if self.fit != self._fitting(list(super().compose())):
            await self.recompose()

    def _without(self, key: Widget) -> bool:
        if not isinstance(key, FooterKey):
            return False
        return not self.fit.palette if _is_palette(key) else key.key in self.fit.left_out

    def _fitting(self, keys: list[Widget]) -> Fit:
        room = self.app.size.width
        shown = [key for key in keys if isinstance(key, FooterKey)]
        if _width(shown, _AROUND) <= room:
            return Fit()
        shown = [key for key in shown if not _is_palette(key)]
        if _width(shown, _AROUND) <= room:
            return Fit(palette=False)
        kept = {active.binding.key for active in self.screen.active_bindings.values() if active.node is self.app}
        left_out: set[str] = set()
        for key in reversed([key for key in shown if key.key not in kept and key.key != "escape"]):
            if _width(shown, _TIGHT) <= room:
                break
            shown.remove(key)
            left_out.add(key.key)
        return Fit(palette=False, tight=True, left_out=frozenset(left_out))


def _is_palette(key: Widget) -> bool:
    return key.has_class("-command-palette")


def _width(keys: list[FooterKey], around: int) -> int:
    return sum(cell_len(key.key_display) + cell_len(key.description) + around + 2 * _is_palette(key) for key in keys)
