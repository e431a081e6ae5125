"""A network that torch.compile translates while it is first used, and that can go back to what it was."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Compiled:
    """Calls a network through torch.compile; the network itself, its hooks and its weights' names stay as they are.

    Evaluations use the network itself: their last batch has another size, and each size would be translated anew.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._call = torch.compile(model)
        self._before: list[tuple[Tensor, Tensor]] = []
        self.tried = False
        """Whether a step has begun to use it."""

    def __call__(self, images: Tensor) -> Tensor:
        """Return the network's outputs."""
        outputs: Tensor = self._call(images)
        return outputs

    def begin(self) -> None:
        """Take notice that it is used now, and keep the statistics that a step which fails would change."""
        self.tried = True
        self._before = [(buffer, buffer.clone()) for buffer in self._model.buffers()]

    def give_up(self) -> None:
        """Use the network itself from now on, with the statistics that it had."""
        self._call = self._model
        with torch.no_grad():
            for buffer, before in self._before:
                buffer.copy_(before)
        self._before = []
