"""A row of pictures with a word under each: what becomes of one picture, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.app import graphics
from tui.app.widgets.cells import Line, drawn, room_for, way_of
from tui.app.widgets.panel import fit

_GAP = 2


@dataclass(frozen=True)
class Piece:
    """One picture of the row."""

    label: str
    """Sanitized."""
    width: int = 0
    height: int = 0
    pixels: bytes = b""
    """RGB; empty: there is none, or not yet."""
    words: str = ""
    """What stands in its place then, sanitized."""
    chosen: bool = False
    """Stands out as the one in force."""


class Exhibit(Widget):
    """A heading, and pictures of equal room side by side; posts `Chosen` when one is clicked."""

    COMPONENT_CLASSES = {"exhibit--heading", "exhibit--label", "exhibit--chosen", "exhibit--faint"}
    DEFAULT_CSS = """
    Exhibit {
        height: 1fr;
        background: $background;
        & > .exhibit--heading { color: $primary; text-style: bold; }
        & > .exhibit--label { color: $foreground-muted; }
        & > .exhibit--chosen { color: $accent; text-style: bold; }
        & > .exhibit--faint { color: $foreground-muted; }
    }
    """

    @dataclass
    class Chosen(Message):
        """A picture was clicked."""

        exhibit: Exhibit
        index: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._heading = ""
        self._pieces: Sequence[Piece] = ()
        self._lines: dict[int, list[Line]] = {}
        self._laid: tuple[tuple[bytes, int, int], ...] = ()

    @property
    def pieces(self) -> Sequence[Piece]:
        """What is shown."""
        return self._pieces

    def show(self, heading: str, pieces: Sequence[Piece]) -> None:
        """Show these pictures under a heading; both are sanitized."""
        if (heading, pieces) == (self._heading, self._pieces):
            return  # pixels that lie over the cells would be sent again
        self._heading, self._pieces = heading, pieces
        self._lines.clear()
        self._lay()
        self.refresh()

    def notify_style_update(self) -> None:
        """Draw anew in other colours."""
        self._lines.clear()
        super().notify_style_update()

    def on_resize(self, event: events.Resize) -> None:
        self._lines.clear()
        self._lay()

    def _lay(self) -> None:
        """Lay pictures in pixels over the cells, in a terminal that shows sixels."""
        if graphics.protocol() != "sixel" or not self.size:
            return
        from PIL import Image
        from textual_image.widget import SixelImage

        room, rows = self._room, self._rows
        laid = tuple((piece.pixels, room, rows) for piece in self._pieces)
        if laid == self._laid:
            return
        self._laid = laid
        self.remove_children()
        for index, piece in enumerate(self._pieces):
            if not piece.pixels:
                continue
            across, down = room_for(piece.width, piece.height, room, rows)
            picture = SixelImage(Image.frombytes("RGB", (piece.width, piece.height), piece.pixels))
            picture.styles.position = "absolute"
            picture.styles.offset = (index * (room + _GAP) + (room - across) // 2, 1 + (rows - down) // 2)
            picture.styles.width, picture.styles.height = across, down
            self.mount(picture)

    def on_click(self, event: events.Click) -> None:
        index = event.x // (self._room + _GAP)
        if event.y > 0 and index < len(self._pieces):
            self.post_message(self.Chosen(self, index))

    def render_line(self, y: int) -> Strip:
        """Draw one line: the heading, a line through the pictures, or what stands under them."""
        ground = self.rich_style
        width, height = self.size
        if y == 0:
            style = ground + self.get_component_rich_style("exhibit--heading", partial=True)
            return Strip([Segment(fit(self._heading, width), style)]).adjust_cell_length(width, ground)
        segments: Line = []
        for index, piece in enumerate(self._pieces):
            if y == height - 1:
                name = "exhibit--chosen" if piece.chosen else "exhibit--label"
                style = ground + self.get_component_rich_style(name, partial=True)
                label = f"▸ {piece.label}" if piece.chosen else piece.label
                segments.append(Segment(_centred(label, self._room), style))
            else:
                segments += self._picture(index, piece)[y - 1]
            segments.append(Segment(" " * _GAP, ground))
        return Strip(segments).adjust_cell_length(width, ground)

    @property
    def _room(self) -> int:
        return max(4, self.size.width // max(1, len(self._pieces)) - _GAP)

    @property
    def _rows(self) -> int:
        return max(1, self.size.height - 2)

    def _picture(self, index: int, piece: Piece) -> list[Line]:
        lines = self._lines.get(index)
        if lines is None:
            room, rows = self._room, self._rows
            ground = self.rich_style
            if piece.pixels and graphics.protocol() == "sixel":
                lines = _words("", room, rows, ground)
            elif piece.pixels:
                lines = drawn(piece.pixels, piece.width, piece.height, room, rows, way_of(self.app), ground)
            else:
                faint = ground + self.get_component_rich_style("exhibit--faint", partial=True)
                lines = _words(piece.words, room, rows, faint)
            self._lines[index] = lines
        return lines


def _centred(text: str, width: int) -> str:
    text = fit(text, width).rstrip()
    return fit(" " * ((width - len(text)) // 2) + text, width)


def _words(words: str, width: int, rows: int, style: Style) -> list[Line]:
    """Return a text in the middle of a box, cut to it."""
    wrapped = [line.plain.strip() for line in Content(words).wrap(width)][:rows] if words else []
    top = (rows - len(wrapped)) // 2
    texts = ["" for _ in range(top)] + wrapped
    texts += ["" for _ in range(rows - len(texts))]
    return [[Segment(_centred(text, width), style)] for text in texts]
