"""How a gradient becomes a step: parameter groups and the optimizer."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from tui.core.settings import OptimizerSettings


def is_weight(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a weight proper: it decays, and its gradient norm is recorded.

    Biases, norm layers, class tokens, position embeddings and layer scales are not; in torchvision's
    models only matrices and kernels are both called ``weight`` and have at least two dimensions.
    """
    return parameter.ndim >= 2 and name.endswith("weight")


def make_optimizer(model: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """Return the optimizer for the parameters of ``model`` that are trained, in the model's order per group."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    decayed = [parameter for name, parameter in named if is_weight(name, parameter)]
    others = [parameter for name, parameter in named if not is_weight(name, parameter)]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    rate = settings.learning_rate
    fused = named[0][1].device.type in ("cpu", "cuda")
    if settings.name == "sgd":
        return SGD(
            groups,
            lr=rate,
            momentum=settings.momentum,
            nesterov=settings.nesterov and settings.momentum > 0,
            fused=fused,
        )
    kind = Adam if settings.name == "adam" else AdamW
    return kind(groups, lr=rate, betas=(settings.beta1, settings.beta2), fused=fused)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Put ``rate`` in force from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip(gradients: Iterable[torch.Tensor], norm: torch.Tensor, limit: float) -> None:
    """Scale gradients down in place so that their norm is at most ``limit``; uses the ``norm`` already measured.

    Nothing is read back from the device: the factor is 1 where the norm is small enough.
    """
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(list(gradients), factor)


def optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, torch.Tensor]:
    """Return the optimizer's state as ``{parameter name/state name: tensor}``."""
    tensors = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if value is not None:
                tensors[f"{name}/{key}"] = value if isinstance(value, torch.Tensor) else torch.tensor(float(value))
    return tensors


def restore_optimizer(model: nn.Module, optimizer: Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `optimizer_tensors` returned, bit for bit and in the parameters' memory layout.

    Raises:
        KeyError: there is state for a parameter that the model does not have.
    """
    parameters = dict(model.named_parameters())
    optimizer.state.clear()
    for key, tensor in tensors.items():
        name, _, entry = key.rpartition("/")
        parameter = parameters[name]
        if tensor.shape == parameter.shape and tensor.ndim:
            kept = torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False)
            kept.copy_(tensor)
        else:
            kept = tensor.to(parameter.device) if optimizer.defaults.get("fused") else tensor.clone()
        optimizer.state[parameter][entry] = kept
