"""In which order signals are judged, and how events become signals: the same live and from what a run recorded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tui.core.diagnosis.signals import (
    Activations,
    Agreement,
    Inputs,
    NonFinite,
    Signal,
    Step,
    Updates,
    Validation,
)
from tui.core.metrics import LARGEST_ANSWER, LOSS, of_task

ORDER: tuple[type[Any], ...] = (Inputs, NonFinite, Updates, Activations, Agreement, Step, Validation)
"""The signals of one step in the order in which they are judged: `Step` when all that was measured at it is known."""


def place(signal: Signal) -> tuple[int, int]:
    """Return what signals are sorted by: step, then kind."""
    return (0 if isinstance(signal, Inputs) else signal.step, ORDER.index(type(signal)))


def validation(step: int, metrics: Mapping[str, float], recall: Sequence[float], task: str) -> Validation:
    """Return the signal of a validation.

    Args:
        step: of the weights.
        metrics: of its event, by name.
        recall: per class.
        task: of the run.
    """
    headline, (loss, twin) = of_task(task).headline, of_task(task).sampled
    # The rules speak of pictures that are right, and compare with the score of the batches: only classes have both.
    shares = metrics if task == "classification" else {}
    return Validation(
        step=step,
        loss=metrics.get(LOSS.name, math.nan),
        accuracy=shares.get(headline.name, math.nan),
        train_loss=metrics.get(loss.name, math.nan),
        train_accuracy=shares.get(twin.name, math.nan),
        recall=tuple(recall),
        largest_answer=metrics.get(LARGEST_ANSWER.name, math.nan),
    )
