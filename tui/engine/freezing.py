"""Fine-tuning with a frozen backbone: until an epoch only the head learns."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from tui.core.settings import ModelSettings


class Freezing:
    """Keeps everything but the head as it is for the first ``model.unfreeze_epoch`` epochs, or for good.

    While it is frozen, the backbone's BatchNorm uses its statistics as they are and does not change them.

    Args:
        model: the network.
        head: names of the parameters that always learn.
        settings: of the model.
        epoch_steps: steps in one epoch.
    """

    def __init__(self, model: nn.Module, head: Collection[str], settings: ModelSettings, epoch_steps: int) -> None:
        backbone = {name: parameter for name, parameter in model.named_parameters() if name not in head}
        self._parameters = list(backbone.values())
        owners = {name.rpartition(".")[0] for name in head}
        self._norms = [
            module
            for name, module in model.named_modules()
            if isinstance(module, _NormBase) and module.track_running_stats and name not in owners
        ]
        self._until: int | None = 0
        if settings.freeze_backbone:
            self._until = settings.unfreeze_epoch * epoch_steps or None
        self._frozen = False

        self.names = tuple(backbone) if settings.freeze_backbone else ()
        """Names of the parameters that are kept as they are, for some epochs or for good."""

    @property
    def for_good(self) -> bool:
        """Whether the backbone is never trained."""
        return self._until is None

    def too_late(self, total_steps: int) -> str:
        """Return a sentence where the backbone is to learn later but the run ends before that, else an empty text."""
        if not self._until or self._until < total_steps:
            return ""
        return (
            f"The backbone stays frozen to the end: it would learn after {self._until:,} steps "
            f"(model.unfreeze_epoch), and the run has {total_steps:,}."
        )

    def hold(self, step: int) -> bool:
        """Freeze or unfreeze for ``step``, counted from 1; whether the backbone has just begun to learn."""
        frozen = self._until is None or step <= self._until
        if frozen:
            for module in self._norms:  # an evaluation puts all modules back to training
                module.eval()
        if frozen == self._frozen:
            return False
        self._frozen = frozen
        for parameter in self._parameters:
            parameter.requires_grad_(not frozen)
            parameter.grad = None
        if not frozen:
            for module in self._norms:
                module.train()
        return not frozen
