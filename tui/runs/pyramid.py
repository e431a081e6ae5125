"""Reading the summaries of a segment (`tui.core.pyramid`), as far as they are whole, and the records beyond."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tui.core.pyramid import (
    FACTOR,
    LEVELS,
    Doubles,
    Integers,
    Parts,
    Rows,
    decode_rows,
    fold_values,
    header_of,
    width_of,
)
from tui.core.records import decode_header
from tui.core.rundir import RunDir
from tui.runs.tail import RecordTail

_AT_ONCE = 1 << 20
"""Bytes that are read at a time."""
_MOST_RECORDS = 1 << 16
"""Records that are read where summaries are missing; what is longer is shown coarsely."""


class MissingError(Exception):
    """So much is not summarised that reading it would take too long."""


@dataclass
class _Level:
    start: int
    """Where its rows begin, in bytes."""
    usable: int
    """Rows from here on are damaged."""


class Pyramid:
    """The summaries of one segment. Records are meant by their number, from 0, as they lie in its file."""

    def __init__(self, run: RunDir, tail: RecordTail) -> None:
        self._run, self._tail = run, tail
        self._levels: dict[int, _Level] = {}

    def rows(self, level: int) -> int:
        """Return how many rows of a level there are to read."""
        header, found = self._tail.open(), self._level(level)
        if header is None or found is None:
            return 0
        try:
            size = os.stat(self._run.summary(header.kind, header.attempt, level)).st_size
        except OSError:
            return 0
        written = (size - found.start) // width_of(len(header.columns))
        return int(min(written, found.usable, self._tail.whole_records() // FACTOR**level))

    def level_with(self, most: int) -> int:
        """Return the finest level with at most so many rows, but some; 0 if there is none."""
        return next((level for level in range(1, LEVELS) if 0 < self.rows(level) <= most), 0)

    def read(self, level: int, first: int, last: int, wanted: slice) -> Iterator[Rows]:
        """Yield the rows of a level from number ``first`` up to ``last``; the first damaged one ends it for good."""
        header, found = self._tail.open(), self._level(level)
        if header is None or found is None:
            return
        width = width_of(len(header.columns))
        count = max(1, _AT_ONCE // width)
        try:
            with open(self._run.summary(header.kind, header.attempt, level), "rb", buffering=0) as file:
                while first < last:
                    number = min(count, last - first)
                    data = os.pread(file.fileno(), number * width, found.start + first * width)
                    rows = decode_rows(data[: len(data) // width * width], len(header.columns), level, wanted)
                    if len(rows.first):
                        yield rows
                    first += len(rows.first)
                    if len(rows.first) < number:
                        found.usable = min(found.usable, first)
                        return
        except OSError:
            return

    def pieces(self, level: int, begin: int, end: int, wanted: slice) -> Iterator[tuple[Doubles | Integers, Parts]]:
        """Yield where and what the records from ``begin`` up to ``end`` are, in rows of ``level``.

        The first row may begin before ``begin``. What is left at the end, and what has no row, comes from finer levels.

        Raises:
            MissingError: too many records have no summary.
        """
        if level == 0:
            if end - begin > _MOST_RECORDS:
                raise MissingError
            block = self._tail.some(begin, end)
            if block is not None:
                values = block.values[wanted]
                yield block.steps, fold_values(values, np.arange(values.shape[1]))
            return
        size = FACTOR**level
        number = begin // size
        for rows in self.read(level, number, min(end // size, self.rows(level)), wanted):
            number += len(rows.first)
            yield rows.middles, rows.parts
        if max(begin, number * size) < end:
            yield from self.pieces(level - 1, max(begin, number * size), end, wanted)

    def _level(self, level: int) -> _Level | None:
        """Return what is known of a level whose file belongs to the segment."""
        header = self._tail.open()
        if header is None:
            return None
        if level not in self._levels:
            try:
                with open(self._run.summary(header.kind, header.attempt, level), "rb") as file:
                    found = decode_header(file.readline(4 << 20))
            except (OSError, ValueError):
                return None
            if found is None:
                return None
            there = found[0] == header_of(header, level)
            self._levels[level] = _Level(found[1], 1 << 62 if there else 0)
        return self._levels[level]
