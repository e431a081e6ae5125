"""How a gradient becomes a step: parameter groups, the optimizer, the penalty and the limits of the gradient."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, Optimizer, RAdam, RMSprop

from tui.core.errors import UsageError
from tui.core.settings import OptimizerSettings

FUSED = ("cpu", "cuda")
"""Devices for which torch has SGD, Adam, AdamW and Adagrad in one kernel."""


def is_weight(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a weight proper: it decays, and its gradient norm is recorded.

    Biases, norm layers, class tokens, position embeddings and layer scales are not; in torchvision's
    models only matrices and kernels are both called ``weight`` and have at least two dimensions.
    """
    return parameter.ndim >= 2 and name.endswith("weight")


def make_optimizer(model: nn.Module, settings: OptimizerSettings, head: Collection[str] = ()) -> Optimizer:
    """Return the optimizer for the parameters of ``model`` that are trained, in the model's order per group.

    Args:
        head: names of the parameters that learn at ``optimizer.head_factor`` times the learning rate.

    Raises:
        UsageError: this version of torch does not have the optimizer.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = _groups(named, settings, head)
    rate, betas = settings.learning_rate, (settings.beta1, settings.beta2)
    adaptive: dict[str, Any] = {"lr": rate, "betas": betas, "eps": settings.epsilon}
    fused = named[0][1].device.type in FUSED
    _leave_compiler_out()
    match settings.name:
        case "sgd":
            nesterov = settings.nesterov and settings.momentum > 0
            sgd = SGD(groups, lr=rate, momentum=settings.momentum, nesterov=nesterov, fused=fused)
            # From zero it becomes the first gradient, as from nothing. torch's fused kernel wants either all of
            # them or none (a backbone learns later), and leaves garbage behind when float16 skips the first step.
            for _, parameter in named if settings.momentum else []:
                sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
            return sgd
        case "adam":
            return Adam(groups, fused=fused, **adaptive)
        case "adamw":
            return AdamW(groups, fused=fused, **adaptive)
        case "nadam":
            return NAdam(groups, decoupled_weight_decay=True, **adaptive)
        case "radam":
            return RAdam(groups, decoupled_weight_decay=True, **adaptive)
        case "rmsprop":
            return RMSprop(groups, lr=rate, alpha=settings.alpha, eps=settings.epsilon, momentum=settings.momentum)
        case "adagrad":
            return Adagrad(groups, lr=rate, eps=settings.epsilon)
        case _:
            return Muon(groups, settings, fused=fused)


def _leave_compiler_out() -> None:
    """Spare two seconds in which torch imports its compiler, only to tell it that an optimizer is not to be compiled.

    Where a version of torch keeps that answer elsewhere, it is imported as ever.
    """
    bare = inspect.unwrap(Optimizer.add_param_group)
    if not hasattr(bare, "__dynamo_disable"):
        setattr(bare, "__dynamo_disable", bare)


def _groups(
    named: list[tuple[str, nn.Parameter]], settings: OptimizerSettings, head: Collection[str]
) -> list[dict[str, Any]]:
    """Return parameter groups: by weight decay, by factor of the rate, and for Muon by whether it steps them."""
    sorted_: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in named:
        weight = is_weight(name, parameter)
        decay = settings.weight_decay if weight or settings.decay_all else 0.0
        factor = settings.head_factor if name in head else 1.0
        matrix = settings.name == "muon" and weight and name not in head
        # Those that decay come first, whatever comes first in the model.
        sorted_.setdefault((factor, -decay, not matrix), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": -decay, "factor": factor, "matrix": not plain}
        for (factor, decay, plain), parameters in sorted(sorted_.items(), key=lambda entry: entry[0])
    ]


class Muon(Optimizer):
    """Muon for the kernels and matrices before the head, AdamW for everything else, at one learning rate.

    A kernel [out, in, h, w] is stepped as the matrix [out, in h w] (Keller Jordan, kellerjordan.github.io/posts/muon).
    The step of a matrix is scaled to the size of an AdamW step (arXiv:2502.16982), so that one rate suits both.

    Raises:
        UsageError: this version of torch has no Muon.
    """

    def __init__(self, groups: list[dict[str, Any]], settings: OptimizerSettings, *, fused: bool) -> None:
        kind = getattr(torch.optim, "Muon", None)
        if kind is None:
            cause = f"torch {torch.__version__} has no Muon"
            raise UsageError("The optimizer cannot be used", cause, "Install torch 2.9 or newer, or choose adamw.")
        defaults = {"lr": settings.learning_rate, "fused": fused}
        super().__init__(groups, defaults)
        own = [group for group in self.param_groups if group["matrix"]]
        rest = [group for group in self.param_groups if not group["matrix"]]
        self._matrices = {p: _as_matrix(p.detach()) for group in own for p in group["params"]}
        self._pairs: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._muon = self._adamw = None
        if own:
            views = [{**_plain(group), "params": [self._matrices[p] for p in group["params"]]} for group in own]
            nesterov = settings.nesterov and settings.momentum > 0
            self._muon = kind(views, momentum=settings.momentum, nesterov=nesterov, adjust_lr_fn="match_rms_adamw")
            self._pairs += zip(own, self._muon.param_groups, strict=True)
        if rest:
            betas, theirs = (settings.beta1, settings.beta2), [{**_plain(g), "params": g["params"]} for g in rest]
            self._adamw = AdamW(theirs, betas=betas, eps=settings.epsilon, fused=fused)
            self._pairs += zip(rest, self._adamw.param_groups, strict=True)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Make a step of each; the state is kept here, by the model's own parameters."""
        for ours, theirs in self._pairs:
            theirs["lr"] = ours["lr"]
        if self._muon is not None:
            for parameter, matrix in self._matrices.items():
                matrix.grad = None if parameter.grad is None else _as_matrix(parameter.grad, like=parameter)
                if matrix.grad is not None:
                    self._muon.state[matrix] = self.state[parameter]
            change_weights(self._muon)
        if self._adamw is not None:
            self._adamw.state = self.state
            change_weights(self._adamw)


