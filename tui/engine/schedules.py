"""How the learning rate changes over the run: a pure function of the step, and of the validations for plateau."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tui.core.schedule import Curve
from tui.core.settings import Settings


@dataclass
class Plateau:
    """What the plateau schedule remembers; saved with each checkpoint."""

    best: float = math.inf
    """The lowest validation loss so far."""
    waited: int = 0
    """Validations since then."""
    scale: float = 1.0
    """What the learning rate has been multiplied by so far."""


class Schedule:
    """The learning rate of every step of a run.

    Args:
        settings: the run's settings.
        steps_per_epoch: steps in one epoch.
        total_steps: steps that the schedule is planned for; by default the epochs of the settings.
    """

    def __init__(self, settings: Settings, steps_per_epoch: int, total_steps: int | None = None) -> None:
        self._settings = settings.schedule
        self._curve = Curve(settings, steps_per_epoch, total_steps or settings.training.epochs * steps_per_epoch)
        self.plateau = Plateau()

    def rate(self, step: int) -> float:
        """Return the learning rate of step ``step``, counted from 1."""
        return self._curve.rate(step, self.plateau.scale)

    def validated(self, step: int, loss: float) -> bool:
        """Take notice of a scheduled validation after ``step`` steps; whether the learning rate fell.

        Validations during the warm-up do not count against the patience; a NaN counts as no better.
        """
        if self._settings.name != "plateau":
            return False
        memory = self.plateau
        if loss < memory.best:
            memory.best, memory.waited = loss, 0
            return False
        if step <= self._curve.warmup:
            return False
        memory.waited += 1
        if memory.waited <= self._settings.patience:
            return False
        memory.waited = 0
        memory.scale *= self._settings.factor
        return True
