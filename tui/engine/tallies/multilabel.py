"""Any number of labels: average precision, F1 and thresholds per label, exact match, and the worst pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tui.core.metrics import (
    AVERAGE_PRECISION,
    EXACT_MATCH,
    F1,
    MACRO_F1,
    MEAN_AVERAGE_PRECISION,
    MICRO_F1,
    PRECISION,
    RECALL,
)
from tui.engine.losses import THRESHOLD
from tui.engine.tallies.tally import Result, brief, distinct, joined, mean, share, worst

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
"""Probabilities from which on a label could be said to be there."""
_TOLD = 5
"""Probabilities that are kept of a picture."""
_MOST_LABELS = 50
"""Labels that are kept of a picture."""


class MultiLabelTally:
    """Keeps every probability and target: average precision needs them all, 8 bytes per picture and label."""

    def __init__(self, labels: int) -> None:
        self._labels = labels
        self._predicted: list[Tensor] = []
        self._true: list[Tensor] = []

    def add(self, outputs: Tensor, predictions: Tensor, targets: Tensor) -> None:
        """Take probabilities and targets [B, C]."""
        self._predicted.append(predictions)
        self._true.append(targets)

    def result(self, losses: Tensor, positions: Tensor) -> Result:
        """Return the metrics; a label is said to be there from a probability of one half on."""
        predicted = joined(self._predicted, 0, self._labels)
        true = joined(self._true, 0, self._labels) >= THRESHOLD
        said = predicted >= THRESHOLD
        right, there, claimed = (flags.sum(0).tolist() for flags in (said & true, true, said))
        recall = [share(hits, n) for hits, n in zip(right, there, strict=True)]
        precision = [share(hits, n) for hits, n in zip(right, claimed, strict=True)]
        f1 = [share(2 * hits, n + m) if n else math.nan for hits, n, m in zip(right, there, claimed, strict=True)]
        curves = [_curve(predicted[:, label], true[:, label]) for label in range(self._labels)]
        average = [curve.average for curve in curves]
        metrics = {
            MEAN_AVERAGE_PRECISION.name: mean(average),
            MICRO_F1.name: share(2 * sum(right), sum(there) + sum(claimed)),
            MACRO_F1.name: mean(f1),
            EXACT_MATCH.name: share(int((said == true).all(1).sum()), len(true)),
        }
        detail = {
            AVERAGE_PRECISION.name: average,
            RECALL.name: recall,
            PRECISION.name: precision,
            F1.name: f1,
            "answered": claimed,
            "right": right,
            "best_threshold": [brief(curve.threshold) for curve in curves],
            "best_f1": [brief(curve.f1) for curve in curves],
            "thresholds": {
                "at": list(THRESHOLDS),
                "answered": [curve.answered for curve in curves],
                "right": [curve.right for curve in curves],
            },
        }
        return Result(metrics, recall, there, detail, self._pictures(predicted, true, said, losses, positions))

    def _pictures(
        self, predicted: Tensor, true: Tensor, said: Tensor, losses: Tensor, positions: Tensor
    ) -> list[dict[str, Any]]:
        """Return the highest losses among the pictures with a wrong label, and those with the most confident one."""
        wrong = said != true
        surest = ((predicted - THRESHOLD).abs() * wrong).amax(1) if self._labels else losses
        rows = distinct(worst(losses, wrong.any(1)), worst(surest.nan_to_num(nan=-1.0), wrong.any(1)))
        shares, tops = predicted.topk(min(_TOLD, self._labels), 1)
        return [
            {
                "position": int(positions[row]),
                "true": _labels(true[row], predicted[row]),
                "answer": _labels(said[row], predicted[row]),
                "confidence": brief(float(surest[row]) + THRESHOLD),
                "loss": brief(losses[row]),
                "top": [[int(top), brief(p)] for top, p in zip(tops[row], shares[row], strict=True)],
            }
            for row in rows
        ]


def _labels(flags: Tensor, predicted: Tensor) -> list[int]:
    """Return the labels that are set, of very many the likeliest, in order."""
    labels = flags.nonzero().flatten()
    if len(labels) > _MOST_LABELS:
        labels = labels[predicted[labels].nan_to_num().topk(_MOST_LABELS).indices].sort().values
    return [int(label) for label in labels]


@dataclass(frozen=True)
class _Curve:
    """What one label's probabilities are worth."""

    average: float
    """Average precision."""
    threshold: float
    """The probability from which on its F1 is best; NaN when no picture has it."""
    f1: float
    """There."""
    answered: list[int]
    """Pictures with at least each of `THRESHOLDS`."""
    right: list[int]
    """Of these, those that have the label."""


def average_precision(scores: Tensor, true: Tensor) -> float:
    """Return the area under precision against recall of one label; NaN when no picture has it.

    The sum over the distinct scores of (recall - recall before) x precision, without interpolation, as
    scikit-learn's ``average_precision_score`` has it; pictures of equal score come together.

    Args:
        scores: float [N].
        true: bool [N].
    """
    return _curve(scores, true).average


def _curve(scores: Tensor, true: Tensor) -> _Curve:
    total = int(true.sum())
    ordered, places = scores.sort(descending=True, stable=True)
    hits = true[places].double().cumsum(0)
    known = ordered.nan_to_num(nan=-1.0)  # NaN come first, and are said to be nothing
    counted = int(scores.isnan().sum())
    claimed = torch.searchsorted(-known[counted:], -torch.tensor(THRESHOLDS, dtype=known.dtype), right=True)
    before = torch.cat([hits.new_zeros(1), hits])
    answered, right = claimed.tolist(), (before[counted + claimed] - before[counted]).long().tolist()
    if not total or counted:
        return _Curve(math.nan, math.nan, math.nan, answered, right)
    last = torch.ones_like(true)
    last[:-1] = ordered[1:] != ordered[:-1]
    ends = last.nonzero().flatten()
    found = hits[ends]
    gained = found.diff(prepend=found.new_zeros(1))
    average = float((gained * (found / (ends + 1).double())).sum()) / total
    f1 = 2 * found / (ends + 1 + total).double()
    best = int(f1.argmax())
    return _Curve(average, float(ordered[ends[best]]), float(f1[best]), answered, right)