def _plain(group: dict[str, Any]) -> dict[str, Any]:
    return {"lr": group["lr"], "weight_decay": group["weight_decay"]}


def _as_matrix(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """Return a kernel as [out, the rest] in the order in which ``like`` lies in memory; where it can, as a view."""
    if tensor.ndim == 2:
        return tensor
    like = tensor if like is None else like
    order = sorted(range(1, tensor.ndim), key=like.stride, reverse=True)
    return tensor.permute(0, *order).reshape(len(tensor), -1)


def forget_gradients(optimizer: Optimizer) -> None:
    """Let the next backward pass make the gradients anew."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def change_weights(optimizer: Optimizer) -> None:
    """Make the optimizer's step, and nothing else.

    torch wraps it in marks for its profiler, which take as long as a small step itself, and in questions to its
    compiler, which take two seconds to import. Neither is used here; what remains is that no gradients are recorded.
    """
    with torch.no_grad():
        inspect.unwrap(type(optimizer).step)(optimizer)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Put ``rate`` in force from the next step on, times each group's own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def penalise(weights: Iterable[nn.Parameter], strength: float) -> None:
    """Add the gradient of ``strength`` times the sum of the absolute weights to their gradients, in place."""
    there = [weight for weight in weights if weight.grad is not None]
    if there:
        signs = torch._foreach_sign([weight.detach() for weight in there])
        torch._foreach_add_([weight.grad for weight in there], signs, alpha=strength)


def clip(gradients: Iterable[Tensor], norm: Tensor, limit: float) -> None:
    """Scale gradients down in place so that their norm is at most ``limit``; uses the ``norm`` already measured.

    Nothing is read back from the device: the factor is 1 where the norm is small enough.
    """
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(list(gradients), factor)


def clip_values(gradients: Iterable[Tensor], limit: float) -> None:
    """Cut every number of the gradients to between ``-limit`` and ``limit``, in place."""
    there = list(gradients)
    torch._foreach_clamp_min_(there, -limit)
    torch._foreach_clamp_max_(there, limit)


def clip_update(parameters: Sequence[Tensor], before: Sequence[Tensor], limit: float) -> None:
    """Shorten the step that was just made so that it is at most ``limit`` times as long as the weights were.

    All parameters together are one vector, so the step keeps its direction; the idea is that of update clipping in
    Adafactor (arXiv:1804.04235). Unlike a clipped gradient it also bounds what the learning rate or an adaptive
    optimizer makes of it. A step that is short enough stays bit for bit; nothing is read back from the device.

    Args:
        parameters: after the step; changed in place.
        before: copies of them from before it.
        limit: as a share.
    """
    was = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(before)).float())
    moved = torch._foreach_sub(list(parameters), list(before))
    length = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(moved)).float())
    excess = (limit * was / length.clamp(min=torch.finfo(length.dtype).tiny)).clamp(max=1.0) - 1.0
    torch._foreach_mul_(moved, excess)
    torch._foreach_add_(list(parameters), moved)


def optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as ``{parameter name/state name: tensor}``."""
    tensors = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if value is not None:
                tensors[f"{name}/{key}"] = value if isinstance(value, Tensor) else torch.tensor(value).double()
    return tensors


def restore_optimizer(model: nn.Module, optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` returned, bit for bit and in the parameters' memory layout.

    Raises:
        KeyError: there is state for a parameter that the model does not have.
    """
    parameters = dict(model.named_parameters())
    fused = {p for group in optimizer.param_groups if group.get("fused") for p in group["params"]}
    optimizer.state.clear()
    for key, tensor in tensors.items():
        name, _, entry = key.rpartition("/")
        parameter = parameters[name]
        if tensor.shape == parameter.shape and tensor.ndim:
            kept = torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False)
            kept.copy_(tensor)
        elif tensor.ndim or parameter in fused:
            kept = tensor.to(parameter.device, copy=True)
        else:  # a count of steps, which torch keeps on the host
            kept = tensor.clone()
        optimizer.state[parameter][entry] = kept
