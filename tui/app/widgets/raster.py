"""From series to braille: pure functions on arrays, no widget in sight.

A cell holds 2 x 4 dots. A trace is drawn as a vertical stroke in each column of dots; where strokes of
several traces meet in a cell, the later trace takes the cell, so that lines stay thin and keep their colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.app.palette import Tone
from tui.app.widgets.axis import Scale

Array = NDArray[Any]
Run = tuple[str, Tone]
"""Text and the tone that it is written in."""
Row = tuple[Run, ...]

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_STROKES = np.array([[[sum(dots[first:last]) for last in range(5)] for first in range(5)] for dots in _DOTS], np.uint16)
"""[left or right, first dot, dot after the last]: the braille dots of a stroke within a cell."""
_BLANK = 0x20
_NONFINITE = "!"
ABOVE = "↑"
"""Stands at the upper edge where a value lies above the axis."""
_ROUNDING = 1e-6
_CURSOR = "│"
_LEVEL = "┄"


@dataclass(frozen=True)
class Trace:
    """One series: a stroke from ``low`` to ``high`` at each place; equal ones make a line."""

    label: str
    tone: Tone
    steps: Array
    """[n], increasing."""
    low: Array
    high: Array
    nonfinite: Array | None = None
    """[n]: how many values at each place were NaN or infinite."""


@dataclass(frozen=True)
class Mark:
    """A sign at a step and a value; without a value it stands on the horizontal axis."""

    glyph: str
    tone: Tone
    step: float
    value: float | None = None
    label: str = ""
    """What the legend calls it."""


@dataclass(frozen=True)
class Plane:
    """Where traces are drawn: so many cells, from one step to another, on a vertical axis."""

    width: int
    height: int
    first: int
    last: int
    scale: Scale

    def column(self, steps: Array) -> Array:
        """Return the column of dots of each step."""
        dots = (steps - (self.first - 0.5)) / max(1, self.last - self.first + 1) * (2 * self.width)
        return within(dots.astype(np.int64), 0, 2 * self.width - 1)

    def cell(self, step: float) -> int:
        """Return the column of cells of one step."""
        dot = int((step - (self.first - 0.5)) / max(1, self.last - self.first + 1) * (2 * self.width))
        return min(max(dot, 0), 2 * self.width - 1) // 2


def draw(
    plane: Plane,
    traces: Sequence[Trace],
    marks: Sequence[Mark] = (),
    cursor: int | None = None,
    levels: Sequence[float] = (),
) -> list[Row]:
    """Return the rows of the plane, ``height`` of them, each ``width`` cells long.

    Args:
        plane: where they are drawn.
        traces: from the lowest to the one on top.
        marks: on top of all traces.
        cursor: a step at which a line stands, below the traces.
        levels: values at which a faint line lies, below the traces; those outside of the plane are left out.
    """
    codes = np.full((plane.height, plane.width), _BLANK, np.uint32)
    tones = np.zeros((plane.height, plane.width), np.int8)
    names: list[Tone] = ["text", "mark", "faint"]
    for level in levels:
        share = plane.scale.share_of(level)
        if 0 <= share <= 1:
            y = min(plane.height - 1, int((1 - share) * plane.height))
            codes[y], tones[y] = ord(_LEVEL), 2
    if cursor is not None and plane.first <= cursor <= plane.last:
        column = plane.cell(cursor)
        codes[:, column], tones[:, column] = ord(_CURSOR), 1
    for trace in traces:
        names.append(trace.tone)
        cells = _cells(_strokes(plane, trace), plane.height)
        there = cells > 0
        codes[there] = 0x2800 + cells[there]
        tones[there] = len(names) - 1
    for trace in traces:
        above = np.flatnonzero(np.isfinite(trace.high) & (plane.scale.share(trace.high) > 1 + _ROUNDING))
        if len(above):
            names.append(trace.tone)
            at = plane.column(trace.steps[above]) // 2
            codes[0, at], tones[0, at] = ord(ABOVE), len(names) - 1
    for trace in traces:
        if trace.nonfinite is not None and trace.nonfinite.any():
            names.append("bad")
            at = plane.column(trace.steps[trace.nonfinite > 0]) // 2
            codes[0, at], tones[0, at] = ord(_NONFINITE), len(names) - 1
    for mark in marks:
        place = _place(plane, mark)
        if place is not None:
            names.append(mark.tone)
            codes[place], tones[place] = ord(mark.glyph), len(names) - 1
    return [_row(codes[y], tones[y], names) for y in range(plane.height)]


def within(values: Array, low: float, high: float) -> Array:
    """Return `numpy.clip`, in a third of its time for a few values."""
    return np.minimum(np.maximum(values, low), high)


def quantile(values: Array, share: float) -> float:
    """Return `numpy.quantile` of finite values, at least one, in a tenth of its time for a few."""
    ordered = np.sort(values)
    place = share * (len(ordered) - 1)
    at = int(place)
    low = float(ordered[at])
    return low + (place - at) * (float(ordered[min(at + 1, len(ordered) - 1)]) - low)


def _place(plane: Plane, mark: Mark) -> tuple[int, int] | None:
    if mark.value is None or not np.isfinite(mark.value) or not plane.first <= mark.step <= plane.last:
        return None
    share = min(1.0, max(0.0, plane.scale.share_of(mark.value)))
    return min(plane.height - 1, int((1 - share) * plane.height)), plane.cell(mark.step)


def _strokes(plane: Plane, trace: Trace) -> Array:
    """Return [2, columns of dots]: the upper and lower end of the stroke in each, counted from the top; -1 is none."""
    width, height = 2 * plane.width, 4 * plane.height
    ends = np.full((2, width), -1, np.int64)
    low, high = plane.scale.share(trace.low), plane.scale.share(trace.high)
    there = np.flatnonzero(~(np.isnan(low) | np.isnan(high)))
    if not len(there):
        return ends
    columns = plane.column(trace.steps[there])
    top = (1 - within(high[there], 0, 1)) * (height - 1)
    bottom = (1 - within(low[there], 0, 1)) * (height - 1)
    inside = ~(np.isinf(trace.low[there]) & np.isinf(trace.high[there]))
    columns, top, bottom, there = columns[inside], top[inside], bottom[inside], there[inside]
    if not len(there):
        return ends
    columns, starts = np.unique(columns, return_index=True)
    top, bottom = np.minimum.reduceat(top, starts), np.maximum.reduceat(bottom, starts)
    linked = _linked(plane, trace, columns, there[starts])
    every = np.arange(width)
    owner = within(np.searchsorted(columns, every, side="right") - 1, 0, len(columns) - 1)
    inner = (columns[owner] == every) | ((every > columns[0]) & (every < columns[-1]) & linked[owner])
    upper, lower = np.interp(every, columns, top), np.interp(every, columns, bottom)
    ends[0, inner], ends[1, inner] = np.rint(upper[inner]), np.rint(lower[inner])
    # A steep line has no holes: each stroke reaches half way to its neighbours.
    joined = inner[1:] & inner[:-1] & (linked[owner[:-1]] | (owner[1:] == owner[:-1]))
    (top_left, bottom_left), (top_right, bottom_right) = ends[:, :-1].copy(), ends[:, 1:].copy()
    for upper_end, lower_end, above, below in (
        (bottom_right, top_left, ends[1, 1:], ends[0, :-1]),
        (bottom_left, top_right, ends[1, :-1], ends[0, 1:]),
    ):
        steep = joined & (upper_end < lower_end)
        middle = (upper_end + lower_end) // 2
        above[:] = np.where(steep, np.maximum(above, middle), above)
        below[:] = np.where(steep, np.minimum(below, middle + 1), below)
    return ends


def _linked(plane: Plane, trace: Trace, columns: Array, sources: Array) -> Array:
    """Return for each column with a value whether the line goes on to the next one: not over gaps and NaN."""
    linked = np.zeros(len(columns), bool)
    if len(columns) < 2:
        return linked
    per_step = 2 * plane.width / max(1, plane.last - plane.first + 1)
    distances = np.diff(trace.steps[sources])
    usual = quantile(distances, 0.5)
    linked[:-1] = np.diff(columns) <= max(1.0, 2.5 * usual * per_step)
    if trace.nonfinite is not None:
        lost = np.isnan(trace.low) & (trace.nonfinite > 0)
        passed = np.concatenate(([0], np.cumsum(lost)))
        linked[:-1] &= passed[sources[1:]] == passed[sources[:-1]]
    return linked


def _cells(ends: Array, height: int) -> Array:
    """Return the braille dots [height, width] of strokes [2, columns of dots]."""
    from_top = np.arange(0, 4 * height, 4)[:, None]
    first = within(ends[0] - from_top, 0, 4)
    last = within(ends[1] - from_top + 1, 0, 4)
    there = ends[0] >= 0
    left, right = slice(None, None, 2), slice(1, None, 2)
    dots = _STROKES[0, first[:, left], last[:, left]] * there[left]
    dots += _STROKES[1, first[:, right], last[:, right]] * there[right]
    return np.asarray(dots)


def _row(codes: Array, tones: Array, names: Sequence[Tone]) -> Row:
    text = codes.astype("<u4").tobytes().decode("utf-32-le")
    cuts = [0, *(np.flatnonzero(np.diff(tones)) + 1).tolist(), len(text)]
    return tuple((text[a:b], names[tones[a]]) for a, b in pairwise(cuts))
