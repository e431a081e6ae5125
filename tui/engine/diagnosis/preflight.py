"""What can be seen before the first step: the pictures, the first loss, and weights that nothing reaches.

Condition 23 of the doctor. Nothing is trained and nothing is kept: buffers are put back, gradients are
thrown away, and the batches are made for this alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from tui.core.diagnosis.signals import Inputs
from tui.core.events import Split
from tui.core.text import clean
from tui.engine import evaluate
from tui.engine.attempt import Attempt
from tui.engine.diagnosis.agreement import kept
from tui.engine.diagnosis.wiring import Wiring

BATCHES = 4
"""How many training batches are looked at."""
_PICTURES = 256
"""Of the validation and of training pictures without augmentation."""
_ONE = 1e-3


def inspect(attempt: Attempt, wiring: Wiring, forward: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Inputs:
    """Look at the first batches of a run that has made no step.

    Args:
        attempt: the run.
        wiring: of its network.
        forward: (pictures, targets) to (outputs, loss) as in the first step.
    """
    with attempt.data.training_batches(0) as batches:
        first = list(itertools.islice(batches, BATCHES))
    mean, std, largest = _moments(attempt.normalise(batch.images) for batch in first)
    validation_mean = validation_std = detail = validation_detail = math.nan
    if attempt.data.images.get("validation"):
        pictures = _evenly(attempt, "validation")
        validation_mean, validation_std, _ = _moments(pictures)
        validation_detail, detail = _detail(pictures), _detail(_evenly(attempt, "train"))
    trained = [
        (layer, weight)
        for layer, weight in zip(wiring.layers, wiring.weights, strict=True)
        if layer.trained and weight.requires_grad
    ]
    size = attempt.settings.training.batch_size
    with kept(attempt.model):
        images = attempt.normalise(first[0].images[:size])
        outputs, loss = forward(images, first[0].targets[:size].to(attempt.device))
        gradients = torch.autograd.grad(loss, [weight for _, weight in trained], allow_unused=True)
    classes = attempt.objective.task == "classification"
    return Inputs(
        mean=mean,
        std=std,
        largest=largest,
        validation_mean=validation_mean,
        validation_std=validation_std,
        first_loss=float(loss.detach()),
        rows_sum_to_one=classes and _are_probabilities(outputs.detach().float()),
        label_entropy=_entropy([batch.targets for batch in first]) if classes else math.nan,
        duplicates=attempt.data.duplicates,
        constant=tuple(
            clean(layer.name, 200)
            for layer, weight in zip(wiring.layers, wiring.weights, strict=True)
            if weight.numel() > 1 and bool(weight.min() == weight.max())
        ),
        unreached=tuple(clean(layer.name, 200) for (layer, _), g in zip(trained, gradients, strict=True) if g is None),
        detail=detail,
        validation_detail=validation_detail,
    )


def _evenly(attempt: Attempt, split: Split) -> list[Tensor]:
    """Return batches [B, C, H, W] from all over a split, as they are evaluated: in order are those of one class."""
    size = evaluate.batch_size(attempt.settings.training.batch_size, attempt.settings.data.image_size)
    batches = attempt.data.evaluation_batches(split, size, _PICTURES)
    return [attempt.normalise(batch.images) for batch in batches]


def _detail(batches: Sequence[Tensor]) -> float:
    """Return the root of the mean squared difference of neighbouring pixels, in deviations of all; NaN of none."""
    count, squares = 0, 0.0
    for images in batches:
        for difference in (images.diff(dim=2), images.diff(dim=3)):
            count += difference.numel()
            squares += float(difference.double().square().sum())
    deviation = _moments(batches)[1]
    return math.sqrt(squares / count) / deviation if count and deviation > 0 and squares < math.inf else math.nan


def _moments(batches: Iterable[Tensor]) -> tuple[float, float, float]:
    """Return (mean, standard deviation, largest absolute value) over some batches; NaN of none."""
    count, total, squares, largest = 0, 0.0, 0.0, 0.0
    for images in batches:
        pixels = images.double()
        count += pixels.numel()
        total += float(pixels.sum())
        squares += float(pixels.square().sum())
        largest = max(largest, float(pixels.abs().max())) if largest == largest else largest
        largest = largest if math.isfinite(total) else math.nan
    if not count:
        return math.nan, math.nan, math.nan
    mean = total / count
    return mean, math.sqrt(max(0.0, squares / count - mean**2)) if math.isfinite(squares) else math.nan, largest


def _are_probabilities(outputs: Tensor) -> bool:
    """Whether each row [B, classes] is positive and sums to one: a softmax before the loss, which has its own."""
    if outputs.shape[1] < 2:
        return False
    return bool((outputs >= 0).all() and ((outputs.sum(1) - 1).abs() < _ONE).all())


def _entropy(batches: Sequence[Tensor]) -> float:
    """Return the mean entropy of the batches' classes, in nats."""
    entropies = []
    for targets in batches:
        shares = torch.bincount(targets.flatten().long()).double() / max(1, targets.numel())
        shares = shares[shares > 0]
        entropies.append(float(-(shares * shares.log()).sum()))
    return math.fsum(entropies) / len(entropies)
