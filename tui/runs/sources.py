"""One segment of records as a history reads it: where its columns belong, and what of it a zoom needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tui.core.pyramid import FACTOR, Doubles, Integers, Parts
from tui.runs.buckets import Bins
from tui.runs.pyramid import Pyramid
from tui.runs.tail import RecordTail

ALL = slice(None)


@dataclass
class Source:
    """A segment, and how far it was read."""

    attempt: int
    tail: RecordTail
    pyramid: Pyramid
    first: int | None = None
    """The first step of the attempt: earlier attempts are void from there on."""
    kept: int = 0
    """The last step that was taken from it."""
    done: bool = False
    """Nothing more of it will count."""
    begun: bool = False
    """Something of it was read, or its summaries were looked for."""
    _places: NDArray[np.intp] | None = field(default=None, repr=False)

    def places(self, names: tuple[str, ...]) -> NDArray[np.intp] | None:
        """Return where its columns are among ``names``, which has them all; None where they are the same."""
        assert self.tail.header is not None
        columns = self.tail.header.columns
        if columns == names:
            return None
        if self._places is None:
            place = {name: index for index, name in enumerate(names)}
            self._places = np.array([place[name] for name in columns], np.intp)
        return self._places

    def arranged(self, names: tuple[str, ...], parts: Parts, rows: slice = ALL) -> Parts:
        """Return parts of all its columns in the order of ``names``, and of those the chosen ones."""
        places = self.places(names)
        if places is None:
            return parts.rows(rows)
        arranged = Parts.empty(len(names), parts.low.shape[1])
        for target, part in zip(arranged, parts, strict=True):
            target[places] = part
        return arranged.rows(rows)

    def pieces(
        self, names: tuple[str, ...], rows: slice, bins: Bins, limit: int
    ) -> Iterator[tuple[Doubles | Integers, Parts]]:
        """Yield what lies in the bins and before the step ``limit``, in stretches no wider than a bin.

        Raises:
            MissingError: it would take too long.
        """
        tail, end = self.tail, min(limit, bins.last + 1)
        if tail.header is None or self.first is None or self.first >= end:
            return
        whole = tail.whole_records()
        first, last = tail.number_of(bins.first, whole), tail.number_of(end, whole)
        if first >= last:
            return
        steps = max(1, tail.step_of(last - 1) - tail.step_of(first) + 1)
        level = int(math.log(max(1.0, bins.width * (last - first) / steps) * 1.000001, FACTOR))
        direct = self.places(names) is None
        for at, parts in self.pyramid.pieces(level, first, last, rows if direct else ALL):
            yield at, parts if direct else self.arranged(names, parts, rows)
