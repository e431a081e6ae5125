"""From several runs to one chart: where each of them is on a common axis, and what is drawn of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tui.app.palette import SERIES, Tone
from tui.app.widgets.axis import PLACES, Unit
from tui.app.widgets.raster import Mark, Trace
from tui.core.events import Started
from tui.core.metrics import DATA_WAIT, GRADIENT_NORM, IMAGES_PER_SECOND, LEARNING_RATE, LOSS, METRICS, Metric
from tui.core.records import BATCHES
from tui.runs.comparison import letter
from tui.runs.follow import RunFollower

if TYPE_CHECKING:
    from tui.runs.state import RunState

Doubles = NDArray[np.float64]
_LETTERS = 4
"""Letters on a line, the one at its end with them."""


@dataclass(frozen=True)
class Quantity:
    """What can be drawn of every run."""

    metric: Metric
    validated: bool
    """Of the validations; else of the batches."""
    smooth: bool = True

    @property
    def label(self) -> str:
        """What it is in words."""
        where = "validation " if self.validated else "training " if self.metric.better and self.smooth else ""
        return f"{where}{self.metric.label}"


def quantities(tracks: Sequence[Track]) -> list[Quantity]:
    """Return what at least one of the runs has: the validations' numbers, then the batches'."""
    measured = dict.fromkeys(
        metric.name for track in tracks for metric in (track.state.metrics.headline, *track.state.metrics.evaluation)
    )
    known = {name for track in tracks for event in track.state.evaluations[-1:] for name in event.metrics}
    found = [Quantity(METRICS[name], True) for name in measured if name in known]
    batch = dict.fromkeys((LOSS, *(track.state.metrics.score for track in tracks), GRADIENT_NORM))
    found += [Quantity(metric, False) for metric in batch]
    found += [Quantity(LEARNING_RATE, False, smooth=False), Quantity(IMAGES_PER_SECOND, False)]
    return [*found, Quantity(DATA_WAIT, False)]


def within(trace: Trace, first: int, last: int, points: int) -> Trace:
    """Return the part of a line of validations between two places of the axis, drawn through those beyond them."""
    if not len(trace.steps) or (trace.steps[0] >= first and trace.steps[-1] <= last):
        return trace
    known = np.isfinite(trace.high)
    steps, values = trace.steps[known], trace.high[known]
    if not len(steps) or steps[0] > last or steps[-1] < first:
        return Trace("", trace.tone, steps[:0], values[:0], values[:0])
    places = np.linspace(max(first, steps[0]), min(last, steps[-1]), max(2, points))
    values = np.interp(places, steps, values)
    return Trace("", trace.tone, places, values, values)


class Track:
    """One of the runs.

    Args:
        follower: of the run, without series of its own.
        place: which of the runs it is.
    """

    def __init__(self, follower: RunFollower, place: int) -> None:
        self.follower = follower
        self.history = follower.history(BATCHES)
        self.letter = letter(place)
        self.tone: Tone = SERIES[place % len(SERIES)]

    @property
    def state(self) -> RunState:
        """The run as it is."""
        return self.follower.state

    def end(self, unit: Unit) -> int:
        """Return the place of its newest step."""
        return math.ceil(float(self._places(np.array([max(1.0, self.state.step)]), unit)[0]))

    def trace(self, quantity: Quantity, unit: Unit, first: int, last: int, points: int) -> Trace:
        """Return the line of a quantity between two places of the axis."""
        name = quantity.metric.name
        if quantity.validated:
            pairs = [(event.step, event.metrics[name]) for event in self.state.evaluations if name in event.metrics]
            steps = np.array([step for step, _ in pairs], np.float64)
            values = np.array([value for _, value in pairs], np.float32)
            return Trace("", self.tone, self._places(steps, unit), values, values)
        limits = self._steps(np.array([first, last], np.float64), unit)
        lower, upper = max(1, math.floor(limits[0])), max(1, min(math.ceil(limits[1]), self.state.step))
        if quantity.smooth:
            series = self.history.smoothed(name, None, lower, upper, points // 2)
        else:
            series = self.history.series(name, lower, upper, points)
        return Trace("", self.tone, self._places(series.steps, unit), series.low, series.high, series.nonfinite)

    def letters(self, trace: Trace, first: int, last: int, shift: float) -> list[Mark]:
        """Return marks that name the line: at its end, and along it where other runs' do not stand."""
        good = np.flatnonzero(np.isfinite(trace.high) & (trace.steps >= first) & (trace.steps <= last))
        if not len(good):
            return []
        wanted = first + (last - first) * (np.arange(_LETTERS - 1) + shift) / (_LETTERS - 1)
        near = [int(good[np.abs(trace.steps[good] - place).argmin()]) for place in wanted]
        usual = float(np.median(np.diff(trace.steps[good]))) if len(good) > 1 else math.inf
        fitting = [at for at, place in zip(near, wanted, strict=True) if abs(trace.steps[at] - place) <= usual]
        places = dict.fromkeys([*fitting, int(good[-1])])
        return [Mark(self.letter[-1], self.tone, float(trace.steps[at]), float(trace.high[at])) for at in places]

    def _places(self, steps: Doubles, unit: Unit) -> Doubles:
        if unit == "epoch":
            per_epoch = self.state.started.steps_per_epoch if self.state.started else 0
            return steps * (PLACES["epoch"] / max(1, per_epoch))
        return _interpolated(steps, *self._clock) * PLACES["time"] if unit == "time" else steps

    def _steps(self, places: Doubles, unit: Unit) -> Doubles:
        if unit == "epoch":
            per_epoch = self.state.started.steps_per_epoch if self.state.started else 0
            return places * (max(1, per_epoch) / PLACES["epoch"])
        if unit == "time":
            steps, seconds = self._clock
            return _interpolated(places / PLACES["time"], seconds, steps)
        return places

    @property
    def _clock(self) -> tuple[Doubles, Doubles]:
        """Steps, and how many seconds of training each took since the start, without what lay between attempts."""
        state = self.state
        timed: list[Any] = [*state.epochs, *state.evaluations, *state.checkpoints]
        starts = [event for event in state.log if isinstance(event, Started)]
        steps, seconds = [float(state.begun)], [0.0]
        began, base = (starts[0].time, 0.0) if starts else (state.last_time, 0.0)
        for event in sorted((*starts, *timed), key=lambda event: event.time):
            if isinstance(event, Started):
                while len(steps) > 1 and steps[-1] > event.step:
                    del steps[-1], seconds[-1]
                began, base = event.time, seconds[-1]
            elif event.step > steps[-1]:
                steps.append(float(event.step))
                seconds.append(base + max(0.0, event.time - began))
        if self.history.last_step > steps[-1]:
            steps.append(float(self.history.last_step))
            seconds.append(base + max(0.0, self.history.last_time - began))
        return np.array(steps), np.maximum.accumulate(np.array(seconds))


def _interpolated(at: Doubles, places: Doubles, values: Doubles) -> Doubles:
    """Return the values at some places between known ones; beyond the last it goes on as it went there."""
    found = np.interp(at, places, values)
    if len(places) > 1 and places[-1] > places[-2]:
        slope = (values[-1] - values[-2]) / (places[-1] - places[-2])
        found = np.where(at > places[-1], values[-1] + slope * (at - places[-1]), found)
    return np.asarray(found)
