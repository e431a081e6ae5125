"""Whether two halves of a batch want the same: the gradient of each, and of both together.

From |g_half|^2 and |g_whole|^2 follow the squared length of the true gradient and the gradient noise scale
(McCandlish et al. 2018, appendix A). Both halves are computed anew, so that a BatchNorm treats them alike and
neither clipping nor accumulation nor a loss scale has touched them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def halves(
    model: nn.Module,
    parameters: Sequence[nn.Parameter],
    loss: Callable[[Tensor, Tensor], Tensor],
    images: Tensor,
    targets: Tensor,
) -> Tensor:
    """Return float32 [3] on the device: squared norm of a half's gradient (mean of both), of the whole's, pictures.

    Gradients that wait in ``.grad`` and the network's buffers are left as they are; random numbers are drawn.

    Args:
        model: in training mode.
        parameters: those that are trained.
        loss: of (pictures, targets), a mean over the pictures.
        images: float32 [B, C, H, W]; of an odd number the last is left out.
        targets: [B, ...].
    """
    half = len(images) // 2
    with kept(model):
        first = _gradient(loss(images[:half], targets[:half]), parameters)
        second = _gradient(loss(images[half : 2 * half], targets[half : 2 * half]), parameters)
        single = _squares(first) + _squares(second)
        torch._foreach_add_(first, second)
        return torch.stack((single / 2, _squares(first) / 4, single.new_tensor(2.0 * half)))


class kept:  # noqa: N801  reads as a word: `with kept(model):`
    """Puts the network's buffers (the running statistics of BatchNorm) back at the end of the block."""

    def __init__(self, model: nn.Module) -> None:
        self._buffers = list(model.buffers())

    def __enter__(self) -> None:
        self._before = [buffer.clone() for buffer in self._buffers]

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for buffer, before in zip(self._buffers, self._before, strict=True):
                buffer.copy_(before)


def _gradient(loss: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True)]


def _squares(gradients: list[Tensor]) -> Tensor:
    return torch.stack(torch._foreach_norm(gradients)).float().square().sum()
