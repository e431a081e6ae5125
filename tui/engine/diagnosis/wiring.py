"""How a network hangs together, as the doctor must know it: which weight feeds which norm and activation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.optim import Optimizer

from tui.core.diagnosis.signals import Layer
from tui.engine.optim import is_weight

ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.LeakyReLU: "leaky_relu",
    nn.PReLU: "prelu",
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
    nn.Mish: "mish",
    nn.Hardswish: "hardswish",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Hardsigmoid: "hardsigmoid",
}
"""What is known as an activation, by the module's type."""
_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)
_GATE = "scale_activation"
"""torchvision's name for the sigmoid of a squeeze-and-excitation block, which is meant to saturate."""


@dataclass(frozen=True)
class Call:
    """An activation that is called in a forward pass."""

    module: nn.Module
    kind: str
    """As in `ACTIVATIONS`."""
    layer: int
    """The place of the weight before it among the layers; -1: none, or it is not to be looked at."""
    channels: int
    """The axis of its output that counts channels: 1 behind a convolution, -1 behind a matrix."""


@dataclass(frozen=True)
class Wiring:
    """The weights of a network in the model's order, and the activations in the order they are called."""

    layers: tuple[Layer, ...]
    weights: tuple[nn.Parameter, ...]
    """Of the layers."""
    calls: tuple[Call, ...]
    batch_norm: bool


@dataclass
class _Seen:
    module: nn.Module
    name: str
    feeds_norm: bool = False
    activation: str = ""


def trace(model: nn.Module, optimizer: Optimizer, example: Tensor, *, frozen: Iterable[str] = ()) -> Wiring:
    """Follow one forward pass, in evaluation mode so that it changes nothing.

    Args:
        model: the network.
        optimizer: what is in it is trained.
        example: pictures float32 [B, C, H, W] of the right size on the model's device.
        frozen: beginnings of the names that the settings mean to stay as they are.
    """
    parameters = dict(model.named_parameters())
    names = [name for name, parameter in parameters.items() if is_weight(name, parameter)]
    place = {name.removesuffix(".weight"): index for index, name in enumerate(names)}
    seen, calls = _follow(model, example, place)
    inside = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    last = next((each.name for each in reversed(seen) if not each.activation), "")
    of = {each.name: each for each in seen}
    prefixes = tuple(frozen)
    layers = []
    for name in names:
        parameter, short = parameters[name], name.removesuffix(".weight")
        known = of.get(short)
        layers.append(
            Layer(
                name=short,
                feeds_norm=known.feeds_norm if known else False,
                activation=known.activation if known else "",
                output=short == last,
                frozen=bool(prefixes) and name.startswith(prefixes),
                trained=parameter.requires_grad and id(parameter) in inside,
            )
        )
    batch_norm = any(isinstance(module, _BatchNorm) for module in model.modules())
    return Wiring(tuple(layers), tuple(parameters[name] for name in names), tuple(calls), batch_norm)


def _follow(model: nn.Module, example: Tensor, place: dict[str, int]) -> tuple[list[_Seen], list[Call]]:
    """Return the modules with weights, and the activations, in the order they are called."""
    seen: list[_Seen] = []
    calls: list[Call] = []
    outputs: list[Any] = []
    names = {module: name for name, module in model.named_modules()}

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        name = names[module]
        kind = ACTIVATIONS.get(type(module), "")
        if name in place:
            seen.append(_Seen(module, name))
            outputs[:] = [output]
        elif isinstance(module, _NORMS):
            # The very same tensor: behind an addition the size of the weight means something again.
            if seen and inputs and outputs and inputs[0] is outputs[0]:
                seen[-1].feeds_norm = True
        elif kind:
            watched = bool(seen) and not seen[-1].activation and not name.endswith(_GATE)
            if watched:
                seen[-1].activation = kind
            axis = -1 if seen and isinstance(seen[-1].module, nn.Linear) else 1
            calls.append(Call(module, kind, place[seen[-1].name] if watched else -1, axis))

    handles = [module.register_forward_hook(hook) for module in model.modules() if not any(module.children())]
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            model(example)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return seen, calls
