"""How good a network is on a whole split: every picture counted exactly once, whatever the batch size."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tui.core.disk import trouble
from tui.core.evaluations import FORMAT
from tui.core.events import Evaluated, Split
from tui.core.files import write_atomic
from tui.core.metrics import LOSS, Task
from tui.engine.data.batches import Batch
from tui.engine.link import Link
from tui.engine.losses import Objective
from tui.engine.tallies.classification import ClassificationTally
from tui.engine.tallies.multilabel import MultiLabelTally
from tui.engine.tallies.regression import RegressionTally
from tui.engine.tallies.tally import Tally, joined

_PIXELS = 4 << 20
_LARGEST_BATCH = 256


@dataclass(frozen=True)
class Evaluation:
    """The result for one split."""

    task: Task
    images: int
    metrics: dict[str, float]
    """By the names in `tui.core.metrics.TaskMetrics.evaluation`."""
    recall: list[float]
    """Per class or label; NaN for one without pictures. Empty for regression."""
    counts: list[int]
    """Pictures per class or label; empty for regression."""
    detail: dict[str, Any]
    """What only the file has, by the task: see `to_json`."""
    pictures: list[dict[str, Any]]
    """Those worth looking at, with their ``position`` in the split's list in the manifest."""
    seconds: float

    def to_json(self, path: Callable[[int], str], **context: Any) -> str:
        """Return the file that goes to ``evaluations/``, which `tui.core.evaluations` reads.

        However many pictures and classes there are, it stays below a few hundred kilobytes.

        - classification: recall, precision, f1 per class; confusion as [true class, answer, pictures], of very many
          the most frequent; calibration (counts, mean confidence and accuracy of 15 bins); thresholds (how many
          pictures are answered at least so confidently, and how many of these are right).
        - multi-label: average_precision, recall, precision, f1, answered, right, best_threshold, best_f1 per label;
          thresholds likewise per label.
        - regression: mae, rmse, r2 and quantiles of the residuals per target; density of [truth, prediction,
          pictures] on a grid, and the residuals' histogram.
        - pictures: those with the highest losses and the most confident errors, and examples of what is confused
          most: path, true, answer, loss, and of classes and labels confidence and the likeliest answers.

        Args:
            path: of a position in the split's list, relative to the dataset's root.
            context: which split, step, root and classes.
        """
        table = {
            "format": FORMAT,
            **context,
            "task": self.task,
            "images": self.images,
            "seconds": self.seconds,
            "metrics": self.metrics,
            "counts": self.counts,
            **self.detail,
            "pictures": [{"path": path(one["position"]), **one} for one in self.pictures],
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
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Evaluation | None:
    """Evaluate a network.

    Nothing is read from the device until the end: what each picture gave is collected there, and the losses
    are summed in float64 on the host.

    Args:
        objective: of the run.
        batches: the pictures of a split, each once.
        normalise: uint8 [B, H, W, C] to float32 [B, C, H, W] on the model's device.
        autocast: the context in which the network runs: its precision.
        stopping: asked between batches; True gives the evaluation up.

    Returns:
        the result, or None when it was given up.
    """
    began = time.monotonic()
    training = model.training
    model.eval()
    tally = _tally(objective)
    losses, positions = [], []
    try:
        with torch.inference_mode():
            for batch in batches:
                if stopping():
                    return None
                images = normalise(batch.images)
                targets = batch.targets.to(images.device, non_blocking=True)
                with autocast():
                    outputs = model(images)
                outputs = outputs.float()
                losses.append(objective.sample_losses(outputs, targets))
                tally.add(outputs, objective.predictions(outputs), targets)
                positions.append(batch.indices)
    finally:
        model.train(training)
    each = joined(losses, 0)
    found = tally.result(each, joined(positions, 0))
    total = len(each)
    loss = float(each.double().sum()) / total if total else math.nan
    return Evaluation(
        task=objective.task,
        images=total,
        metrics={LOSS.name: loss, **found.metrics},
        recall=found.recall,
        counts=found.counts,
        detail=found.detail,
        pictures=found.pictures,
        seconds=time.monotonic() - began,
    )


def _tally(objective: Objective) -> Tally:
    if objective.task == "regression":
        return RegressionTally(objective.outputs)
    if objective.task == "multilabel":
        return MultiLabelTally(objective.outputs)
    return ClassificationTally(objective.outputs)


def publish(
    evaluation: Evaluation,
    link: Link,
    split: Split,
    step: int,
    epoch: float,
    names: list[str],
    *,
    root: str,
    path: Callable[[int], str],
    best: bool,
) -> None:
    """Write the detailed result to ``evaluations/`` and tell the event.

    Args:
        step: of the weights that were evaluated.
        epoch: likewise, in epochs.
        names: of the classes, labels or targets, as they may be shown.
        root: of the dataset.
        path: of a position in the split's list, relative to the root.
        best: the best validation so far.
    """
    of = {"targets" if evaluation.task == "regression" else "classes": names}
    table = evaluation.to_json(path, split=split, step=step, epoch=epoch, root=root, **of)
    try:
        write_atomic(link.run.evaluation(split, step), table)
    except OSError as error:
        why = trouble(error, link.run.evaluations)
        link.message("warning", f"The details of the {split} at step {step} could not be written: {why}.")
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
