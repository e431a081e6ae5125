"""How well each class is recognised: a bar per class, the worst first. Numbers have errors instead of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tui.app.palette import Tone
from tui.app.widgets.panel import Row, Run, ScrollPanel, fit
from tui.core.metrics import RECALL, Metric

_VALUE = 8
_LEAST_BAR = 8


class ClassRecall(ScrollPanel):
    """One row per class: its name, its recall as a bar, the number."""

    def __init__(self, title: str, number: int = 0, *, id: str | None = None) -> None:
        super().__init__(title, number, id=id)
        self._recalls: list[tuple[str, float, int, float]] = []
        self._errors: list[tuple[Metric, float, float]] = []
        self._when = ""

    def show(
        self,
        names: Sequence[str],
        recall: Sequence[float],
        counts: Sequence[int],
        before: Sequence[float] = (),
        when: str = "",
    ) -> None:
        """Show an evaluation.

        Args:
            names: the classes, sanitized.
            recall: 0 to 1 for each class; NaN for one without pictures.
            counts: pictures of each class.
            before: the recall in the evaluation before this one, if there was one.
            when: which evaluation it is, for the heading.
        """
        earlier = before if len(before) == len(recall) else recall
        rows = list(zip(names, recall, counts, earlier, strict=False))
        self._recalls = sorted(rows, key=lambda row: (math.isnan(row[1]), row[1]))
        self._when = when
        self.redraw()

    def show_errors(self, errors: Sequence[tuple[Metric, float, float]], when: str) -> None:
        """Show an evaluation of numbers.

        Args:
            errors: each metric with its value, and that in the evaluation before this one or NaN.
            when: which evaluation it is, for the heading.
        """
        self.title = "errors"
        self._errors, self._when = list(errors), when
        self.redraw()

    def note(self) -> Row:
        """Return which evaluation it is."""
        return ((self._when, "muted"),) if self._when else ()

    def count(self, width: int) -> int:
        """Return how many classes there are."""
        return len(self._recalls)

    def body(self, width: int, height: int) -> list[Row]:
        """Return the classes that are scrolled to, or the errors."""
        if self._errors:
            return [_error(metric, now, before, width) for metric, now, before in self._errors[:height]]
        if not self._recalls:
            return [(), (("  after the first validation", "muted"),)]
        return super().body(width, height)

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return the rows of some classes."""
        longest = max(len(row[0]) for row in self._recalls)
        change = 7 if width >= 38 else 0
        room = width - _VALUE - change - 1
        name = max(1, min(longest, max(room - 60, room // 2), room - _LEAST_BAR))
        bar = max(1, room - name)
        return [self._row(row, name, bar, change) for row in self._recalls[first:last]]

    def _row(self, entry: tuple[str, float, int, float], name: int, bar: int, change: int) -> Row:
        label, recall, count, before = entry
        row: list[Run] = [(fit(label, name) + " ", "text")]
        if math.isnan(recall) or not count:
            return (*row, (fit("no pictures", bar + _VALUE + change), "muted"))
        halves = round(recall * 2 * bar)
        filled = "━" * (halves // 2) + "╸" * (halves % 2)
        row += [(filled, "line"), ("─" * (bar - len(filled)), "faint")]
        row.append((f"{RECALL.format(recall):>{_VALUE}}", "text"))
        if change:
            row.append(change_run(recall, before, change))
        return tuple(row)


def _error(metric: Metric, now: float, before: float, width: int) -> Row:
    row: list[Run] = [(fit(metric.label, 10), "text"), (f"{metric.format(now):>12}", "text")]
    moved = now - before
    if width >= 36 and moved and not math.isnan(moved):
        tone: Tone = "good" if (moved < 0) == (metric.better == "min") else "warn"
        row.append((f"{moved:>+12.3g}", tone))
    return tuple(row)


def change_run(now: float, before: float, width: int) -> Run:
    """Return how many points a share has changed by; nothing for none, or without one before."""
    points = 100 * (now - before)
    if math.isnan(points) or abs(points) < 0.05:
        return (" " * width, "muted")
    tone: Tone = "good" if points > 0 else "warn"
    return (f"{points:>+{width}.1f}"[:width], tone)
