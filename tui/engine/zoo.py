"""torchvision's classification models, fitted to our pictures: head, input channels, input size, dropout, weights.

The head is the last linear layer (or 1x1 convolution) under ``fc``, ``classifier``, ``heads`` or ``head``.
Auxiliary classifiers (inception, googlenet) are left out: they only make the loop special.
"""

from __future__ import annotations

import contextlib
import re
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from tui.core.errors import FailureError
from tui.core.settings import Settings
from tui.core.text import clean, clean_path
from tui.engine import initial, vision

_HEADS = ("fc", "classifier", "heads", "head")
_PATCH = re.compile(r"vit_\w_(\d+)")
_NETWORK_SECONDS = 20.0
# Weights of the first densenets were saved with names that later versions may not use.
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")
_AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")


def build(settings: Settings, outputs: int, *, pretrained: bool) -> nn.Module:
    """Return the torchvision model of the settings with a head for ``outputs`` outputs, on the CPU.

    Raises:
        FailureError: pretrained weights could not be fetched or read.
    """
    model = _bare(settings)
    if pretrained:
        _load(model, settings)
    _replace_head(model, outputs)
    if settings.data.channels == 1:
        _take_grey(model, keep=settings.model.pretrained)
    for dropout in _dropouts(model):
        dropout.p = settings.model.dropout
    initial.thin_out(model, settings.model.stochastic_depth)
    return model


def size_multiple(name: str) -> tuple[int, str]:
    """Return what the picture size must be a multiple of for an architecture, and why."""
    patch = _PATCH.fullmatch(name)
    if patch:
        return int(
            patch[1]
        ), f"it cuts them into squares of {patch[1]} px, so the size must be a multiple of {patch[1]}"
    if name == "maxvit_t":
        return 224, "it cuts them into 7 x 7 windows at five scales, so the size must be a multiple of 224"
    return 1, ""


def smallest_size(name: str) -> int:
    """Return the side in pixels from which on an architecture takes any picture, as torchvision says of its weights."""
    return max(vision.models().get_model_weights(name).DEFAULT.meta["min_size"])


def has_dropout(model: nn.Module) -> bool:
    """Whether ``model.dropout`` changes anything in this network."""
    return any(True for _ in _dropouts(model))


def _bare(settings: Settings) -> nn.Module:
    name, size = settings.model.name, settings.data.image_size
    options: dict[str, Any] = {}
    if name.startswith("vit_"):
        options["image_size"] = size
    if name == "maxvit_t":
        options["input_size"] = (size, size)
    if name in ("inception_v3", "googlenet"):
        options.update(aux_logits=False, init_weights=not settings.model.pretrained)
        # Their weights were trained on pictures in -1..1; they turn the usual normalisation into it themselves.
        options["transform_input"] = settings.model.pretrained and settings.data.channels == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return cast(nn.Module, vision.models().get_model(name, weights=None, **options))


def head_of(model: nn.Module) -> tuple[nn.Module, str, nn.Module]:
    """Return the layer that makes the logits: (the module it sits in, its name there, itself).

    Raises:
        LookupError: none stands where torchvision's models have it.
    """
    for attribute in _HEADS:
        top = getattr(model, attribute, None)
        if isinstance(top, nn.Linear):
            return model, attribute, top
        if isinstance(top, nn.Sequential):
            for name, module in reversed(list(top.named_children())):
                if isinstance(module, (nn.Linear, nn.Conv2d)):
                    return top, name, module
    raise LookupError(f"no head was found in {type(model).__name__}")


def _replace_head(model: nn.Module, classes: int) -> None:
    parent, name, old = head_of(model)
    new: nn.Module
    if isinstance(old, nn.Conv2d):  # squeezenet
        new = nn.Conv2d(old.in_channels, classes, old.kernel_size, old.stride, old.padding)
        nn.init.normal_(new.weight, std=0.01)
    else:
        assert isinstance(old, nn.Linear)
        new = nn.Linear(old.in_features, classes)
        nn.init.normal_(new.weight, std=0.01)
    nn.init.zeros_(new.bias)
    setattr(parent, name, new)
    if hasattr(model, "num_classes"):  # squeezenet reshapes by it in older versions
        model.num_classes = classes


