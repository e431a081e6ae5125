"""How the weights of a network begin, where the settings want it otherwise than who designed it."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from tui.core.settings import ModelSettings
from tui.engine.optim import is_weight

_LIKE = {"gelu": "relu", "silu": "relu"}
"""Activations whose gain torch does not know, and what they are like."""
_SLOPE = 0.01
"""Of leaky ReLU, as torch has it."""
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)
# By their names: torchvision, which takes its time to import, is there only if a model is of it.
_BASIC, _BOTTLENECK = "torchvision.models.resnet.BasicBlock", "torchvision.models.resnet.Bottleneck"
_REGULAR = "torchvision.models.regnet.ResBottleneckBlock"
_STOCHASTIC_DEPTH = "torchvision.ops.stochastic_depth.StochasticDepth"


def draw(model: nn.Module, chosen: ModelSettings, head: Collection[str]) -> None:
    """Draw kernels and matrices anew by ``model.init``, from torch's global numbers.

    Their layers' biases become zero, with torch what their layers draw; those of norm layers become zero.

    Xavier keeps the variance of signal and gradient in between (Glorot and Bengio 2010), Kaiming that of the signal
    (arXiv:1502.01852), orthogonal its length (arXiv:1312.6120); torch is what each layer of torch does by itself.

    Args:
        model: the network; the scale of norm layers, embeddings and layer scales stay as they are.
        chosen: what to do. Nothing pretrained is touched: there only the head is drawn.
        head: names of the parameters of the layer that makes the outputs.
    """
    if chosen.init == "auto":
        return
    for name, module in model.named_modules():
        own = dict(module.named_parameters(name, recurse=False))
        weights = [parameter for key, parameter in own.items() if is_weight(key, parameter)]
        last = any(key in head for key in own)
        if isinstance(module, _NORMS) and module.bias is not None and not chosen.pretrained:
            nn.init.zeros_(module.bias)
        if not weights or isinstance(module, nn.Embedding) or (chosen.pretrained and not last):
            continue
        if chosen.init == "torch":
            reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if reset is not None:
                reset()
            continue
        for weight in weights:
            _draw(weight, chosen, "linear" if last else chosen.activation)
        for key, parameter in own.items():
            if key.endswith("bias"):
                nn.init.zeros_(parameter)


def _draw(weight: Tensor, chosen: ModelSettings, activation: str) -> None:
    """Draw one kernel [out, in / groups, h, w] or matrix [out, in]; the activation follows it."""
    kind = _LIKE.get(activation, activation)
    match chosen.init:
        case "xavier_uniform":
            nn.init.xavier_uniform_(weight)
        case "xavier_normal":
            nn.init.xavier_normal_(weight)
        case "kaiming_uniform":
            nn.init.kaiming_uniform_(weight, _SLOPE, nonlinearity=kind)
        case "kaiming_normal":
            nn.init.kaiming_normal_(weight, _SLOPE, nonlinearity=kind)
        case _:
            nn.init.orthogonal_(weight, nn.init.calculate_gain(kind, _SLOPE))


def silence_blocks(model: nn.Module) -> None:
    """Let the last BatchNorm of each residual block begin at zero.

    So each block begins as if it were not there, and a deep network as a shallow one (arXiv:1706.02677).
    """
    for norm in last_norms(model):
        nn.init.zeros_(norm.weight)


def last_norms(model: nn.Module) -> list[_BatchNorm]:
    """Return the BatchNorm that each residual block ends with, where it ends with one."""
    return [norm for block in model.modules() if (norm := _last_norm(block)) is not None]


def _last_norm(block: nn.Module) -> _BatchNorm | None:
    """Return the BatchNorm whose output is added to a residual block's input; None where there is none."""
    found: nn.Module | None = None
    if _is_a(block, _BASIC):
        found = block.bn2
    elif _is_a(block, _BOTTLENECK):
        found = block.bn3
    elif _is_a(block, _REGULAR):
        found = block.f.c[1]
    elif getattr(block, "use_res_connect", False) or getattr(block, "apply_residual", False):
        # Inverted residuals of mobilenet, efficientnet and mnasnet: the one behind the projection comes last.
        found = next((norm for norm in reversed(list(block.modules())) if isinstance(norm, _BatchNorm)), None)
    elif hasattr(block, "zero_init_last"):  # of timm
        norms = (getattr(block, name, None) for name in ("bn3", "bn2"))
        found = next((norm for norm in norms if norm is not None), None)
    return found if isinstance(found, _BatchNorm) else None


def thin_out(model: nn.Module, share: float) -> None:
    """Set torchvision's stochastic depth (arXiv:1603.09382): what share of its outputs a residual block leaves out.

    It rises evenly from none in the first block to ``share`` in the last.
    """
    blocks = [module for module in model.modules() if _is_a(module, _STOCHASTIC_DEPTH)]
    for place, block in enumerate(blocks):
        block.p = share * place / max(1, len(blocks) - 1)


def thins_out(model: nn.Module) -> bool:
    """Whether a network has stochastic depth: torchvision's, or what timm and others call drop path."""
    return any(_is_a(module, _STOCHASTIC_DEPTH) or type(module).__name__ == "DropPath" for module in model.modules())


def _is_a(module: nn.Module, name: str) -> bool:
    return any(f"{kind.__module__}.{kind.__qualname__}" == name for kind in type(module).__mro__)
