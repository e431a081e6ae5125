"""The published rules that the doctor is measured against, as we read them, on the same records.

- AutoTrainer (Zhang et al., ICSE 2021; checked while accuracy <= 0.7): gradient ratio of the first to the last layer
  <= 1e-3 with a first gradient <= 1e-4 (vanishing), ratio >= 70 or NaN (exploding), >= 70 % dead units (dying ReLU),
  accuracy that falls by 3 % or more in 30 % of the epochs (oscillation), less than 1 % gained over three (slow).
- SageMaker Debugger's defaults: vanishing (mean |gradient| < 1e-7), exploding tensor (NaN or infinity), loss not
  decreasing (by 0.1 % over 10 steps), overfit (validation over training loss by 10 %), dead ReLU (half of the
  units), saturated activation (half of the units), update ratio outside [1e-8, 10], class imbalance (10).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from tests.doctor_runs import Record
from tui.core.diagnosis.signals import Activations, Updates, Validation

Alarm = tuple[int, str]
"""(step, code of ours that says the same)."""

SAME: dict[str, tuple[str, ...]] = {
    "vanishing": ("vanishing",),
    "exploding": ("exploding", "bad_start", "nonfinite", "rate_high", "rate_blew_up"),
    "dead": ("dead_start", "died"),
    "saturated": ("saturated",),
    "oscillating": ("oscillating", "rate_high", "rate_blew_up"),
    "slow": ("rate_low", "decayed_early", "plateau", "underfit"),
    "not decreasing": ("rate_low", "decayed_early", "plateau", "underfit", "no_signal", "rate_high", "rate_blew_up"),
    "overfit": ("overfit",),
    "imbalanced": ("imbalanced", "neglected"),
    "update ratio": ("rate_low", "rate_high", "rate_blew_up", "decay_dominates"),
}
"""What each of their symptoms is taken to name among our causes: generously."""


def autotrainer(record: Record) -> list[Alarm]:
    """Return AutoTrainer's alarms."""
    alarms: list[Alarm] = []
    evaluated = [each for each in record.signals if isinstance(each, Validation)]
    known = [each.accuracy for each in evaluated]
    for at in range(2, len(known)):
        falls = [later <= earlier - 0.03 for earlier, later in itertools.pairwise(known[: at + 1])]
        if known[at] <= 0.7 and sum(falls) / len(falls) >= 0.3:
            alarms.append((evaluated[at].step, "oscillating"))
        if known[at] <= 0.7 and at >= 3 and known[at] - known[at - 3] < 0.01:
            alarms.append((evaluated[at].step, "slow"))
    dead = [each for each in record.signals if isinstance(each, Activations)]
    for sample in dead:
        if _accuracy(record, sample.step) <= 0.7 and max(_finite(sample.dead), default=0) >= 0.7:
            alarms.append((sample.step, "dead"))
    for step in record.steps:
        norms = _finite(step.gradients)
        if not math.isfinite(step.loss) or not math.isfinite(step.gradient_norm):
            alarms.append((step.step, "exploding"))
        elif len(norms) > 1 and norms[-1] > 0 and step.step % 10 == 0 and _accuracy(record, step.step) <= 0.7:
            ratio = norms[0] / norms[-1]
            if ratio <= 1e-3 and norms[0] <= 1e-4:
                alarms.append((step.step, "vanishing"))
            elif ratio >= 70:
                alarms.append((step.step, "exploding"))
    return sorted(alarms)


def debugger(record: Record) -> list[Alarm]:
    """Return the alarms of SageMaker Debugger's default rules."""
    alarms: list[Alarm] = []
    steps = record.steps
    losses = np.array([step.loss for step in steps])
    for at in range(20, len(steps), 10):
        before, now = losses[at - 20 : at - 10].mean(), losses[at - 10 : at].mean()
        if not now < before * 0.999:
            alarms.append((steps[at].step, "not decreasing"))
    for step in steps:
        if not math.isfinite(step.loss) or not math.isfinite(step.gradient_norm):
            alarms.append((step.step, "exploding"))
        # Their mean |gradient| is at most the norm.
        norms = _finite(step.gradients)
        if norms and min(norms) < 1e-7:
            alarms.append((step.step, "vanishing"))
    for signal in record.signals:
        if isinstance(signal, Activations):
            if max(_finite(signal.dead), default=0) > 0.5:
                alarms.append((signal.step, "dead"))
            if max(_finite(signal.saturated), default=0) > 0.5:
                alarms.append((signal.step, "saturated"))
        elif isinstance(signal, Updates):
            ratios = _finite(signal.ratios)
            if ratios and (min(ratios) < 1e-8 or max(ratios) > 10):
                alarms.append((signal.step, "update ratio"))
        elif isinstance(signal, Validation) and signal.loss > 1.1 * signal.train_loss:
            alarms.append((signal.step, "overfit"))
    counts = [count for count in record.facts.class_counts if count]
    if counts and max(counts) >= 10 * min(counts):
        alarms.append((1, "imbalanced"))
    return sorted(alarms)


BASELINES: dict[str, Callable[[Record], list[Alarm]]] = {"AutoTrainer": autotrainer, "Debugger": debugger}


def _accuracy(record: Record, step: int) -> float:
    recent = [each.accuracy for each in record.steps if step - 20 < each.step <= step]
    return float(np.mean(recent)) if recent else 0.0


def _finite(values: tuple[float, ...]) -> list[float]:
    return [value for value in values if math.isfinite(value)]