def _take_grey(model: nn.Module, *, keep: bool) -> None:
    """Replace the first convolution by one for one channel.

    Pretrained kernels are summed over their colours, which gives exactly what the network would compute
    from a grey picture repeated three times.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            parent = model.get_submodule(name.rpartition(".")[0])
            grey = nn.Conv2d(
                1,
                module.out_channels,
                module.kernel_size,
                module.stride,
                module.padding,
                module.dilation,
                bias=module.bias is not None,
            )
            with torch.no_grad():
                if keep:
                    grey.weight.copy_(module.weight.sum(1, keepdim=True))
                else:
                    nn.init.kaiming_normal_(grey.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    grey.bias.copy_(module.bias)
            setattr(parent, name.rpartition(".")[2], grey)
            return


def _dropouts(model: nn.Module) -> Iterator[nn.Dropout]:
    """Yield the dropout layers before the head; those inside of transformer blocks are not meant."""
    for attribute in (*_HEADS, "dropout"):
        top = getattr(model, attribute, None)
        if isinstance(top, nn.Module):
            yield from (module for module in top.modules() if isinstance(module, nn.Dropout))


def weights_file(name: str) -> tuple[str, Path]:
    """Return (address, expected path) of the pretrained weights of an architecture."""
    url = str(vision.models().get_model_weights(name).DEFAULT.url)
    return url, Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name


def _load(model: nn.Module, settings: Settings) -> None:
    name = settings.model.name
    state = _fetch(name)
    if name.startswith("densenet"):
        state = {_OLD_DENSENET.sub(r"\1\2", key): value for key, value in state.items()}
    if name.startswith("vit_"):
        state = _with_positions(state, name, settings.data.image_size)
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise _unfit(name, clean(str(error).splitlines()[-1].strip(), 160)) from error
    wrong = missing + [key for key in unexpected if not key.startswith(_AUXILIARY)]
    if wrong:
        raise _unfit(name, f"{clean(wrong[0], 80)} does not match")


def _with_positions(state: dict[str, Tensor], name: str, size: int) -> dict[str, Tensor]:
    """Stretch a vision transformer's position embeddings to another picture size."""
    patch = _PATCH.fullmatch(name)
    assert patch
    return dict(vision.models().vision_transformer.interpolate_embeddings(size, int(patch[1]), state))


def _unfit(name: str, why: str) -> FailureError:
    _, path = weights_file(name)
    cause = f"{clean_path(path)} does not fit {name}: {why}"
    return FailureError("The pretrained weights cannot be used", cause, "Delete that file; it is fetched again.")


def _fetch(name: str) -> dict[str, Tensor]:
    """Return the default pretrained weights; from torch's hub directory when they are there.

    Raises:
        FailureError: there is no network, or the file is damaged; names the file and where to put it.
    """
    url, path = weights_file(name)
    there = path.exists()
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_SECONDS)
    try:
        weights = vision.models().get_model_weights(name).DEFAULT
        # As it comes: mnasnet's loader looks for the version that the state carries beside its tensors.
        return weights.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")
    except Exception as error:  # urllib, ssl, http, pickle and zip errors, all meaning the same to a person
        reason = clean(str(getattr(error, "reason", "") or error).splitlines()[0] if str(error) else "", 160)
        if there:
            cause = f"{clean_path(path)} is damaged ({reason})"
            raise FailureError(
                "The pretrained weights cannot be read", cause, "Delete that file; it is fetched again."
            ) from error
        with contextlib.suppress(OSError):
            path.unlink()
        raise FailureError(
            f"The pretrained weights of {name} cannot be fetched",
            reason or type(error).__name__,
            f"Without a network, put {path.name} (from {url}) into {clean_path(path.parent)}, "
            "or set model.pretrained=false.",
        ) from error
    finally:
        socket.setdefaulttimeout(before)
