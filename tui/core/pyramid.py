"""Summaries beside the records, in levels: a chart of any part of a long run reads a few hundred rows, not the records.

Row i of level k tells of the records from number i x 16**k of a segment up to that of the next row: the smallest,
the largest and the mean of each column, and how many of its values were not finite. A level is a file of its own:
one line of JSON (`tui.core.records.Header`) and rows of equal width, little-endian:

    first step u64 · last step u64 · lowest f32 x columns · highest · mean · not finite u32 x columns · CRC32 u32

Only whole rows are written, so the newest records have none yet. Nothing depends on these files: where they end,
are missing or are damaged, the records are read instead.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui.core.records import Header, intact

FACTOR = 16
"""Rows of a level in one row of the level above."""
LEVELS = 8
"""More than any run has."""

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

    def merge(self, at: NDArray[np.intp], more: Parts) -> None:
        """Add what ``more`` knows of the stretches ``at``, increasing."""
        where: NDArray[np.intp] | slice = at
        if len(at) and at[-1] - at[0] == len(at) - 1:  # in place, in half the time
            where = slice(int(at[0]), int(at[-1]) + 1)
        self.low[:, where] = np.fmin(self.low[:, where], more.low)
        self.high[:, where] = np.fmax(self.high[:, where], more.high)
        for mine, new in zip(self[2:], more[2:], strict=True):
            mine[:, where] += new


class Rows(NamedTuple):
    """Some rows of a level: ``first`` and ``last`` step of each, i64 [n], and what is known, [columns, n]."""

    first: Integers
    last: Integers
    parts: Parts

    @property
    def middles(self) -> Doubles:
        """Where the rows lie, f64 [n]."""
        return (self.first + self.last) / 2


def beginnings(places: NDArray[Any]) -> NDArray[np.intp]:
    """Return where stretches of equal places begin."""
    new = np.ones(len(places), bool)
    np.not_equal(places[1:], places[:-1], out=new[1:])
    return np.flatnonzero(new)


def fold_values(values: Floats, starts: NDArray[np.intp]) -> Parts:
    """Fold values [columns, n] into the stretches that begin at ``starts``."""
    records = np.empty((len(values), len(starts)), np.int64)
    records[:, :-1], records[:, -1:] = starts[1:] - starts[:-1], values.shape[1] - starts[-1:]
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


def header_of(segment: Header, level: int) -> Header:
    """Return the header of a level's file."""
    return Header(f"{segment.kind}/{level}", segment.columns, segment.attempt, segment.run)


def width_of(columns: int) -> int:
    """Return the bytes of one row."""
    return 16 + 16 * columns + 4


def encode_rows(rows: Rows) -> bytes:
    """Return rows as bytes."""
    columns, count = rows.parts.low.shape
    words = np.empty((count, width_of(columns) // 4), "<u4")
    words[:, :4] = np.stack((rows.first, rows.last), axis=1).astype("<u8").view("<u4")
    shown = (rows.parts.low, rows.parts.high, rows.parts.mean)
    words[:, 4 : 4 + 3 * columns] = np.concatenate(shown).astype("<f4").T.view("<u4")
    words[:, 4 + 3 * columns : -1] = (rows.parts.records - rows.parts.finite).T
    for row in words:
        row[-1] = zlib.crc32(row[:-1].tobytes())
    return words.tobytes()


def decode_rows(data: bytes, columns: int, level: int, wanted: slice) -> Rows:
    """Return the rows in ``data`` up to the first damaged one.

    Args:
        data: whole rows.
        columns: how many the level has.
        level: records in a row, as a power of `FACTOR`.
        wanted: which columns to return.
    """
    words = np.frombuffer(data, "<u4").reshape(-1, width_of(columns) // 4)
    steps = words[:, :4].copy().view("<u8").astype(np.int64)
    good = intact(words)
    good &= (steps[:, 0] > 0) & (steps[:, 1] >= steps[:, 0])
    good[1:] &= steps[1:, 0] > steps[:-1, 1]
    if not good.all():
        words, steps = words[: int(np.argmin(good))], steps[: int(np.argmin(good))]
    low, high, mean, lost = (words[:, 4 + i * columns : 4 + (i + 1) * columns][:, wanted].T for i in range(4))
    records = np.full(lost.shape, FACTOR**level, np.int64)
    finite = records - lost
    total = np.where(finite > 0, np.ascontiguousarray(mean).view("<f4").astype(np.float64) * finite, 0.0)
    parts = Parts(np.ascontiguousarray(low).view("<f4"), np.ascontiguousarray(high).view("<f4"), total, finite, records)
    return Rows(steps[:, 0], steps[:, 1], parts)
