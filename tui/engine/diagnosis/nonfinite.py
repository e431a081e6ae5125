"""Where the first NaN or infinity of a step comes from: looked for with the weights from before the step.

A step is gone through again, forward only, with every module watched: what is not finite although nothing
before it was, is the origin. A gradient that is not finite although the loss is, is blamed on the last layer
that has one, because gradients flow from there to the front.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tui.core.diagnosis.signals import NonFinite
from tui.core.text import clean
from tui.engine.diagnosis.agreement import kept


def origin(
    model: nn.Module, forward: Callable[[], Tensor], images: Tensor, name: Callable[[int], str], step: int
) -> NonFinite:
    """Find where a step lost its numbers.

    Args:
        model: with the weights and gradients of the step, before its update.
        forward: goes through the step's batch again, and returns the loss.
        images: of that batch, [B, C, H, W].
        name: of the picture at a place in the batch.
        step: counted from 1.
    """
    bad = (~torch.isfinite(images)).flatten(1).any(1).nonzero().flatten().tolist()
    if bad:
        return NonFinite(step, "input", f"{name(bad[0])}{f' and {len(bad) - 1} more' if len(bad) > 1 else ''}")
    for parameter_name, parameter in model.named_parameters():
        if not _finite(parameter):
            return NonFinite(step, f"weight {clean(parameter_name, 200)}")
    with kept(model), torch.no_grad():
        where, finite = _watched(model, forward)
    if where:
        return NonFinite(step, f"output of {clean(where, 200)}", "its inputs are finite")
    if not finite:
        return NonFinite(step, "loss", "the outputs of all layers are finite")
    named = [(name, p.grad) for name, p in model.named_parameters() if p.grad is not None]
    broken = [name for name, gradient in named if not _finite(gradient)]
    if broken:
        return NonFinite(step, f"gradient of {clean(broken[-1].removesuffix('.weight'), 200)}", "the loss is finite")
    return NonFinite(step, "gradient", "too large for its norm to be a number")


def from_norms(layers: tuple[str, ...], norms: list[float], loss: float, step: int) -> NonFinite:
    """Say what can be said afterwards, from the recorded norms alone (an accelerator is read later).

    Args:
        layers: names.
        norms: of the layers' gradients.
        loss: of the step.
        step: counted from 1.
    """
    if loss != loss or loss in (float("inf"), float("-inf")):
        return NonFinite(step, "loss", "the step was read too late to look at its layers")
    broken = [name for name, norm in zip(layers, norms, strict=True) if not norm < float("inf")]
    where = f"gradient of {clean(broken[-1], 200)}" if broken else "gradient"
    return NonFinite(step, where, "the loss is finite")


def _watched(model: nn.Module, forward: Callable[[], Tensor]) -> tuple[str, bool]:
    """Go forward; return (the first module that made something not finite of finite inputs, loss is finite)."""
    found: list[str] = []
    names = {module: name for name, module in model.named_modules()}

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if not found and isinstance(output, Tensor) and not _finite(output):
            found.append(names[module])

    handles = [module.register_forward_hook(hook) for module in model.modules() if not any(module.children())]
    try:
        loss = forward()
    finally:
        for handle in handles:
            handle.remove()
    return (found[0] if found else ""), _finite(loss)


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
