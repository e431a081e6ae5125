"""The networks: our own `SimpleCNN`, torchvision's with their head replaced, timm's, and those of a package."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from tui.core.architectures import SIMPLE_CNN, TORCHVISION, is_code
from tui.core.errors import UsageError
from tui.core.settings import ModelSettings, Settings
from tui.engine import guests, initial, zoo

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
_WIDEST = 512


def build(settings: Settings, outputs: int) -> nn.Module:
    """Return the network of the settings on the CPU, its weights drawn from ``training.seed`` or pretrained.

    It takes float32 [B, data.channels, data.image_size, data.image_size] and returns [B, outputs]: logits, or numbers.

    Raises:
        UsageError: there is no such network here, or it cannot take pictures of this size.
        FailureError: it cannot be made, or pretrained weights could not be fetched or read.
    """
    if not is_code(settings.model.name):  # which is tried as it is made
        check_size(settings, outputs)
    torch.manual_seed(settings.training.seed)
    chosen = settings.model
    model = _made(settings, outputs, pretrained=chosen.pretrained)
    head = head_names(model)
    if chosen.freeze_backbone and not head:
        cause = f"{chosen.name} has no last linear layer, so nothing would learn"
        raise UsageError("The backbone cannot be frozen", cause, "Set model.freeze_backbone=false.")
    initial.draw(model, chosen, head)
    if chosen.zero_last_norm and not chosen.pretrained:
        initial.silence_blocks(model)
    return model


def unloaded(settings: Settings, outputs: int) -> nn.Module:
    """Return the network of the settings with weights that mean nothing: trained ones are to be put in.

    Raises:
        UsageError: there is no such network here.
        FailureError: it cannot be made.
    """
    return _made(settings, outputs, pretrained=False)


def sketch(settings: Settings, outputs: int) -> nn.Module:
    """Return the network on torch's meta device: shapes without numbers, in no time and no memory.

    Raises:
        UsageError: there is no such network here.
        FailureError: it cannot be made.
    """
    if is_code(settings.model.name):
        return unloaded(settings, outputs).to("meta")
    with _Sketching():
        return unloaded(settings, outputs).to("meta")


class _Sketching(TorchFunctionMode):
    """Puts what is made to hold weights on the meta device; sizes that a network calculates stay numbers."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.empty, torch.zeros, torch.ones) and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def _made(settings: Settings, outputs: int, *, pretrained: bool) -> nn.Module:
    name = settings.model.name
    if name == SIMPLE_CNN:
        return SimpleCNN(settings.model, settings.data.channels, outputs)
    if name in TORCHVISION:
        return zoo.build(settings, outputs, pretrained=pretrained)
    return guests.build(settings, outputs, pretrained=pretrained)


def head_names(model: nn.Module) -> frozenset[str]:
    """Return the names of the parameters of the layer that makes the outputs; empty where none can be told."""
    head = {parameter for module in _heads(model) for parameter in module.parameters()}
    return frozenset(name for name, parameter in model.named_parameters() if parameter in head)


def _heads(model: nn.Module) -> list[nn.Module]:
    if hasattr(model, "get_classifier"):  # timm's; some have two
        found = model.get_classifier()
        return [module for module in (found if isinstance(found, tuple) else (found,)) if isinstance(module, nn.Module)]
    try:
        return [zoo.head_of(model)[2]]
    except LookupError:
        layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
        return layers[-1:]


def lacking(settings: Settings, model: nn.Module) -> list[str]:
    """Return a sentence for each setting that asks for something which this network does not have."""
    chosen = settings.model
    absent = []
    if chosen.dropout and chosen.name in TORCHVISION and not zoo.has_dropout(model):
        absent.append(("dropout", "dropout layer"))
    if chosen.stochastic_depth and not initial.thins_out(model):
        absent.append(("stochastic_depth", "stochastic depth"))
    if chosen.zero_last_norm and not chosen.pretrained and not initial.last_norms(model):
        absent.append(("zero_last_norm", "residual blocks that end with a BatchNorm"))
    return [f"model.{key} has no effect: {chosen.name} has no {what}." for key, what in absent]


def check_size(settings: Settings, outputs: int) -> None:
    """Try the network's shapes without arithmetic, on torch's meta device, if it may be that pictures are too small.

    Raises:
        UsageError: pictures of ``data.image_size`` do not go through; names the next size that does.
        FailureError: the network cannot be made.
    """
    name, size = settings.model.name, settings.data.image_size
    if name == SIMPLE_CNN:
        return  # its pooling stops at one pixel
    multiple, problem = zoo.size_multiple(name)
    if size % multiple:
        fits: int | None = -(-size // multiple) * multiple
    elif name in TORCHVISION and size >= zoo.smallest_size(name):
        return  # torch would take a second to learn how it goes on meta
    else:
        network = sketch(settings, outputs)
        if _passes(network, settings.data.channels, size):
            return
        problem = "they shrink to nothing inside the network"
        larger = itertools.chain(range(size + 1, 257), range(288, 1025, 32))
        fits = next((other for other in larger if _passes(network, settings.data.channels, other)), None)
    advice = f"Set data.image_size={fits}, or choose another model.name." if fits else "Choose another model.name."
    raise UsageError(f"{name} cannot take pictures of {size} px", problem, advice)


def _passes(network: nn.Module, channels: int, size: int) -> bool:
    """Whether two pictures of ``size`` go through a network on the meta device."""
    try:
        with torch.device("meta"), torch.no_grad():
            network.train()(torch.empty(2, channels, size, size))
    except (RuntimeError, ValueError, AssertionError):
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


def pools_first(settings: ModelSettings) -> bool:
    """Whether the blocks of `SimpleCNN` pool before their activation.

    What never falls commutes with a maximum, and its gradient goes the same way, bit for bit; a quarter of the numbers
    then passes through it. Of tanh and sigmoid, though, each position's saturation is to be seen.
    """
    return settings.pooling == "max" and settings.activation in ("relu", "leaky_relu")


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
                layers.insert(len(layers) - pools_first(settings), Halve(settings.pooling))
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
