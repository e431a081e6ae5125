"""What can be seen before the first step: the pictures, the first loss, and weights that nothing reaches.

Condition 23 of the doctor. Nothing is trained and nothing is kept: buffers are put back, gradients are
thrown away, and the batches are made for this alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tui.core.diagnosis.signals import Inputs
from tui.core.events import Split
from tui.core.text import clean
from tui.engine import evaluate
from tui.engine.attempt import Attempt
from tui.engine.data.augment import stored_size
from tui.engine.data.geometry import resized
from tui.engine.diagnosis.agreement import kept
from tui.engine.diagnosis.wiring import Wiring

BATCHES = 4
"""How many training batches are looked at."""
_PICTURES = 256
"""Of the validation and of training pictures without augmentation."""
_SOFTENED = 32
"""Validation pictures on which the softening of a second resize is measured."""
_FEW = 2
"""Pictures that go through the network to see which weights the loss depends on; a BatchNorm refuses a single one."""
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
    seen = _look(attempt.normalise(batch.images) for batch in first)
    validation = plain = _look(())
    if attempt.data.images.get("validation"):
        validation, plain = _look(_evenly(attempt, "validation")), _look(_evenly(attempt, "train"))
        validation = replace(validation, detail=_comparable(validation.detail, plain.detail, attempt))
    trained = [
        (layer, weight)
        for layer, weight in zip(wiring.layers, wiring.weights, strict=True)
        if layer.trained and weight.requires_grad
    ]
    size = attempt.settings.training.batch_size
    with kept(attempt.model):
        images, targets = attempt.normalise(first[0].images[:size]), first[0].targets[:size].to(attempt.device)
        with torch.no_grad():
            outputs, loss = forward(images, targets)
        # What a gradient reaches does not depend on how many pictures it is of.
        few = forward(images[:_FEW], targets[:_FEW])[1]
        gradients = torch.autograd.grad(few, [weight for _, weight in trained], allow_unused=True)
    classes = attempt.objective.task == "classification"
    return Inputs(
        mean=seen.mean,
        std=seen.std,
        largest=seen.largest,
        validation_mean=validation.mean,
        validation_std=validation.std,
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
        detail=plain.detail,
        validation_detail=validation.detail,
    )


def _evenly(attempt: Attempt, split: Split) -> Iterator[Tensor]:
    """Yield batches [B, C, H, W] from all over a split, as they are evaluated: in order are those of one class."""
    size = evaluate.batch_size(attempt.settings.training.batch_size, attempt.settings.data.image_size)
    for batch in attempt.data.evaluation_batches(split, size, _PICTURES):
        yield attempt.normalise(batch.images)


def _comparable(detail: float, plain: float, attempt: Attempt) -> float:
    """Return the sharpness of validation pictures, less what keeping training pictures larger may account for.

    For a random resized crop training pictures are kept larger than they are seen, so that even without a crop they
    are resized once more: how soft that makes them depends on the pictures, and lies between nothing and what it does
    to pictures that are brought up to that size first.

    Args:
        detail: of the validation pictures.
        plain: of the training pictures.
        attempt: the run.
    """
    size, kept_at = attempt.settings.data.image_size, stored_size(attempt.settings.data)
    if kept_at == size or not detail > plain:
        return detail
    few = next(attempt.data.evaluation_batches("validation", _SOFTENED, _SOFTENED)).images
    soft = torch.from_numpy(resized(resized(few.numpy(), kept_at), size))
    share = _look([attempt.normalise(soft)]).detail / _look([attempt.normalise(few)]).detail
    return max(plain, detail * share) if share < 1 else detail


@dataclass(frozen=True)
class _Look:
    """What is seen of some pictures; NaN of none."""

    mean: float = math.nan
    std: float = math.nan
    largest: float = math.nan
    """Absolute value."""
    detail: float = math.nan
    """The root of the mean squared difference of neighbouring pixels, in deviations of all."""


def _look(batches: Iterable[Tensor]) -> _Look:
    """Look at batches [B, C, H, W], one after the other: together they may be more than the memory holds."""
    count, total, squares, largest = 0, 0.0, 0.0, 0.0
    pairs, differences = 0, 0.0
    for images in batches:
        pixels = images.permute(0, 2, 3, 1).flatten(1)  # as they lie in memory
        count += pixels.numel()
        total += float(pixels.sum(1).double().sum())
        squares += _squares(pixels)
        low, high = pixels.aminmax()
        largest = max(largest, float(high), -float(low)) if largest == largest else largest
        largest = largest if math.isfinite(total) else math.nan
        for difference in (images.diff(dim=2), images.diff(dim=3)):
            pairs += difference.numel()
            differences += _squares(difference.permute(0, 2, 3, 1).flatten(1))
    if not count:
        return _Look()
    mean = total / count
    std = math.sqrt(max(0.0, squares / count - mean**2)) if math.isfinite(squares) else math.nan
    sharp = pairs and std > 0 and differences < math.inf
    return _Look(mean, std, largest, math.sqrt(differences / pairs) / std if sharp else math.nan)


def _squares(rows: Tensor) -> float:
    """Return the sum of the squares of [n, values]."""
    return float(torch.linalg.vector_norm(rows, dim=1).double().square().sum())


def _are_probabilities(outputs: Tensor) -> bool:
    """Whether each row [B, classes] is positive and sums to one: a softmax before the loss, which has its own."""
    if outputs.shape[1] < 2:
        return False
    return bool((outputs >= 0).all() and ((outputs.sum(1) - 1).abs() < _ONE).all())


def _entropy(batches: Sequence[Tensor]) -> float:
    """Return the mean entropy of the batches' classes, in nats.

    Args:
        batches: classes [B], or of mixed pictures the shares of the classes [B, C].
    """
    entropies = []
    for targets in batches:
        mixed = targets.is_floating_point()
        amounts = targets.double().sum(0) if mixed else torch.bincount(targets.flatten().long()).double()
        shares = amounts[amounts > 0] / amounts.sum()
        entropies.append(float(-(shares * shares.log()).sum()))
    return math.fsum(entropies) / len(entropies)
