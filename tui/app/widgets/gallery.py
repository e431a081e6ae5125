"""Thumbnails side by side, as many as fit, and a cursor among them. Only what is seen is decoded and drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.app.widgets.cells import Line, drawn, way_of
from tui.app.widgets.panel import fit
from tui.core.dataset.thumbnails import Thumbnail
from tui.core.text import clean

SIZES = (10, 14, 20, 28, 40)
"""The least widths of a tile, in cells."""
_GAP = 2
_KEPT = 400
Fetch = Callable[[str], Thumbnail | None]
"""Given a path, its thumbnail, or None while it is made."""


Label = Callable[[str], str]
"""Given a path, what stands below its picture, sanitized."""


class Gallery(ScrollView, can_focus=True):
    """Tiles in rows, one for each path; posts `Moved` when the cursor moves and `Chosen` when a picture is opened.

    Args:
        fetch: where thumbnails come from; `arrived` is called when there are more.
    """

    COMPONENT_CLASSES = {"gallery--label", "gallery--cursor", "gallery--mark", "gallery--faint"}
    DEFAULT_CSS = """
    Gallery {
        background: $background;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        & > .gallery--label { color: $foreground-muted; }
        & > .gallery--cursor {
            color: $block-cursor-foreground;
            background: $block-cursor-background;
            text-style: bold;
        }
        & > .gallery--mark { color: $accent; }
        & > .gallery--faint { color: $border-blurred; }
        &:focus { background: $background; }
    }
    """
    BINDINGS = [
        Binding("left", "move(-1)", "Previous", id="gallery.left", show=False, tooltip="The picture before."),
        Binding("right", "move(1)", "Next", id="gallery.right", show=False, tooltip="The next picture."),
        Binding("up", "move_row(-1)", "Up", id="gallery.up", show=False, tooltip="The row above."),
        Binding("down", "move_row(1)", "Down", id="gallery.down", show=False, tooltip="The row below."),
        Binding("pageup", "move_page(-1)", "Page up", id="gallery.page_up", show=False, tooltip="A page up."),
        Binding("pagedown", "move_page(1)", "Page down", id="gallery.page_down", show=False, tooltip="A page down."),
        Binding("home", "move(-1000000000)", "First", id="gallery.home", show=False, tooltip="The first picture."),
        Binding("end", "move(1000000000)", "Last", id="gallery.end", show=False, tooltip="The last picture."),
        Binding(
            "enter",
            "choose",
            "Open",
            id="gallery.enter",
            tooltip="Open the picture.",
        ),
        Binding("plus,equals_sign", "grow(1)", "Larger", id="gallery.larger", show=False, tooltip="Larger pictures."),
        Binding("minus", "grow(-1)", "Smaller", id="gallery.smaller", show=False, tooltip="Smaller pictures."),
    ]

    @dataclass
    class Moved(Message):
        """The cursor is on another tile, or there are other tiles."""

        gallery: Gallery
        index: int

    @dataclass
    class Chosen(Message):
        """A tile was opened."""

        gallery: Gallery
        index: int

    def __init__(self, fetch: Fetch, *, zoom: int = 1, id: str | None = None) -> None:
        super().__init__(id=id)
        self._fetch = fetch
        self._paths: Sequence[str] = ()
        self._label: Label = clean
        self._cursor = 0
        self._zoom = zoom
        self._drawn: dict[tuple[str, int], list[Line]] = {}

    @property
    def paths(self) -> Sequence[str]:
        """What is shown: raw paths, relative to the dataset's root."""
        return self._paths

    @property
    def cursor(self) -> int:
        """The index of the tile under the cursor."""
        return self._cursor

    @property
    def complete(self) -> bool:
        """Whether every tile that can be seen has its thumbnail."""
        return all(self._fetch(path) is not None for path in self.seen())

    @property
    def label_width(self) -> int:
        """Cells that a picture's label may take."""
        return self._tile_width

    def show(self, paths: Sequence[str], label: Label, cursor: int = 0) -> None:
        """Show these pictures."""
        self._paths, self._label = paths, label
        self._cursor = max(0, min(cursor, len(paths) - 1))
        self._fit()
        self.scroll_to(y=0, animate=False)
        self._to_cursor()
        self.refresh()
        self.post_message(self.Moved(self, self._cursor))

    def seen(self) -> set[str]:
        """Return the paths of the tiles that can be seen now."""
        height = self._tile_height
        first = self.scroll_offset.y // height
        last = (self.scroll_offset.y + max(1, self.size.height) - 1) // height
        return set(self._paths[first * self._columns : (last + 1) * self._columns])

    def arrived(self) -> None:
        """Draw again: there are more thumbnails."""
        self.refresh()

    def action_move(self, by: int) -> None:
        """Move the cursor by so many tiles."""
        self._go(self._cursor + by)

    def action_move_row(self, rows: int) -> None:
        """Move the cursor by rows; in the last row it goes as far as there are tiles."""
        there = self._cursor + rows * self._columns
        if there < 0 or (there >= len(self._paths) and self._row(self._cursor) == self._row(len(self._paths) - 1)):
            return
        self._go(there)

    def action_move_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self._go(self._cursor + pages * self._columns * max(1, self.size.height // self._tile_height))

    def action_choose(self) -> None:
        """Open the tile under the cursor."""
        if self._paths:
            self.post_message(self.Chosen(self, self._cursor))

    def action_grow(self, by: int) -> None:
        """Make the tiles larger or smaller."""
        zoom = max(0, min(len(SIZES) - 1, self._zoom + by))
        if zoom != self._zoom:
            self._zoom = zoom
            self._drawn.clear()
            self._fit()
            self._to_cursor()
            self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """Put as many side by side as fit now."""
        self._drawn.clear()
        self._fit()
        self._to_cursor()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where it was clicked; a click on the cursor opens the picture."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        column = offset.x // (self._tile_width + _GAP)
        index = (offset.y + self.scroll_offset.y) // self._tile_height * self._columns + column
        if column < self._columns and index < len(self._paths):
            if index == self._cursor and self.has_focus and event.chain > 1:
                self.action_choose()
            else:
                self._go(index)

    def render_line(self, y: int) -> Strip:
        """Draw one line of cells through a row of tiles."""
        width = self.scrollable_content_region.width
        ground = self.rich_style
        row, inner = divmod(y + self.scroll_offset.y, self._tile_height)
        first = row * self._columns
        paths = self._paths[first : first + self._columns]
        if not paths or inner == self._tile_height - 1:
            return Strip.blank(width, ground)
        segments: Line = []
        for index, path in enumerate(paths, first):
            here = index == self._cursor
            segments.append(Segment("▌" if here else " ", self._mark_style(ground) if here else ground))
            segments += self._line(path, inner, here, ground)
            segments.append(Segment(" " * (_GAP - 1), ground))
        return Strip(segments).adjust_cell_length(width, ground)

    @property
    def _tile_width(self) -> int:
        # As wide as the rest of the line allows when no other tile fits.
        return max(4, self.scrollable_content_region.width // self._columns - _GAP)

    @property
    def _picture_height(self) -> int:
        return max(2, self._tile_width // 2)

    @property
    def _tile_height(self) -> int:
        return self._picture_height + 2  # its label, and a line between rows

    @property
    def _columns(self) -> int:
        return max(1, self.scrollable_content_region.width // (SIZES[self._zoom] + _GAP))

    def _row(self, index: int) -> int:
        return index // self._columns

    def _fit(self) -> None:
        rows = -(-len(self._paths) // self._columns)
        self.virtual_size = Size(0, rows * self._tile_height)

    def _go(self, index: int) -> None:
        if not self._paths:
            return
        index = max(0, min(index, len(self._paths) - 1))
        if index != self._cursor:
            self._cursor = index
            self._to_cursor()
            self.refresh()
            self.post_message(self.Moved(self, index))

    def _to_cursor(self) -> None:
        top = self._row(self._cursor) * self._tile_height
        bottom = top + self._tile_height - 1
        if top < self.scroll_offset.y:
            self.scroll_to(y=top, animate=False)
        elif bottom > self.scroll_offset.y + self.size.height:
            self.scroll_to(y=min(top, bottom - self.size.height), animate=False)

    def _mark_style(self, ground: Style) -> Style:
        name = "gallery--mark" if self.has_focus else "gallery--faint"
        return ground + self.get_component_rich_style(name, partial=True)

    def _line(self, path: str, y: int, here: bool, ground: Style) -> Line:
        width = self._tile_width
        if y == self._picture_height:
            label = fit(self._label(path), width)
            name = "gallery--cursor" if here and self.has_focus else "gallery--label"
            return [Segment(label, ground + self.get_component_rich_style(name, partial=True))]
        thumbnail = self._fetch(path)
        if thumbnail is None or thumbnail.reason:
            faint = ground + self.get_component_rich_style("gallery--faint", partial=True)
            return _instead(thumbnail, y, width, self._picture_height, faint)
        return self._lines(path, thumbnail, ground)[y]

    def _lines(self, path: str, thumbnail: Thumbnail, ground: Style) -> list[Line]:
        key = (path, self._tile_width)  # which changes when the scrollbar appears
        lines = self._drawn.get(key)
        if lines is None:
            if len(self._drawn) >= _KEPT:
                self._drawn.clear()
            lines = drawn(
                thumbnail.pixels,
                thumbnail.width,
                thumbnail.height,
                self._tile_width,
                self._picture_height,
                way_of(self.app),
                ground,
            )
            self._drawn[key] = lines
        return lines


def _instead(thumbnail: Thumbnail | None, y: int, width: int, height: int, style: Style) -> Line:
    """Return a line of what stands where there is no picture, or none yet."""
    text = ""
    if thumbnail is None:
        text = "·" if y == height // 2 else ""
    else:
        words = f"✗ {thumbnail.reason}"
        start = y * width
        text = words[start : start + width]
    return [Segment(f"{text:^{width}}" if thumbnail is None else fit(text, width), style)]
