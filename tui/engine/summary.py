"""A network before anything is trained: ``python -m tui.engine.summary``, asked by ``cnntrain models summary``.

Everything is found out on torch's meta device, which has shapes and no numbers: forward, backward and one step of
the optimizer for any batch size cost a second or two and no memory.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tui.core.summary import Layer, Summary
from tui.engine.service import Listener, serve

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tui.core.settings import Settings

    Shapes = dict[str, tuple[nn.Module, tuple[int, ...]]]


def summarise(job: dict[str, Any], listener: Listener) -> dict[str, Any]:
    """Say what a network consists of, and what training it will take.

    Args:
        job: ``settings`` (as TOML has them) and ``outputs``.
        listener: told what is going on.

    Returns:
        a `tui.core.summary.Summary` as plain values.
    """
    listener.progress("loading torch")
    from tui.core.schema import validated
    from tui.engine import compute, models
    from tui.engine import device as devices

    settings = validated(job["settings"], source="the form")
    listener.progress("sketching the network")
    outputs = job["outputs"]
    models.check_size(settings, outputs)
    model = models.sketch(settings, outputs).train()
    if settings.model.freeze_backbone:
        head = models.head_names(model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in head)
    device = devices.choose(settings.training)
    chosen = compute.choose(settings.compute, device)
    layers, memory = _measured(model, settings, short=chosen.precision.itemsize == 2)
    found = Summary(
        model=settings.model.name,
        outputs=outputs,
        input=(settings.data.channels, settings.data.image_size, settings.data.image_size),
        layers=tuple(layers),
        memory=memory,
        batch_size=settings.training.batch_size,
        precision=str(chosen.precision).removeprefix("torch."),
        device=devices.describe(device),
        notes=tuple(models.lacking(settings, model)),
    )
    return asdict(found)


def _measured(model: nn.Module, settings: Settings, *, short: bool) -> tuple[list[Layer], dict[str, int]]:
    """Make a step on the meta device; return the layers in the order of their calls, and bytes by purpose."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from tui.engine import optim
    from tui.engine.models import head_names

    count, size, channels = settings.training.batch_size, settings.data.image_size, settings.data.channels
    images = torch.empty(count, channels, size, size, device="meta")
    with FlopCounterMode(display=False) as flops, _shapes(model) as shapes, _kept(model, short=short) as kept:
        outputs = model(images)
    total = {"": flops.get_total_flops() // count}
    for path, operations in flops.get_flop_counts().items():
        total[path.partition(".")[2]] = sum(operations.values()) // count
    outputs.sum().backward()
    optimizer = optim.make_optimizer(model, settings.optimizer, head_names(model))
    optimizer.step()
    state = [tensor for tensor in optim.optimizer_tensors(model, optimizer).values() if tensor.ndim]
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    weights = _bytes([*model.parameters(), *model.buffers()])
    # What is not kept for a backward pass still has to be there from one layer to the next.
    passing = 2 * count * max((math.prod(shape) for _, shape in shapes.values()), default=0) * (2 if short else 4)
    return _layers(model, shapes, total), {
        "weights": weights + (_bytes(model.parameters()) // 2 if short else 0),
        "gradients": _bytes(learning),
        "optimizer": _bytes(state),
        "average": weights if settings.optimizer.ema_decay else 0,
        "activations": max(passing, sum(kept.values())),
        "pictures": images.nbytes * settings.optimizer.accumulate,
    }


def _bytes(tensors: Any) -> int:
    return sum(tensor.nbytes for tensor in tensors)


@contextlib.contextmanager
def _shapes(model: nn.Module) -> Iterator[Shapes]:
    """Note which modules are called, in order, with the shape that each gives: {name: (module, shape)}."""
    import torch

    found: Shapes = {}

    def note(name: str) -> Any:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            first = next(iter(output)) if isinstance(output, (tuple, list)) else output
            if isinstance(first, torch.Tensor):
                found.setdefault(name, (module, tuple(first.shape[1:])))

        return hook

    hooks = [
        module.register_forward_hook(note(name)) for name, module in model.named_modules() if name and _is_layer(module)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _is_layer(module: nn.Module) -> bool:
    """Whether a module is no mere container."""
    from torch import nn

    own = next(iter(module.parameters(recurse=False)), None)
    leaf = next(iter(module.children()), None) is None
    return (own is not None or leaf) and not isinstance(module, nn.Identity)


@contextlib.contextmanager
def _kept(model: nn.Module, *, short: bool) -> Iterator[dict[int, int]]:
    """Count what the forward pass keeps for the backward pass: {a storage: bytes}, without the weights themselves.

    Args:
        model: its weights do not count.
        short: with 16 bits per number, half of what float32 takes; indices stay as they are.
    """
    import torch

    own = {_storage(tensor) for tensor in (*model.parameters(), *model.buffers())}
    found: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        key = _storage(tensor)
        if key not in own:
            size = tensor.untyped_storage().nbytes()
            found[key] = size // 2 if short and tensor.dtype == torch.float32 else size
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found


def _storage(tensor: torch.Tensor) -> int:
    """Return what tells storages apart while they live; on the meta device none has an address."""
    return int(tensor.untyped_storage()._cdata)


def _layers(model: nn.Module, shapes: Shapes, flops: dict[str, int]) -> list[Layer]:
    """Return the layers; what is not called by itself counts for the layer around it, or for the network as a whole."""
    counts, trained = dict.fromkeys(("", *shapes), 0), dict.fromkeys(("", *shapes), 0)
    own = {name: flops.get(name, 0) for name in ("", *shapes)}
    for path, parameter in model.named_parameters():
        owner = _around(path, shapes)
        counts[owner] += parameter.numel()
        trained[owner] += parameter.numel() * parameter.requires_grad
    for name in shapes:
        own[_around(name, shapes)] -= flops.get(name, 0)
    layers = [
        Layer(name, type(module).__name__, shape, counts[name], trained[name], own[name])
        for name, (module, shape) in shapes.items()
    ]
    if counts[""] or own[""]:
        layers.append(Layer("", type(model).__name__, (), counts[""], trained[""], own[""]))
    return layers


def _around(path: str, shapes: dict[str, Any]) -> str:
    """Return the name of the layer that a parameter or a layer lies in; empty: in none."""
    while path := path.rpartition(".")[0]:
        if path in shapes:
            return path
    return ""


if __name__ == "__main__":
    serve(summarise)
