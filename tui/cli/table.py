"""Columns of text that line up on a terminal, whatever characters are in them."""

from __future__ import annotations

from collections.abc import Sequence

from tui.core.text import clean

_GAP = "  "


def aligned(
    rows: Sequence[Sequence[str]], *, room: int | None, shrink: Sequence[int] = (0,), right: Sequence[int] = ()
) -> list[str]:
    """Return one sanitized line per row.

    Args:
        rows: the heading first; all of one length.
        room: columns of the terminal, or None for any length.
        shrink: the columns that are shortened, in this order, when a line does not fit.
        right: the columns that are aligned to the right.
    """
    from rich.cells import cell_len

    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    if room is not None:
        for index in shrink:
            over = sum(widths) + len(_GAP) * (len(widths) - 1) - room
            widths[index] -= max(0, min(over, widths[index] - 8))
    lines = []
    for row in cells:
        line = _GAP.join(
            _padded(cell, width, index in right) for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append(_cut(line.rstrip(), room) if room is not None else line.rstrip())
    return lines


def _padded(cell: str, width: int, right: bool) -> str:
    from rich.cells import cell_len

    cell = _cut(cell, width)
    space = " " * (width - cell_len(cell))
    return space + cell if right else cell + space


def _cut(text: str, width: int) -> str:
    """Return ``text`` shortened in the middle to at most ``width`` cells; a wide character counts two."""
    from rich.cells import cell_len

    limit = width
    shown = text
    while cell_len(shown) > width:
        shown = clean(text, limit)
        limit -= 1
    return shown
