"""The numbers of one moment that several rules ask for, each computed once when it is first asked for."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from tui.core.diagnosis import limits
from tui.core.diagnosis.course import Course, Floats, median
from tui.core.diagnosis.finding import Evidence
from tui.core.diagnosis.signals import Facts, Validation


class View:
    """A run as it stands now.

    Args:
        course: what is remembered of it.
    """

    def __init__(self, course: Course) -> None:
        self.course = course
        self.facts: Facts = course.facts
        self.step = course.step
        self.fresh, self.chance, self.floor = course.fresh, course.chance, course.floor

    # --- the loss ------------------------------------------------------------------------------------

    @cached_property
    def losses(self) -> Floats:
        """The losses of the newest steps, [n]."""
        return self.course.steps.last()[:, 1]

    @cached_property
    def loss(self) -> float:
        """The mean loss of the newest steps."""
        recent = self.losses[-limits.MEAN :]
        return float(recent.mean()) if len(recent) else math.nan

    @cached_property
    def level(self) -> float:
        """The share of the way from F to H0 at which the loss stands; 1: nothing is learned."""
        return (self.loss - self.floor) / (self.chance - self.floor)

    @cached_property
    def slope(self) -> tuple[float, float]:
        """(t-statistic of the slope of the loss, deviation of the detrended loss over its mean)."""
        return slope(self.losses[-limits.SLOPE :])

    @property
    def unlearned(self) -> Evidence:
        """Much is left to learn."""
        share = self.loss / self.chance
        return Evidence("loss, times that of guessing", share, limits.LEARNING, "above", "falls below")

    @cached_property
    def stuck(self) -> tuple[Evidence, Evidence]:
        """Nothing is learned and the loss does not fall."""
        return (
            Evidence(
                "fall of the loss (t-statistic)", self.slope[0], limits.FALLING, "above", "below -4 while it learns"
            ),
            Evidence(
                "loss, times that of guessing",
                self.level,
                limits.UNLEARNED,
                "above",
                f"below {limits.UNLEARNED:g} once anything is learned",
            ),
        )

    @property
    def is_stuck(self) -> bool:
        """Whether `stuck` holds."""
        return all(each.holds for each in self.stuck)

    # --- gradients and updates -----------------------------------------------------------------------

    @cached_property
    def gradients(self) -> Floats:
        """The median gradient norm of each layer over the newest steps, [layers]; NaN where there is none."""
        return medians(self.course.gradients.last())

    @cached_property
    def hidden_gradients(self) -> dict[int, float]:
        """`gradients` by the index of the layers that should learn and have a gradient above 0."""
        return {
            index: float(norm)
            for index, (layer, norm) in enumerate(zip(self.facts.layers, self.gradients, strict=True))
            if layer.trained and not layer.frozen and norm > 0
        }

    @cached_property
    def weight_share(self) -> float:
        """The share of the gradient that weights get, not biases, over the newest steps; NaN where it is unknown."""
        whole = median(self.course.steps.last(limits.WINDOW)[:, 4])
        norms = self.hidden_gradients.values()
        return math.sqrt(math.fsum(norm**2 for norm in norms)) / whole if norms and whole > 0 else math.nan

    @cached_property
    def updates(self) -> Floats:
        """The median update ratio of each layer, [layers], over the samples of the newest steps."""
        steps = np.array(self.course.moments, dtype=np.int64)[-limits.WINDOW :]
        rows = self.course.ratios.last(len(steps))
        return medians(rows[steps > self.step - max(limits.WINDOW, _reach(steps))])

    @cached_property
    def update(self) -> float:
        """The median of `updates` over the layers that should learn."""
        return median(self._learning(self.updates))

    @cached_property
    def early_updates(self) -> Floats:
        """The median update ratio over the layers, of each of the first steps that was measured, [n]."""
        return np.array(self.course.early_updates)

    @cached_property
    def target(self) -> float:
        """The update ratio that this network should have: larger before norm layers."""
        learning = [layer for layer in self.facts.layers if layer.trained and not layer.frozen]
        normed = sum(layer.feeds_norm for layer in learning)
        return limits.TARGET_NORM if 2 * normed >= max(1, len(learning)) else limits.TARGET

    def _learning(self, values: Floats) -> Floats:
        keep = [layer.trained and not layer.frozen for layer in self.facts.layers]
        return values[np.array(keep, dtype=bool)] if len(values) == len(keep) else values

    # --- what it answers -----------------------------------------------------------------------------

    @property
    def newest(self) -> Validation | None:
        """The newest validation, if there was one."""
        return self.course.validations[-1] if self.course.validations else None

    # --- the schedule --------------------------------------------------------------------------------

    @property
    def rate(self) -> float:
        """The learning rate in force."""
        rows = self.course.steps.last(1)
        return float(rows[0, 3]) if len(rows) else math.nan

    @property
    def progress(self) -> float:
        """The share of the run that is done."""
        return self.step / max(1, self.facts.total_steps)

    @property
    def decayed(self) -> bool:
        """Whether the learning rate has fallen to the tail of its schedule."""
        return self.rate < limits.TAIL * self.course.peak_rate


def slope(losses: Floats) -> tuple[float, float]:
    """Return (t, spread): the t-statistic of the least-squares slope, and the residuals' deviation over the mean.

    t is 0 for fewer than ten numbers: then nothing is known.
    """
    n = len(losses)
    if n < 10:
        return 0.0, math.nan
    x = np.arange(n) - (n - 1) / 2
    sxx = n * (n * n - 1) / 12
    mean = float(losses.mean())
    b = float(x @ losses) / sxx
    rest = losses - mean - b * x
    variance = float(rest @ rest) / (n - 2)
    error = math.sqrt(variance / sxx)
    t = b / error if error > 0 else (0.0 if b == 0 else math.copysign(math.inf, b))
    return t, (math.sqrt(variance) / mean if mean > 0 else math.nan)


def medians(rows: Floats) -> Floats:
    """Return the median of each column, NaN where all is NaN."""
    if not len(rows):
        return np.full(rows.shape[1], np.nan)
    ordered, n = np.sort(rows, axis=0), len(rows)  # NaN comes last
    if not np.isnan(ordered[-1]).any():
        return np.asarray((ordered[n // 2] + ordered[(n - 1) // 2]) / 2)
    return np.array([median(column) for column in rows.T])


def _reach(steps: np.ndarray) -> int:
    """Return how far back three samples reach, where they are rare."""
    return int(steps[-1] - steps[-3]) + 1 if len(steps) >= 3 else limits.WINDOW
