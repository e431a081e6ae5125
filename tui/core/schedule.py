"""The learning rate of every step, as a formula of the settings: what the engine trains with and the form draws.

During the warm-up the rate rises linearly to where the schedule begins. After it, with t the share of the
remaining steps that have been made (0 at the first, 1 behind the last), p the peak and f the final share:

    constant     p
    cosine       p (f + (1 - f) (1 + cos(pi t)) / 2), t counted in each cycle; SGDR, arXiv:1608.03983
    onecycle     cosine from start_fraction to 1 in the share ``rise``, then to f; arXiv:1708.07120 (momentum stays)
    polynomial   p (f + (1 - f) (1 - t) ** power)
    exponential  p decay ** epochs since the warm-up
    step         p factor ** (epochs since the start // step_epochs)
    multistep    p factor ** (milestones passed, as shares of the whole run)
    plateau      p times what the validations have left of it
"""

from __future__ import annotations

import math

from tui.core.settings import Settings


class Curve:
    """The learning rate over a run.

    Args:
        settings: the run's settings.
        steps_per_epoch: optimizer steps in one epoch.
        total_steps: in the whole run.
    """

    def __init__(self, settings: Settings, steps_per_epoch: int, total_steps: int) -> None:
        self._settings = settings.schedule
        self._epoch, self._total = steps_per_epoch, total_steps
        self._peak = settings.optimizer.learning_rate
        self.warmup = settings.schedule.warmup_epochs * steps_per_epoch
        """Steps of the warm-up; may end within one."""

    def rate(self, step: int, scale: float = 1.0) -> float:
        """Return the learning rate of a step.

        Args:
            step: counted from 1.
            scale: what a plateau schedule has been multiplied by so far.
        """
        if step <= self.warmup:
            return self._peak * self._share(1, 0.0) * step / (self.warmup + 1)
        share = scale if self._settings.name == "plateau" else self._share(step, max(0.0, step - 1 - self.warmup))
        return self._peak * share

    def _share(self, step: int, after: float) -> float:
        """Return the share of the peak in ``step``, with ``after`` steps made since the warm-up."""
        chosen = self._settings
        t = min(1.0, after / max(1.0, self._total - self.warmup))
        match chosen.name:
            case "cosine":
                return _between(1.0, chosen.final_fraction, self._in_cycle(t))
            case "onecycle":
                if t < chosen.rise:
                    return _between(chosen.start_fraction, 1.0, t / chosen.rise)
                return _between(1.0, chosen.final_fraction, (t - chosen.rise) / (1 - chosen.rise))
            case "polynomial":
                return chosen.final_fraction + (1 - chosen.final_fraction) * float((1 - t) ** chosen.power)
            case "exponential":
                return float(chosen.decay ** (after / self._epoch))
            case "step":
                return float(chosen.factor ** ((step - 1) // (chosen.step_epochs * self._epoch)))
            case "multistep":
                return float(chosen.factor ** sum(step - 1 >= share * self._total for share in chosen.milestones))
            case _:
                return 1.0

    def _in_cycle(self, t: float) -> float:
        """Return the share of its own cycle at which ``t`` lies."""
        lengths = [self._settings.cycle_growth**index for index in range(self._settings.cycles)]
        place = t * sum(lengths)
        for length in lengths[:-1]:
            if place < length:
                return place / length
            place -= length
        return min(1.0, place / lengths[-1])


def _between(first: float, last: float, t: float) -> float:
    """Return the value at ``t`` on the half cosine from ``first`` to ``last``."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * t))
