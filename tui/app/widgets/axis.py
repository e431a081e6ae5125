"""Axes of charts: limits that move rarely, ticks at round numbers, linear and logarithmic.

An axis that follows every new value repaints the whole chart each time. These keep their limits until a
value leaves them or most of the room is empty, and then move far enough to stay for a while.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from tui.app.format import compact, duration, tick

if TYPE_CHECKING:
    from numpy.typing import NDArray

Unit = Literal["step", "epoch", "time"]
"""What a horizontal axis counts."""
PLACES: dict[Unit, int] = {"step": 1, "epoch": 1000, "time": 10}
"""How many places there are in a step, an epoch, a second."""
_ROUND_SECONDS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, *(60.0 * m for m in (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440)))
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_LOG_ROUND = (1.0, 2.0, 5.0, 10.0)
_SMALLEST = 1e-45
"""The smallest float32 above zero."""
_HEADROOM = 0.04
_NOTHING = 1e-40
_LEAST_RATIO = 4.9
"""From end to end of a logarithmic axis, whose labels are then 1, 2 and 5."""
_NARROW = 3.0
"""Values of a smaller ratio would fill less than two thirds of such an axis."""
_LEAST_USED = 0.55
"""An axis of which less than this share is used shrinks."""


@dataclass(frozen=True)
class Scale:
    """The limits of a vertical axis."""

    low: float
    high: float
    log: bool = False

    def share(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return where values lie between the lower (0) and the upper limit (1), not clipped; NaN stays NaN."""
        import numpy as np

        with np.errstate(divide="ignore", invalid="ignore"):
            if self.log:
                low, high = math.log(self.low), math.log(self.high)
                places = np.log(np.maximum(values.astype(np.float64), _SMALLEST))
                return (np.where(np.isnan(values), np.nan, places) - low) / (high - low)
            shares = (values.astype(np.float64) - self.low) / (self.high - self.low)
            return np.asarray(shares)

    def share_of(self, value: float) -> float:
        """Return where one finite value lies."""
        if self.log:
            return math.log(max(value, _SMALLEST) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def fitted(low: float, high: float, *, log: bool = False, close: bool = False, before: Scale | None = None) -> Scale:
    """Return an axis for values from ``low`` to ``high`` (finite; above zero if ``log``).

    Args:
        low: the smallest value to show.
        high: the largest.
        log: whether the axis is logarithmic.
        close: whether a logarithmic one may be narrower than from 1 to 5, if the values are: for lines, not for bars.
        before: the axis so far; it is returned as long as it will do.
    """
    if log:
        low, high = max(low, _SMALLEST), max(high, _SMALLEST)
    if before is not None and before.log == log and before.low <= low and high <= before.high:
        bottom = before.low if not log and before.low == 0 else low
        used = (math.log(high / low) + 1e-9) / math.log(before.high / before.low) if log else 0.0
        if not log:
            used = (high - bottom) / (before.high - before.low)
        if used >= _LEAST_USED or _fresh(low, high, log, close) == before:
            return before
    return _fresh(low, high, log, close)


def _fresh(low: float, high: float, log: bool, close: bool = False) -> Scale:
    if log:
        narrow = _around(low, high) if close and 1 + 1e-6 < high / low < _NARROW else None
        if narrow is not None and narrow.low > 0:
            return narrow
        bottom, top = _log_floor(low), _log_ceiling(high)
        if top / bottom < _LEAST_RATIO:
            bottom, top = _log_floor(bottom / 1.5), _log_ceiling(top * 1.5)
        return Scale(bottom, top, True)
    if max(abs(low), abs(high)) < _NOTHING:
        return Scale(0.0, 1.0)
    if low >= 0 and low < 0.6 * high:
        low = 0.0
    if high - low <= 1e-9 * max(abs(high), abs(low)):
        # One value: an axis from zero, with the value half way up.
        low, high = (min(0.0, 2 * low), max(0.0, 2 * high)) if high else (0.0, 1.0)
    else:
        high += _HEADROOM * (high - low)
    step = _round_up((high - low) / 5, _ROUND)
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def _around(low: float, high: float) -> Scale:
    """Return a logarithmic axis with limits as round as those of a linear one."""
    step = _round_up((high + _HEADROOM * (high - low) - low) / 5, _ROUND)
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step + _HEADROOM) * step, True)


def _round_up(value: float, ladder: tuple[float, ...]) -> float:
    power = 10.0 ** math.floor(math.log10(max(value, _SMALLEST)))
    return next((r * power for r in ladder if r * power >= value * (1 - 1e-9)), 10 * power)


