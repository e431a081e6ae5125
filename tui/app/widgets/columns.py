"""One line of aligned cells: every list on the screen is made of them, so that columns stay where they are."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from tui.core.text import clean

_PERCENT = re.compile(r"(?<=\d) %")


@dataclass(frozen=True)
class Cell:
    """A text in a column; it is cut with an ellipsis, never wrapped, and never read as markup."""

    text: str
    width: int
    """In terminal cells. A column of no width is left out."""
    style: str = ""
    right: bool = False
    middle: bool = False
    """Whether it is cut in its middle: names of runs differ at their ends."""


def line(cells: Iterable[Cell], gap: int = 2) -> Content:
    """Return the cells side by side, ``gap`` blanks between them."""
    return Content(" " * gap).join([_drawn(cell) for cell in cells if cell.width > 0])


def fit(text: str, width: int) -> str:
    """Return ``text`` in exactly ``width`` cells, cut with an ellipsis or filled with blanks."""
    return Content(text).truncate(width, ellipsis=True, pad=True).plain


def within(text: str, width: int) -> str:
    """Return sanitized text in at most ``width`` cells, cut in its middle."""
    limit = width
    while cell_len(shown := clean(text, max(0, limit))) > width > 0:
        limit -= max(1, (cell_len(shown) - width) // 2)
    return shown if width > 0 else ""


def wrapped(text: str, width: int) -> list[str]:
    """Return a sentence as lines; names are not broken at their hyphens, nor numbers before their per cent."""
    kept = _PERCENT.sub("\u00a0%", text)
    return [line.replace("\u00a0", " ") for line in textwrap.wrap(kept, max(1, width), break_on_hyphens=False)] or [""]


def _drawn(cell: Cell) -> Content:
    text = within(cell.text, cell.width) if cell.middle else cell.text
    content = Content.styled(text, cell.style).truncate(cell.width, ellipsis=True)
    missing = cell.width - content.cell_length
    return content.pad_left(missing) if cell.right else content.pad_right(missing)
