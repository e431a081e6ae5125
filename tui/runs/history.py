"""Series for charts out of the records of a run, whatever its length, in bounded memory.

All records are folded into at most 8,192 buckets per column, and the newest 4,096 are kept as they are.
Of a step that several attempts made, only the latest counts: where an attempt begins before the end of an
earlier one, what the earlier one recorded from there on is void. Nothing is written anywhere.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui.core.records import BATCHES, Header
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.buckets import Bins, Buckets, Doubles, Floats, Integers, Parts, Recent
from tui.runs.tail import Block, RecordTail, attempt_of

BUCKETS = 8192
RECENT = 4096
_CELLS = 1 << 19
"""Buckets times columns stay below this, so that the layers of a deep model fit in some ten megabytes."""
_MOST_COLUMNS = 16_384
_RELIST = 1.0
"""Seconds after which the folder is listed again even if its time says that nothing came."""
_FAR = 1 << 62
_FINE = 4
"""Bins of the moving average in one bin of the chart."""


@dataclass(frozen=True)
class Series:
    """One quantity over the steps, in ``n`` bins of equal width; NaN where nothing was recorded."""

    steps: Doubles
    """[n]: the middle of each bin."""
    low: Floats
    """[n]: the smallest value; infinities are kept, NaN is passed over where there is anything else."""
    high: Floats
    """[n]: the largest value."""
    mean: Floats
    """[n]: the mean of the finite values."""
    nonfinite: Integers
    """[n]: how many values were NaN or infinite."""


@dataclass
class _Source:
    attempt: int
    tail: RecordTail
    first: int | None = None
    """The first step of the attempt: earlier attempts are void from there on."""
    kept: int = 0
    """The last step that was taken from it."""
    done: bool = False
    """Nothing more of it will count."""
    places: NDArray[np.intp] | None = None


class History:
    """The records of one kind (`tui.core.records.BATCHES` or ``LAYERS``) of a run."""

    def __init__(self, run: RunDir, kind: str, *, buckets: int = BUCKETS, recent: int = RECENT) -> None:
        self._run = run
        self._kind = kind
        self._most = (buckets, recent)
        self._rewinds: dict[int, int] = {}
        self._names: tuple[str, ...] = ()
        self._sources: list[_Source] = []
        self._listed = -math.inf
        self._folder = 0
        self.behind = False
        """Whether a poll with a budget left something unread."""
        self._clear()

    def _clear(self) -> None:
        """Forget all records; the next poll reads them again. Where attempts begin is still known."""
        self._sources = [_Source(old.attempt, RecordTail(old.tail.path), old.first) for old in self._sources]
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
        changed = self._discover()
        self.behind = False
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
        return changed

    def _discover(self) -> bool:
        """Look for segments of new attempts."""
        moment = time.monotonic()
        try:
            folder = os.stat(self._run.metrics).st_mtime_ns
        except OSError:
            folder = 0
        if folder == self._folder and moment - self._listed < _RELIST:
            return False
        self._folder, self._listed = folder, moment
        known = {source.attempt for source in self._sources}
        paths = ((attempt_of(path), path) for path in self._run.segments(self._kind))
        added = [_Source(attempt, RecordTail(path)) for attempt, path in paths if attempt and attempt not in known]
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

    def _find_first(self, source: _Source) -> None:
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

    def _widen(self, source: _Source) -> bool:
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

    def _take(self, source: _Source, block: Block) -> bool:
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
        limits = [s.first for s in self._sources if s.attempt > source.attempt and s.first is not None]
        limits += [first for attempt, first in self._rewinds.items() if attempt > source.attempt]
        end = int(np.searchsorted(block.steps, min(limits))) if limits else len(block.steps)
        source.done = end < len(block.steps)
        if end:
            if not self.count:
                self._begin(int(block.steps[0]))
            steps, values = block.steps[:end], self._arranged(source, header, block.values[:, :end])
            self._buckets.add(steps, values)
            self._recent.add(steps, values)
            self.count += end
            self.last_step, self.last_time = int(steps[-1]), float(block.times[end - 1])
            source.kept = self.last_step
        return True

    def _begin(self, step: int) -> None:
        """Make the buckets as wide as the whole run needs, so that they need not be merged on the way."""
        self.first_step = step
        newest = [record.step for source in self._sources if (record := source.tail.last()) is not None]
        self._buckets.stretch(max(newest, default=1))

    def _arranged(self, source: _Source, header: Header, values: Floats) -> Floats:
        """Return the values in the order of `columns`."""
        if header.columns == self._names:
            return values
        if source.places is None:
            place = {name: index for index, name in enumerate(self._names)}
            source.places = np.array([place[name] for name in header.columns], np.intp)
        arranged = np.full((len(self._names), values.shape[1]), np.nan, np.float32)
        arranged[source.places] = values
        return arranged

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
        average = _Average(1 - 2 / (span + 1))
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
        """Fold what is known into bins: from single records if they reach back far enough, else from the buckets."""
        if self._buckets.stride > 1 and bins.first >= self._recent.steps[0]:
            return self._recent.binned(rows, bins)
        return self._buckets.binned(rows, bins, self.last_step)


class _Average:
    """An exponential moving average without the pull of its start."""

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._total = 0.0
        self._weight = 0.0

    def over(self, series: Series) -> Floats:
        """Go over the bins and return the average after each; bins without a finite value change nothing."""
        averages = []
        width = (series.steps[1] - series.steps[0]) if len(series.steps) > 1 else 1.0
        steps = 0.0
        for value in series.mean.tolist():
            steps += width
            if math.isfinite(value):
                keep = self._keep**steps
                self._total = keep * self._total + (1 - keep) * value
                self._weight = keep * self._weight + (1 - keep)
                steps = 0.0
            averages.append(self._total / self._weight if self._weight else math.nan)
        return np.array(averages, np.float32)
