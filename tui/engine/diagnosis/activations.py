"""Dead channels and saturated units of a sampled step: hooks that are there for that step only."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tui.engine.diagnosis.wiring import Wiring

SATURATED = 0.97
"""A unit is saturated beyond this share of half the range, counted from its middle."""
_NOTHING = 1e-6
_CUT = ("relu", "relu6")
"""Zero below zero: the largest value tells everything."""
_SMOOTH = ("gelu", "silu", "mish", "hardswish")
"""Almost zero far below zero, and negative before."""
_RANGES = {"tanh": (0.0, 1.0), "sigmoid": (0.5, 0.5), "hardsigmoid": (0.5, 0.5)}
"""Middle and half of the range of what is bounded on both sides."""


class ActivationProbe:
    """Looks at the outputs of the activations in one forward pass.

    Args:
        wiring: of the network; its order of calls is the plan.
        device: where the network is.
    """

    def __init__(self, wiring: Wiring, device: torch.device) -> None:
        self._calls, self._width, self._device = wiring.calls, len(wiring.layers), device
        self._handles: list[RemovableHandle] = []
        self._values: dict[int, Tensor] = {}
        self._next = 0
        self.seconds = 0.0
        """Spent in the hooks since `begin`."""

    @property
    def useful(self) -> bool:
        """Whether there is anything to look at."""
        return any(call.layer >= 0 for call in self._calls)

    def begin(self) -> None:
        """Listen to the next forward pass."""
        self._values, self._next, self.seconds = {}, 0, 0.0
        modules = {call.module for call in self._calls}
        self._handles = [module.register_forward_hook(self._hook) for module in modules]

    def end(self) -> Tensor:
        """Stop listening; return float32 [2 * layers] on the device: dead shares, saturated shares, NaN: none."""
        for handle in self._handles:
            handle.remove()
        values, self._handles, self._values = self._values, [], {}
        none = torch.full((), math.nan, device=self._device)
        return torch.stack([values.get(at, none) for at in range(2 * self._width)])

    def _hook(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        at, self._next = self._next, self._next + 1
        if at >= len(self._calls) or self._calls[at].module is not module or self._calls[at].layer < 0:
            return  # a second pass of this step, another way through the network, or nothing to look at
        began = time.perf_counter()
        with torch.no_grad():
            self._measure(self._calls[at].kind, output.detach(), self._calls[at].channels, self._calls[at].layer)
        self.seconds += time.perf_counter() - began

    def _measure(self, kind: str, output: Tensor, channels: int, layer: int) -> None:
        others = [axis for axis in range(output.ndim) if axis != channels % output.ndim]
        if kind in _CUT:
            self._values[layer] = (output.amax(others) <= 0).float().mean()
        elif kind in _SMOOTH:
            self._values[layer] = (output.abs().amax(others) <= _NOTHING).float().mean()
        elif kind in _RANGES:
            middle, half = _RANGES[kind]
            self._values[self._width + layer] = ((output - middle).abs() > SATURATED * half).float().mean()
