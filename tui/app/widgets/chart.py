"""A line chart in braille that draws only the cells that changed, on axes that seldom move."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.app.palette import Tone
from tui.app.widgets.axis import Scale, fitted, step_ticks, ticks
from tui.app.widgets.panel import Panel, Row, Run
from tui.core.metrics import Metric

if TYPE_CHECKING:
    from tui.app.widgets.raster import Array, Mark, Trace


@dataclass(frozen=True)
class Plot:
    """All that a chart shows."""

    first: int
    last: int
    """The steps at the ends of the horizontal axis."""
    traces: Sequence[Trace] = ()
    """What is drawn later lies on top."""
    marks: Sequence[Mark] = ()
    borders: Sequence[float] = ()
    """Steps that get a tick on the horizontal axis: ends of epochs."""
    value: str = ""
    """The newest value, for the heading."""
    reading: tuple[str, ...] = ()
    """What stands there instead while there is a cursor: the longest that fits, longest first."""
    value_tone: Tone = "line"
    cursor: int | None = None
    """A step that gets a vertical line."""
    ticks: Sequence[tuple[float, str]] | None = None
    """Labels of the horizontal axis, if not the steps themselves."""
    levels: Sequence[float] = ()
    """Values that get a faint horizontal line: the edges of what is healthy."""


BEYOND = "↑ lies above the axis: l gives it a place on a logarithmic one."
"""For the legends of screens with charts."""


class Chart(Panel):
    """A line chart.

    Args:
        title: what it shows.
        number: the key that chooses it.
        log: whether the vertical axis starts logarithmic.
        floor: where the linear axis begins, whatever the values; without it they decide.
        ceiling: the highest.
        percent: labels are shares times hundred.
        waiting: what is said while there is nothing to draw.
    """

    DEFAULT_CSS = "Chart { min-height: 4; }"
    _MARGIN = 8
    """Cells of the labels at the left, with the axis."""

    def __init__(
        self,
        title: str,
        number: int = 0,
        *,
        id: str | None = None,
        log: bool = False,
        floor: float | None = None,
        ceiling: float | None = None,
        percent: bool = False,
        waiting: str = "",
    ) -> None:
        super().__init__(title, number, id=id)
        self.log_axis = log
        self._floor = floor
        self._ceiling = ceiling
        self._percent = percent
        self._waiting = waiting
        self._plot = Plot(1, 1)
        self._scale: Scale | None = None

    @property
    def points(self) -> int:
        """How many bins a series should have for this chart: one for each column of dots."""
        return max(2, 2 * (self.size.width - self._MARGIN))

    def show(self, plot: Plot) -> None:
        """Show ``plot``; the axes stay as they are as long as they will do."""
        self._plot = plot
        self.redraw()

    def measure(self, metric: Metric, title: str = "", *, whole: bool = True) -> None:
        """Show another metric from now on: its label, or ``title``, stands above.

        Args:
            metric: what is drawn.
            title: what it is called here.
            whole: shares have an axis from 0 to 100 %; else the values decide, so that small differences are seen.
        """
        title = title or metric.label
        if title == self.title and self._percent == (metric.form == "percent"):
            return
        self.title = title
        self._percent = metric.form == "percent"
        self._floor, self._ceiling = (0.0, 1.0 if self._percent else None) if whole else (None, None)
        self._scale = None

    def step_at(self, column: int) -> int | None:
        """Return the step that lies under a column of the widget's cells, if it is in the plane."""
        inner = self.size.width - self._MARGIN
        if not 0 <= column - self._MARGIN < inner:
            return None
        share = (column - self._MARGIN + 0.5) / inner
        return self._plot.first + int(share * (self._plot.last - self._plot.first + 1))

    def toggle_log(self) -> None:
        """Switch between a linear and a logarithmic vertical axis."""
        self.log_axis = not self.log_axis
        self._scale = None
        self.redraw()

    # --- drawing ------------------------------------------------------------------------------------

    def notes(self) -> Iterator[Row]:
        """Return the legend, if there is more than one thing to tell apart; where it is too long the lines alone."""
        yield self._legend(lines=True, marks=True)
        yield self._legend(lines=True)
        yield self._legend()

    def _legend(self, *, lines: bool = False, marks: bool = False) -> Row:
        runs: list[Run] = []
        for trace in self._plot.traces if lines else ():
            if trace.label:
                runs += [("━ ", trace.tone), (f"{trace.label}  ", "muted")]
        seen: set[str] = set()
        for mark in self._plot.marks if marks else ():
            if mark.label and mark.label not in seen:
                seen.add(mark.label)
                runs += [(f"{mark.glyph} ", mark.tone), (f"{mark.label}  ", "muted")]
        if self.log_axis:
            runs.append(("log  ", "muted"))
        if runs:
            text, ink = runs[-1]
            runs[-1] = (text.rstrip(), ink)
        return tuple(runs)

    def value(self) -> Row:
        """Return the newest value, or what the cursor points at."""
        if self._plot.reading:
            room = self.size.width - len(self.title) - (7 if self.number else 5)
            fitting = next((text for text in self._plot.reading if len(text) <= room), self._plot.reading[-1])
            return ((fitting, "mark"),)
        return ((self._plot.value, self._plot.value_tone),) if self._plot.value else ()

    def body(self, width: int, height: int) -> list[Row]:
        """Return the plane with its axes."""
        limits = self._limits()
        inner, rows = width - self._MARGIN, height - 1
        if limits is None:
            return _centred(self._waiting, width, height)
        if inner < 4 or rows < 2:
            return _centred("too small to draw", width, height)
        from tui.app.widgets.raster import Plane, draw

        self._scale = scale = fitted(*limits, log=self.log_axis, close=True, before=self._scale)
        if self._ceiling is not None and scale.high > self._ceiling > scale.low and not scale.log:
            scale = Scale(scale.low, self._ceiling)
        plane = Plane(inner, rows, self._plot.first, self._plot.last, scale)
        drawn = draw(plane, self._plot.traces, self._plot.marks, self._plot.cursor, self._plot.levels)
        labels = self._labels(scale, rows)
        edge = self._MARGIN - 2
        body: list[Row] = []
        for y, row in enumerate(drawn):
            label = labels.get(y, "")
            body.append(((f"{label:>{edge}} ", "muted"), ("┤" if label else "│", "faint"), *row))
        body.append(self._axis(inner))
        return body

    def _limits(self) -> tuple[float, float] | None:
        """Return the smallest and largest value to show; far outliers are left to stick out."""
        if not (self._plot.traces or self._plot.marks or self._plot.levels):
            return None  # at once: the first paint does not wait for NumPy
        import numpy as np

        lows: list[Array] = []
        highs: list[Array] = []
        for trace in self._plot.traces:
            for values, into in ((trace.low, lows), (trace.high, highs)):
                good = values[np.isfinite(values)]
                into.append(good[good > 0] if self.log_axis else good)
        points = [m.value for m in self._plot.marks if m.value is not None and math.isfinite(m.value)]
        points += self._plot.levels
        marked = np.array([p for p in points if p > 0 or not self.log_axis], np.float64)
        low, high = np.concatenate([*lows, marked]), np.concatenate([*highs, marked])
        if not len(low) or not len(high):
            return None
        bottom, top = float(low.min()), float(high.max())
        if len(high) >= 32 and not self.log_axis and self._ceiling is None:
            from tui.app.widgets.raster import quantile

            usual = quantile(high, 0.97)
            if top - bottom > 4 * (usual - bottom) > 0:
                top = usual + 0.25 * (usual - bottom)
        if self._floor is not None and not self.log_axis:
            bottom = self._floor
        return bottom, max(bottom, top)

    def _labels(self, scale: Scale, rows: int) -> dict[int, str]:
        most = max(2, (rows + 1) // 2) if rows < 8 else max(3, rows // 2)
        labels: dict[int, str] = {}
        shown = Scale(scale.low * 100, scale.high * 100) if self._percent and not scale.log else scale
        for value, label in ticks(shown, min(most, 6)):
            y = min(rows - 1, max(0, int((1 - shown.share_of(value)) * rows)))
            label = f"{label}%" if self._percent and not scale.log else label
            if len(label) <= self._MARGIN - 2 and label not in labels.values():
                labels[y] = label
        return labels

    def _axis(self, width: int) -> Row:
        from tui.app.widgets.raster import Plane

        plot = self._plot
        plane = Plane(width, 1, plot.first, plot.last, Scale(0, 1))
        line: list[str] = ["─"] * width
        tones: list[Tone] = ["faint"] * width
        for step in plot.borders:
            if plot.first <= step <= plot.last:
                line[plane.cell(step)] = "┴"
        for mark in plot.marks:
            if mark.value is None and plot.first <= mark.step <= plot.last:
                at = plane.cell(mark.step)
                line[at], tones[at] = mark.glyph, mark.tone
        end = -1
        labels = plot.ticks if plot.ticks is not None else step_ticks(plot.first, plot.last, width)
        for step, label in labels:
            if not plot.first <= step <= plot.last:
                continue
            place = _beside_marks(tones, plane.cell(step), len(label), end + 1)
            if place is not None:
                line[place : place + len(label)] = label
                tones[place : place + len(label)] = ["muted"] * len(label)
                end = place + len(label)
        runs: list[Run] = [(" " * (self._MARGIN - 1), "faint"), ("└", "faint")]
        for character, tone in zip(line, tones, strict=True):
            if runs[-1][1] == tone:
                runs[-1] = (runs[-1][0] + character, tone)
            else:
                runs.append((character, tone))
        return tuple(runs)


def _beside_marks(tones: list[Tone], cell: int, length: int, first: int) -> int | None:
    """Return where a label of the horizontal axis begins: around its cell, or beside it if marks stand there.

    Args:
        tones: of the axis; what is not faint is a mark.
        cell: what is labelled.
        length: of the label.
        first: where it may begin at the earliest; None is returned if there is no room.
    """
    usual, free = min(cell - length // 2, len(tones) - length), ["faint"] * length
    for at in (usual, cell + 1, cell - length):
        if first <= at and tones[at : at + length] == free:
            return at
    covered = set(tones[max(0, usual) : usual + length])
    return usual if usual >= first and covered <= {"faint", "muted"} else None


def _centred(text: str, width: int, height: int) -> list[Row]:
    rows: list[Row] = [()] * height
    if height > 0:
        rows[height // 2] = ((f"{text:^{width}}"[:width], "muted"),)
    return rows
