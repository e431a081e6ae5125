"""The settings that are proposed, computed from the evidence."""

from __future__ import annotations

import math
from typing import Any

from tui.core.architectures import SIMPLE_CNN
from tui.core.diagnosis import limits
from tui.core.diagnosis.course import median
from tui.core.diagnosis.signals import Facts
from tui.core.diagnosis.view import View
from tui.core.errors import UsageError
from tui.core.schema import all_settings, value_of, with_changes

_MOMENTUM = 0.9
"""The usual one; more of it only where the learning rate is small for it."""


def possible(facts: Facts, change: dict[str, Any]) -> dict[str, Any]:
    """Return what of a change can be made: settings that exist and differ. Nothing if the rest is refused."""
    known = {
        key: value for key, value in change.items() if key in all_settings() and value_of(facts.settings, key) != value
    }
    while known:
        try:
            with_changes(facts.settings, known, source="the doctor")
        except UsageError:
            known.popitem()
        else:
            return known
    return {}


def rate(view: View, factor: float) -> dict[str, Any]:
    """Multiply the learning rate, to two digits."""
    return {"optimizer.learning_rate": _rounded(view.course.peak_rate * factor)}


def lower_rate(view: View) -> dict[str, Any]:
    """LR x min(0.1, target / first update ratio): of the first step, for later ones feed on their own damage.

    An adaptive optimizer takes its largest steps first. Momentum above 0.9 multiplies every step; it is brought
    back, and the learning rate is lowered only by what is left.
    """
    optimizer = view.facts.settings.optimizer
    target = view.target if optimizer.name == "sgd" else limits.TARGET_NORM
    first = _first_update(view)
    factor = max(1e-3, min(0.1, target / first)) if first > 0 else 0.1
    if optimizer.name != "sgd" or optimizer.momentum <= _MOMENTUM:
        return rate(view, factor)
    slack = (1 - _MOMENTUM) / (1 - optimizer.momentum)
    return {**rate(view, min(1.0, factor * slack)), "optimizer.momentum": _MOMENTUM}


def _first_update(view: View) -> float:
    """Return the update ratio of the first step that was measured, as it were at the peak of the learning rate."""
    for step, update in zip(view.course.first_updates, view.course.early_updates, strict=False):
        rates = [each.learning_rate for each in view.course.first_steps if each.step == step.step]
        if rates and rates[0] > 0 and update > 0:
            return float(update * view.course.peak_rate / rates[0])
    return math.nan


def higher_rate(view: View) -> dict[str, Any]:
    """LR x (target / update ratio)."""
    return rate(view, min(1e6, max(1.0, view.target / max(view.update, 1e-12))))


def alive(view: View, activation: str = "relu") -> dict[str, Any]:
    """BatchNorm, and an activation that lets gradients through: signals keep their size from layer to layer."""
    if view.facts.settings.model.name == SIMPLE_CNN:
        return {"model.batch_norm": True, "model.activation": activation}
    return {}


def normed(view: View) -> dict[str, Any]:
    """BatchNorm, which makes the size of the weights before it meaningless, and a clipped gradient."""
    change: dict[str, Any] = {"optimizer.clip_norm": 1.0}
    return {**alive(view, view.facts.settings.model.activation), **change}


def clipped(view: View) -> dict[str, Any]:
    """Clip at what was usual before, and LR/3."""
    norms = view.course.steps.last(limits.SLOPE)[:, 4]
    usual = median(norms)
    limit = _rounded(usual) if math.isfinite(usual) and usual > 0 else 1.0
    return {"optimizer.clip_norm": limit, **rate(view, 1 / 3)}


def calmer(view: View) -> dict[str, Any]:
    """Momentum 0.9 and LR/3, and more pictures per step where there are very few."""
    change = rate(view, 1 / 3)
    settings = view.facts.settings
    if settings.optimizer.name == "sgd" and settings.optimizer.momentum > _MOMENTUM:
        change["optimizer.momentum"] = _MOMENTUM
    if settings.training.batch_size < 16:
        change["training.batch_size"] = 32
        if "optimizer.momentum" not in change:
            del change["optimizer.learning_rate"]
    return change


def regularised(view: View) -> dict[str, Any]:
    """Against overfitting: what is not yet in force."""
    settings = view.facts.settings
    change: dict[str, Any] = {
        "data.flip": True,
        "model.dropout": max(0.3, settings.model.dropout),
        "optimizer.weight_decay": max(5e-4, settings.optimizer.weight_decay),
        "training.stop_patience": 5,
    }
    if settings.data.crop == "none":
        change["data.crop"] = "padded"
    return change


def freer(view: View) -> dict[str, Any]:
    """Against underfitting: take away what holds the network back."""
    settings = view.facts.settings
    change: dict[str, Any] = {}
    if settings.model.dropout >= limits.STRONG_DROPOUT:
        change["model.dropout"] = 0.2
    if settings.optimizer.weight_decay >= limits.STRONG_DECAY:
        change["optimizer.weight_decay"] = 5e-4
    if settings.model.name == SIMPLE_CNN and settings.model.width <= limits.TINY_WIDTH:
        change["model.width"] = 32
    return change


def balanced(view: View) -> dict[str, Any]:
    """Let rare classes count as much as frequent ones."""
    if "data.sampler" in all_settings():
        return {"data.sampler": "balanced"}
    return {"loss.class_weights": "balanced"}


def _rounded(value: float) -> float:
    """Return two significant digits."""
    return float(f"{value:.1e}")
