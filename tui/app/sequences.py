"""The control sequences for cells that changed: as few bytes as possible, of the kind that every terminal knows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple


class Pen(NamedTuple):
    """How a cell is drawn: parameters of the SGR sequence."""

    attributes: str
    foreground: str
    background: str


PLAIN = Pen("", "", "")
NARROW = frozenset(
    chr(point)
    for first, last in ((0x20, 0x7E), (0xA1, 0xAC), (0xAE, 0x2FF), (0x370, 0x482), (0x2500, 0x25FC), (0x2800, 0x28FF))
    for point in range(first, last + 1)
)
"""Characters that every terminal shows in one cell."""
SEEN_ON_BLANKS = {"4", "7", "9", "21", "51", "52", "53"}
"""Attributes that show on a blank: underline, reverse, strike-through, frames, overline."""
_RESET = "\x1b[m"
_ENDED_BY = {"1": "22", "2": "22", "3": "23", "4": "24", "7": "27", "9": "29"}
"""What ends an attribute, where that is known everywhere."""


class Sequences:
    """Collects what is written for cells.

    Args:
        width: of the terminal.
    """

    def __init__(self, width: int) -> None:
        self.size = 0
        """Bytes so far, or a few more."""
        self._width = width
        self._out: list[str] = []
        self._pen = PLAIN
        self._y = -1
        self._x = -1

    def cell(self, y: int, x: int, text: str, pen: Pen, row_texts: list[str | None], row_pens: list[Pen]) -> None:
        """Write a cell; the row is what the terminal shows, which the way there may pass over."""
        if y != self._y or x != self._x:
            self._move(y, x, row_texts, row_pens)
        if pen is not self._pen and not self._suits(text, pen):
            self._turn(text, pen)
        self._put(text)
        if text in NARROW and x + 1 < self._width:
            self._y, self._x = y, x + 1
        else:  # where the cursor is now depends on the terminal
            self._y = self._x = -1

    def finish(self) -> str:
        """Return all of it."""
        if self._pen != PLAIN:
            self._out.append(_RESET)
        return "".join(self._out)

    def _put(self, text: str) -> None:
        self._out.append(text)
        self.size += len(text) if text.isascii() else 3 * len(text)

    def _move(self, y: int, x: int, row_texts: list[str | None], row_pens: list[Pen]) -> None:
        if y == self._y and 0 <= self._x < x <= self._x + 4:
            between = row_texts[self._x : x]
            if all(text is not None and text.isascii() and text for text in between) and all(
                self._suits(text, pen) for text, pen in zip(between, row_pens[self._x : x], strict=True)
            ):
                for text in between:
                    self._put(text or "")
                self._y, self._x = y, x
                return
        self._put(min(self._ways(y, x), key=len))
        self._y, self._x = y, x

    def _ways(self, y: int, x: int) -> Iterator[str]:
        """Yield the ways to a cell from where the cursor is."""
        yield f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H" if y else "\x1b[H"
        if self._y < 0:
            return
        vertical = _steps(y - self._y, "B", "A")
        yield vertical + _steps(x - self._x, "C", "D")
        if x == 0:
            yield vertical + "\r"

    def _suits(self, text: str | None, pen: Pen) -> bool:
        """Return whether a cell looks right in the pen that is in hand."""
        if pen == self._pen:
            return True
        return (
            text == " "
            and not pen.attributes
            and pen.background == self._pen.background
            and not SEEN_ON_BLANKS.intersection(self._pen.attributes.split(";"))
        )

    def _turn(self, text: str, pen: Pen) -> None:
        """Take another pen in hand: by what differs, or from none at all where that is shorter."""
        written, self._pen = _turned(self._pen, pen, text == " ")
        if written:
            self._put(f"\x1b[{written}m")


def _steps(count: int, onwards: str, back: str) -> str:
    """Return what moves the cursor by so many cells, onwards or back."""
    if count == 0:
        return ""
    return f"\x1b[{abs(count) if abs(count) > 1 else ''}{onwards if count > 0 else back}"


@lru_cache(maxsize=1024)
def _turned(now: Pen, pen: Pen, blank: bool) -> tuple[str, Pen]:
    """Return the parameters that lead from one pen to another, for a blank or not, and the pen that is then in hand."""
    ways: list[tuple[list[str], Pen]] = []
    if (codes := _switches(now.attributes, pen.attributes)) is not None:
        ways.append((codes, now._replace(attributes=pen.attributes)))
    if pen.attributes != now.attributes:
        ways.append((["0", pen.attributes] if pen.attributes else ["0"], Pen(pen.attributes, "", "")))
    return min((_coloured(codes, have, blank, pen) for codes, have in ways), key=lambda way: len(way[0]))


def _switches(before: str, after: str) -> list[str] | None:
    """Return what leads from attributes to others one by one; None where some can be ended by a reset only."""
    now, then = (set(one.split(";")) - {""} for one in (before, after))
    if not (now - then) <= _ENDED_BY.keys():
        return None
    ends = {_ENDED_BY[one] for one in now - then}
    return [*sorted(ends), *sorted(one for one in then if one not in now or _ENDED_BY.get(one) in ends)]


def _coloured(codes: list[str], have: Pen, blank: bool, pen: Pen) -> tuple[str, Pen]:
    """Return the codes with those for the colours that the pen in hand has not; and what it is then."""
    if pen.foreground != have.foreground and not (blank and not pen.attributes and not pen.foreground):
        codes = [*codes, pen.foreground or "39"]
        have = have._replace(foreground=pen.foreground)
    if pen.background != have.background:
        codes = [*codes, pen.background or "49"]
        have = have._replace(background=pen.background)
    return ";".join(codes), have
