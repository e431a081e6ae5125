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
from tui.core.groups.optimizer import USUAL_MOMENTUM, USUAL_RATES
from tui.core.schema import all_settings, value_of, with_changes

_FAR = 3.0
"""Times the usual learning rate: beyond it the usual one is proposed, for a measure does not reach so far."""
_HUGE = 5.0
"""Times the usual learning rate: more of it is brought down along with whatever else is changed."""
_PRETRAINED = 0.2
"""Share of the usual learning rate for weights that come from elsewhere."""
_BATCH = 32
"""Pictures per step where there are too few."""
_BLOCKS = 3
"""Of a network that was too small: its default."""
_BOUNDED = ("tanh", "sigmoid")
"""Activations that pass no gradient on at the ends of their range."""
_LONGEST = 3.0
"""Times its usual length that a step, or a gradient, may have."""
_WEIGHTLESS = 0.5
"""Momentum below it leaves SGD ten times slower than usual."""


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


def usual_rate(view: View) -> float:
    """Return the learning rate that one begins with; a smaller one where weights know something already."""
    settings = view.facts.settings
    return USUAL_RATES[settings.optimizer.name] * (_PRETRAINED if settings.model.pretrained else 1)


def has_momentum(view: View) -> bool:
    """Whether more momentum than usual multiplies the steps."""
    optimizer = view.facts.settings.optimizer
    return optimizer.name == "sgd" and optimizer.momentum > USUAL_MOMENTUM


def lower_rate(view: View) -> dict[str, Any]:
    """Smaller steps: fewer noisy ones where a batch is tiny, the usual momentum, and a lower learning rate.

    From far above the learning rate comes down to the usual one. Else, and with SGD if the measure asks for much less,
    it is LR x min(0.1, target / first update ratio): of the first step, for later ones feed on their own damage, and an
    adaptive optimizer takes its largest steps first. Momentum above 0.9 multiplies every step; it is brought back, and
    the learning rate is lowered only by what is left.
    """
    settings, now, usual = view.facts.settings, view.course.peak_rate, usual_rate(view)
    sgd = settings.optimizer.name == "sgd"
    if settings.training.batch_size < limits.NORM_BATCH and now <= usual:
        return {"training.batch_size": _BATCH}
    first = _first_update(view)
    factor = max(1e-3, min(0.1, (view.target if sgd else limits.TARGET_NORM) / first)) if first > 0 else 0.1
    change: dict[str, Any] = {}
    if has_momentum(view):
        slack = (1 - USUAL_MOMENTUM) / (1 - settings.optimizer.momentum)
        factor, change = min(1.0, factor * slack), {"optimizer.momentum": USUAL_MOMENTUM}
    proposed = now * factor
    if now > usual and (not sgd or proposed * _FAR > usual):
        proposed = usual
    return {"optimizer.learning_rate": _rounded(proposed), **change}


def _first_update(view: View) -> float:
    """Return the update ratio of the first step that was measured, as it were at the peak of the learning rate."""
    for step, update in zip(view.course.first_updates, view.course.early_updates, strict=False):
        rates = [each.learning_rate for each in view.course.first_steps if each.step == step.step]
        if rates and rates[0] > 0 and update > 0:
            return float(update * view.course.peak_rate / rates[0])
    return math.nan


def higher_rate(view: View) -> dict[str, Any]:
    """From far below the usual learning rate and momentum; else LR x (target / update ratio)."""
    optimizer, usual = view.facts.settings.optimizer, usual_rate(view)
    if view.course.peak_rate * _FAR > usual:
        return rate(view, min(1e6, max(1.0, view.target / max(view.update, 1e-12))))
    change: dict[str, Any] = {"optimizer.learning_rate": _rounded(usual)}
    if optimizer.name == "sgd" and optimizer.momentum < _WEIGHTLESS:
        change["optimizer.momentum"] = USUAL_MOMENTUM
    return change


def alive(view: View, activation: str = "relu") -> dict[str, Any]:
    """BatchNorm, and an activation that lets gradients through: signals keep their size from layer to layer."""
    if view.facts.settings.model.name == SIMPLE_CNN:
        return {"model.batch_norm": True, "model.activation": activation, **_for_norms(view)}
    return {}


def fades(view: View) -> bool:
    """Whether a network of ours is made so that its signals fade: bounded activations without norm layers."""
    model = view.facts.settings.model
    return model.name == SIMPLE_CNN and model.activation in _BOUNDED and not model.batch_norm


def _for_norms(view: View) -> dict[str, Any]:
    """What BatchNorm needs beside it: pictures enough for its statistics, and no learning rate that is out of range."""
    few = view.facts.settings.training.batch_size < limits.NORM_BATCH
    return {**({"training.batch_size": _BATCH} if few else {}), **_in_range(view)}


def _in_range(view: View) -> dict[str, Any]:
    """The usual learning rate where it is far out of range, which is no other cure's to bear."""
    if view.course.peak_rate > _HUGE * usual_rate(view):
        return {"optimizer.learning_rate": _rounded(usual_rate(view))}
    return {}


