"""Networks that are neither ours nor torchvision's: timm's, and those of the person's own package."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tui.core.architectures import TIMM, check_installed, is_timm, no_module
from tui.core.errors import CnntrainError, FailureError, UsageError, did_you_mean
from tui.core.permission import check_allowed
from tui.core.settings import Settings
from tui.core.text import clean

_OUTPUTS = ("num_classes", "classes", "num_outputs")
_CHANNELS = ("in_channels", "in_chans", "channels")
_SIZE = ("image_size", "img_size")
"""Names under which a network of one's own can ask for the number of outputs, of channels, for the pictures' size."""


def build(settings: Settings, outputs: int, *, pretrained: bool) -> nn.Module:
    """Return the network of timm or of a package, with ``outputs`` outputs.

    Args:
        settings: of the run.
        outputs: how many.
        pretrained: whether to fetch timm's weights.

    Raises:
        UsageError: there is no such model, its package is missing, or its code is not allowed.
        FailureError: it cannot be made, or its weights cannot be fetched.
    """
    if is_timm(settings.model.name):
        return _of_timm(settings, outputs, pretrained=pretrained)
    return _of_package(settings, outputs)


def _of_timm(settings: Settings, outputs: int, *, pretrained: bool) -> nn.Module:
    name = settings.model.name
    check_installed(name)
    timm = importlib.import_module("timm")
    plain = name.removeprefix(TIMM)
    if not timm.is_model(plain):
        hint = did_you_mean(plain, timm.list_models()) or f"`cnntrain models list {TIMM}` lists them"
        raise UsageError(
            "There is no such model", f'timm knows no "{clean(plain, 80)}"', f"{hint[0].upper()}{hint[1:]}."
        )
    options: dict[str, Any] = {"in_chans": settings.data.channels, "drop_rate": settings.model.dropout or None}
    if settings.model.stochastic_depth:
        options["drop_path_rate"] = settings.model.stochastic_depth
    about = timm.get_pretrained_cfg(plain, allow_unregistered=True)
    if about is not None and about.fixed_input_size:
        options["img_size"] = settings.data.image_size
    try:
        model: nn.Module = timm.create_model(plain, pretrained=pretrained, num_classes=outputs, **options)
    except Exception as error:
        if pretrained and not isinstance(error, (TypeError, AssertionError)):
            raise FailureError(
                f"The pretrained weights of {name} cannot be fetched",
                _reason(error),
                "Without a network, put them into Hugging Face's cache (HF_HOME), or set model.pretrained=false.",
            ) from error
        raise _unmade(name, error, "Choose another model.name, or other settings of it.") from error
    return model


def _of_package(settings: Settings, outputs: int) -> nn.Module:
    name = settings.model.name
    check_allowed(name)
    module, _, path = name.partition(":")
    step = "It is called with num_classes, and with in_channels and image_size where it takes them."
    try:
        make: Any = importlib.import_module(module)
        for part in path.split("."):
            if not hasattr(make, part):
                hint = did_you_mean(part, dir(make)) or "Name a class or a function of it."
                raise UsageError(f"{name} cannot be used", f"{_named(make)} has no {part}", hint[0].upper() + hint[1:])
            make = getattr(make, part)
        model = make(**asked(make, settings, outputs))
    except ModuleNotFoundError as error:
        raise no_module(name, error.name or module) from error
    except CnntrainError:
        raise
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        raise _unmade(name, error, step) from error
    if not isinstance(model, nn.Module):
        raise UsageError(f"{name} cannot be used", f"it makes no nn.Module but {_kind(model)}", step)
    _try(model, settings, outputs)
    return model


def asked(make: Callable[..., Any], settings: Settings, outputs: int) -> dict[str, Any]:
    """Return the arguments that the maker of a network takes, by the names that its signature has.

    Raises:
        UsageError: it has no parameter for the number of outputs.
    """
    parameters = inspect.signature(make).parameters
    given: dict[str, Any] = {}
    values = {
        _OUTPUTS: outputs,
        _CHANNELS: settings.data.channels,
        _SIZE: settings.data.image_size,
        ("dropout",): settings.model.dropout,
        ("stochastic_depth",): settings.model.stochastic_depth,
    }
    for names, value in values.items():
        if taken := next((name for name in names if name in parameters), None):
            given[taken] = value
    if given.keys().isdisjoint(_OUTPUTS):
        cause = f"it has no parameter {' or '.join(_OUTPUTS)}, so it cannot be told how many outputs to make"
        raise UsageError(f"{settings.model.name} cannot be used", cause, "Give it one.")
    return given


def _try(model: nn.Module, settings: Settings, outputs: int) -> None:
    """Let a network look at two pictures: lazy layers learn their sizes, weights and statistics stay.

    Raises:
        UsageError: it fails, or its answer has another shape than [2, outputs].
    """
    name, size = settings.model.name, settings.data.image_size
    training = model.training
    try:
        with torch.no_grad():
            answer = model.eval()(torch.zeros(2, settings.data.channels, size, size))
    except Exception as error:
        traceback.print_exc()
        cause = f"two pictures [2, {settings.data.channels}, {size}, {size}] do not go through: {_reason(error)}"
        raise UsageError(f"{name} cannot be used", cause, "Try another data.image_size or data.channels.") from error
    finally:
        model.train(training)
    if not isinstance(answer, Tensor) or answer.shape != (2, outputs):
        found = list(answer.shape) if isinstance(answer, Tensor) else _kind(answer)
        raise UsageError(f"{name} cannot be used", f"it answers {found} instead of [2, {outputs}]", "Mend its forward.")


def _named(owner: Any) -> str:
    return clean(str(getattr(owner, "__name__", _kind(owner))), 80)


def _unmade(name: str, error: BaseException, step: str) -> FailureError:
    return FailureError(f"{name} cannot be made", _reason(error), step)


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return clean(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__, 200)


def _kind(value: Any) -> str:
    return clean(type(value).__name__, 60)
