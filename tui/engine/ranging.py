"""The range test of learning rates (Smith 2017, section 3.3) on an attempt, which is left as it was."""

from __future__ import annotations

import math
from collections.abc import Callable

from tui.core.rate_range import DIVERGED, FEWEST, RateRange, Smoothed, rates, suggest
from tui.engine.attempt import Attempt
from tui.engine.step import Step
from tui.engine.untouched import untouched


def range_test(
    attempt: Attempt, *, tell: Callable[[str, int, int], None] = lambda stage, done, total: None
) -> RateRange:
    """Make a step with each of the growing rates until the loss diverges; the attempt is then as it was, bit for bit.

    The steps are those of a run: its batches from where it stands, its augmentation, optimizer, clipping and
    precision. Only the learning rate is another one.
    """
    step = Step(attempt)
    attempt.freezing.hold(attempt.progress.step + 1)
    tried = rates()
    losses: list[float] = []
    smoothed: list[float] = []
    average, lowest, ended = Smoothed(), math.inf, "the highest rate was reached"
    with untouched(attempt), attempt.data.training_batches(attempt.progress.step) as batches:
        for number, rate in enumerate(tried, 1):
            tell("trying learning rates", number, len(tried))
            loss = float(step.try_out(next(batches), rate, attempt.progress.step + number))
            if not math.isfinite(loss):
                ended = f"the loss became {loss} at {rate:.2g}"
                break
            losses.append(loss)
            smoothed.append(average.add(loss))
            lowest = min(lowest, smoothed[-1])
            if number > FEWEST and smoothed[-1] > DIVERGED * lowest:
                ended = f"the loss diverged at {rate:.2g}"
                break
    used = tried[: len(losses)]
    return RateRange(
        rates=used,
        losses=losses,
        smoothed=smoothed,
        suggestions=suggest(used, smoothed),
        ended=ended,
        batch_size=attempt.settings.step_images,
        optimizer=attempt.settings.optimizer.name,
    )
