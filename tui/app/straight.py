"""Rows of widgets that go straight into what the terminal is to show, past Textual's messages and its compositor.

For a few rows that changed, Textual sends four messages, waits for a timer, and asks every widget on the screen for its
lines. Where nothing lies over the rows, the result is the rows themselves. What is read of the compositor is private.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from textual.geometry import Region
from textual.screen import Screen
from textual.widget import Widget

from tui.app.frame import Piece

Changed = tuple[Widget, Sequence[int]]
"""A widget, and those of its rows that changed."""


def uncovered(screen: Screen[Any], changed: Iterable[Changed]) -> list[Piece] | None:
    """Return the rows as pieces of the screen; None where one is covered, cut, or about to be somewhere else."""
    if screen._layout_required or screen._scroll_required or screen._compositor._full_map_invalidated:
        return None
    seen = screen._compositor.visible_widgets  # from the front to the back
    pieces: list[Piece] = []
    for widget, rows in changed:
        if widget not in seen:
            return None
        region, clip = seen[widget]
        if not clip.contains_region(region):
            return None
        for other, (place, cut) in seen.items():
            if other is widget:
                break
            if place.overlaps(region) and cut.overlaps(region):
                return None
        rows = [y for y in rows if y < region.height]
        first, last = min(rows, default=0), max(rows, default=-1)
        lines = widget.render_lines(Region(0, first, region.width, last - first + 1))
        pieces += [Piece(region.y + y, region.x, lines[y - first]) for y in rows]
    return pieces
