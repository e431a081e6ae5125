"""What the doctor knows of a run: the numbers that the engine measures and the rules judge.

The engine makes these while it trains; `cnntrain diagnose` makes the same ones from what a run recorded, so
that a rule may be younger than the runs it judges. Sequences per layer are in the order of `Facts.layers`;
a number that was not measured is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.core.settings import Settings


@dataclass(frozen=True)
class Layer:
    """One weight: a kernel or a matrix with two dimensions or more."""

    name: str
    """The parameter's name in the model, without ``.weight``."""
    feeds_norm: bool = False
    """A norm layer follows, which makes the size of the weight meaningless."""
    activation: str = ""
    """The activation that follows (``relu``, ``tanh``, ...), if any."""
    output: bool = False
    """It makes the logits."""
    frozen: bool = False
    """The settings mean it to stay as it is."""
    trained: bool = True
    """It requires a gradient and is in the optimizer."""


@dataclass(frozen=True)
class Facts:
    """What does not change during an attempt."""

    settings: Settings
    layers: tuple[Layer, ...]
    class_counts: tuple[int, ...]
    """Training pictures per class; empty for regression."""
    steps_per_epoch: int
    total_steps: int
    batch_norm: bool = False
    """Some layer normalises over the batch."""
    task: str = "classification"
    """A `tui.core.metrics.Task`."""
    first_step: int = 0
    """Steps that were done before these signals began: above 0, the start of the run was not seen."""


@dataclass(frozen=True)
class Step:
    """One optimizer step."""

    step: int
    loss: float
    accuracy: float
    learning_rate: float
    gradient_norm: float
    """Of the whole gradient, before clipping."""
    gradients: tuple[float, ...] = ()
    """Per layer, before clipping; empty where it was not recorded."""


@dataclass(frozen=True)
class Updates:
    """How far a step moved the weights."""

    step: int
    weights: tuple[float, ...]
    """L2 norm of each layer's weight after the step."""
    ratios: tuple[float, ...]
    """|applied step| / |weight before|, per layer."""


@dataclass(frozen=True)
class Activations:
    """What a sampled batch did to the layers' outputs."""

    step: int
    dead: tuple[float, ...]
    """Share of each layer's channels whose activation was zero for every input."""
    saturated: tuple[float, ...]
    """Share of each layer's units beyond 0.97 of a bounded activation's range."""


@dataclass(frozen=True)
class Agreement:
    """Two halves of a batch: squared gradient norms of a half (mean of both) and of the whole batch."""

    step: int
    half: float
    whole: float
    batch_size: int


@dataclass(frozen=True)
class Validation:
    """One validation, with training pictures evaluated beside it, in evaluation mode and without augmentation.

    The accuracies are NaN where the task has no classes: an error or an average precision is not one.
    """

    step: int
    loss: float
    accuracy: float
    train_loss: float
    train_accuracy: float
    recall: tuple[float, ...]
    """Per class."""
    largest_answer: float
    """Share of the validation pictures that got the most common answer; NaN where there are no classes."""


@dataclass(frozen=True)
class Inputs:
    """What the network was about to see before the first step, and how the wiring stood (preflight)."""

    mean: float
    std: float
    largest: float
    """Largest absolute value of a training batch after normalisation."""
    validation_mean: float
    validation_std: float
    first_loss: float
    """Loss of the first batch before any step."""
    rows_sum_to_one: bool
    """The outputs are already probabilities."""
    label_entropy: float
    """Nats; mean over the first batches; NaN where there are no classes."""
    duplicates: int
    """Validation pictures that are also in the training split."""
    constant: tuple[str, ...]
    """Weights of which all elements are equal."""
    unreached: tuple[str, ...] = ()
    """Trained weights that the first loss gives no gradient at all: nothing leads from them to it."""
    detail: float = math.nan
    """Sharpness of training pictures without augmentation: the difference of neighbouring pixels, in deviations."""
    validation_detail: float = math.nan
    """Likewise; less what keeping training pictures larger, for their crops, accounts for."""


@dataclass(frozen=True)
class NonFinite:
    """The first NaN or infinity of a step."""

    step: int
    where: str
    """``input``, ``output of LAYER``, ``gradient of LAYER``, ``loss``."""
    detail: str = ""


Signal = Step | Updates | Activations | Agreement | Validation | Inputs | NonFinite
