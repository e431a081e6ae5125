"""What the terminal shows and what it is to show, cell by cell: only the cells that differ are written.

Textual's own update of a region writes whole rows of it. Over a slow line that is twenty times as much
as what really changed; here each cell that was written is remembered and compared. What is to be shown need not be
written at once: a slow line takes a part of it, what is urgent first, and of what has changed again since only the
newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._cells import cell_len
from textual.strip import SGR_STYLES

from tui.app.sequences import NARROW, PLAIN, SEEN_ON_BLANKS, Pen, Sequences


class Piece(NamedTuple):
    """Content for a part of a row."""

    y: int
    x: int
    segments: Iterable[Segment]


class UnexpectedError(Exception):
    """The content has something in it that cells cannot hold: a link or a control sequence."""


_MOST_PENS = 50_000


class Frame:
    """The cells of a terminal. An empty text is the second half of a wide character; None is unknown."""

    def __init__(self, colours: ColorSystem) -> None:
        self.width = 0
        self.height = 0
        self._colours = colours
        self._texts: list[list[str | None]] = []
        """What the terminal shows, row by row."""
        self._pens: list[list[Pen]] = []
        self._wanted_texts: list[list[str | None]] = []
        self._wanted_pens: list[list[Pen]] = []
        self._urgent: dict[int, tuple[int, int]] = {}
        """Rows to be written before others, the least first: by minus their urgency, then by the update."""
        self._updates = 0
        self._spans: dict[int, tuple[int, int]] = {}
        """All rows in which something may have to be written, from which cell on and before which."""
        self._pen_of: dict[tuple[Style | None, bool], Pen] = {}
        self._known_pens: dict[Pen, Pen] = {PLAIN: PLAIN}

    def forget(self) -> None:
        """Take nothing for granted any more: something else may have written to the terminal."""
        rows = range(self.height)
        self._texts, self._wanted_texts = [[None] * self.width for _ in rows], [[None] * self.width for _ in rows]
        self._pens, self._wanted_pens = [[PLAIN] * self.width for _ in rows], [[PLAIN] * self.width for _ in rows]
        self._urgent, self._spans = {}, {}

    def fit(self, width: int, height: int) -> None:
        """Take on the size of the terminal; another size than before makes all cells unknown."""
        if (width, height) != (self.width, self.height):
            self.width, self.height = width, height
            self.forget()

    @property
    def behind(self) -> bool:
        """Whether there may be something to write."""
        return bool(self._spans)

    @property
    def urgent(self) -> bool:
        """Whether something of that is urgent."""
        return bool(self._urgent)

    def put(self, pieces: Iterable[Piece], *, urgency: int = 0) -> None:
        """Take what the terminal is to show.

        Args:
            pieces: of the screen.
            urgency: what has more of it is written first; of what is as urgent, but not 0, the earlier update.

        Raises:
            UnexpectedError: a piece cannot be held in cells. The frame must be forgotten then.
        """
        self._updates += 1
        for y, x, segments in pieces:
            if not 0 <= y < self.height:
                continue
            texts, pens = self._cells(segments)
            end = x + len(texts)
            if x < 0 or end > self.width:
                raise UnexpectedError("content outside the screen")
            if self._wanted_texts[y][x:end] == texts and self._wanted_pens[y][x:end] == pens:
                continue
            self._wanted_texts[y][x:end], self._wanted_pens[y][x:end] = texts, pens
            known = self._spans.get(y, (x, end))
            self._spans[y] = min(x, known[0]), max(end, known[1])
            if urgency:
                rank = (-urgency, self._updates)
                self._urgent[y] = min(rank, self._urgent.get(y, rank))

    def write(self, room: int | None = None, first: Sequence[int] = ()) -> str:
        """Return what has to be written next; may be empty. What is left is for the next time.

        Args:
            room: bytes after which to stop; None to write all.
            first: rows that come before others of the same update.
        """
        written = Sequences(self.width)
        last = (0, 0)
        for y in sorted(self._spans, key=lambda y: (self._urgent.get(y, last), y not in first, y)):
            for x in self._differing(y):
                if room is not None and written.size >= room:
                    return written.finish()
                self._write(written, y, x)
            del self._spans[y]
            self._urgent.pop(y, None)
        return written.finish()

    def row(self, y: int) -> list[tuple[str | None, Pen]]:
        """Return the cells of a row as the terminal shows them, for tests."""
        return list(zip(self._texts[y], self._pens[y], strict=True))

    def _differing(self, y: int) -> Iterator[int]:
        """Yield where in a row the terminal shows something else than it is to; what is not known is left out."""
        first, end = self._spans[y]
        shown = zip(self._texts[y][first:end], self._pens[y][first:end], strict=True)
        wanted = zip(self._wanted_texts[y][first:end], self._wanted_pens[y][first:end], strict=True)
        return (
            x
            for x, ((old, old_pen), (text, pen)) in enumerate(zip(shown, wanted, strict=True), first)
            if (text != old or pen is not old_pen) and text is not None
        )

    def _write(self, written: Sequences, y: int, x: int) -> None:
        texts, pens = self._wanted_texts[y], self._wanted_pens[y]
        if texts[x] in NARROW and (x + 1 == self.width or texts[x + 1] != ""):  # as nearly all are
            written.cell(y, x, texts[x] or "", pens[x], self._texts[y], self._pens[y])
            self._texts[y][x], self._pens[y][x] = texts[x], pens[x]
            return
        start = x
        while start > 0 and texts[start] == "":  # a wide character is written from its first half
            start -= 1
        end = start + 1
        while end < self.width and texts[end] == "":
            end += 1
        text = texts[start]
        if text:
            written.cell(y, start, text, pens[start], self._texts[y], self._pens[y])
        self._texts[y][start:end], self._pens[y][start:end] = texts[start:end], pens[start:end]

    def _cells(self, segments: Iterable[Segment]) -> tuple[list[str], list[Pen]]:
        texts: list[str] = []
        pens: list[Pen] = []
        for text, style, control in segments:
            if control:
                raise UnexpectedError("a control sequence")
            pen = self._pen(style, False)
            if NARROW.issuperset(text):
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
                self._known_pens = {PLAIN: PLAIN, pen: pen}
            self._pen_of[style, blank] = pen
        return pen

    def _make_pen(self, style: Style | None, blank: bool) -> Pen:
        if style is None:
            return PLAIN
        if style.link:
            raise UnexpectedError("a link")
        bits = style._attributes & style._set_attributes
        attributes = [code for bit, code in enumerate(SGR_STYLES) if bits & (1 << bit)]
        colour, background = style.color, style.bgcolor
        front = ";".join(colour.downgrade(self._colours).get_ansi_codes()) if colour else ""
        back = ";".join(background.downgrade(self._colours).get_ansi_codes(False)) if background else ""
        if blank and not SEEN_ON_BLANKS.intersection(attributes):
            # What colour a blank would be written in makes no difference.
            return Pen("", "", "" if back == "49" else back)
        return Pen(";".join(attributes), "" if front == "39" else front, "" if back == "49" else back)


def _spread(text: str, cells: list[str]) -> None:
    """Append text to cells: what has no width joins the cell before, what is wide takes two."""
    for character in text:
        width = 1 if character in NARROW else cell_len(character)
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
