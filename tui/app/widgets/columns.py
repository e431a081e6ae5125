"""One line of aligned cells: every list on the screen is made of them, so that columns stay where they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.content import Content


@dataclass(frozen=True)
class Cell:
    """A text in a column; it is cut with an ellipsis, never wrapped, and never read as markup."""

    text: str
    width: int
    """In terminal cells. A column of no width is left out."""
    style: str = ""
    right: bool = False


def line(cells: Iterable[Cell], gap: int = 2) -> Content:
    """Return the cells side by side, ``gap`` blanks between them."""
    return Content(" " * gap).join([_drawn(cell) for cell in cells if cell.width > 0])


def fit(text: str, width: int) -> str:
    """Return ``text`` in exactly ``width`` cells, cut with an ellipsis or filled with blanks."""
    return Content(text).truncate(width, ellipsis=True, pad=True).plain


def _drawn(cell: Cell) -> Content:
    content = Content.styled(cell.text, cell.style).truncate(cell.width, ellipsis=True)
    missing = cell.width - content.cell_length
    return content.pad_left(missing) if cell.right else content.pad_right(missing)
