"""How good a network is on a whole split: every picture counted exactly once, whatever the batch size."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tui.core.events import Evaluated, Split
from tui.core.files import write_atomic
from tui.core.metrics import ACCURACY, BALANCED_ACCURACY, F1, LOSS, MACRO_F1, PRECISION, RECALL
from tui.engine.data.batches import Batch
from tui.engine.link import Link, trouble
from tui.engine.losses import Objective

FORMAT = 1
_PIXELS = 4 << 20
_LARGEST_BATCH = 256


@dataclass(frozen=True)
class Evaluation:
    """The result for one split."""

    metrics: dict[str, float]
    """By the names in `tui.core.metrics.TaskMetrics.evaluation`."""
    recall: list[float]
    """Per class; NaN for a class without pictures."""
    precision: list[float]
    """Per class; NaN for a class that was never the answer."""
    f1: list[float]
    """Per class; NaN for a class without pictures."""
    counts: list[int]
    """Pictures per class."""
    confusion: list[tuple[int, int, int]]
    """(true class, answer, pictures), only where there are any, in order."""
    seconds: float

    def to_json(self, **context: Any) -> str:
        """Return the file that goes to ``evaluations/``; ``context`` says which split, step and classes."""
        table = {
            "format": FORMAT,
            **context,
            "images": sum(self.counts),
            "seconds": self.seconds,
            "metrics": self.metrics,
            RECALL.name: self.recall,
            PRECISION.name: self.precision,
            F1.name: self.f1,
            "counts": self.counts,
            "confusion": self.confusion,
        }
        return json.dumps(table, separators=(",", ":"))


def batch_size(training_batch: int, image_size: int) -> int:
    """Return how many pictures to evaluate at a time: at least a training batch, more where they are small."""
    return max(training_batch, min(_LARGEST_BATCH, _PIXELS // image_size**2))


def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    objective: Objective,
    *,
    normalise: Callable[[Tensor], Tensor],
    stopping: Callable[[], bool],
) -> Evaluation | None:
    """Evaluate a network; the answer to a picture is its highest logit.

    Nothing is read from the device until the end: losses and answers are collected there, and the losses
    are summed in float64 on the host.

    Args:
        objective: of the run.
        batches: the pictures of a split, each once.
        normalise: uint8 [B, H, W, C] to float32 [B, C, H, W] on the model's device.
        stopping: asked between batches; True gives the evaluation up.

    Returns:
        the result, or None when it was given up.
    """
    began = time.monotonic()
    training = model.training
    model.eval()
    losses, answers, labels = [], [], []
    try:
        with torch.inference_mode():
            for batch in batches:
                if stopping():
                    return None
                images = normalise(batch.images)
                outputs = model(images)
                losses.append(objective.sample_losses(outputs, batch.targets.to(images.device, non_blocking=True)))
                answers.append(outputs.argmax(1))
                labels.append(batch.targets)
    finally:
        model.train(training)
    if not labels:
        return _result(torch.zeros(0), torch.zeros(0).long(), torch.zeros(0).long(), objective.outputs, began)
    return _result(torch.cat(losses).cpu(), torch.cat(answers).cpu(), torch.cat(labels), objective.outputs, began)


def publish(
    evaluation: Evaluation, link: Link, split: Split, step: int, epoch: float, classes: list[str], *, best: bool
) -> None:
    """Write the detailed result to ``evaluations/`` and tell the event.

    Args:
        step: of the weights that were evaluated.
        epoch: likewise, in epochs.
        classes: names, as they may be shown.
        best: the best validation so far.
    """
    table = evaluation.to_json(split=split, step=step, epoch=epoch, classes=classes)
    try:
        write_atomic(link.run.evaluation(split, step), table)
    except OSError as error:
        link.message("warning", f"The details of the {split} at step {step} could not be written: {trouble(error)}.")
    link.event(
        Evaluated(
            step=step,
            split=split,
            epoch=epoch,
            metrics=evaluation.metrics,
            recall=evaluation.recall,
            counts=evaluation.counts,
            seconds=evaluation.seconds,
            best=best,
        )
    )


def _result(losses: Tensor, answers: Tensor, labels: Tensor, classes: int, began: float) -> Evaluation:
    pairs, pictures = torch.unique(labels * classes + answers, return_counts=True)
    confusion = [
        (pair // classes, pair % classes, n) for pair, n in zip(pairs.tolist(), pictures.tolist(), strict=True)
    ]
    counts = torch.bincount(labels, minlength=classes).tolist()
    answered = torch.bincount(answers, minlength=classes).tolist()
    right = [0] * classes
    for true, answer, n in confusion:
        if true == answer:
            right[true] = n
    recall = [_share(hits, there) for hits, there in zip(right, counts, strict=True)]
    precision = [_share(hits, said) for hits, said in zip(right, answered, strict=True)]
    # 2 TP / (2 TP + FP + FN): zero, not undefined, for a class that was never the answer.
    f1 = [
        _share(2 * hits, there + said) if there else math.nan
        for hits, there, said in zip(right, counts, answered, strict=True)
    ]
    total = len(labels)
    metrics = {
        LOSS.name: float(losses.double().sum()) / total if total else math.nan,
        ACCURACY.name: _share(sum(right), total),
        BALANCED_ACCURACY.name: _mean(recall),
        MACRO_F1.name: _mean(f1),
    }
    return Evaluation(metrics, recall, precision, f1, counts, confusion, time.monotonic() - began)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan
