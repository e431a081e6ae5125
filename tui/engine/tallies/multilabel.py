"""Any number of labels: average precision, F1 and exact match, per label and over all, and the worst pictures."""

from __future__ import annotations

import math

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
from tui.engine.tallies.tally import Result, brief, joined, mean, share, worst


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
        average = [average_precision(predicted[:, label], true[:, label]) for label in range(self._labels)]
        metrics = {
            MEAN_AVERAGE_PRECISION.name: mean(average),
            MICRO_F1.name: share(2 * sum(right), sum(there) + sum(claimed)),
            MACRO_F1.name: mean(f1),
            EXACT_MATCH.name: share(int((said == true).all(1).sum()), len(true)),
        }
        wrong = (said != true).any(1)
        mistakes = [
            [int(positions[row]), _labels(true[row]), _labels(said[row]), brief(losses[row])]
            for row in worst(losses, wrong)
        ]
        detail = {
            AVERAGE_PRECISION.name: average,
            RECALL.name: recall,
            PRECISION.name: precision,
            F1.name: f1,
            "answered": claimed,
            "right": right,
            "mistakes": mistakes,
        }
        return Result(metrics, recall, there, detail)


def _labels(flags: Tensor) -> list[int]:
    return [int(label) for label in flags.nonzero().flatten()]


def average_precision(scores: Tensor, true: Tensor) -> float:
    """Return the area under precision against recall of one label; NaN when no picture has it.

    The sum over the distinct scores of (recall - recall before) x precision, without interpolation, as
    scikit-learn's ``average_precision_score`` has it; pictures of equal score come together.

    Args:
        scores: float [N].
        true: bool [N].
    """
    total = int(true.sum())
    if not total or bool(scores.isnan().any()):
        return math.nan
    ordered, places = scores.sort(descending=True, stable=True)
    hits = true[places].double().cumsum(0)
    last = torch.ones_like(true)
    last[:-1] = ordered[1:] != ordered[:-1]
    ends = last.nonzero().flatten()
    found = hits[ends]
    precision = found / (ends + 1).double()
    gained = found.diff(prepend=found.new_zeros(1))
    return float((gained * precision).sum()) / total
