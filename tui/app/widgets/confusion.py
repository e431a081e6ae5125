"""Which class is taken for which: a matrix that scrolls under fixed headings, with a cursor that tells the pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.app.format import compact
from tui.app.palette import heat_levels, on_heat
from tui.app.widgets.columns import within
from tui.app.widgets.heatmap import SHADES
from tui.app.widgets.panel import Ink, Panel, Row, Run, fit
from tui.core.metrics import ACCURACY

SIZES = (2, 5, 7)
"""Cells that an entry may take: a shade, a short number, a number."""
_LONGEST_NAME, _SHORTEST_NAME = 18, 6
_FRAME = 3
"""Rows beside those of the classes: the answers' names, the name under the cursor, and what the cursor tells."""


class ConfusionMatrix(Panel):
    """A row per true class, a column per answer; posts `Moved` and `Opened` with the pair under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1, 0)", "Up", id="matrix.up", show=False, tooltip="The true class above."),
        Binding("down,j", "move(1, 0)", "Down", id="matrix.down", show=False, tooltip="The true class below."),
        Binding("left,h", "move(0, -1)", "Left", id="matrix.left", show=False, tooltip="The answer to the left."),
        Binding("right,l", "move(0, 1)", "Right", id="matrix.right", show=False, tooltip="The answer to the right."),
        Binding("pageup", "page(-1, 0)", "Page up", id="matrix.page_up", show=False, tooltip="A page up."),
        Binding("pagedown", "page(1, 0)", "Page down", id="matrix.page_down", show=False, tooltip="A page down."),
        Binding("shift+left", "page(0, -1)", "Page left", id="matrix.page_left", show=False, tooltip="A page left."),
        Binding("shift+right", "page(0, 1)", "Page right", id="matrix.page_right", show=False, tooltip="A page right."),
        Binding("home", "move(-1000000, -1000000)", "First", id="matrix.first", show=False, tooltip="The first pair."),
        Binding("end", "move(1000000, 1000000)", "Last", id="matrix.last", show=False, tooltip="The last pair."),
        Binding("n", "normalise(True)", "Shares", id="matrix.normalise", tooltip="Shares of each true class."),
        Binding("n", "normalise(False)", "Counts", id="matrix.normalise", tooltip="Pictures instead of shares."),
        Binding(
            "plus,equals_sign", "grow(1)", "Larger", id="matrix.larger", key_display="+", show=False,
            tooltip="Larger entries.",
        ),
        Binding(
            "minus", "grow(-1)", "Smaller", id="matrix.smaller", key_display="-", show=False,
            tooltip="Smaller entries: more classes at once.",
        ),
        Binding(
            "enter", "open", "Pictures", id="matrix.open",
            tooltip="The pictures of this pair.",
        ),
    ]  # fmt: skip

    class Moved(Message):
        """The cursor is on another pair."""

    class Opened(Message):
        """A pair was chosen."""

        def __init__(self, true: int, answer: int) -> None:
            super().__init__()
            self.true, self.answer = true, answer

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(title, id=id)
        self.cursor = (0, 0)
        """True class and answer."""
        self.shares = True
        """Whether entries are shares of their true class instead of pictures."""
        self._names: Sequence[str] = ()
        self._cells: Mapping[tuple[int, int], int] = {}
        self._counts: Sequence[int] = ()
        self._most = 1
        self._first = (0, 0)
        self._zoom: int | None = None
        self._waiting = ""

    def show(
        self, names: Sequence[str], counts: Sequence[int], cells: Mapping[tuple[int, int], int], waiting: str = ""
    ) -> None:
        """Show a matrix; the cursor stays where it is.

        Args:
            names: of the classes, sanitized.
            counts: pictures of each class.
            cells: pictures by (true class, answer), where there are any.
            waiting: what stands there without classes.
        """
        self._names, self._counts, self._cells, self._waiting = names, counts, cells, waiting
        self._most = max(cells.values(), default=1)
        last = max(0, len(names) - 1)
        self.cursor = (min(self.cursor[0], last), min(self.cursor[1], last))
        self.redraw()

    def point(self, true: int, answer: int) -> None:
        """Put the cursor on a pair."""
        self.cursor = (true, answer)
        self.redraw()

    # --- drawing ------------------------------------------------------------------------------------

    def note(self) -> Row:
        """Return what the entries are."""
        return (("% of the true class" if self.shares else "pictures", "muted"),) if self._names else ()

    def value(self) -> Row:
        """Return which part is shown, if not all is."""
        rows, columns = self._room(self.size.width, self.size.height - 1)
        many = len(self._names)
        if not many or (rows >= many and columns >= many):
            return ()
        (top, left), down, across = self._first, min(rows, many), min(columns, many)
        return ((f"rows {top + 1}–{top + down}, columns {left + 1}–{left + across} of {many}", "muted"),)

    def body(self, width: int, height: int) -> list[Row]:
        """Return the headings, the entries that are scrolled to, and what the cursor tells."""
        if not self._names:
            return [(), ((f"  {self._waiting}", "muted"),)]
        rows, columns = self._room(width, height)
        self._first = tuple(  # type: ignore[assignment]
            _scrolled(first, at, room, len(self._names))
            for first, at, room in zip(self._first, self.cursor, (rows, columns), strict=True)
        )
        name = self._name_width(width)
        top, left = self._first
        shown = range(left, min(left + columns, len(self._names)))
        body = [self._pointer(name, shown), self._answers(name, shown)]
        body += [self._entries(true, name, shown) for true in range(top, min(top + rows, len(self._names)))]
        body += [()] * (height - 1 - len(body))
        return [*body, self._told()]

    def _name_width(self, width: int) -> int:
        return max(4, min(max(map(len, self._names)), _LONGEST_NAME, width // 4))

    def _entry(self, width: int) -> int:
        """Return the cells of an entry: as large as lets all be seen, or a short number."""
        if self._zoom is not None:
            return SIZES[self._zoom]
        room = width - self._name_width(width) - 1
        return SIZES[2] if SIZES[2] * len(self._names) <= room else SIZES[1]

    def _room(self, width: int, height: int) -> tuple[int, int]:
        """Return how many rows and columns there is room for."""
        if not self._names:
            return 1, 1
        return max(1, height - _FRAME), max(1, (width - self._name_width(width) - 1) // self._entry(width))

    def _pointer(self, name: int, shown: range) -> Row:
        """Return the whole name of the answer under the cursor, above its column."""
        size = self._entry(self.size.width)
        at = name + 1 + (self.cursor[1] - shown.start + 1) * size - 1
        label = self._names[self.cursor[1]]
        if at + 2 + len(label) <= self.size.width:
            text = " " * at + f"▾ {label}"
        else:
            label = fit(label, at - 1).rstrip() if at > 1 else ""
            text = f"{label + ' ▾':>{at + 1}}"
        return ((text, "focus"),)

    def _answers(self, name: int, shown: range) -> Row:
        size = self._entry(self.size.width)
        runs: list[Run] = [(f"{'answer →'[-name:]:>{name}} ", "muted")]
        if size == SIZES[0]:
            return tuple(runs)
        for answer in shown:
            label = set_cell_size(self._names[answer], size - 1).rstrip()
            runs.append((" " * (size - cell_len(label)) + label, "focus" if answer == self.cursor[1] else "muted"))
        return tuple(runs)

    def _entries(self, true: int, name: int, shown: range) -> Row:
        here = true == self.cursor[0]
        runs: list[Run] = [(fit(self._names[true], name), "focus" if here else "text"), ("▸" if here else " ", "focus")]
        size = self._entry(self.size.width)
        for answer in shown:
            level, text = self._level(true, answer), self._text(true, answer, size)
            marked = here and answer == self.cursor[1]
            text = f"{text:>{size}}"
            runs.append((f"▸{text[1:]}" if marked else text, "focus" if marked else level))
        return tuple(runs)

    def _level(self, true: int, answer: int) -> int:
        """Return the level of heat: by the root, so that what is rarely confused is told from what never is."""
        share, most = self._share(true, answer), heat_levels(self.theme)
        return 0 if share <= 0 else max(1, min(most, round(sqrt(min(1.0, share)) * most)))

    def _share(self, true: int, answer: int) -> float:
        n = self._cells.get((true, answer), 0)
        whole = self._counts[true] if self.shares and self._counts else self._most
        return n / whole if whole else 0.0

    def _text(self, true: int, answer: int, size: int) -> str:
        n = self._cells.get((true, answer), 0)
        if size == SIZES[0]:
            shade = round(self._level(true, answer) * (len(SHADES) - 1) / heat_levels(self.theme))
            return SHADES[shade] if self.app.no_color else ""
        if not n:
            return "·"
        if not self.shares:
            return f"{n:,}" if size == SIZES[2] and n < 100_000 else compact(n)
        share = 100 * self._share(true, answer)
        return f"{share:.1f}" if size == SIZES[2] else ("<1" if share < 0.5 else f"{share:.0f}")

    def _told(self) -> Row:
        """Return what the cursor points at, in words."""
        true, answer = self.cursor
        n, whole = self._cells.get((true, answer), 0), self._counts[true] if self._counts else 0
        share = f" ({ACCURACY.format(n / whole)})" if whole else ""
        one, other = self._names[true], self._names[answer]

        def said(longest: int) -> str:
            what = "recognised" if true == answer else f"taken for {within(other, longest)}"
            return f"{n:,} of {whole:,} pictures of {within(one, longest)}{share} {'are' if n != 1 else 'is'} {what}"

        longest = max(cell_len(one), cell_len(other))
        while longest > _SHORTEST_NAME and cell_len(said(longest)) > self.size.width:
            longest -= 1
        return ((said(longest), "mark"),)

    def _style(self, ink: Ink, theme: str) -> Style:
        drawn = super()._style(ink, theme)
        return drawn + on_heat(ink, theme) if isinstance(ink, int) else drawn

    # --- what keys and the mouse do -----------------------------------------------------------------

    def action_move(self, down: int, across: int) -> None:
        """Move the cursor."""
        last = len(self._names) - 1
        if last < 0:
            return
        true, answer = self.cursor
        self.cursor = (max(0, min(last, true + down)), max(0, min(last, answer + across)))
        self.redraw()
        self.post_message(self.Moved())

    def action_page(self, down: int, across: int) -> None:
        """Move the cursor by what is seen at once."""
        rows, columns = self._room(self.size.width, self.size.height - 1)
        self.action_move(down * max(1, rows - 1), across * max(1, columns - 1))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what is not shown."""
        return action != "normalise" or parameters != (self.shares,)

    def action_normalise(self, shares: bool) -> None:
        """Show shares of each true class, or pictures."""
        self.shares = shares
        self.redraw()
        self.refresh_bindings()

    def action_grow(self, by: int) -> None:
        """Make the entries larger or smaller."""
        self._zoom = max(0, min(len(SIZES) - 1, SIZES.index(self._entry(self.size.width)) + by))
        self.redraw()

    def action_open(self) -> None:
        """Choose the pair under the cursor."""
        if self._names:
            self.post_message(self.Opened(*self.cursor))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3, 0)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(3, 0)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the entry that was clicked; a double click chooses it."""
        if not self._names:
            return
        row = event.y - _FRAME
        column = (event.x - self._name_width(self.size.width) - 1) // self._entry(self.size.width)
        rows, columns = self._room(self.size.width, self.size.height - 1)
        true, answer = self._first[0] + row, self._first[1] + column
        if 0 <= row < rows and 0 <= column < columns and max(true, answer) < len(self._names):
            self.point(true, answer)
            self.post_message(self.Moved())
            if event.chain > 1:
                self.action_open()


def _scrolled(first: int, at: int, room: int, many: int) -> int:
    """Return the first of what is shown, so that ``at`` can be seen and no room is wasted."""
    first = min(max(first, at - room + 1), at)
    return max(0, min(first, many - room))
