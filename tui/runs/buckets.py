"""Many records in little memory: smallest, largest and mean per bucket of steps, and the newest as they are.

The number of buckets is fixed: when a run outgrows them, pairs are merged and each covers twice the steps.
NaN is passed over in the smallest and largest where there is anything else, infinities are kept, the mean is
that of the finite values, and how many were not finite is known.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tui.core.pyramid import Doubles, Floats, Integers, Parts, Rows, beginnings, fold_parts, fold_values


class Bins:
    """At most ``points`` equal parts of the steps from ``first`` to ``last``, both included."""

    def __init__(self, first: int, last: int, points: int) -> None:
        self.first = first
        self.last = last
        self.count = max(1, min(points, last - first + 1))
        self.width = (last - first + 1) / self.count
        middles = first - 0.5 + (np.arange(self.count) + 0.5) * self.width
        self.middles = middles.astype(np.float64)

    def fold(self, pieces: Iterable[tuple[Doubles | Integers, Parts]], columns: int) -> Parts:
        """Fold parts that lie at steps (increasing) into the bins; what lies outside is left out."""
        whole = Parts.empty(columns, self.count)
        for steps, parts in pieces:
            inside = self.inside(steps)
            steps, parts = steps[inside], parts.take(inside)
            if len(steps):
                at = self.places(steps)
                starts = beginnings(at)
                whole.merge(at[starts], fold_parts(parts, starts))
        return whole

    def inside(self, steps: Doubles | Integers) -> slice:
        """Return which of the steps, increasing, lie in any bin."""
        return slice(*np.searchsorted(steps, (self.first - 0.5, self.last + 0.5)))

    def places(self, steps: Doubles | Integers) -> NDArray[np.intp]:
        """Return in which bins steps lie that are inside."""
        return np.minimum(((steps - (self.first - 0.5)) / self.width).astype(np.intp), self.count - 1)


class Buckets:
    """All records of a run, in a fixed number of buckets; bucket i covers the ``stride`` steps from i x stride + 1."""

    def __init__(self, columns: int, most: int) -> None:
        self.most = most
        self.stride = 1
        self._parts = Parts.empty(columns, most)
        self._used = 0

    def add(self, steps: Integers, values: Floats) -> None:
        """Fold records in; ``steps`` increase and come after all earlier ones, or fall in the last bucket."""
        self.stretch(int(steps[-1]))
        places = (steps - 1) // self.stride
        starts = beginnings(places)
        self._parts.merge(places[starts], fold_values(values, starts))
        self._used = int(places[-1]) + 1

    def add_rows(self, rows: Rows) -> None:
        """Fold summaries in, each of steps that come after all earlier ones; a bucket becomes as wide as a row."""
        span = float(np.median(rows.last - rows.first)) + 1
        while self.stride < span:
            self._double()
        self.stretch(int(rows.last[-1]))
        places = (rows.middles.astype(np.int64) - 1) // self.stride
        starts = beginnings(places)
        self._parts.merge(places[starts], fold_parts(rows.parts, starts))
        self._used = int(places[-1]) + 1

    def stretch(self, step: int) -> None:
        """Merge pairs of buckets until ``step`` has one."""
        while (step - 1) // self.stride >= self.most:
            self._double()

    def _double(self) -> None:
        self.stride *= 2
        if self._used:
            merged = fold_parts(self._parts, np.arange(0, self.most, 2))
            self._parts = Parts.empty(len(merged.low), self.most)
            for target, part in zip(self._parts, merged, strict=True):
                target[:, : self.most // 2] = part
            self._used = (self._used + 1) // 2

    def binned(self, rows: slice, bins: Bins, last_step: int) -> Parts:
        """Return what is known in each bin."""
        parts = self._parts.rows(rows)
        if self.stride > bins.width:  # a bin is a part of a bucket: it shows the whole one
            at = ((bins.middles - 1) // self.stride).astype(np.intp)
            shown = parts.take(np.clip(at, 0, self.most - 1))
            outside = (bins.middles < 0.5) | (bins.middles > last_step + 0.5)
            nothing = Parts.empty(len(shown.low), bins.count)
            return Parts(*(np.where(outside, none, part) for none, part in zip(nothing, shown, strict=True)))
        first, last = max(0, (bins.first - 1) // self.stride), min(self._used, bins.last // self.stride + 1)
        if not len(parts.low) or first >= last:
            return Parts.empty(len(parts.low), bins.count)
        parts = parts.take(slice(first, last))
        middles = np.minimum(np.arange(first, last) * self.stride + (self.stride + 1) / 2, last_step)
        there = parts.records[0] > 0
        if not there.all():
            middles, parts = middles[there], parts.take(np.flatnonzero(there))
        return bins.fold([(middles, parts)], len(parts.low))


class Recent:
    """The newest records as they are, at least ``most`` of them; they are moved only when twice as many came."""

    def __init__(self, columns: int, most: int) -> None:
        self.most = most
        self._steps = np.zeros(2 * most, np.int64)
        self._values = np.zeros((columns, 2 * most), np.float32)
        self._count = 0

    @property
    def steps(self) -> Integers:
        """[n], increasing."""
        return self._steps[: self._count]

    @property
    def values(self) -> Floats:
        """[columns, n]."""
        return self._values[:, : self._count]

    def add(self, steps: Integers, values: Floats) -> None:
        """Append records, and forget old ones when there is no more room."""
        if len(steps) >= self.most:
            steps, values = steps[-self.most :], values[:, -self.most :]
            self._count = 0  # a hole before them would be taken for a part of the run without records
        if self._count + len(steps) > 2 * self.most:
            kept = self.most - len(steps)
            old = slice(self._count - kept, self._count)
            self._steps[:kept], self._values[:, :kept] = self._steps[old].copy(), self._values[:, old].copy()
            self._count = kept
        new = slice(self._count, self._count + len(steps))
        self._steps[new], self._values[:, new] = steps, values
        self._count += len(steps)

    def binned(self, rows: slice, bins: Bins) -> Parts:
        """Return what the newest records say in each bin."""
        inside = bins.inside(self.steps)
        steps, values = self.steps[inside], self.values[rows, inside]
        whole = Parts.empty(len(values), bins.count)
        if len(steps):
            at = bins.places(steps)
            starts = beginnings(at)
            whole.merge(at[starts], fold_values(values, starts))
        return whole
