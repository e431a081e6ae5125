"""Series for charts out of the records of a run, whatever its length, in bounded memory.

All records are folded into at most 8,192 buckets per column, and the newest 4,096 are kept as they are. What the
writer has summarised (`tui.runs.pyramid`) is folded in from the summaries, and a zoom that the buckets are too
coarse for is read from them. Of a step that several attempts made, only the latest counts: where an attempt begins
before the end of an earlier one, what the earlier one recorded from there on is void. Nothing is written anywhere.
"""

from __future__ import annotations

import math
import os
import time
from itertools import chain
from pathlib import Path

import numpy as np

from tui.core.pyramid import FACTOR, Doubles, Floats, Parts
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.buckets import Bins, Buckets, Recent
from tui.runs.details import Details
from tui.runs.pyramid import MissingError, Pyramid
from tui.runs.series import Average, Series
from tui.runs.sources import ALL, Source
from tui.runs.tail import Block, RecordTail, attempt_of

BUCKETS = 4096
RECENT = 4096
_CELLS = 1 << 17
"""Buckets times columns stay below this, so that the layers of a deep model fit in a few megabytes."""
_MOST_COLUMNS = 16_384
_RELIST = 1.0
"""Seconds after which the folder is listed again even if its time says that nothing came."""
_FAR = 1 << 62
_MOST_FOLDS = 32
_FINE = 4
"""Bins of the moving average in one bin of the chart."""


