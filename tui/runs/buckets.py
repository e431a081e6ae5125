"""Many records in little memory: smallest, largest and mean per bucket of steps, and the newest as they are.

The number of buckets is fixed: when a run outgrows them, pairs are merged and each covers twice the steps.
NaN is passed over in the smallest and largest where there is anything else, infinities are kept, the mean is
that of the finite values, and how many were not finite is known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


class Parts(NamedTuple):
    """What is known of some stretches of steps; each array is [columns, stretches]."""

    low: NDArray[Any]
    high: NDArray[Any]
    total: NDArray[Any]
    """Sum of the finite values, f64."""
    finite: NDArray[Any]
    """How many values are finite, i64."""
    records: NDArray[Any]
    """How many values there are, i64."""

    @staticmethod
    def empty(columns: int, stretches: int) -> Parts:
        """Return parts in which nothing is known yet."""
        shape = (columns, stretches)
        nothing = np.full(shape, np.nan, np.float32)
        return Parts(nothing, nothing.copy(), np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64))

    @property
    def mean(self) -> Floats:
        """The mean of the finite values; without any, the infinity if all are the same one, else NaN."""
        alone = np.where(self.low == self.high, self.low, np.float32(np.nan))
        return np.where(self.finite > 0, self.total / np.maximum(self.finite, 1), alone).astype(np.float32)

    def take(self, where: NDArray[np.intp] | slice) -> Parts:
        """Return the chosen stretches."""
        return Parts(*(part[:, where] for part in self))

    def rows(self, rows: slice) -> Parts:
        """Return the chosen columns."""
        return Parts(*(part[rows] for part in self))


def fold_values(values: Floats, starts: NDArray[np.intp]) -> Parts:
    """Fold values [columns, n] into the stretches that begin at ``starts``."""
    records = np.broadcast_to(np.diff(starts, append=values.shape[1]), (len(values), len(starts)))
    finite = np.isfinite(values)
    if finite.all():
        low = np.minimum.reduceat(values, starts, axis=1)
        high = np.maximum.reduceat(values, starts, axis=1)
        return Parts(low, high, np.add.reduceat(values, starts, axis=1, dtype=np.float64), records, records)
    low = np.fmin.reduceat(values, starts, axis=1)
    high = np.fmax.reduceat(values, starts, axis=1)
    total = np.add.reduceat(np.where(finite, values, 0), starts, axis=1, dtype=np.float64)
    return Parts(low, high, total, np.add.reduceat(finite, starts, axis=1, dtype=np.int64), records)


def fold_parts(parts: Parts, starts: NDArray[np.intp]) -> Parts:
    """Fold parts into fewer: the stretches that begin at ``starts``."""
    return Parts(
        np.fmin.reduceat(parts.low, starts, axis=1),
        np.fmax.reduceat(parts.high, starts, axis=1),
        *(np.add.reduceat(part, starts, axis=1) for part in parts[2:]),
    )


class Bins:
    """At most ``points`` equal parts of the steps from ``first`` to ``last``, both included."""

    def __init__(self, first: int, last: int, points: int) -> None:
        self.first = first
        self.last = last
        self.count = max(1, min(points, last - first + 1))
        self.width = (last - first + 1) / self.count
        middles = first - 0.5 + (np.arange(self.count) + 0.5) * self.width
        self.middles = middles.astype(np.float64)

    def fold(self, steps: Doubles | Integers, parts: Parts) -> Parts:
        """Fold parts that lie at ``steps`` (increasing) into the bins; what lies outside is left out."""
        whole = Parts.empty(len(parts.low), self.count)
        inside = slice(*np.searchsorted(steps, (self.first - 0.5, self.last + 0.5)))
        steps, parts = steps[inside], parts.take(inside)
        if not len(steps):
            return whole
        at = np.minimum(((steps - (self.first - 0.5)) / self.width).astype(np.intp), self.count - 1)
        starts = np.flatnonzero(np.diff(at, prepend=-1))
        for target, part in zip(whole, fold_parts(parts, starts), strict=True):
            target[:, at[starts]] = part
        return whole


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
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        at = places[starts]
        new, mine = fold_values(values, starts), self._parts
        mine.low[:, at] = np.fmin(mine.low[:, at], new.low)
        mine.high[:, at] = np.fmax(mine.high[:, at], new.high)
        for old, more in zip(mine[2:], new[2:], strict=True):
            old[:, at] += more
        self._used = int(at[-1]) + 1

    def stretch(self, step: int) -> None:
        """Merge pairs of buckets until ``step`` has one."""
        while (step - 1) // self.stride >= self.most:
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
        parts = parts.take(slice(0, self._used))
        if not len(parts.low):
            return Parts.empty(0, bins.count)
        there = np.flatnonzero(parts.records[0])
        middles = np.minimum(there * self.stride + (self.stride + 1) / 2, last_step)
        return bins.fold(middles, parts.take(there))


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
        steps, values = steps[-self.most :], values[:, -self.most :]
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
        values = self.values[rows]
        return bins.fold(self.steps, fold_values(values, np.arange(values.shape[1])))
