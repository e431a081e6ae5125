"""The moving average of the weights (EMA), validated beside the weights themselves."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from tui.engine.checkpoint import restore_weights


class Average:
    """A second network whose weights and statistics follow those of the first.

    After step t each is d times itself plus 1 - d times the network's, with d = min(decay, (1 + t) / (10 + t)):
    the average does not start out as a memory of random weights (the warm-up of TensorFlow's ExponentialMovingAverage).

    Args:
        model: the network that is trained; frozen and moved to its device already.
        decay: per step, below 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        """The network with the averaged weights; for evaluation only."""
        self._decay = decay
        ours, theirs = self.model.state_dict(), model.state_dict()
        self._averaged = [(ours[key], theirs[key]) for key in ours if ours[key].is_floating_point()]
        self._copied = [(ours[key], theirs[key]) for key in ours if not ours[key].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights as they are after ``step`` steps into the average; reads nothing from the device."""
        decay = min(self._decay, (1 + step) / (10 + step))
        ours, theirs = zip(*self._averaged, strict=True)
        torch._foreach_lerp_(ours, theirs, 1 - decay)
        for own, their in self._copied:
            own.copy_(their)

    def tensors(self) -> dict[str, Tensor]:
        """Return the averaged weights and statistics by name."""
        return self.model.state_dict()

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` returned.

        Raises:
            KeyError, RuntimeError: they are of another network.
        """
        restore_weights(self.model, tensors)
