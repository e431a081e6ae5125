"""Conditions in which units pass nothing on: dead from the start, died in training, saturated (8 to 10)."""

from __future__ import annotations

import math

import numpy as np

from tui.core.diagnosis import limits, offers
from tui.core.diagnosis.course import Floats
from tui.core.diagnosis.finding import Advice, Evidence
from tui.core.diagnosis.rule import Reading
from tui.core.diagnosis.signals import Activations
from tui.core.diagnosis.view import View, medians

# --- 8 and 9: dead -------------------------------------------------------------------------------------


def _dead(sample: Activations | None, view: View) -> tuple[int, float] | None:
    """Return (the layer with the largest share of dead channels, that share); outputs are no such layer."""
    if sample is None:
        return None
    shares = [
        (share, -index)
        for index, (share, layer) in enumerate(zip(sample.dead, view.facts.layers, strict=True))
        if not math.isnan(share) and not layer.output
    ]
    if not shares:
        return None
    share, index = max(shares)
    return -index, share


def dead_now(view: View) -> int | None:
    """Return the layer that is dead in the newest sample."""
    found = _dead(view.course.activations[-1] if view.course.activations else None, view)
    return found[0] if found and found[1] >= limits.DEAD else None


def dead_start(view: View) -> Reading | None:
    """Nearly all channels of a layer were zero for every picture from the first steps on."""
    if not view.course.from_start:
        return None
    found = _dead(view.course.first_activations, view)
    return None if found is None else (_dead_share(found[1]), *view.stuck)


def _dead_share(share: float) -> Evidence:
    return Evidence("dead channels of a layer", share, limits.DEAD - 1e-9, "above", "below 63 %")


def tell_dead_start(view: View) -> Advice:
    """Name the layer."""
    found = _dead(view.course.first_activations, view)
    assert found is not None
    name = view.facts.layers[found[0]].name
    text = f"{100 * found[1]:.0f} % of the channels behind {name} were zero for every picture from the start. "
    change = offers.revived(view)
    if change.get("model.batch_norm") is False:
        text += (
            "What a norm layer gives is around zero but for its own bias, which pushed them there: set these biases to "
            "zero, or do without the norm layers."
        )
    else:
        words = {
            "model.init": "Weights that are drawn anew have a sound size, and no bias pushes them.",
            "optimizer.clip_norm": "A clipped gradient keeps the first steps small.",
            "model.batch_norm": "BatchNorm brings them back into range, whatever pushed them out of it.",
        }
        text += " ".join(said for key, said in words.items() if key in change)
    return Advice(text, name, change, "scratch")


def died(view: View) -> Reading | None:
    """Nearly all channels of a layer went dead; it was alive at the start."""
    course = view.course
    if not course.activations or course.activations[-1].step <= limits.DEAD_START:
        return None
    first, now = _dead(course.first_activations, view), _dead(course.activations[-1], view)
    if now is None or (first is not None and first[1] >= limits.DEAD):
        return None
    signs = [_dead_share(now[1])]
    # Strong dropout silences units by itself.
    faded = view.course.early_share > limits.EARLY_SHARE and view.facts.settings.model.dropout < limits.STRONG_DROPOUT
    if faded and now[1] >= limits.MOSTLY_DEAD and not math.isnan(view.weight_share):
        signs.append(_left_share(view.weight_share))
    return (max(signs, key=lambda each: each.closeness), _largest_step(view), *view.stuck)


def _left_share(share: float) -> Evidence:
    """Return that hardly any gradient is left for weights: the units that still live no longer see the picture."""
    return Evidence("share of the gradient that weights get", share, limits.SIGNAL_SHARE, "below", "0.5 and more")


def _largest_step(view: View) -> Evidence:
    """Return the largest step, median over the layers, of the first ones and the newest: small ones kill no unit."""
    steps = [*view.early_updates, *medians(view.course.ratios.last().T)]
    largest = max((step for step in steps if step == step), default=math.nan)
    return Evidence("largest step over weight", largest, limits.DIED_STEP, "above", "below 0.04")


def tell_died(view: View) -> Advice:
    """The learning rate killed it, and what is dead cannot go on."""
    found = _dead(view.course.activations[-1], view)
    assert found is not None
    name = view.facts.layers[found[0]].name
    rest = "" if found[1] >= limits.DEAD else " and hardly any gradient reaches the others"
    batch = view.facts.settings.training.batch_size
    noisy = f", as the noise of only {batch} pictures makes them," if batch < limits.NORM_BATCH else ""
    text = (
        f"{100 * found[1]:.0f} % of the channels behind {name} died in training{rest}: steps that were too "
        f"large{noisy} pushed them below zero for good. Start again with calmer ones; dead weights cannot be continued."
    )
    return Advice(text, name, offers.lower_rate(view), "scratch")


# --- 10: saturated -------------------------------------------------------------------------------------


def saturated(view: View) -> Reading | None:
    """Most units of a hidden layer are at the end of their range in two samples, and much is left to learn."""
    samples = list(view.course.activations)[-2:]
    if len(samples) < 2 or math.isnan(view.chance):
        return None
    shares = _saturated(samples, view)
    if not len(shares) or np.isnan(shares).all():
        return None
    share = float(np.nanmax(shares))
    return (Evidence("saturated units of a layer", share, limits.SATURATED, "above", "below 30 %"), view.unlearned)


def _saturated(samples: list[Activations], view: View) -> Floats:
    shares = np.min([each.saturated for each in samples], axis=0)
    outputs = np.array([layer.output for layer in view.facts.layers], dtype=bool)
    return np.where(outputs, np.nan, shares)


def tell_saturated(view: View) -> Advice:
    """Name the layer."""
    shares = _saturated(list(view.course.activations)[-2:], view)
    index = int(np.nanargmax(shares))
    layer = view.facts.layers[index]
    text = (
        f"{100 * shares[index]:.0f} % of the units behind {layer.name} are at the end of the range of "
        f"{layer.activation or 'their activation'}, where the gradient is nearly zero."
    )
    return Advice(
        f"{text} BatchNorm, ReLU and weights of a sound size keep units in range, clipping the first steps small.",
        layer.name,
        offers.normed(view),
        "scratch",
    )
