"""What is minimised, and how good a batch is: the objective of a run, built once from its task and settings.

Every training loss is a mean over pictures of a loss per picture, so that the parts of an accumulated batch
add up, and weights are scaled to a mean of one over the pictures that are drawn, so that they leave the learning
rate alone. Evaluation uses the same loss without smoothing and without weights: what was done against
overfitting does not change its scale.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tui.core.dataset.targets import Targets
from tui.core.metrics import Task
from tui.core.settings import LossSettings, Settings
from tui.core.tasks import Loss, loss_of

THRESHOLD = 0.5
"""A label is said to be there from this probability on."""


class Objective(ABC):
    """The loss of a task and the score of a batch; nothing in it waits for the device.

    Args:
        loss: which.
        settings: of the loss.
        targets: of the training pictures: weights and scale come from them.
        device: where outputs and targets lie.

    Attributes:
        task: what is learned.
        outputs: numbers that the network puts out for a picture.
    """

    task: Task

    def __init__(self, loss: Loss, settings: LossSettings, targets: Targets, device: torch.device) -> None:
        self.outputs = targets.width
        self._loss, self._settings = loss, settings

    @abstractmethod
    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the batch's mean loss, a scalar."""

    @abstractmethod
    def sample_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each picture's loss in an evaluation, float32 [B]."""

    @abstractmethod
    def score(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the batch's `tui.core.metrics.TaskMetrics.score`, a float32 scalar on the device."""

    @abstractmethod
    def predictions(self, outputs: Tensor) -> Tensor:
        """Return what the outputs [B, outputs] say, float32: probabilities, or numbers in the targets' units."""


class Classification(Objective):
    """One class of several: cross entropy or focal loss over logits, float [B, C].

    Targets are classes, int64 [B], or of mixed pictures the shares of the classes, float32 [B, C]. The focal
    loss is -(1 - p)^gamma log p (Lin et al. 2017, "Focal Loss for Dense Object Detection").

    Args:
        evenly: whether training draws every class equally often; the others as in `Objective`.
    """

    task: Task = "classification"

    def __init__(
        self, loss: Loss, settings: LossSettings, targets: Targets, device: torch.device, *, evenly: bool = False
    ) -> None:
        super().__init__(loss, settings, targets, device)
        weights = class_weights(settings, targets.per_class(), evenly=evenly)
        self._weights = None if weights is None else torch.tensor(weights, dtype=torch.float32, device=device)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss with label smoothing and class weights."""
        smoothing = self._settings.label_smoothing
        if self._loss == "focal":
            return self._focal(outputs, targets, smoothing, self._weights).mean()
        outputs = outputs.float()
        if self._weights is None:
            return F.cross_entropy(outputs, targets, label_smoothing=smoothing)
        # torch's own mean would divide by the weights of the batch: parts of a batch would not add up.
        each = F.cross_entropy(outputs, targets, self._weights, label_smoothing=smoothing, reduction="none")
        return each.mean()

    def sample_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each picture's cross entropy or focal loss."""
        if self._loss == "focal":
            return self._focal(outputs, targets, 0.0, None)
        return F.cross_entropy(outputs.float(), targets, reduction="none")

    def score(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the share of pictures whose highest logit is their class, or the larger part of a mixed one."""
        classes = targets.argmax(1) if targets.is_floating_point() else targets
        return (outputs.detach().argmax(1) == classes).to(torch.float32).mean()

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the probabilities of the classes."""
        return outputs.float().softmax(1)

    def _focal(self, outputs: Tensor, targets: Tensor, smoothing: float, weights: Tensor | None) -> Tensor:
        logs = outputs.float().log_softmax(1)
        shares = targets if targets.is_floating_point() else F.one_hot(targets, self.outputs).to(logs.dtype)
        if smoothing:
            shares = shares * (1 - smoothing) + smoothing / self.outputs
        if weights is not None:
            shares = shares * weights
        # 1 - p of a picture that is right beyond float32 is 0, where a power below 1 has no gradient.
        wrong = (-torch.expm1(logs)).clamp(min=1e-12)
        return -(shares * wrong**self._settings.focal_gamma * logs).sum(1)


class MultiLabel(Objective):
    """Any number of labels: binary cross entropy or focal loss over logits, float [B, C], mean over the labels.

    Targets are 1 for a label that is there, else 0, float32 [B, C]; of mixed pictures in between.
    """

    task: Task = "multilabel"

    def __init__(self, loss: Loss, settings: LossSettings, targets: Targets, device: torch.device) -> None:
        super().__init__(loss, settings, targets, device)
        weights = positive_weights(settings, targets.per_class(), len(targets))
        self._weights = None if weights is None else torch.tensor(weights, dtype=torch.float32, device=device)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss with label smoothing, labels that are there weighted as the settings say."""
        smoothing = self._settings.label_smoothing
        smooth = targets * (1 - smoothing) + smoothing / 2 if smoothing else targets
        return self._each(outputs, smooth, self._weights).mean()

    def sample_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each picture's mean loss over the labels."""
        return self._each(outputs.float(), targets, None).mean(1)

    def score(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the F1 over all pairs of picture and label; 1 when there is nothing to find and nothing said."""
        said, there = outputs.detach() >= 0, targets >= THRESHOLD  # a logit of 0 is a probability of one half
        right = 2 * (said & there).sum().float()
        total = (said.sum() + there.sum()).float()
        return torch.where(total > 0, right / total.clamp(min=1), torch.ones_like(total))

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the probability of each label."""
        return outputs.float().sigmoid()

    def _each(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        outputs = outputs.float()
        each = F.binary_cross_entropy_with_logits(outputs, targets, pos_weight=weights, reduction="none")
        if self._loss != "focal":
            return each
        sure = outputs.sigmoid()
        wrong = (sure + targets - 2 * sure * targets).clamp(min=1e-12)  # 1 - p of what is true
        return each * wrong**self._settings.focal_gamma


class Regression(Objective):
    """Numbers: squared, absolute or smooth absolute error, mean over the numbers.

    Outputs and targets are float [B, T]. With ``loss.standardise`` the network learns distances from the mean
    of the training targets in their standard deviations: targets of any size then suit the usual initial
    weights and learning rates, and several targets count alike. Scores and predictions are in the targets'
    own units.

    Attributes:
        mean, deviation: per target, float64 [T], as the network's outputs are to be understood.
    """

    task: Task = "regression"

    def __init__(self, loss: Loss, settings: LossSettings, targets: Targets, device: torch.device) -> None:
        super().__init__(loss, settings, targets, device)
        numbers = targets.all().astype(np.float64)
        self.mean, self.deviation = np.zeros(targets.width), np.ones(targets.width)
        if settings.standardise and len(numbers):
            self.mean, spread = numbers.mean(0), numbers.std(0)
            # A target that is always the same stays as it is, beyond its mean.
            self.deviation = np.where(spread > 1e-12 * np.maximum(1.0, np.abs(self.mean)), spread, 1.0)
        self._mean = torch.tensor(self.mean, dtype=torch.float32, device=device)
        self._deviation = torch.tensor(self.deviation, dtype=torch.float32, device=device)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss."""
        return self._each(outputs, targets).mean()

    def sample_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each picture's mean loss over the numbers."""
        return self._each(outputs, targets).mean(1)

    def score(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean absolute error in the targets' units."""
        return (self.predictions(outputs.detach()) - targets).abs().mean()

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the numbers in the targets' units."""
        return outputs.float() * self._deviation + self._mean

    def _each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        wanted = (targets - self._mean) / self._deviation
        outputs = outputs.float()
        if self._loss == "l1":
            return F.l1_loss(outputs, wanted, reduction="none")
        if self._loss == "smooth_l1":
            return F.smooth_l1_loss(outputs, wanted, reduction="none", beta=self._settings.smooth_beta)
        return F.mse_loss(outputs, wanted, reduction="none")


def objective(settings: Settings, targets: Targets, device: torch.device | str = "cpu") -> Objective:
    """Return the objective of a run.

    Args:
        settings: of the run; `tui.core.tasks.check_fits` has passed.
        targets: of the training pictures, as the manifest lists them.
        device: where outputs and targets lie.
    """
    loss, device = loss_of(settings, targets.task), torch.device(device)
    match targets.task:
        case "multilabel":
            return MultiLabel(loss, settings.loss, targets, device)
        case "regression":
            return Regression(loss, settings.loss, targets, device)
    return Classification(loss, settings.loss, targets, device, evenly=settings.data.sampler == "balanced")


def favoured_twice(settings: Settings) -> str:
    """Return a sentence where sampler and weights both make up for rare classes, else an empty text."""
    chosen = settings.loss.class_weights
    if settings.data.sampler != "balanced" or chosen not in ("balanced", "effective"):
        return ""
    return (
        "Rare classes are made up for twice: data.sampler=balanced draws them as often as the others, and "
        f"loss.class_weights={chosen} weighs them more. One of the two is usual."
    )


def class_weights(
    settings: LossSettings, counts: NDArray[np.int64], *, evenly: bool = False
) -> NDArray[np.float64] | None:
    """Return what a picture of each class counts ``[C]``, with a mean of one over the pictures that are drawn.

    ``balanced``: 1 / n. ``effective``: (1 - beta) / (1 - beta^n), the inverse of the effective number of
    pictures (Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples").

    Args:
        settings: of the loss.
        counts: training pictures of each class; a class without any weighs one.
        evenly: whether every class is drawn equally often, else as often as it has pictures.
    """
    if settings.class_weights == "none":
        return None
    there = np.maximum(counts, 1).astype(np.float64)
    if settings.class_weights == "given":
        weights = np.array(settings.weights, dtype=np.float64)
    elif settings.class_weights == "balanced":
        weights = 1 / there
    else:
        weights = 1 / _effective(there, settings.effective_beta)
    drawn = (counts > 0).astype(np.float64) if evenly else counts
    total = float((weights * drawn).sum())
    weights = weights * (drawn.sum() / total) if total else np.ones(len(counts))
    return np.where(counts > 0, weights, 1.0)


def positive_weights(settings: LossSettings, counts: NDArray[np.int64], pictures: int) -> NDArray[np.float64] | None:
    """Return what a label that is there counts beside one that is not ``[C]``.

    ``balanced``: pictures without it by pictures with it; ``effective``: likewise by effective numbers.
    """
    if settings.class_weights == "none":
        return None
    if settings.class_weights == "given":
        return np.array(settings.weights, dtype=np.float64)
    there, without = counts.astype(np.float64), (pictures - counts).astype(np.float64)
    if settings.class_weights == "effective":
        there, without = (_effective(number, settings.effective_beta) for number in (there, without))
    some = (there > 0) & (without > 0)
    return np.where(some, without / np.where(some, there, 1.0), 1.0)


def _effective(counts: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    """Return (1 - beta^n) / (1 - beta), exactly for a beta near one."""
    return np.minimum(counts, 1.0) if beta == 0 else -np.expm1(counts * np.log(beta)) / (1 - beta)
