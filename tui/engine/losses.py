"""What is minimised, and how good a batch is: the objective of a run, built once from its task and settings.

Evaluation uses the same loss without smoothing and without class weights, so that what a split contains
and what was done against overfitting do not change its scale.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from tui.core.metrics import Task
from tui.core.settings import LossSettings


class Objective(ABC):
    """The loss of a task and the score of a batch; nothing in it waits for the device.

    Attributes:
        task: what is learned.
        outputs: numbers that the network puts out for a picture.
    """

    task: Task

    def __init__(self, outputs: int, settings: LossSettings) -> None:
        self.outputs = outputs
        self._settings = settings

    @abstractmethod
    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the batch's mean loss, a scalar: a mean over pictures, so that parts of a batch add up."""

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
    """One class of several: cross entropy with label smoothing.

    Outputs are logits, float [B, classes]; targets int64 [B].
    """

    task = "classification"

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross entropy with label smoothing."""
        return F.cross_entropy(outputs, targets, label_smoothing=self._settings.label_smoothing)

    def sample_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each picture's cross entropy."""
        return F.cross_entropy(outputs.float(), targets, reduction="none")

    def score(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the share of pictures whose highest logit is their class."""
        return (outputs.detach().argmax(1) == targets).to(torch.float32).mean()

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the probabilities of the classes."""
        return outputs.float().softmax(1)


def objective(settings: LossSettings, classes: int) -> Objective:
    """Return the objective of a run."""
    return Classification(classes, settings)
