"""How far a step moves the weights: exact, by a copy of them from before it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class UpdateProbe:
    """Weight norms and update ratios of one optimizer step.

    Args:
        weights: of the layers.
    """

    def __init__(self, weights: Sequence[nn.Parameter]) -> None:
        self._weights = weights
        self._before: list[Tensor] = []

    def begin(self) -> None:
        """Copy the weights."""
        self._before = [weight.detach().clone() for weight in self._weights]

    def end(self) -> Tensor:
        """Return float32 [2 * layers] on the device: norms after the step, |step| / |weight before|; forget the copy.

        A weight that was zero and has moved has an infinite ratio; one that was and is zero has none (NaN).
        """
        before, self._before = self._before, []
        now = [weight.detach() for weight in self._weights]
        old = torch.stack(torch._foreach_norm(before)).float()
        new = torch.stack(torch._foreach_norm(now)).float()
        torch._foreach_sub_(before, now)
        moved = torch.stack(torch._foreach_norm(before)).float()
        return torch.cat((new, moved / old))