def _log_floor(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return max((r * power for r in _LOG_ROUND if r * power <= value * (1 + 1e-9)), default=power)


def _log_ceiling(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return next((r * power for r in _LOG_ROUND if r * power >= value * (1 - 1e-9)), 10 * power)


@lru_cache(maxsize=256)
def ticks(scale: Scale, most: int) -> tuple[tuple[float, str], ...]:
    """Return at most ``most`` (at least 2) round values on the axis with their labels, from the smallest."""
    narrow = scale.log and scale.high < _LEAST_RATIO * scale.low
    values = _log_ticks(scale, most) if scale.log and not narrow else _linear_ticks(scale, most)
    step = min((b - a for a, b in pairwise(values)), default=abs(scale.high - scale.low))
    if scale.log and not narrow:
        return tuple((value, tick(value, value)) for value in values)
    return tuple((value, tick(value, step)) for value in values)


def _linear_ticks(scale: Scale, most: int) -> list[float]:
    span = scale.high - scale.low
    wide, narrow = (_round_up(span / max(1, parts), _ROUND) for parts in (most - 1, most))
    chosen, more = _multiples(scale, wide), _multiples(scale, narrow)
    while len(more) > max(2, most):
        narrow = _round_up(1.001 * narrow, _ROUND)
        more = _multiples(scale, narrow)
    if len(more) > len(chosen):
        return more
    while len(chosen) < 2:  # one label says nothing about the scale
        wide = _round_up(wide / 2.001, _ROUND)
        chosen = _multiples(scale, wide)
    return chosen


def _multiples(scale: Scale, step: float) -> list[float]:
    first = math.ceil(scale.low / step - 1e-6)
    count = math.floor((scale.high - first * step) / step + 1e-6)
    return [float(f"{(first + i) * step:.10g}") for i in range(count + 1)]


def _log_ticks(scale: Scale, most: int) -> list[float]:
    low, high = math.log10(scale.low), math.log10(scale.high)
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    for ladder in ((1.0, 2.0, 5.0), (1.0, 3.0)):
        values = [
            factor * 10.0**power
            for power in range(math.floor(low) - 1, math.ceil(high) + 1)
            for factor in ladder
            if low - 1e-9 <= math.log10(factor) + power <= high + 1e-9
        ]
        if 2 <= len(values) <= most:
            return values
    stride = max(1, math.ceil(len(powers) / most))
    chosen = [10.0**power for power in powers if power % stride == 0]
    return chosen if len(chosen) >= 2 else [scale.low, scale.high]


def reach(step: int, total: int, before: int = 0) -> int:
    """Return the last step of a horizontal axis: it grows by a third at a time, and ends at ``total`` if known.

    Args:
        step: the newest step; 0 before the first.
        total: how many steps the run makes; 0 if that is not known.
        before: the axis so far.
    """
    if step >= total > 0:
        return step
    if step <= before and step * 2 > before:
        return before
    end = 16
    while end < step:
        end = max(end + 1, round(end * 4 / 3))
    return min(end, total) if total > 0 else end


def step_ticks(first: int, last: int, cells: int) -> list[tuple[int, str]]:
    """Return round step numbers and their labels for a horizontal axis of so many cells."""
    room = max(2, cells // 12)
    stride = max(1, int(_round_up((last - first + 1) / room, (1.0, 2.0, 5.0, 10.0))))
    start = -(-first // stride) * stride
    return [(step, compact(step)) for step in range(start or stride, last + 1, stride)]


def place_ticks(first: int, last: int, cells: int, unit: Unit) -> list[tuple[float, str]]:
    """Return round places and their labels for a horizontal axis that may count epochs or time; see `PLACES`."""
    wanted = (last - first + 1) / max(2, cells // 12)
    if unit == "time":
        seconds = wanted / PLACES["time"]
        round_seconds = next((one for one in _ROUND_SECONDS if one >= seconds), 0.0) or _round_up(seconds, _ROUND)
        stride = max(1, round(round_seconds * PLACES["time"]))
    else:
        stride = max(1, int(_round_up(wanted, (1.0, 2.0, 5.0, 10.0))))
    start = -(-first // stride) * stride
    return [(place, place_label(place, unit)) for place in range(start or stride, last + 1, stride)]


def place_label(place: int, unit: Unit) -> str:
    """Return what stands at a place of a horizontal axis."""
    if unit == "epoch":
        return f"{place / PLACES['epoch']:g}"
    return duration(place / PLACES["time"]) if unit == "time" else compact(place)
