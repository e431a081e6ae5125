"""One class of several: confusion, recall, precision, calibration and the worst mistakes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from tui.core.metrics import (
    ACCURACY,
    BALANCED_ACCURACY,
    CALIBRATION_ERROR,
    F1,
    MACRO_F1,
    MACRO_PRECISION,
    PRECISION,
    RECALL,
    TOP5_ACCURACY,
)
from tui.engine.tallies.tally import Result, brief, joined, mean, share, worst

BINS = 15
"""Equal bins of confidence."""
_TOP = 5


class ClassificationTally:
    """Keeps answer, confidence, rank and class of each picture; the answer is the highest logit."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._answers: list[Tensor] = []
        self._confidences: list[Tensor] = []
        self._found: list[Tensor] = []
        self._true: list[Tensor] = []

    def add(self, outputs: Tensor, predictions: Tensor, targets: Tensor) -> None:
        """Take logits and probabilities [B, C] and classes [B]."""
        answers = outputs.argmax(1)
        self._answers.append(answers)
        self._confidences.append(predictions.gather(1, answers[:, None]).flatten())
        if self._classes > _TOP:
            own = outputs.gather(1, targets[:, None])
            # Written so that a NaN, to which nothing compares, is not found.
            self._found.append((~(outputs <= own)).sum(1) < _TOP)
        self._true.append(targets)

    def result(self, losses: Tensor, positions: Tensor) -> Result:
        """Return the metrics, per class and over all."""
        answers, true = joined(self._answers, 0).long(), joined(self._true, 0).long()
        confidences, total = joined(self._confidences, 0).double(), len(true)
        counts, answered, right, confusion = self._count(true, answers)
        recall = [share(hits, there) for hits, there in zip(right, counts, strict=True)]
        precision = [share(hits, said) for hits, said in zip(right, answered, strict=True)]
        # 2 TP / (2 TP + FP + FN): zero, not undefined, for a class that was never the answer.
        f1 = [
            share(2 * hits, there + said) if there else math.nan
            for hits, there, said in zip(right, counts, answered, strict=True)
        ]
        bins, error = _calibration(confidences, answers == true)
        metrics = {ACCURACY.name: share(sum(right), total)}
        if self._classes > _TOP:
            metrics[TOP5_ACCURACY.name] = share(int(joined(self._found, 0).sum()), total)
        metrics[BALANCED_ACCURACY.name] = mean(recall)
        metrics[MACRO_PRECISION.name] = mean(
            [(0.0 if math.isnan(value) else value) for value, there in zip(precision, counts, strict=True) if there]
        )
        metrics[MACRO_F1.name] = mean(f1)
        metrics[CALIBRATION_ERROR.name] = error
        mistakes = [
            [int(positions[row]), int(true[row]), int(answers[row]), brief(confidences[row]), brief(losses[row])]
            for row in worst(losses, answers != true)
        ]
        detail: dict[str, Any] = {
            PRECISION.name: precision,
            F1.name: f1,
            "confusion": confusion,
            "calibration": bins,
            "mistakes": mistakes,
        }
        return Result(metrics, recall, counts, {RECALL.name: recall, **detail})

    def _count(self, true: Tensor, answers: Tensor) -> tuple[list[int], list[int], list[int], list[list[int]]]:
        """Return (pictures per class, answers per class, right answers per class, confusion).

        The confusion is [true class, answer, pictures], only where there are any, in order.
        """
        classes = self._classes
        pairs, pictures = torch.unique(true * classes + answers, return_counts=True)
        confusion = [
            [pair // classes, pair % classes, n] for pair, n in zip(pairs.tolist(), pictures.tolist(), strict=True)
        ]
        right = [0] * classes
        for one, answer, n in confusion:
            if one == answer:
                right[one] = n
        counts = torch.bincount(true, minlength=classes).tolist()
        return counts, torch.bincount(answers, minlength=classes).tolist(), right, confusion


def _calibration(confidences: Tensor, right: Tensor) -> tuple[dict[str, list[Any]], float]:
    """Return what confidence is worth, in equal bins, and the expected calibration error.

    The error is the mean over the pictures of |accuracy - confidence| of their bin (Guo et al. 2017, "On
    Calibration of Modern Neural Networks", with its 15 bins; bin i of M holds confidences in (i/M, (i+1)/M]).
    """
    places = (confidences.nan_to_num(nan=0.0) * BINS).ceil().long().clamp(1, BINS) - 1
    counts = torch.bincount(places, minlength=BINS)
    sure = torch.zeros(BINS, dtype=torch.float64).index_add_(0, places, confidences)
    hits = torch.zeros(BINS, dtype=torch.float64).index_add_(0, places, right.double())
    total = int(counts.sum())
    error = float((hits - sure).abs().sum()) / total if total else math.nan
    some = counts.clamp(min=1)
    bins = {
        "counts": counts.tolist(),
        "confidence": [brief(value) for value in (sure / some).tolist()],
        "accuracy": [brief(value) for value in (hits / some).tolist()],
    }
    return bins, error
