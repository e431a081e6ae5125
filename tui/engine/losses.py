"""What is minimised."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tui.core.settings import LossSettings


def training_loss(outputs: Tensor, labels: Tensor, settings: LossSettings) -> Tensor:
    """Return the batch's mean cross entropy with label smoothing, a scalar.

    Args:
        outputs: logits, float [B, classes].
        labels: int64 [B].
    """
    return F.cross_entropy(outputs, labels, label_smoothing=settings.label_smoothing)


def sample_losses(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return each picture's cross entropy, float32 [B]; without smoothing, so that runs can be compared."""
    return F.cross_entropy(outputs.float(), labels, reduction="none")


def correct(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the share of pictures whose highest logit is their label, a float32 scalar on the device."""
    return (outputs.detach().argmax(1) == labels).to(torch.float32).mean()
