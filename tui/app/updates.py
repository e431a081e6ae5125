"""Textual's updates of a screen, as pieces of a frame; what is read of its compositor is private."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from rich.console import Console
from textual import _compositor
from textual.strip import Strip

from tui.app.frame import Piece

_UPDATE: Any = getattr(_compositor, "CompositorUpdate", object)
_LAYOUT: Any = getattr(_compositor, "LayoutUpdate", None)
_CHOPS: Any = getattr(_compositor, "ChopsUpdate", None)
"""Without them Textual draws its own way."""


class Written(_UPDATE):  # type: ignore[misc]
    """An update that is already a string."""

    def __init__(self, text: str) -> None:
        self.text = text

    def render_segments(self, console: Console) -> str:
        return self.text


class Update(NamedTuple):
    """What an update changes of a screen of this size."""

    width: int
    height: int
    pieces: Iterable[Piece]


def content(renderable: Any) -> Update | None:
    """Return the content of an update, or None when it is of a kind that is not known here."""
    if _LAYOUT is not None and type(renderable) is _LAYOUT:
        region = renderable.region
        at_home = (region.x, region.y) == (0, 0)
        return Update(region.width, region.height, _layout(renderable)) if at_home else None
    if _CHOPS is not None and type(renderable) is _CHOPS:
        width, height = max(ends[-1] for ends in renderable.chop_ends), len(renderable.chops)
        return Update(width, height, _chops(renderable))
    return None


def _layout(update: Any) -> Iterator[Piece]:
    for y, line in enumerate(update.strips):
        x = 0
        for strip in line:
            yield Piece(y, x, strip)
            x += strip.cell_length


def _chops(update: Any) -> Iterator[Piece]:
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=True):
            if strip is None or end <= first or x >= last:
                continue
            piece: Strip = strip
            start = max(x, first)
            if start > x or end > last:
                piece = strip.crop(start - x, min(end, last) - x)
            yield Piece(y, start, piece)
