"""What the terminal shows, cell by cell, so that an update writes only the cells that differ.

Textual's own update of a region writes whole rows of it. Over a slow line that is twenty times as much
as what really changed; here each cell that was written is remembered and compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._cells import cell_len
from textual.strip import SGR_STYLES


class Pen(NamedTuple):
    """How a cell is drawn: parameters of the SGR sequence."""

    attributes: str
    foreground: str
    background: str


class Piece(NamedTuple):
    """Content for a part of a row."""

    y: int
    x: int
    segments: Iterable[Segment]


class UnexpectedError(Exception):
    """The content has something in it that cells cannot hold: a link or a control sequence."""


_RESET = "\x1b[m"
_PLAIN = Pen("", "", "")
_NARROW = frozenset(
    chr(point)
    for first, last in ((0x20, 0x7E), (0xA1, 0xAC), (0xAE, 0x2FF), (0x370, 0x482), (0x2500, 0x25FC), (0x2800, 0x28FF))
    for point in range(first, last + 1)
)
"""Characters that every terminal shows in one cell."""
_MOST_PENS = 50_000
_SEEN_ON_BLANKS = {"4", "7", "9", "21", "51", "52", "53"}
"""Attributes that show on a blank: underline, reverse, strike-through, frames, overline."""


class Frame:
    """The cells of a terminal. An empty text is the second half of a wide character; None is unknown."""

    def __init__(self, colours: ColorSystem) -> None:
        self.width = 0
        self.height = 0
        self._colours = colours
        self._texts: list[list[str | None]] = []
        self._pens: list[list[Pen]] = []
        self._pen_of: dict[tuple[Style | None, bool], Pen] = {}
        self._known_pens: dict[Pen, Pen] = {_PLAIN: _PLAIN}

    def forget(self) -> None:
        """Take nothing for granted any more: something else may have written to the terminal."""
        self._texts = [[None] * self.width for _ in range(self.height)]
        self._pens = [[_PLAIN] * self.width for _ in range(self.height)]

    def fit(self, width: int, height: int) -> None:
        """Take on the size of the terminal; another size than before makes all cells unknown."""
        if (width, height) != (self.width, self.height):
            self.width, self.height = width, height
            self.forget()

    def update(self, pieces: Iterable[Piece]) -> str:
        """Put the pieces in and return what has to be written for the terminal to show them; may be empty.

        Raises:
            UnexpectedError: a piece cannot be held in cells. The frame must be forgotten then.
        """
        writer = _Writer(self.width)
        for y, x, segments in pieces:
            if not 0 <= y < self.height:
                continue
            texts, pens = self._cells(segments)
            if x < 0 or x + len(texts) > self.width:
                raise UnexpectedError("content outside the screen")
            self._put(writer, y, x, texts, pens)
        return writer.finish()

    def row(self, y: int) -> list[tuple[str | None, Pen]]:
        """Return the cells of a row, for tests."""
        return list(zip(self._texts[y], self._pens[y], strict=True))

    def _put(self, writer: _Writer, y: int, x: int, texts: list[str], pens: list[Pen]) -> None:
        end = x + len(texts)
        old_texts, old_pens = self._texts[y], self._pens[y]
        if old_texts[x:end] == texts and old_pens[x:end] == pens:
            return
        differ = [
            position
            for position, (text, pen) in enumerate(zip(texts, pens, strict=True), x)
            if text != old_texts[position] or pen is not old_pens[position]
        ]
        old_texts[x:end] = texts
        old_pens[x:end] = pens
        last = -1
        for position in differ:
            start = position
            while start > 0 and old_texts[start] == "":  # a wide character is written from its first half
                start -= 1
            for place in range(start, position + 1):
                text = old_texts[place]
                if place > last and text:
                    writer.cell(y, place, text, old_pens[place], old_texts, old_pens)
                    last = place

    def _cells(self, segments: Iterable[Segment]) -> tuple[list[str], list[Pen]]:
        texts: list[str] = []
        pens: list[Pen] = []
        for text, style, control in segments:
            if control:
                raise UnexpectedError("a control sequence")
            pen = self._pen(style, False)
            if _NARROW.issuperset(text):
                texts.extend(text)
            else:
                _spread(text, texts)
            count = len(texts) - len(pens)
            if " " in text:
                blank = self._pen(style, True)
                pens.extend([blank if cell == " " else pen for cell in texts[-count:]])
            else:
                pens.extend([pen] * count)
        return texts, pens

    def _pen(self, style: Style | None, blank: bool) -> Pen:
        pen = self._pen_of.get((style, blank))
        if pen is None:
            pen = self._make_pen(style, blank)
            pen = self._known_pens.setdefault(pen, pen)
            if len(self._pen_of) > 4096:
                self._pen_of.clear()
            if len(self._known_pens) > _MOST_PENS:
                # Pictures have a pen for each pair of colours. What is forgotten is written once more than needed.
                self._known_pens = {_PLAIN: _PLAIN, pen: pen}
            self._pen_of[style, blank] = pen
        return pen

    def _make_pen(self, style: Style | None, blank: bool) -> Pen:
        if style is None:
            return _PLAIN
        if style.link:
            raise UnexpectedError("a link")
        bits = style._attributes & style._set_attributes
        attributes = [code for bit, code in enumerate(SGR_STYLES) if bits & (1 << bit)]
        colour, background = style.color, style.bgcolor
        front = ";".join(colour.downgrade(self._colours).get_ansi_codes()) if colour else ""
        back = ";".join(background.downgrade(self._colours).get_ansi_codes(False)) if background else ""
        if blank and not _SEEN_ON_BLANKS.intersection(attributes):
            # What colour a blank would be written in makes no difference.
            return Pen("", "", "" if back == "49" else back)
        return Pen(";".join(attributes), "" if front == "39" else front, "" if back == "49" else back)


def _spread(text: str, cells: list[str]) -> None:
    """Append text to cells: what has no width joins the cell before, what is wide takes two."""
    for character in text:
        width = 1 if character in _NARROW else cell_len(character)
        if width == 0:
            at = len(cells) - 1
            while at >= 0 and cells[at] == "":
                at -= 1
            if at >= 0:
                cells[at] += character
            continue
        cells.append(character)
        if width == 2:
            cells.append("")


class _Writer:
    """Collects the sequences for changed cells, with as few moves and colours as possible."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._out: list[str] = []
        self._pen = _PLAIN
        self._y = -1
        self._x = -1

    def cell(self, y: int, x: int, text: str, pen: Pen, row_texts: list[str | None], row_pens: list[Pen]) -> None:
        if y != self._y or x != self._x:
            self._move(y, x, row_texts, row_pens)
        self._turn(text, pen)
        self._out.append(text)
        if len(text) == 1 and text in _NARROW and x + 1 < self._width:
            self._y, self._x = y, x + 1
        else:  # where the cursor is now depends on the terminal
            self._y = self._x = -1

    def finish(self) -> str:
        if self._pen != _PLAIN:
            self._out.append(_RESET)
        return "".join(self._out)

    def _move(self, y: int, x: int, row_texts: list[str | None], row_pens: list[Pen]) -> None:
        if y == self._y and 0 <= self._x < x:
            between = row_texts[self._x : x]
            if (
                x - self._x <= 4
                and all(text is not None and text.isascii() and text for text in between)
                and all(self._suits(text, pen) for text, pen in zip(between, row_pens[self._x : x], strict=True))
            ):
                self._out.extend(text for text in between if text)
            else:
                self._out.append(f"\x1b[{x - self._x}C" if x - self._x > 1 else "\x1b[C")
        else:
            self._out.append(f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H")
        self._y, self._x = y, x

    def _suits(self, text: str | None, pen: Pen) -> bool:
        if pen == self._pen:
            return True
        return (
            text == " "
            and not pen.attributes
            and pen.background == self._pen.background
            and not _SEEN_ON_BLANKS.intersection(self._pen.attributes.split(";"))
        )

    def _turn(self, text: str, pen: Pen) -> None:
        if self._suits(text, pen):
            return
        now, codes = self._pen, []
        if pen.attributes != now.attributes:
            codes = ["0"]
            if pen.attributes:
                codes.append(pen.attributes)
            now = Pen(pen.attributes, "", "")
        if pen.foreground != now.foreground and not (text == " " and not pen.attributes and not pen.foreground):
            codes.append(pen.foreground or "39")
            now = now._replace(foreground=pen.foreground)
        if pen.background != now.background:
            codes.append(pen.background or "49")
            now = now._replace(background=pen.background)
        self._pen = now
        if codes:
            self._out.append(f"\x1b[{';'.join(codes)}m")
