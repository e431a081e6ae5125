"""What each class, label or target is worth: a bar per class that moves with every validation, and its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.app.widgets.panel import Row, Run, ScrollPanel, fit
from tui.app.widgets.recall import change_run
from tui.core.metrics import Metric

Order = Literal["worst", "name", "change"]
ORDERS: tuple[Order, ...] = get_args(Order)
_WORDS: dict[Order, str] = {"worst": "the worst first", "name": "by name", "change": "the greatest loss first"}
_LEAST_NAME, _LEAST_BAR = 8, 8
_VALUE, _CHANGE, _COUNT = 10, 7, 9


@dataclass(frozen=True)
class ClassRow:
    """One class."""

    name: str
    """Sanitized."""
    values: tuple[float, ...]
    """By the table's metrics; the first is the bar. NaN where there is nothing to measure."""
    before: float
    """The first value in the validation before; NaN without one."""
    pictures: int
    rival: str = ""
    """What it is mostly taken for, sanitized."""

    @property
    def change(self) -> float:
        """Since the validation before; NaN where that is not known."""
        return self.values[0] - self.before


class ClassTable(ScrollPanel):
    """A row per class with a cursor; posts `Opened` when one is chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="table.up", show=False, tooltip="The class above."),
        Binding("down,j", "move(1)", "Down", id="table.down", show=False, tooltip="The class below."),
        Binding("home", "move(-1000000)", "First", id="table.first", show=False, tooltip="The first class."),
        Binding("end", "move(1000000)", "Last", id="table.last", show=False, tooltip="The last class."),
        Binding("o", "order", "Order", id="table.order", tooltip="By value, by name, or by change."),
        Binding(
            "enter",
            "open",
            "Mistakes",
            id="table.open",
            tooltip="The pictures of it that went wrong.",
        ),
    ]

    FRAME = 2
    """Rows beside those of the classes."""

    class Moved(Message):
        """The cursor is on another class."""

    class Opened(Message):
        """A class was chosen."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index
            """As the rows were given."""

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(title, id=id)
        self.order: Order = "worst"
        self._metrics: Sequence[Metric] = ()
        self._given: Sequence[ClassRow] = ()
        self._places: list[int] = []
        """Indices of the given rows, in the order that is shown."""
        self._cursor = 0
        self._waiting = ""

    @property
    def chosen(self) -> int | None:
        """The index of the row under the cursor, as it was given."""
        return self._places[self._cursor] if self._cursor < len(self._places) else None

    @property
    def chosen_name(self) -> str | None:
        """The name of the class under the cursor."""
        return self._given[self.chosen].name if self.chosen is not None else None

    def show(self, metrics: Sequence[Metric], rows: Sequence[ClassRow], waiting: str = "") -> None:
        """Show these rows; the cursor stays on its class.

        Args:
            metrics: of the rows' values.
            rows: one per class, in the order of the class map.
            waiting: what stands there without any.
        """
        chosen = self.chosen
        self._metrics, self._given, self._waiting = metrics, rows, waiting
        self._sort()
        if chosen is not None and len(rows) > chosen:
            self._cursor = self._places.index(chosen)
        self._cursor = max(0, min(self._cursor, len(rows) - 1))
        self.redraw()

    def _sort(self) -> None:
        places = range(len(self._given))
        if self.order == "name":
            self._places = sorted(places, key=lambda i: self._given[i].name.casefold())
        elif self.order == "change":
            self._places = sorted(places, key=lambda i: _last_if_nan(self._given[i].change))
        else:
            self._places = sorted(places, key=lambda i: _last_if_nan(self._given[i].values[0]))

    def note(self) -> Row:
        """Return the order."""
        return ((_WORDS[self.order], "muted"),) if self._given else ()

    def count(self, width: int) -> int:
        """Return how many classes there are."""
        return len(self._places)

    def body(self, width: int, height: int) -> list[Row]:
        """Return the headings and the classes that are scrolled to."""
        if not self._given:
            return [(), ((f"  {self._waiting}", "muted"),)]
        rows = super().body(width, height - 1)
        return [self._headings(width), *rows]

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return the rows of some classes."""
        name, bar, shown, rival = self._widths(width)
        return [self._row(place, name, bar, shown, rival) for place in range(first, last)]

    def _widths(self, width: int) -> tuple[int, int, int, int]:
        """Return cells for name and bar, how many further metrics there is room for, and cells for the rival."""
        longest = max(len(row.name) for row in self._given)
        rest = width - 1 - _VALUE - _CHANGE
        name = max(_LEAST_NAME, min(longest, 28, rest // 3)) + 1
        rest -= name
        shown = max(0, min(len(self._metrics) - 1, (rest - _LEAST_BAR - _COUNT) // _VALUE))
        rest -= shown * _VALUE + (_COUNT if rest >= shown * _VALUE + _COUNT + _LEAST_BAR else 0)
        rival = 0
        if any(row.rival for row in self._given) and rest >= 40:
            rival = min(24, longest + 2, rest - 30)
            rest -= rival
        return name, max(1, rest), shown, rival

    def _headings(self, width: int) -> Row:
        name, bar, shown, rival = self._widths(width)
        words = " " * (name + 1 + bar) + f"{self._metrics[0].brief:>{_VALUE}}" + f"{'change':>{_CHANGE}}"
        words += "".join(f"{metric.brief:>{_VALUE}}" for metric in self._metrics[1 : shown + 1])
        if width - len(words) - rival >= _COUNT:
            words += f"{'pictures':>{_COUNT}}"
        return ((words + ("  taken for" if rival else ""), "muted"),)

    def _row(self, place: int, name: int, bar: int, shown: int, rival: int) -> Row:
        row, here = self._given[self._places[place]], place == self._cursor
        tone: Run = ("▸" if here else " ", "focus")
        label: Run = (fit(row.name, name - 1) + " ", "focus" if here else "text")
        value = row.values[0]
        if math.isnan(value):
            return (tone, label, (fit("nothing to measure", bar + _VALUE), "muted"))
        halves = round(min(1.0, max(0.0, value)) * 2 * (bar - 1))
        filled = "━" * (halves // 2) + "╸" * (halves % 2)
        runs: list[Run] = [tone, label, (filled, "line"), ("─" * (bar - 1 - len(filled)) + " ", "faint")]
        runs.append((f"{self._metrics[0].format(value):>{_VALUE}}", "text"))
        runs.append(change_run(value, row.before, _CHANGE))
        runs += [
            (f"{metric.format_measured(v):>{_VALUE}}", "muted")
            for metric, v in zip(self._metrics[1 : shown + 1], row.values[1:], strict=False)
        ]
        runs.append((f"{row.pictures:>{_COUNT},}", "muted"))
        if rival:
            runs.append((f"  {fit(row.rival, rival - 2)}", "muted"))
        return tuple(runs)

    # --- what keys and the mouse do -----------------------------------------------------------------

    def _go(self, place: int) -> None:
        self._cursor = max(0, min(len(self._places) - 1, place))
        self.reveal(self._cursor)
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        """Move the cursor, and scroll so that it can be seen."""
        self._go(self._cursor + by)

    def action_scroll_page(self, pages: int) -> None:
        """Move the cursor by a page."""
        self.action_move(pages * max(1, self._room - 1))

    def action_order(self) -> None:
        """Choose the next order; the cursor goes to the first row."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
        self._sort()
        self._go(0)

    def action_open(self) -> None:
        """Choose the class under the cursor."""
        if self.chosen is not None:
            self.post_message(self.Opened(self.chosen))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(3)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the class that was clicked; a second click chooses it."""
        place = self._first + event.y - 2
        if event.y >= 2 and place < len(self._places):
            if place == self._cursor and event.chain > 1:
                self.action_open()
            self._go(place)


def _last_if_nan(value: float) -> tuple[bool, float]:
    return math.isnan(value), value
