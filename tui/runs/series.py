"""One quantity over the steps, as charts want it, and its moving average."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tui.core.pyramid import Doubles, Floats, Integers


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


class Average:
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
