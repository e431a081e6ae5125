"""Conditions that are known before or at the first step, and exactly (1, 2, 22, 23)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tui.core.diagnosis import limits, offers
from tui.core.diagnosis.finding import Advice, Evidence
from tui.core.diagnosis.rule import Reading
from tui.core.diagnosis.signals import Inputs
from tui.core.diagnosis.view import View

# --- 1: NaN or infinity ------------------------------------------------------------------------------


def nonfinite(view: View) -> Reading | None:
    """A loss or gradient is NaN or infinite; a loss scaler may skip some steps in a row."""
    course = view.course
    scaled = view.facts.settings.compute.precision == "float16"
    allowed = limits.SKIPPED_IN_A_ROW if scaled and course.nonfinite is None else 0
    known = course.bad_steps or (allowed + 1 if course.nonfinite else 0)
    return (Evidence("steps in a row that are not finite", known, allowed + 0.5, "above", "none"),)


def tell_nonfinite(view: View) -> Advice:
    """Name the first bad value, and offer what fits to where it arose."""
    course, found = view.course, view.course.nonfinite
    where = found.where if found else "the loss"
    step = found.step if found else view.step
    restart: Any = "checkpoint" if step > view.facts.steps_per_epoch and course.validated else "scratch"
    words = f"The first NaN or infinite number, in step {step}, is in {where}."
    if where.startswith("input"):
        detail = f" ({found.detail})" if found and found.detail else ""
        text = f"{words[:-1]}{detail}: a picture holds it, no setting does. Leave that picture out, then go on."
        return Advice(text, "", {}, restart)
    layer = where.rpartition(" of ")[2] if " of " in where else ""
    if view.facts.settings.compute.precision == "float16":
        text = f"{words} Half precision reaches only 65,504; train in single precision."
        return Advice(text, layer, {"compute.precision": "float32"}, restart)
    late = view.step > limits.EARLY and restart == "checkpoint"
    if late:
        text = f"{words} A clipped gradient and a bound on the length of a step keep the weights in range."
        return Advice(text, layer, offers.bounded(view), restart)
    change = {**offers.rate(view, 0.1), "optimizer.clip_norm": 1.0}
    return Advice(f"{words} Smaller steps keep the numbers in range.", layer, change, restart)


# --- 2: the first loss -------------------------------------------------------------------------------


def bad_start(view: View) -> Reading | None:
    """The loss before any step is far above chance."""
    course = view.course
    if not course.from_start or math.isnan(view.chance):
        return None
    first = course.inputs.first_loss if course.inputs else math.nan
    if course.first_steps and course.first_steps[0].step == 1:
        first = max(course.first_steps[0].loss, first) if first == first else course.first_steps[0].loss
    if math.isnan(first):
        return None
    limit = limits.BAD_INITIAL_LOSS * view.fresh
    return (Evidence("first loss", first, limit, "above", f"about {view.fresh:.2f}, the loss of chance"),)


def tell_bad_start(view: View) -> Advice:
    """Say by how much, and make the size of the weights harmless."""
    (first,) = bad_start(view) or ()
    change = offers.resized(view)
    words = {
        "model.init": "Weights that are drawn anew have a sound size.",
        "model.batch_norm": "BatchNorm makes the size of the weights harmless.",
    }
    cures = "".join(f" {said}" for key, said in words.items() if key in change)
    text = (
        f"Before any step the loss is {first.value:.3g}; a network that knows nothing has {view.fresh:.2f}: "
        f"the outputs start far too large.{cures} A clipped gradient keeps the first steps small."
    )
    return Advice(text, _output(view), change, "scratch")


def _output(view: View) -> str:
    return next((layer.name for layer in view.facts.layers if layer.output), "")


# --- 22: frozen, or not in the optimizer ---------------------------------------------------------------


def unwired(view: View) -> Reading | None:
    """A layer that should learn is not trained, or nothing leads from it to the loss."""
    lost = [layer.name for layer in view.facts.layers if not layer.trained and not layer.frozen]
    unreached = view.course.inputs.unreached if view.course.inputs else ()
    return (Evidence("layers that cannot learn", len({*lost, *unreached}), 0.5, "above", "none but those meant to"),)


def tell_unwired(view: View) -> Advice:
    """Name them and why."""
    lost = [layer.name for layer in view.facts.layers if not layer.trained and not layer.frozen]
    unreached = view.course.inputs.unreached if view.course.inputs else ()
    name = (lost or list(unreached))[0]
    if lost:
        why = "they are frozen or not in the optimizer, though no setting says so"
    else:
        why = "nothing leads from them to the loss (their gradient is empty), as behind a detach"
    return Advice(f"{_listed(lost or list(unreached))} cannot learn: {why}.", name, {}, "scratch")


def frozen(view: View) -> Reading | None:
    """A layer did not move for a while, though others did and it had a gradient worth a step."""
    still = _still(view)
    if still is None:
        return None
    return (Evidence("layers that do not move", len(still), 0.5, "above", "none but those meant to"),)


def _still(view: View) -> list[int] | None:
    steps = list(view.course.moments)
    if len(steps) < 2 or steps[-1] - steps[0] < limits.FROZEN_STEPS:
        return None
    back = sum(step > steps[-1] - max(limits.FROZEN_STEPS, 2 * (steps[-1] - steps[-2])) for step in steps)
    rows = view.course.ratios.last(max(2, back))
    if not np.nanmax(rows[-1], initial=0.0) > 0:
        return []
    gradients, largest = view.gradients, np.nanmax(view.gradients, initial=0.0)
    found = []
    for index, layer in enumerate(view.facts.layers):
        if layer.frozen or not layer.trained or np.any(rows[:, index] != 0):
            continue
        norm = gradients[index]
        if math.isnan(norm) or norm > limits.FROZEN_GRADIENT * largest:
            found.append(index)
    return found


def tell_frozen(view: View) -> Advice:
    """Name them, and tell an empty gradient from one that is not used."""
    still = _still(view) or []
    names = [view.facts.layers[index].name for index in still]
    gradient = view.gradients[still[0]]
    why = (
        "no gradient reaches them" if math.isnan(gradient) else "they get a gradient, but the optimizer leaves them out"
    )
    return Advice(f"{_listed(names)} did not move for {limits.FROZEN_STEPS} steps: {why}.", names[0], {}, "scratch")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# --- 23: preflight -------------------------------------------------------------------------------------


def input_scale(view: View) -> Reading | None:
    """The pictures come far too large, too small or all alike: the worse of deviation and largest number decides."""
    inputs = view.course.inputs
    if inputs is None:
        return None
    low, high = limits.INPUT_STD
    numbers = (
        Evidence("deviation of the input", inputs.std, high, "above", "about 1; [0, 1] is fine"),
        Evidence("deviation of the input", inputs.std, low, "below", "about 1; [0, 1] is fine"),
        Evidence("largest number of the input", inputs.largest, limits.INPUT_LARGEST, "above", "below 5"),
    )
    return (max(numbers, key=lambda each: each.closeness),)


def tell_input_scale(view: View) -> Advice:
    """Say the numbers; the sound normalisation is the one computed from the pictures."""
    inputs = view.course.inputs
    assert inputs is not None
    text = (
        f"The network sees numbers up to {inputs.largest:.3g} with a deviation of {inputs.std:.3g}; "
        "about 1 is right. Let mean and deviation be computed from the training pictures."
    )
    return Advice(text, "", {"data.mean": (), "data.std": ()}, "scratch")


def validation_input(view: View) -> Reading | None:
    """Training and validation pictures come with other brightness or contrast."""
    inputs = view.course.inputs
    if inputs is None or math.isnan(inputs.validation_std) or not inputs.std > 0 or not inputs.validation_std > 0:
        return None
    shift = abs(inputs.validation_mean - inputs.mean) / inputs.std
    ratio = max(inputs.std / inputs.validation_std, inputs.validation_std / inputs.std)
    numbers = (
        Evidence("shift of the validation pictures, deviations", shift, limits.INPUT_SHIFT, "above", "below 0.2"),
        Evidence("ratio of the deviations of both", ratio, limits.INPUT_SCALE, "above", "below 1.2"),
        Evidence("ratio of the sharpness of both", _sharper(inputs), limits.INPUT_DETAIL, "above", "below 1.1"),
    )
    return (max(numbers, key=lambda each: each.closeness),)


def _sharper(inputs: Inputs) -> float:
    """Return how many times sharper training or validation pictures are, without augmentation; NaN if not measured."""
    both = (inputs.detail, inputs.validation_detail)
    return max(both) / min(both) if min(both) > 0 else math.nan


def tell_validation_input(view: View) -> Advice:
    """Say both."""
    inputs = view.course.inputs
    assert inputs is not None
    if inputs.detail > 0 and _sharper(inputs) > limits.INPUT_DETAIL:
        pair = ("Training", "validation") if inputs.detail > inputs.validation_detail else ("Validation", "training")
        text = (
            f"{pair[0]} pictures are {_sharper(inputs):.2g} times as sharp as {pair[1]} pictures, both without "
            "augmentation: they must be decoded and resized alike."
        )
        return Advice(text, "", {}, "scratch")
    text = (
        f"Validation pictures reach the network with mean {inputs.validation_mean:.2f} and deviation "
        f"{inputs.validation_std:.2f}, training pictures with {inputs.mean:.2f} and {inputs.std:.2f}: "
        "both must be prepared alike."
    )
    return Advice(text, "", {"data.mean": (), "data.std": ()}, "scratch")


def leak(view: View) -> Reading | None:
    """Validation pictures are in the training split too."""
    inputs = view.course.inputs
    if inputs is None:
        return None
    return (Evidence("validation pictures that are trained on", inputs.duplicates, 0.5, "above", "none"),)


def tell_leak(view: View) -> Advice:
    """Say how many."""
    assert view.course.inputs is not None
    text = (
        f"{view.course.inputs.duplicates} validation pictures are also in the training split, so the validation "
        "looks better than it is. `cnntrain check --fix-list` writes the list of them for data.exclude."
    )
    return Advice(text, "", {}, "scratch")


def probabilities(view: View) -> Reading | None:
    """The outputs are probabilities already; cross entropy applies the softmax itself."""
    inputs = view.course.inputs
    if inputs is None:
        return None
    return (Evidence("rows of outputs that sum to 1", float(inputs.rows_sum_to_one), 0.5, "above", "none"),)


def tell_probabilities(view: View) -> Advice:
    """Say what to take away."""
    text = "The network's outputs sum to 1: it ends in a softmax, and the loss applies another. Take the first away."
    return Advice(text, _output(view), {}, "scratch")


def unshuffled(view: View) -> Reading | None:
    """A batch shows far fewer classes than a shuffled one would."""
    inputs = view.course.inputs
    if inputs is None or math.isnan(inputs.label_entropy) or math.isnan(view.chance):
        return None
    counts = [count for count in view.facts.class_counts if count > 0]
    shuffled = batch_entropy(counts, view.facts.settings.training.batch_size)
    limit = limits.LABEL_ENTROPY * shuffled
    return (Evidence("entropy of a batch's labels", inputs.label_entropy, limit, "below", f"about {shuffled:.2f}"),)


def batch_entropy(counts: list[int], batch: int) -> float:
    """Return the entropy that the labels of a shuffled batch have on average, nats (Miller's correction)."""
    total = sum(counts)
    prior = -math.fsum(n / total * math.log(n / total) for n in counts)
    return max(0.5 * min(prior, math.log(batch)), prior - (len(counts) - 1) / (2 * batch))


def tell_unshuffled(view: View) -> Advice:
    """Say what follows from it."""
    text = "The batches hold only few classes each: the pictures come in the order of their classes. Shuffle them."
    return Advice(text, "", {}, "scratch")


def constant_weights(view: View) -> Reading | None:
    """All elements of a weight are equal: its units would stay equal for ever."""
    inputs = view.course.inputs
    if inputs is None:
        return None
    return (Evidence("weights of equal elements", len(inputs.constant), 0.5, "above", "none"),)


def tell_constant_weights(view: View) -> Advice:
    """Name them."""
    assert view.course.inputs is not None
    names = list(view.course.inputs.constant)
    text = (
        f"All elements of {_listed(names)} start equal, so its units stay copies of each other. Draw them at random; a "
        "clipped gradient keeps the first steps small."
    )
    return Advice(text, names[0], offers.undone(view), "scratch")


def small_norm_batch(view: View) -> Reading | None:
    """BatchNorm's statistics come from very few pictures."""
    if not view.facts.batch_norm:
        return None
    batch = view.facts.settings.training.batch_size
    return (Evidence("pictures per batch", batch, limits.NORM_BATCH, "below", "16 and more"),)


def tell_small_norm_batch(view: View) -> Advice:
    """Offer a larger batch."""
    batch = view.facts.settings.training.batch_size
    text = f"BatchNorm takes its statistics from {batch} pictures, which is mostly noise: make the batch larger."
    return Advice(text, "", {"training.batch_size": 32}, "scratch")
