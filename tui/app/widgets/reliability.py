"""What confidence is worth: a bar for each bin of confidence, beside where it would end if it were worth its name."""

from __future__ import annotations

import math
from itertools import groupby
from operator import itemgetter

from tui.app.palette import Tone
from tui.app.widgets.panel import Row, Run, ScrollPanel
from tui.core.evaluations import Bins
from tui.core.metrics import ACCURACY, CALIBRATION_ERROR

_RANGE, _VALUE = 8, 8
_LEAST_BAR = 10


class Reliability(ScrollPanel):
    """A row per bin of confidence (reliability diagram, Guo et al. 2017)."""

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(title, id=id)
        self._bins: Bins | None = None
        self._error = math.nan
        self._waiting = ""

    def show(self, bins: Bins | None, error: float = math.nan, waiting: str = "") -> None:
        """Show these bins.

        Args:
            bins: None where there are none.
            error: the expected calibration error.
            waiting: what stands there without bins.
        """
        self._bins, self._error, self._waiting = bins, error, waiting
        self.redraw()

    def count(self, width: int) -> int:
        """Return how many bins there are."""
        return len(self._bins.counts) if self._bins is not None else 0

    def body(self, width: int, height: int) -> list[Row]:
        """Return the headings and the bins."""
        if self._bins is None:
            return [(), ((f"  {self._waiting}", "muted"),)]
        _, count = self._widths(width)
        words = f"{'sure':<{_RANGE}}" + " " * (width - _RANGE - _VALUE - count) + f"{'right':>{_VALUE}}"
        heading: Row = ((words + (f"{'pictures':>{count}}" if count else ""), "muted"),)
        return [heading, *super().body(width, height - 2), ((self._verdict(self._bins, width), "mark"),)]

    def _verdict(self, bins: Bins, width: int) -> str:
        leaning = _leaning(bins)
        whole = f"off by {CALIBRATION_ERROR.format(self._error)}, {leaning}"
        return leaning if math.isnan(self._error) or len(whole) > width else whole

    @staticmethod
    def _widths(width: int) -> tuple[int, int]:
        """Return cells for the bar and for the count."""
        count = 10 if width >= _RANGE + _VALUE + 10 + _LEAST_BAR else 0
        return max(1, width - _RANGE - _VALUE - count), count

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return the rows of some bins, the surest first."""
        assert self._bins is not None
        many = len(self._bins.counts)
        return [self._row(self._bins, many - 1 - place, width) for place in range(first, last)]

    def _row(self, bins: Bins, place: int, width: int) -> Row:
        many, (bar, count) = len(bins.counts), self._widths(width)
        label = f"{100 * place / many:>3.0f}–{100 * (place + 1) / many:.0f}%"
        runs: list[Run] = [(f"{label:<{_RANGE}}", "text")]
        if not bins.counts[place]:
            return (*runs, ("·" * bar, "faint"), (f"{'–':>{_VALUE}}", "faint"))
        right, sure = bins.accuracy[place], bins.confidence[place]
        runs += _bar(right, sure, bar)
        runs.append((f"{ACCURACY.format(right):>{_VALUE}}", "text"))
        if count:
            runs.append((f"{bins.counts[place]:>{count},}", "muted"))
        return tuple(runs)


def _bar(right: float, sure: float, width: int) -> list[Run]:
    """Return a bar as long as the share that is right, and a mark where confidence says it should end."""
    filled, at = _cells(right, width), min(width - 1, _cells(sure, width))
    line: list[tuple[str, Tone]] = [("━", "line") if place < filled else ("─", "faint") for place in range(width)]
    line[at] = ("┃", "mark")
    return [("".join(text for text, _ in group), tone) for tone, group in groupby(line, key=itemgetter(1))]


def _cells(share: float, width: int) -> int:
    return round(min(1.0, max(0.0, share)) * width) if not math.isnan(share) else 0


def _leaning(bins: Bins) -> str:
    """Return whether the answers are surer than they should be."""
    total = sum(bins.counts)
    gap = sum(n * (s - r) for n, s, r in zip(bins.counts, bins.confidence, bins.accuracy, strict=True) if n)
    gap = gap / total if total else 0.0
    if abs(gap) < 0.01:
        return "neither too sure nor too careful"
    return f"too sure by {ACCURACY.format(gap)}" if gap > 0 else f"too careful by {ACCURACY.format(-gap)}"
