"""What the doctor remembers of a run, in bounded memory, and the numbers that several rules ask for."""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tui.core.diagnosis import limits
from tui.core.diagnosis.signals import (
    Activations,
    Agreement,
    Facts,
    Inputs,
    NonFinite,
    Signal,
    Step,
    Updates,
    Validation,
)
from tui.core.schedule import Curve

Floats = NDArray[np.float64]

_STEPS = 1024
"""Steps whose loss is kept."""


class Rows:
    """The newest rows of equal width, oldest first."""

    def __init__(self, most: int, width: int) -> None:
        self._rows = np.full((most, width), np.nan)
        self.count = 0
        """All rows that were ever added."""

    def add(self, row: Sequence[float]) -> None:
        """Add a row; the oldest falls out when there are too many."""
        self._rows[self.count % len(self._rows)] = row
        self.count += 1

    def last(self, most: int | None = None) -> Floats:
        """Return the newest ``most`` rows, [n, width]."""
        n = min(self.count, len(self._rows), len(self._rows) if most is None else most)
        return self._rows[np.arange(self.count - n, self.count) % len(self._rows)]

    def nth(self, index: int) -> Floats:
        """Return one row, [width], counted from the oldest that is kept, or from the newest as -1, -2, ..."""
        at = self.count + index if index < 0 else max(0, self.count - len(self._rows)) + index
        return np.asarray(self._rows[at % len(self._rows)])


