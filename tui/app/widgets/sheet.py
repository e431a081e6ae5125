"""A panel of lines that somebody else has written, for the width that there is."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from tui.app.palette import Tone
from tui.app.widgets.panel import Row, Run, ScrollPanel, fit

Write = Callable[[int], list[Row]]
"""Given the width in cells, the lines."""


class Sheet(ScrollPanel):
    """Shows what `show` is given; scrolls if it is more than fits."""

    def __init__(self, title: str, number: int = 0, *, id: str | None = None, waiting: str = "") -> None:
        super().__init__(title, number, id=id)
        self._write: Write = lambda width: [((waiting, "muted"),)]
        self._lines: list[Row] = []
        self._drawn = -1
        self._note = ""

    def show(self, write: Write, note: str = "") -> None:
        """Show other lines, with a few words behind the title."""
        self._write, self._note, self._drawn = write, note, -1
        self.redraw()

    def note(self) -> Row:
        """Return what stands behind the title."""
        return ((self._note, "muted"),) if self._note else ()

    def count(self, width: int) -> int:
        """Return how many lines there are."""
        if self._drawn != width:
            self._lines, self._drawn = self._write(width), width
        return len(self._lines)

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return some of them."""
        return self._lines[first:last]


def paragraph(text: str, width: int, tone: Tone = "text") -> list[Row]:
    """Return sanitized text, wrapped."""
    return [((line, tone),) for line in textwrap.wrap(text, max(10, width)) or [""]]


def table(rows: Sequence[Sequence[str]], width: int, *, heading: bool = True) -> list[Row]:
    """Return lines of aligned cells: the first column takes what is left, and names are cut in their middle.

    Args:
        rows: sanitized cells, all rows of one length; the first is the heading if there is one.
        width: cells that there are.
        heading: whether the first row stands out.
    """
    if not rows:
        return []
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    while len(widths) > 2 and sum(widths[1:]) + 2 * len(widths) > width - 10:
        del widths[-1]
    first = min(widths[0], max(8, width - sum(widths[1:]) - 2 * (len(widths) - 1)))
    lines: list[Row] = []
    for number, row in enumerate(rows):
        head = heading and number == 0
        runs: list[Run] = [(fit(row[0], first), "muted" if head else "text")]
        for cell, room in zip(row[1:], widths[1:], strict=False):
            runs.append((f"  {cell:>{room}}", "muted" if head else "strong"))
        lines.append(tuple(runs))
    return lines
