"""Where in a picture a trained network found what it said: ``python -m tui.engine.saliency``, asked by the screen.

Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization"): the last feature map of the convolutions, each channel weighted by how much the output rises
with it, and of the sum what is above zero. It runs on the CPU, so that a training on the GPU keeps its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core.saliency import SaliencyHead, SaliencyRequest, decode_request
from tui.engine.companion import answer

if TYPE_CHECKING:
    from torch import Tensor, nn

_PATIENCE = 20.0
_LEAST = 4
"""A feature map of fewer rows or columns says little about where: one before it is taken, if it has more."""


class NoFeatureMap(Exception):  # noqa: N818 (a sentence for the person)
    """The network has no convolutions that keep to places; the text is a sanitized clause."""


def heats(model: nn.Module, images: Tensor, outputs: Sequence[int]) -> tuple[Tensor, str, tuple[int, int]]:
    """Return where a network finds each output in a picture.

    Args:
        model: in evaluation mode; takes ``images`` and returns [1, outputs].
        images: float32 [1, C, S, S].
        outputs: whose gradients are taken, before softmax or sigmoid.

    Returns:
        heat [outputs, S, S] in 0..1, where the most is 1, or all is 0 where nothing speaks for it; the name of the
        layer; rows and columns of its feature map.

    Raises:
        NoFeatureMap: it is a transformer, or everything is pooled at once.
    """
    import torch
    from torch.nn import functional as F

    name, module = _feature_layer(model, images)
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()  # what follows may change it in place

    hook = module.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            found = model(images.clone().requires_grad_())[0]
    finally:
        hook.remove()
    features = kept[-1]
    maps = []
    for output in outputs:
        (gradient,) = torch.autograd.grad(found[output], features, retain_graph=True)
        weights = gradient.mean((2, 3), keepdim=True)
        heat = (weights * features).sum(1, keepdim=True).relu().detach().float()
        heat = F.interpolate(heat, images.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
        most = float(heat.max())
        maps.append(heat / most if most > 0 else torch.zeros_like(heat))
    return torch.stack(maps), name, (int(features.shape[2]), int(features.shape[3]))


def _feature_layer(model: nn.Module, images: Tensor) -> tuple[str, nn.Module]:
    """Return the last layer that puts out a feature map large enough, in the order in which they are done."""
    import torch
    from torch import Tensor, nn

    if any("Attention" in type(module).__name__ for module in model.modules()):
        raise NoFeatureMap("it is not available for transformers, which have no feature maps of convolutions")
    done: list[tuple[int, str, nn.Module]] = []

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == 4:
                done.append((min(output.shape[2:]), name, module))

        return hook

    # Only what holds convolutions: the output of pooling, or of a layer over channels, is no map of its own.
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if name and any(isinstance(part, nn.Conv2d) for part in module.modules())
    ]
    hooks = [module.register_forward_hook(note(name)) for name, module in layers]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    for least in (_LEAST, 2):
        found = next(((name, module) for cells, name, module in reversed(done) if cells >= least), None)
        if found is not None:
            return found
    raise NoFeatureMap("at this picture size the network has no feature map with places in it")


def _prepare() -> Callable[[bytes], bytes]:
    import numpy as np
    import torch

    from tui.core.dataset.decoders import Decoders
    from tui.core.errors import CnntrainError
    from tui.core.text import clean
    from tui.engine.data.sources import StreamedSource
    from tui.engine.trained import Trained, load

    decoders = Decoders(1, timeout=_PATIENCE)
    loaded: dict[str, Trained] = {}

    def look(request: SaliencyRequest) -> tuple[SaliencyHead, bytes]:
        if request.run not in loaded:
            loaded[request.run] = load(Path(request.run), "best", device="cpu")
        trained = loaded[request.run]
        data = trained.settings.data
        source = StreamedSource(decoders, 1, request.root, [request.path], data.image_size, data.channels, data.resize)
        pictures, reasons = source.request(np.zeros(1, dtype=np.int64)).take()
        if reasons:
            return SaliencyHead(reason=reasons[0]), b""
        maps, layer, cells = heats(trained.model, trained.normalise(torch.from_numpy(pictures)), request.outputs)
        coloured = np.broadcast_to(pictures[0], (data.image_size, data.image_size, 3))
        head = SaliencyHead(
            data.image_size, len(maps), clean(layer, 80), cells, step=trained.step, weights=trained.weights
        )
        return head, coloured.tobytes() + (maps * 255).round().to(torch.uint8).numpy().tobytes()

    def reply(line: bytes) -> bytes:
        try:
            head, content = look(decode_request(line))
        except NoFeatureMap as error:
            head, content = SaliencyHead(reason=str(error)), b""
        except (CnntrainError, OSError) as error:
            head, content = SaliencyHead(reason=clean(str(error), 400) or type(error).__name__), b""
        except (RuntimeError, IndexError) as error:  # torch's: an output that is not there, memory
            head, content = SaliencyHead(reason=clean(str(error), 200)), b""
        return head.encode() + content

    return reply


if __name__ == "__main__":
    answer(_prepare)
