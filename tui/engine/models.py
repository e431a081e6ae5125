"""The networks: our own `SimpleCNN`, and torchvision's classification models with their head replaced."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tui.core.architectures import SIMPLE_CNN
from tui.core.errors import UsageError
from tui.core.settings import ModelSettings, Settings
from tui.engine import zoo

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
_WIDEST = 512


def build(settings: Settings, classes: int) -> nn.Module:
    """Return the network of the settings on the CPU, its weights drawn from ``training.seed`` or pretrained.

    It takes float32 [B, data.channels, data.image_size, data.image_size] and returns logits [B, classes].

    Raises:
        UsageError: the architecture cannot take pictures of this size.
        FailureError: pretrained weights could not be fetched or read.
    """
    check_size(settings, classes)
    torch.manual_seed(settings.training.seed)
    if settings.model.name == SIMPLE_CNN:
        return SimpleCNN(settings.model, settings.data.channels, classes)
    return zoo.build(settings, classes)


def unloaded(settings: Settings, classes: int) -> nn.Module:
    """Return the network of the settings with weights that mean nothing: trained ones are to be put in."""
    if settings.model.name == SIMPLE_CNN:
        return SimpleCNN(settings.model, settings.data.channels, classes)
    return zoo.unloaded(settings, classes)


def head_names(model: nn.Module) -> frozenset[str]:
    """Return the names of the parameters of the layer that makes the outputs."""
    head = set(zoo.head_of(model)[2].parameters())
    return frozenset(name for name, parameter in model.named_parameters() if parameter in head)


def check_size(settings: Settings, classes: int) -> None:
    """Try the network's shapes without arithmetic, on torch's meta device.

    Raises:
        UsageError: pictures of ``data.image_size`` do not go through; names the next size that does.
    """
    name, size = settings.model.name, settings.data.image_size
    multiple, problem = zoo.size_multiple(name)
    if size % multiple:
        fits: int | None = -(-size // multiple) * multiple
    else:
        network = _skeleton(settings, classes)
        if _passes(network, settings.data.channels, size):
            return
        problem = "they shrink to nothing inside the network"
        larger = itertools.chain(range(size + 1, 257), range(288, 1025, 32))
        fits = next((other for other in larger if _passes(network, settings.data.channels, other)), None)
    advice = f"Set data.image_size={fits}, or choose another model.name." if fits else "Choose another model.name."
    raise UsageError(f"{name} cannot take pictures of {size} px", problem, advice)


def _skeleton(settings: Settings, classes: int) -> nn.Module:
    """Return the network without memory for its weights."""
    if settings.model.name == SIMPLE_CNN:
        with torch.device("meta"):
            return SimpleCNN(settings.model, settings.data.channels, classes)
    try:
        with torch.device("meta"):
            return zoo.unloaded(settings, classes)
    except NotImplementedError:  # regnet computes its widths with tensors
        return zoo.unloaded(settings, classes).to("meta")


def _passes(network: nn.Module, channels: int, size: int) -> bool:
    """Whether two pictures of ``size`` go through a network on the meta device."""
    try:
        with torch.device("meta"), torch.no_grad():
            network.train()(torch.empty(2, channels, size, size))
    except (RuntimeError, ValueError):
        return False
    return True


class Halve(nn.Module):
    """Pool by two, but never below one pixel: small pictures pass unchanged."""

    def __init__(self, pooling: str) -> None:
        super().__init__()
        self._pool = F.max_pool2d if pooling == "max" else F.avg_pool2d

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, C, ceil-free half of H, of W] of [B, C, H, W]."""
        window = (min(2, x.shape[-2]), min(2, x.shape[-1]))
        return x if window == (1, 1) else self._pool(x, window)


class SimpleCNN(nn.Module):
    """Blocks of convolution, normalisation, activation and pooling; then one number per channel and a linear layer.

    The mean over all positions before the linear layer is what makes any picture size fit.

    Args:
        settings: what the blocks are made of.
        channels: of the pictures, 1 or 3.
        classes: how many logits come out.
    """

    def __init__(self, settings: ModelSettings, channels: int, classes: int) -> None:
        super().__init__()
        blocks = []
        wide = channels
        for index in range(settings.blocks):
            narrow, wide = wide, min(settings.width * 2**index, max(_WIDEST, settings.width))
            layers: list[nn.Module] = [
                nn.Conv2d(narrow, wide, settings.kernel_size, padding="same", bias=not settings.batch_norm)
            ]
            if settings.batch_norm:
                layers.append(nn.BatchNorm2d(wide))
            layers.append(ACTIVATIONS[settings.activation]())
            if index < settings.blocks - 1:
                layers.append(Halve(settings.pooling))
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(wide, classes)
        self._draw_weights(settings.activation)

    def _draw_weights(self, activation: str) -> None:
        """Keep the size of the signal from layer to layer, as the activation demands."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if activation in ("tanh", "sigmoid"):
                    nn.init.xavier_uniform_(module.weight, nn.init.calculate_gain(activation))
                else:
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [B, classes] of pictures [B, channels, H, W]."""
        x = self.blocks(x).mean((-2, -1))
        return self.head(self.dropout(x))
