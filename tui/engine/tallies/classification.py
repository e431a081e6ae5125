"""One class of several: confusion, recall, precision, what confidence is worth, and the pictures that tell most."""

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
    TOP,
    TOP5_ACCURACY,
)
from tui.engine.tallies.tally import Result, brief, distinct, joined, mean, share, worst

BINS = 15
"""Equal bins of confidence."""
THRESHOLDS = (*(step / 100 for step in range(100)), 0.995, 0.999, 0.9999)
"""From which confidence on an answer could be believed."""
PAIRS = 10_000
"""Pairs of classes that are kept at most, beside the right answers: the most frequent."""
_TOLD = 3
"""Answers that are kept of a picture."""
_SHOWN_PAIRS, _SHOWN = 40, 6
"""Of so many pairs, so many pictures are kept."""


class ClassificationTally:
    """Keeps the first answers, their confidence, rank and class of each picture; the answer is the highest logit."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._answers: list[Tensor] = []
        self._confidences: list[Tensor] = []
        self._tops: list[Tensor] = []
        self._shares: list[Tensor] = []
        self._found: list[Tensor] = []
        self._true: list[Tensor] = []

    def add(self, outputs: Tensor, predictions: Tensor, targets: Tensor) -> None:
        """Take logits and probabilities [B, C] and classes [B]."""
        answers = outputs.argmax(1)
        self._answers.append(answers)
        self._confidences.append(predictions.gather(1, answers[:, None]).flatten())
        shares, tops = predictions.topk(min(_TOLD, self._classes), 1)
        self._shares.append(shares)
        self._tops.append(tops)
        if self._classes > TOP:
            own = outputs.gather(1, targets[:, None])
            # Written so that a NaN, to which nothing compares, is not found.
            self._found.append((~(outputs <= own)).sum(1) < TOP)
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
        if self._classes > TOP:
            metrics[TOP5_ACCURACY.name] = share(int(joined(self._found, 0).sum()), total)
        metrics[BALANCED_ACCURACY.name] = mean(recall)
        metrics[MACRO_PRECISION.name] = mean(
            [(0.0 if math.isnan(value) else value) for value, there in zip(precision, counts, strict=True) if there]
        )
        metrics[MACRO_F1.name] = mean(f1)
        metrics[CALIBRATION_ERROR.name] = error
        detail: dict[str, Any] = {
            PRECISION.name: precision,
            F1.name: f1,
            "confusion": _kept(confusion),
            "calibration": bins,
            "thresholds": _thresholds(confidences, answers == true),
        }
        pictures = self._pictures(true, answers, confidences, losses, positions, confusion)
        return Result(metrics, recall, counts, {RECALL.name: recall, **detail}, pictures)

    def _pictures(
        self,
        true: Tensor,
        answers: Tensor,
        confidences: Tensor,
        losses: Tensor,
        positions: Tensor,
        confusion: list[list[int]],
    ) -> list[dict[str, Any]]:
        """Return the highest losses, the most confident errors, and examples of the most frequent ones."""
        wrong = answers != true
        sure = confidences.nan_to_num(nan=-1.0)
        pairs = sorted((pair for pair in confusion if pair[0] != pair[1]), key=lambda pair: -pair[2])[:_SHOWN_PAIRS]
        rows = distinct(
            worst(losses, wrong),
            worst(sure, wrong),
            *(worst(sure, (true == one) & (answers == other), _SHOWN) for one, other, _ in pairs),
        )
        tops, shares = joined(self._tops, 0, _TOLD), joined(self._shares, 0, _TOLD)
        return [
            {
                "position": int(positions[row]),
                "true": int(true[row]),
                "answer": int(answers[row]),
                "confidence": brief(confidences[row]),
                "loss": brief(losses[row]),
                "top": [[int(top), brief(p)] for top, p in zip(tops[row], shares[row], strict=True)],
            }
            for row in rows
        ]

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


def _kept(confusion: list[list[int]]) -> list[list[int]]:
    """Return the right answers and the `PAIRS` most frequent others, in the same order."""
    others = sorted((pair for pair in confusion if pair[0] != pair[1]), key=lambda pair: -pair[2])
    if len(others) <= PAIRS:
        return confusion
    dropped = {(true, answer) for true, answer, _ in others[PAIRS:]}
    return [pair for pair in confusion if (pair[0], pair[1]) not in dropped]


def _thresholds(confidences: Tensor, right: Tensor) -> dict[str, list[Any]]:
    """Return how many pictures have at least each of `THRESHOLDS` as their confidence, and how many of these are right.

    A NaN is never believed.
    """
    known = ~confidences.isnan()
    ordered, places = confidences[known].sort()
    below = torch.searchsorted(ordered, torch.tensor(THRESHOLDS, dtype=torch.float64))
    hits = torch.cat([torch.zeros(1, dtype=torch.long), right[known][places].long().cumsum(0)])
    return {
        "at": list(THRESHOLDS),
        "answered": (len(ordered) - below).tolist(),
        "right": (hits[-1] - hits[below]).tolist(),
    }


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
