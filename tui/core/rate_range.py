"""Learning rates that a range test suggests: pure functions of the rates that were tried and their losses.

The test is that of Smith (2017), "Cyclical Learning Rates for Training Neural Networks", section 3.3: the rate grows
exponentially from step to step until the loss diverges. Four readings of the curve are those of fastai's
``fastai.callback.schedule`` (``valley``, ``slide``, ``minimum``, ``steep``), on losses that are smoothed as
there: an exponential average with weight 0.98, corrected for its start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LOWEST, HIGHEST = 1e-7, 10.0
"""The rates of the first and of the last step, unless it diverges before."""
STEPS = 100
SMOOTHING = 0.98
DIVERGED = 4.0
"""The test ends when the smoothed loss is so many times the lowest one."""
FEWEST = 10
"""Fewer losses suggest nothing."""


@dataclass(frozen=True)
class Suggestion:
    """A learning rate."""

    name: str
    rate: float
    loss: float
    """The smoothed loss there."""
    why: str


@dataclass(frozen=True)
class RateRange:
    """The curve and what it suggests."""

    rates: list[float]
    losses: list[float]
    """Of each step, as it was."""
    smoothed: list[float]
    suggestions: list[Suggestion]
    ended: str
    """Why there are no more steps."""
    batch_size: int
    optimizer: str

    def to_table(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return asdict(self)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> RateRange:
        """Return what `to_table` gave."""
        return cls(**{**table, "suggestions": [Suggestion(**one) for one in table["suggestions"]]})


def rates(low: float = LOWEST, high: float = HIGHEST, steps: int = STEPS) -> list[float]:
    """Return the rate of each step, growing by the same factor."""
    return [low * (high / low) ** (step / max(1, steps - 1)) for step in range(steps)]


class Smoothed:
    """An exponential average that begins without bias: m = w m + (1 - w) x, over 1 - w^n."""

    def __init__(self, weight: float = SMOOTHING) -> None:
        self._weight, self._mean, self._count = weight, 0.0, 0

    def add(self, value: float) -> float:
        """Take a value and return the average."""
        self._count += 1
        self._mean = self._weight * self._mean + (1 - self._weight) * value
        return float(self._mean / (1 - self._weight**self._count))


def suggest(tried: Sequence[float], smoothed: Sequence[float]) -> list[Suggestion]:
    """Return what a curve suggests, the one to try first at the head; what makes no sense for it is left out.

    As in fastai the first tenth, where the average is young, and the last five, where it diverges, do not count.

    Args:
        tried: rates, growing.
        smoothed: the losses there.
    """
    counted = slice(len(tried) // 10, -5)
    lr, losses = np.asarray(tried, np.float64)[counted], np.asarray(smoothed, np.float64)[counted]
    finite = np.isfinite(losses)
    lr, losses = lr[finite], losses[finite]
    if len(losses) < FEWEST:
        return []
    found, most = [], float(lr[losses.argmin()])
    for name, read, why in _READINGS:
        rate = read(lr, losses)
        if rate is not None and rate <= most:  # behind the lowest loss it diverges
            loss = float(np.interp(math.log(rate), np.log(lr), losses))
            found.append(Suggestion(name, float(f"{rate:.2e}"), loss, why))
    return found


def valley(lr: Floats, losses: Floats) -> float | None:
    """Return the rate in the middle of the longest valley: the longest falling subsequence of the losses.

    fastai's ``valley``, after the ``LRFinder`` of ESRI's arcgis.learn.
    """
    lengths, end = [1] * len(losses), 0
    for i in range(1, len(losses)):
        lengths[i] += max((lengths[j] for j in range(i) if losses[j] > losses[i]), default=0)
        end = i if lengths[i] > lengths[end] else end
    start = max(0, end - lengths[end])
    third = (end - start) / 3
    return float(lr[start + int(third) + int(third / 2)]) if end else None


def steep(lr: Floats, losses: Floats) -> float | None:
    """Return the rate at which the loss falls fastest over the logarithm of the rate (fastai's ``steep``)."""
    slopes = np.diff(losses) / np.diff(np.log(lr))
    least = int(slopes.argmin())
    return float(lr[least]) if slopes[least] < 0 else None


def minimum(lr: Floats, losses: Floats) -> float | None:
    """Return a tenth of the rate with the lowest loss (fastai's ``minimum``)."""
    at = int(losses.argmin())
    return float(lr[at] / 10) if at else None


def slide(lr: Floats, losses: Floats, *, width: int = 15, threshold: float = 0.005) -> float | None:
    """Return the rate left of an interval that slid down from the highest rates to where it stops (fastai's ``slide``).

    It stops where the slopes at its two ends differ by no more than ``threshold``: on the even descent.
    """
    slopes = np.gradient(losses)
    right = len(losses) - 1
    while right >= width and abs(slopes[right] - slopes[right - width]) > threshold:
        right -= 1
    return float(lr[right + 1 - width]) if width <= right < len(losses) - 1 else None


_READINGS: tuple[tuple[str, Callable[[Floats, Floats], float | None], str], ...] = (
    ("valley", valley, "in the middle of the longest descent"),
    ("minimum/10", minimum, "a tenth of where the loss is lowest"),
    ("steepest", steep, "where the loss falls fastest"),
    ("slide", slide, "left of where the even descent ends"),
)