class History:
    """The records of one kind (`tui.core.records.BATCHES` or ``LAYERS``) of a run.

    Args:
        run: the run.
        kind: of the records.
        buckets: how many at most.
        recent: how many of the newest records are kept.
        patient: a zoom that needs a look at the disk is shown coarsely until the next poll (`wanting`).
    """

    def __init__(
        self, run: RunDir, kind: str, *, buckets: int = BUCKETS, recent: int = RECENT, patient: bool = False
    ) -> None:
        self._run = run
        self._place = os.fspath(run.metrics)
        self._kind = kind
        self._patient = patient
        self._most = (buckets, recent)
        self._rewinds: dict[int, int] = {}
        self._names: tuple[str, ...] = ()
        self._sources: list[Source] = []
        self._listed = -math.inf
        self._folder = 0
        self.behind = False
        """Whether a poll with a budget left something unread."""
        self.polled = False
        """Whether the records were looked for yet."""
        self._clear()

    def _clear(self) -> None:
        """Forget all records; the next poll reads them again. Where attempts begin is still known."""
        self._sources = [self._source(old.attempt, old.tail.path, old.first) for old in self._sources]
        self.columns: tuple[str, ...] = tuple(clean(name, 200) for name in self._names)
        """The columns' names, sanitized: those of the first attempt, then what later ones added."""
        self.count = 0
        """Records that count."""
        self.first_step = 0
        self.last_step = 0
        self.last_time = 0.0
        """When the newest record was made, in seconds since 1970."""
        cells = max(1, _CELLS // max(1, len(self._names)))
        self._buckets = Buckets(len(self._names), min(self._most[0], max(64, 1 << (cells.bit_length() - 1))))
        self._recent = Recent(len(self._names), min(self._most[1], max(16, cells)))
        self._details = Details(self._read_bins)
        self._folds: dict[tuple[object, ...], Parts] = {}
        """What was asked for since the last poll: a chart asks for the same bins more than once."""

    def _source(self, attempt: int, path: Path, first: int | None = None) -> Source:
        tail = RecordTail(path)
        return Source(attempt, tail, Pyramid(self._run, tail), first)

    @property
    def gaps(self) -> int:
        """Damaged stretches that were passed over, and segments that cannot be read."""
        return sum(source.tail.gaps + bool(source.tail.problem) for source in self._sources)

    @property
    def problems(self) -> list[str]:
        """Why segments cannot be read, one sentence each."""
        return [f"{s.tail.path.name}: {s.tail.problem}." for s in self._sources if s.tail.problem]

    @property
    def latest(self) -> dict[str, float]:
        """The newest record by column; NaN and infinities as they were."""
        if not len(self._recent.steps):
            return {}
        return dict(zip(self.columns, map(float, self._recent.values[:, -1]), strict=True))

    # --- reading -----------------------------------------------------------------------------------

    def rewind(self, attempt: int, step: int) -> None:
        """Say that ``attempt`` continues after ``step``: what earlier attempts recorded later is void."""
        if step + 1 < self._rewinds.get(attempt, step + 2):
            self._rewinds[attempt] = step + 1
            if self._void(attempt, step + 1):
                self._clear()
            for source in self._sources:
                if source.attempt == attempt:
                    self._find_first(source)

    def poll(self, budget: float | None = None) -> bool:
        """Read what is new; return whether anything changed.

        Args:
            budget: seconds after which to leave the rest for the next poll (`behind` is then True).
        """
        deadline = math.inf if budget is None else time.monotonic() + budget
        self._folds.clear()
        changed = self._discover()
        self.behind, self.polled = False, True
        position = 0
        while position < len(self._sources):
            source = self._sources[position]
            position += 1
            if source.tail.shrunk():  # another file now
                source.first = None
                self._find_first(source)
                self._clear()
                changed, position = True, 0
                continue
            if not source.begun:
                changed |= self._leap(source)
            while not source.done and (block := source.tail.poll()) is not None:
                changed = True
                if not self._take(source, block):
                    self._clear()
                    position = 0
                    break
                if time.monotonic() > deadline:
                    self.behind = True
                    return True
            source.done = source.done or any(later.kept for later in self._sources[position:])
        return self._details.look() or changed

    @property
    def wanting(self) -> bool:
        """Whether the next poll will find something to show, even if nothing new is recorded."""
        return self._details.wanting or not self.polled

    def _discover(self) -> bool:
        """Look for segments of new attempts."""
        moment = time.monotonic()
        try:
            folder = os.stat(self._place).st_mtime_ns
        except OSError:
            folder = 0
        if folder == self._folder and moment - self._listed < _RELIST:
            return False
        self._folder, self._listed = folder, moment
        known = {source.attempt for source in self._sources}
        paths = ((attempt_of(path), path) for path in self._run.segments(self._kind))
        added = [self._source(attempt, path) for attempt, path in paths if attempt and attempt not in known]
        if not added:
            return False
        self._sources = sorted((*self._sources, *added), key=lambda source: source.attempt)
        widened = [self._widen(source) for source in added]
        for source in added:
            self._find_first(source)
        late = any(source.attempt < max(known, default=0) for source in added)
        void = any(source.first and self._void(source.attempt, source.first) for source in added)
        if any(widened) or late or void:
            self._clear()
        return True

    def _find_first(self, source: Source) -> None:
        """Learn the attempt's first step. Layers may be recorded more rarely than batches, which know it exactly."""
        tails = [source.tail]
        if self._kind != BATCHES:
            tails.append(RecordTail(self._run.segment(BATCHES, source.attempt)))
        steps = [record.step for tail in tails if (record := tail.first()) is not None]
        steps += [self._rewinds[source.attempt]] if source.attempt in self._rewinds else []
        steps += [source.first] if source.first is not None else []
        source.first = min(steps, default=None)

    def _void(self, attempt: int, first: int) -> bool:
        """Whether something was kept of earlier attempts that the attempt makes void."""
        return any(source.attempt < attempt and source.kept >= first for source in self._sources)

    def _widen(self, source: Source) -> bool:
        """Learn the names of the attempt's columns; True when there are new ones."""
        header = source.tail.open()
        if header is None:
            return False
        names = tuple(dict.fromkeys((*self._names, *header.columns)))
        if len(names) > _MOST_COLUMNS:
            source.tail.problem = f"it has {len(header.columns)} columns, more than can be shown"
            source.done = True
            return False
        grown, self._names = len(names) > len(self._names), names
        return grown

    def _take(self, source: Source, block: Block) -> bool:
        """Fold the records that count; False when everything must be read again."""
        header = source.tail.header
        assert header is not None
        if not set(header.columns) <= set(self._names) and self._widen(source):
            return False
        if source.done:
            return True
        if source.first is None or source.first > block.steps[0]:
            self._find_first(source)
            source.first = min(source.first or _FAR, int(block.steps[0]))
            if self._void(source.attempt, source.first):
                return False
        end = int(np.searchsorted(block.steps, self._limit(source)))
        source.done = end < len(block.steps)
        if end:
            if not self.count:
                self._begin(int(block.steps[0]))
            steps, values = block.steps[:end], block.values[:, :end]
            if (places := source.places(self._names)) is not None:
                values = np.full((len(self._names), end), np.nan, np.float32)
                values[places] = block.values[:, :end]
            self._buckets.add(steps, values)
            self._recent.add(steps, values)
            self.count += end
            self.last_step, self.last_time = int(steps[-1]), float(block.times[end - 1])
            source.kept = self.last_step
        return True

    def _limit(self, source: Source) -> int:
        """Return the step from which on the source is void."""
        limits = [s.first for s in self._sources if s.attempt > source.attempt and s.first is not None]
        return min(
            [*limits, *(first for attempt, first in self._rewinds.items() if attempt > source.attempt)], default=_FAR
        )

    def _leap(self, source: Source) -> bool:
        """Fold the summaries of a source of which nothing was read; not its newest records. True if there are any."""
        source.begun, tail, before = True, source.tail, self.count
        level = source.pyramid.level_with(self._buckets.most)
        if source.first is None or not level or self._void(source.attempt, source.first):
            return False
        end, size = tail.number_of(self._limit(source), tail.whole_records()) - self._recent.most, FACTOR**level
        for rows in source.pyramid.read(level, 0, max(0, end // size), ALL):
            done = self.count - before + len(rows.first) * size
            if tail.step_of(done - 1) != rows.last[-1]:
                break  # these are not the records that were summarised
            if not self.count:
                self._begin(int(rows.first[0]))
            self._buckets.add_rows(rows._replace(parts=source.arranged(self._names, rows.parts)))
            self.count = before + done
            self.last_step = source.kept = int(rows.last[-1])
            tail.leap(done)
        return self.count > before

    def _begin(self, step: int) -> None:
        """Make the buckets as wide as the whole run needs, so that they need not be merged on the way."""
        self.first_step = step
        newest = [record.step for source in self._sources if (record := source.tail.last()) is not None]
        self._buckets.stretch(max(newest, default=1))

    # --- what charts ask ---------------------------------------------------------------------------

    def series(self, name: str, first: int | None = None, last: int | None = None, points: int = 200) -> Series:
        """Return one column between two steps (both included; without them the whole run) in at most ``points`` bins.

        With the same limits and points, only the bins of new records change from poll to poll. A name that is
        not recorded, and a run without records, give a series of no bins.
        """
        span = self._span(first, last)
        if name not in self.columns or span is None:
            nothing = np.empty(0, np.float32)
            return Series(np.empty(0), nothing, nothing, nothing, np.empty(0, np.int64))
        row = self.columns.index(name)
        bins = Bins(*span, points)
        parts = self._binned(slice(row, row + 1), bins)
        return Series(bins.middles, parts.low[0], parts.high[0], parts.mean[0], (parts.records - parts.finite)[0])

    def matrix(self, points: int = 200, first: int | None = None, last: int | None = None) -> tuple[Doubles, Floats]:
        """Return all columns at once: the middles of ``n`` bins, and the means, float32 [columns, n]."""
        span = self._span(first, last)
        if span is None:
            return np.empty(0), np.empty((len(self.columns), 0), np.float32)
        bins = Bins(*span, points)
        return bins.middles, self._binned(slice(None), bins).mean

    def smoothed(
        self, name: str, span: float | None = None, first: int | None = None, last: int | None = None, points: int = 200
    ) -> Series:
        """Return a column's exponential moving average in the bins of `series`; low, high and mean are equal.

        Args:
            name: the column.
            span: over about how many steps to average; without it a fiftieth of what is shown, at least 20.
            first: the first step shown; what lies before it counts in the average.
            last: the last step shown.
            points: the number of bins.
        """
        plain = self.series(name, first, last, points)
        limits = self._span(first, last)
        if limits is None or not len(plain.steps):
            return plain
        span = max(1.0, span or max(20.0, (limits[1] - limits[0]) / 50))
        average = Average(1 - 2 / (span + 1))
        before = max(self.first_step, limits[0] - int(4 * span))
        if before < limits[0]:
            average.over(self.series(name, before, limits[0] - 1, _FINE * points))
        fine = self.series(name, *limits, _FINE * points)
        ends = plain.steps + (limits[1] - limits[0] + 1) / len(plain.steps) / 2
        at = np.searchsorted(fine.steps, ends) - 1  # the last fine bin that ends within the bin
        values = np.where(np.isnan(plain.mean), np.float32(np.nan), average.over(fine)[at])
        return Series(plain.steps, values, values, values, plain.nonfinite)

    def _span(self, first: int | None, last: int | None) -> tuple[int, int] | None:
        lower = self.first_step if first is None else max(1, first)
        upper = self.last_step if last is None else last
        return (lower, upper) if self.count and upper >= lower else None

    def _binned(self, rows: slice, bins: Bins) -> Parts:
        key = (rows.start, rows.stop, bins.first, bins.last, bins.count)
        if key not in self._folds:
            if len(self._folds) >= _MOST_FOLDS:
                self._folds.clear()
            self._folds[key] = self._folded(rows, bins)
        return self._folds[key]

    def _folded(self, rows: slice, bins: Bins) -> Parts:
        """Fold what is known into bins: from single records if they reach back far enough, else from the buckets."""
        stride = self._buckets.stride
        if stride > 1 and bins.first >= self._recent.steps[0]:
            return self._recent.binned(rows, bins)
        if bins.width < stride:
            ahead = bins.last >= self.last_step
            detail = self._details.get(rows, bins, self.count if ahead else 0, now=not self._patient)
            if detail is not None:
                return detail
        return self._buckets.binned(rows, bins, self.last_step)

    def _read_bins(self, rows: slice, bins: Bins) -> Parts | None:
        """Read bins from the disk; None if that would take too long."""
        names = self._names
        pieces = (source.pieces(names, rows, bins, self._limit(source)) for source in self._sources)
        try:
            return bins.fold(chain.from_iterable(pieces), len(names[rows]))
        except MissingError:
            return None
