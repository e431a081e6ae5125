"""How many steps a run has and the learning rate of each: the settings' plan, and what people made of it."""

from __future__ import annotations

from collections.abc import Sequence

from tui.core.extensions import Extension, planned_steps
from tui.core.rates import RateChange, factor_at
from tui.core.settings import Settings
from tui.engine.schedules import Plateau, Schedule


class Plan:
    """A schedule per extension, each in force from its step on.

    After an extension the learning rate is the one that a run planned for the new length from its start
    would have: cosine, onecycle, polynomial and multistep are stretched, constant, step, exponential and
    plateau go on as they were. Where that means a jump upwards, the rate rises to it linearly over
    ``schedule.warmup_epochs``, at most a quarter of the extension. All of that is multiplied by what a person has
    asked for while it trained.

    Args:
        settings: the run's settings; ``training.epochs`` counts the extensions already.
        epoch_steps: steps in one epoch.
        extensions: oldest first.
        changes: of the learning rate, oldest first.
    """

    def __init__(
        self,
        settings: Settings,
        epoch_steps: int,
        extensions: Sequence[Extension] = (),
        changes: Sequence[RateChange] = (),
    ) -> None:
        self.changes = tuple(changes)
        self.total = planned_steps(settings.training, epoch_steps, extensions)
        first = extensions[0].before if extensions else self.total
        self._schedules = [Schedule(settings, epoch_steps, first)]
        self._schedules += [Schedule(settings, epoch_steps, one.total) for one in extensions]
        self._starts = [0, *(one.step for one in extensions)]
        self._warmup = warmup = settings.schedule.warmup_epochs * epoch_steps
        self._rises = [0.0, *(min(warmup, (one.total - one.step) / 4) for one in extensions)]

    @property
    def cut_short(self) -> str:
        """A sentence where the run ends within its warm-up, else an empty text."""
        if not self._warmup or self._warmup < self.total:
            return ""
        return (
            f"The run ends within its warm-up, after {self.total:,} of {self._warmup:,.6g} steps, so the learning rate "
            "never comes to its peak: make schedule.warmup_epochs shorter, or the run longer."
        )

    def rate(self, step: int) -> float:
        """Return the learning rate of step ``step``, counted from 1."""
        return self._rate(step, len(self._schedules) - 1) * factor_at(self.changes, step)

    def _rate(self, step: int, index: int) -> float:
        while index and step <= self._starts[index]:
            index -= 1
        rate = self._schedules[index].rate(step)
        since = step - self._starts[index]
        if not index or since >= self._rises[index]:
            return rate
        before = self._rate(max(1, self._starts[index]), index - 1)
        if before >= rate:
            return rate
        return before + (rate - before) * since / (self._rises[index] + 1)

    @property
    def plateau(self) -> Plateau:
        """What the plateau schedule remembers."""
        return self._schedules[-1].plateau

    @plateau.setter
    def plateau(self, memory: Plateau) -> None:
        for schedule in self._schedules:
            schedule.plateau = memory

    def validated(self, step: int, loss: float) -> bool:
        """Take notice of a scheduled validation after ``step`` steps; whether the learning rate fell."""
        return self._schedules[-1].validated(step, loss)