class Course:
    """The signals so far.

    Args:
        facts: what does not change.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.step = facts.first_step
        width = len(facts.layers)
        self.steps = Rows(_STEPS, 5)
        """step, loss, accuracy, learning rate, gradient norm."""
        self._newest_losses: deque[float] = deque(maxlen=limits.MEAN)
        self.first_steps: list[Step] = []
        self.gradients = Rows(limits.WINDOW, width)
        self.weights = Rows(limits.EARLY, width)
        self.ratios = Rows(limits.WINDOW, width)
        self.moments: deque[int] = deque(maxlen=limits.EARLY)
        """The steps of `weights`."""
        self.first_updates: list[Updates] = []
        self.early_updates: list[float] = []
        """The median over the layers that should learn, of each of `first_updates`."""
        self.kept = math.nan
        """The smallest share of their norm that the weights (median over the layers) kept over 50 steps."""
        self._learning = np.array([layer.trained and not layer.frozen for layer in facts.layers], dtype=bool)
        self.early_share = math.nan
        """The share of the gradient that weights got, not biases: median of the first steps."""
        self.first_activations: Activations | None = None
        self.activations: deque[Activations] = deque(maxlen=4)
        self.halves: deque[Agreement] = deque(maxlen=100)
        self.validations: deque[Validation] = deque(maxlen=64)
        self.batch_accuracy: deque[float] = deque(maxlen=64)
        """Mean accuracy of the training batches before each of `validations`."""
        self.validated = 0
        self.best_loss = math.inf
        self.best_accuracy = -math.inf
        self.best_at = 0
        """The validation, counted from 1, that was better than all before."""
        self.first_accuracy = math.nan
        self.inputs: Inputs | None = None
        self.nonfinite: NonFinite | None = None
        self.bad_steps = 0
        """Steps in a row whose loss or gradient is not finite, up to now."""
        self.early_peak = 0.0
        """The highest loss of the first epochs, after the first step."""
        self.lowest_loss = math.inf
        """The lowest mean loss of `limits.MEAN` steps in a row."""
        self.fresh, self.chance, self.floor = baseline(facts)
        curve = Curve(facts.settings, facts.steps_per_epoch, max(1, facts.total_steps))
        self.warm = int(curve.warmup)
        """The last step of the warm-up."""
        self.peak_rate = facts.settings.optimizer.learning_rate

    def take(self, signal: Signal) -> None:
        """Remember a signal."""
        match signal:
            case Step():
                self._take_step(signal)
            case Updates():
                self._take_updates(signal)
            case Activations():
                if signal.step <= limits.DEAD_START and self.first_activations is None:
                    self.first_activations = signal
                self.activations.append(signal)
            case Agreement():
                self.halves.append(signal)
            case Validation():
                self._take_validation(signal)
            case Inputs():
                self.inputs = signal
            case NonFinite():
                self.nonfinite = self.nonfinite or signal

    def _take_step(self, step: Step) -> None:
        self.step = step.step
        if not (math.isfinite(step.loss) and math.isfinite(step.gradient_norm)):
            self.bad_steps += 1
            return
        self.bad_steps = 0
        self.steps.add((step.step, step.loss, step.accuracy, step.learning_rate, step.gradient_norm))
        self._newest_losses.append(step.loss)
        if step.step % limits.EVERY == 0 and len(self._newest_losses) == limits.MEAN:
            self.lowest_loss = min(self.lowest_loss, math.fsum(self._newest_losses) / limits.MEAN)
        if step.gradients:
            self.gradients.add(step.gradients)
        if step.step <= limits.EARLY and len(self.first_steps) < limits.EARLY:
            self.first_steps.append(step)
            if len(self.first_steps) == limits.SHARE_STEPS:
                self.early_share = self._share_of_weights(self.first_steps)
        if 1 < step.step <= min(1000, limits.EARLY_EPOCHS * self.facts.steps_per_epoch):
            self.early_peak = max(self.early_peak, step.loss)

    def _share_of_weights(self, steps: Sequence[Step]) -> float:
        known = [each for each in steps if each.gradients and each.gradient_norm > 0]
        parts = [np.linalg.norm(np.nan_to_num(each.gradients)[self._learning]) / each.gradient_norm for each in known]
        return median(np.array(parts))

    def _take_updates(self, updates: Updates) -> None:
        self.weights.add(updates.weights)
        self.ratios.add(updates.ratios)
        self.moments.append(updates.step)
        if len(self.first_updates) < limits.EARLY and updates.step <= limits.EARLY:
            self.first_updates.append(updates)
            self.early_updates.append(median(np.array(updates.ratios)[self._learning]))
        earlier = bisect.bisect_right(self.moments, updates.step - limits.DECAY_STEPS) - 1
        if earlier >= 0 and updates.step - self.moments[earlier] <= 2 * limits.DECAY_STEPS:
            before, now = self.weights.nth(earlier), self.weights.nth(-1)
            with np.errstate(all="ignore"):
                left = median((now / before)[self._learning])
            self.kept = min(left, self.kept) if self.kept == self.kept else left

    def _take_validation(self, validation: Validation) -> None:
        recent = self.steps.last(limits.MEAN)[:, 2]
        self.batch_accuracy.append(float(recent.mean()) if len(recent) else math.nan)
        self.validated += 1
        self.validations.append(validation)
        if self.validated == 1:
            self.first_accuracy = validation.accuracy
        if validation.loss < self.best_loss or validation.accuracy > self.best_accuracy:
            self.best_at = self.validated
        self.best_loss = min(self.best_loss, validation.loss)
        if validation.accuracy == validation.accuracy:
            self.best_accuracy = max(self.best_accuracy, validation.accuracy)

    @property
    def seen(self) -> int:
        """Steps since the signals began."""
        return self.step - self.facts.first_step

    @property
    def from_start(self) -> bool:
        """Whether the start of the run was seen."""
        return self.facts.first_step == 0


def median(values: Floats) -> float:
    """Return the median of the numbers that are none of NaN; NaN without any."""
    known = np.sort(values[~np.isnan(values)])
    n = len(known)
    return float(known[n // 2] + known[(n - 1) // 2]) / 2 if n else math.nan


def baseline(facts: Facts) -> tuple[float, float, float]:
    """Return three losses, nats: of new weights, of knowing only how frequent the classes are (H0), and the floor F.

    How frequent is meant as they are drawn and weighed. New weights give all classes alike, which costs more than H0
    where some class is frequent. NaN where there are no classes: there the rules that ask how much has been learned
    are not judged.
    """
    counts = [count for count in facts.class_counts if count > 0]
    if facts.task != "classification" or len(counts) < 2:
        return math.nan, math.nan, 0.0
    total, classes = sum(counts), len(facts.class_counts)
    fresh = math.log(classes)
    loss = facts.settings.loss
    if loss.class_weights != "none" or facts.settings.data.sampler == "balanced":
        chance = math.log(len(counts))
    else:
        chance = -math.fsum(count / total * math.log(count / total) for count in counts)
    smoothing = loss.label_smoothing
    floor = 0.0
    if smoothing:
        other = smoothing / classes
        right = 1 - smoothing + other
        floor = -right * math.log(right) - (classes - 1) * other * math.log(other)
        # The targets' own entropy comes on top of the prior's.
        chance = max(chance, (1 - smoothing) * chance + smoothing * math.log(classes))
    if loss.name == "focal":
        fresh, chance = (each * (1 - math.exp(-each)) ** loss.focal_gamma for each in (fresh, chance))
    return max(fresh, chance), chance, floor
