"""The base of all panels of the watch screen: a heading line and rows under it, of which only changed ones are redrawn.

A panel keeps what it shows as rows of (text, tone). `show` of each panel takes new content and calls
`redraw`; a panel that is not on the screen is parked: it draws itself when it appears.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.filter import ANSIToTruecolor
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.app.display import CellExactApp
from tui.app.palette import Tone, heat, style
from tui.app.sequences import NARROW
from tui.app.widgets.columns import within

Ink = Tone | int
"""A tone, or a level of the heat map."""
Run = tuple[str, Ink]
Row = tuple[Run, ...]


class Rows(Widget):
    """Rows of text that fill the widget."""

    DEFAULT_CSS = "Rows { background: $background; }"

    class Shown(Message):
        """The widget appeared or has another size, and wants content for it."""

        def __init__(self, rows: Rows) -> None:
            super().__init__()
            self.rows = rows

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: list[Row] = []
        self._strips: list[Strip | None] = []
        self._drawn_for = Size(0, 0)
        self._ground: tuple[Color, Style, str] | None = None
        """The background, as a style too, and the theme: asking for them takes as long as drawing a row."""
        self._inks: dict[Ink, Style] = {}
        """How each ink looks on that ground, in colours that the terminal's own have no say in."""

    def lines(self, width: int, height: int) -> list[Row]:
        """Return the rows to show; more than ``height`` are cut, fewer are filled up."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw again, and have the rows that changed written."""
        if self.parked:
            return
        width, height = self.size
        rows = self.lines(width, height)[:height]
        rows += [()] * (height - len(rows))
        before, self._shown = self._shown, rows
        if len(rows) != len(before):
            self._strips = []
            self.refresh()
            return
        changed = [y for y, (new, old) in enumerate(zip(rows, before, strict=True)) if new != old]
        if changed:
            for y in changed:
                if y < len(self._strips):
                    self._strips[y] = None
            app = self.app
            if isinstance(app, CellExactApp):
                app.refresh_rows(self, changed)
            else:
                self.refresh(*(Region(0, y, width, 1) for y in changed))

    @property
    def parked(self) -> bool:
        """Whether nobody can see it."""
        return not self.is_attached or not self.region or not self.size

    @property
    def theme(self) -> str:
        """The name of the theme that it is drawn in."""
        return self.app.theme

    def on_resize(self, event: events.Resize) -> None:
        self._shown = []
        self.post_message(self.Shown(self))

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return rows for the compositor: those that were drawn before are the same objects.

        Textual's own way asks for the styles of every widget in every update. Borders and padding are not drawn.
        """
        size = self.size
        if self._drawn_for != size or len(self._strips) != size.height:
            self._strips = [None] * size.height
            self._drawn_for = size
        strips = []
        for y in range(crop.y, min(crop.bottom, len(self._strips))):
            strip = self._strips[y]
            if strip is None:
                strip = self._strips[y] = self.render_line(y)
            strips.append(strip)
        if crop.x or crop.width != size.width:
            strips = [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """Return one row, cut and filled to the widget's width, with the app's filters applied."""
        if self._ground is None:
            background = self.background_colors[1]
            self._ground = background, Style(bgcolor=background.rich_color), self.theme
            self._inks = {}
        background, ground, _ = self._ground
        row, inks = self._shown[y] if y < len(self._shown) else (), self._inks
        # Told how long a row is, Textual need not look up each of its characters in a table.
        for _, ink in row:
            if ink not in inks:
                inks[ink] = self._blended(ink)
        strip = Strip([Segment(text, inks[ink]) for text, ink in row], cells(row))
        strip = strip.adjust_cell_length(self._drawn_for.width, ground)
        for line_filter in self.get_line_filters():
            if not isinstance(line_filter, ANSIToTruecolor):
                strip = strip.apply_filter(line_filter, background)
        return strip

    def _blended(self, ink: Ink) -> Style:
        assert self._ground is not None
        background, ground, theme = self._ground
        style = ground + self._style(ink, theme)
        for line_filter in self.get_line_filters():
            if isinstance(line_filter, ANSIToTruecolor):
                style = line_filter.truecolor_style(style, background.rich_color)
        return style

    def notify_style_update(self) -> None:
        """Draw anew in other colours."""
        self._strips, self._ground = [], None
        super().notify_style_update()

    def _style(self, ink: Ink, theme: str) -> Style:
        return heat(ink, theme) if isinstance(ink, int) else style(ink, theme)


class Panel(Rows, can_focus=True):
    """A heading, and rows under it.

    Args:
        title: what the panel shows; our own text.
        number: the key that chooses it.
    """

    DEFAULT_CSS = "Panel { height: 1fr; width: 1fr; }"

    def __init__(self, title: str, number: int = 0, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.title = title
        self.number = number

    def body(self, width: int, height: int) -> list[Row]:
        """Return the rows under the heading."""
        return []

    def note(self) -> Row:
        """Return what stands behind the title: a legend."""
        return ()

    def notes(self) -> Iterator[Row]:
        """Return what may stand behind the title, the longest first: what fits is shown."""
        yield self.note()

    def value(self) -> Row:
        """Return what stands at the right end of the heading: the newest value."""
        return ()

    def lines(self, width: int, height: int) -> list[Row]:
        """Return the heading and the body, which is drawn first."""
        body = self.body(width, height - 1)
        return [self._heading(width), *body]

    def watch_has_focus(self, has_focus: bool) -> None:
        """Draw the heading anew; the event of a focus comes here before the widget knows that it has it."""
        super().watch_has_focus(has_focus)
        self.redraw()

    def _heading(self, width: int) -> Row:
        """Return the title; that of the chosen panel stands out without colours, too."""
        focused = self.has_focus
        left: list[Run] = [(f"{self.number} ", "focus" if focused else "muted")] if self.number else []
        left.append((self.title, "focus" if focused else "text"))
        value = list(self.value())
        if cells(left) + cells(value) + 4 > width:
            value = []
        free = width - cells(left) - cells(value) - 7
        note = next((note for note in self.notes() if cells(note) <= free), ())
        if note:
            left += [("  ", "faint"), *note]
        room = width - cells(left) - cells(value) - 1 - bool(value)
        left.append((" " + ("━" if focused else "─") * max(0, room), "focus" if focused else "faint"))
        return tuple([*left, (" ", "faint"), *value] if value else left)


def cells(row: Row | list[Run]) -> int:
    """Return how many cells the text of a row takes."""
    return sum(len(text) if NARROW.issuperset(text) else cell_len(text) for text, _ in row)


def fit(text: str, width: int) -> str:
    """Return sanitized text, cut in the middle or filled with spaces to exactly ``width`` cells."""
    shown = within(text, width)
    return shown + " " * (width - cell_len(shown))


class ScrollPanel(Panel):
    """A panel whose rows may be more than fit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_rows(-1)", "Up", id="panel.up", show=False, tooltip="Scroll the panel up."),
        Binding("down,j", "scroll_rows(1)", "Down", id="panel.down", show=False, tooltip="Scroll the panel down."),
        Binding("pageup", "scroll_page(-1)", "Page up", id="panel.page_up", show=False, tooltip="Scroll a page up."),
        Binding(
            "pagedown", "scroll_page(1)", "Page down", id="panel.page_down", show=False, tooltip="Scroll a page down."
        ),
        Binding("home", "scroll_rows(-1000000)", "Top", id="panel.top", show=False, tooltip="Scroll to the top."),
        Binding("end", "scroll_rows(1000000)", "End", id="panel.end", show=False, tooltip="Scroll to the end."),
    ]

    follow = False
    """Whether it stays at its end while rows are added."""

    def __init__(self, title: str, number: int = 0, *, id: str | None = None) -> None:
        super().__init__(title, number, id=id)
        self._first = 0
        self._total = 0
        self._room = 1
        self._at_end = self.follow

    def count(self, width: int) -> int:
        """Return how many rows there are."""
        raise NotImplementedError

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return the rows from ``first`` up to ``last``, without it."""
        raise NotImplementedError

    def body(self, width: int, height: int) -> list[Row]:
        """Return the rows that are scrolled to."""
        self._total, self._room = self.count(width), max(1, height)
        most = max(0, self._total - height)
        self._first = most if self._at_end else min(self._first, most)
        return self.rows(self._first, min(self._total, self._first + height), width)

    def value(self) -> Row:
        """Return which rows are shown, if not all are."""
        if self._total <= self._room:
            return ()
        return ((f"{self._first + 1}–{min(self._total, self._first + self._room)} of {self._total}", "muted"),)

    def reveal(self, row: int) -> None:
        """Draw again, scrolled so that a row can be seen."""
        self._first = min(max(self._first, row - self._room + 1), row)
        self.redraw()

    def action_scroll_rows(self, rows: int) -> None:
        """Scroll by so many rows."""
        most = max(0, self._total - self._room)
        self._first = min(most, max(0, self._first + rows))
        self._at_end = self.follow and self._first == most
        self.redraw()

    def action_scroll_page(self, pages: int) -> None:
        """Scroll by so many pages."""
        self.action_scroll_rows(pages * max(1, self._room - 1))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_scroll_rows(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_scroll_rows(3)