def redrawn(view: View) -> dict[str, Any]:
    """Weights of a sound size, whatever code gave them another: drawn anew, for ReLU, as He et al. do."""
    return {"model.init": "kaiming_normal"} if view.facts.settings.model.init == "auto" else {}


def undone(view: View) -> dict[str, Any]:
    """Weights and biases drawn anew, which takes back what the code of the network did, and a clipped gradient.

    Without norm layers it is their size that carries the signal: as He et al. do. Before norm layers a larger weight
    only makes steps smaller: as each layer draws its own.
    """
    change = redrawn(view)
    if change and view.facts.batch_norm:
        change["model.init"] = "torch"
    return {**change, "optimizer.clip_norm": 1.0} if change else {}


def revived(view: View) -> dict[str, Any]:
    """Weights and biases drawn anew; where the settings draw them already, BatchNorm, which undoes any shift before it.

    Where the settings draw the weights and have norm layers already, these shift all below zero: then none.
    """
    settings = view.facts.settings
    if change := undone(view):
        return {**change, **_in_range(view)}
    shifting = settings.model.name == SIMPLE_CNN and settings.model.batch_norm
    return {"model.batch_norm": False} if shifting else possible(view.facts, alive(view, settings.model.activation))


def resized(view: View) -> dict[str, Any]:
    """Weights of a sound size, no activation that they may have driven to its ends, and a clipped gradient.

    Where the settings draw the weights already it is BatchNorm that makes their size meaningless.
    """
    settings = view.facts.settings
    change = undone(view)
    if not change:
        return {**alive(view, settings.model.activation), "optimizer.clip_norm": 1.0}
    if settings.model.name == SIMPLE_CNN and settings.model.activation in _BOUNDED:
        change["model.activation"] = "relu"
    return change


def normed(view: View) -> dict[str, Any]:
    """Weights of a sound size, BatchNorm and ReLU, which keep units in range, and a clipped gradient."""
    return {**redrawn(view), **alive(view), "optimizer.clip_norm": 1.0}


def bounded(view: View) -> dict[str, Any]:
    """Bound what one step can do: gradient and step are clipped at `_LONGEST` times what is usual.

    The bound of the step holds whatever made one long, be it the learning rate or an optimizer's own scale.
    """
    norm, update = median(view.course.steps.last(limits.SLOPE)[:, 4]), view.update
    if not (math.isfinite(update) and update > 0):
        update = view.target
    change: dict[str, Any] = {"optimizer.clip_update": _rounded(max(limits.TARGET, _LONGEST * update))}
    if math.isfinite(norm) and norm > 0:
        change["optimizer.clip_norm"] = _rounded(_LONGEST * norm)
    return change


def calmer(view: View) -> dict[str, Any]:
    """Momentum 0.9 and LR/3, and more pictures per step where there are very few."""
    change = rate(view, 1 / 3)
    settings = view.facts.settings
    if has_momentum(view):
        change["optimizer.momentum"] = USUAL_MOMENTUM
    if settings.training.batch_size < 16:
        change["training.batch_size"] = _BATCH
        if "optimizer.momentum" not in change:
            del change["optimizer.learning_rate"]
    return change


def regularised(view: View) -> dict[str, Any]:
    """Against overfitting: what is not yet in force. No flip, which is on unless somebody knew better."""
    settings = view.facts.settings
    change: dict[str, Any] = {
        "model.dropout": max(0.3, settings.model.dropout),
        "optimizer.weight_decay": max(5e-4, settings.optimizer.weight_decay),
    }
    if settings.data.crop == "none":
        change["data.crop"] = "padded"
    return change


def tiny(view: View) -> bool:
    """Whether the network is so narrow that this alone explains that it learns slowly."""
    model = view.facts.settings.model
    return model.name == SIMPLE_CNN and model.width <= limits.TINY_WIDTH


def freer(view: View) -> dict[str, Any]:
    """Against underfitting: take away what holds the network back. Dropout is for what was learned by heart: none."""
    settings = view.facts.settings
    change: dict[str, Any] = {}
    if settings.model.dropout >= limits.STRONG_DROPOUT:
        change["model.dropout"] = 0.0
    if settings.optimizer.weight_decay >= limits.STRONG_DECAY:
        change["optimizer.weight_decay"] = 5e-4
    if tiny(view):
        change["model.width"] = 32
        if settings.model.blocks < _BLOCKS:
            change["model.blocks"] = _BLOCKS
    return change


BALANCED: dict[str, Any] = {"data.sampler": "balanced"}
"""Let rare classes count as much as frequent ones."""


def held(view: View) -> dict[str, Any]:
    """Let the learning rate fall when the validation loss no longer does, or late if that is what fell too early."""
    if view.facts.settings.schedule.name != "plateau":
        return {"schedule.name": "plateau", "schedule.factor": 0.1}
    return {"schedule.name": "multistep", "schedule.milestones": (0.6, 0.85), "schedule.factor": 0.1}


def _rounded(value: float) -> float:
    """Return two significant digits."""
    return float(f"{value:.1e}")
