"""How the arithmetic is done: precision, loss scaling, memory format, compilation; what ``auto`` stands for here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from tui.core.settings import ComputeSettings

Network = Callable[[Tensor], Tensor]
"""Pictures [B, C, H, W] to outputs [B, ...]: a module, or what torch.compile made of it."""
_AMPERE = (8, 0)
"""The first compute capability with bfloat16 in its tensor cores."""


@dataclass
class Compute:
    """What was chosen for a device.

    Attributes:
        device: where the arithmetic is done.
        precision: of the network's insides: float32, bfloat16 or float16.
        channels_last: whether pictures and kernels lie in memory channel by channel.
        scaler: scales the loss so that float16 gradients do not vanish; None where nothing needs it.
        compiled: whether the network is to be compiled.
    """

    device: torch.device
    precision: torch.dtype
    channels_last: bool
    scaler: GradScaler | None
    compiled: bool

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which the network runs."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.precision)

    def run(self, network: Network, images: Tensor) -> Tensor:
        """Return the outputs of a network, float32 [B, ...], of pictures [B, C, H, W]."""
        with self.autocast():
            outputs = network(images)
        return outputs.float()

    def arranged(self, images: Tensor) -> Tensor:
        """Return pictures, which come in channels_last, in the chosen memory format."""
        return images if self.channels_last else images.contiguous()

    def place(self, model: nn.Module) -> nn.Module:
        """Move a network to the device; its kernels get the memory format in which pictures arrive."""
        model = model.to(self.device)
        return model.to(memory_format=torch.channels_last if self.channels_last else torch.contiguous_format)

    def sentence(self) -> str:
        """Say what was chosen."""
        words = [str(self.precision).removeprefix("torch."), "channels_last" if self.channels_last else "contiguous"]
        if self.compiled:
            words.append("compiled")
        return f"The arithmetic is {', '.join(words)} on {self.device.type}."


def choose(settings: ComputeSettings, device: torch.device) -> Compute:
    """Decide how the arithmetic is done on ``device``, and set torch up for it."""
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}.get(settings.precision)
    if dtype is None:
        # On CPUs without bfloat16 units autocast is several times slower than float32.
        fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _AMPERE
        dtype = torch.bfloat16 if fast else torch.float32
    format_ = settings.memory_format
    channels_last = format_ == "channels_last" or (format_ == "auto" and device.type != "mps")
    scaler = GradScaler(device.type) if dtype == torch.float16 else None
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if settings.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = settings.tf32
    return Compute(device, dtype, channels_last, scaler, settings.compile)


def scaler_table(scaler: GradScaler | None) -> dict[str, float]:
    """Return a loss scaler's state as plain numbers; empty without one."""
    return dict(scaler.state_dict()) if scaler is not None else {}


def restore_scaler(scaler: GradScaler | None, table: dict[str, float]) -> None:
    """Put back what `scaler_table` returned; nothing, where either is missing.

    Raises:
        KeyError: something is missing in the table.
    """
    if scaler is not None and table:
        scaler.load_state_dict(table)
