"""Numbers: errors in the targets' own units, per target and over all, how they are spread, and the largest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tui.core.metrics import MAE, R2, RMSE
from tui.engine.tallies.tally import Result, brief, distinct, joined, mean, share, worst

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
CELLS = 32
"""Equal parts of the range of a target, for predictions against truths."""
RESIDUALS = 31
"""Equal bins of the residuals; zero is in the middle of the middle one."""
DRAWN = 16
"""Targets whose distributions, and numbers picture by picture, are kept."""
_OWN = 8
"""Pictures that are kept for each of these targets."""


class RegressionTally:
    """Keeps prediction and target of each picture."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._predicted: list[Tensor] = []
        self._true: list[Tensor] = []

    def add(self, outputs: Tensor, predictions: Tensor, targets: Tensor) -> None:
        """Take predictions and targets [B, T] in the targets' units."""
        self._predicted.append(predictions)
        self._true.append(targets)

    def result(self, losses: Tensor, positions: Tensor) -> Result:
        """Return the errors; sums are in float64.

        R² is 1 - sum of squared errors / sum of squared distances from the split's own mean; NaN for a target
        that is the same in all pictures.
        """
        predicted = joined(self._predicted, 0, self._width).double()
        true = joined(self._true, 0, self._width).double()
        total = len(true)
        errors = predicted - true
        squared = errors.square().sum(0).tolist()
        around = (true - true.mean(0)).square().sum(0).tolist() if total else [0.0] * self._width
        each = {
            MAE.name: [share(value, total) for value in errors.abs().sum(0).tolist()],
            RMSE.name: [share(value, total) ** 0.5 for value in squared],
            R2.name: [1 - share(lost, whole) for lost, whole in zip(squared, around, strict=True)],
        }
        drawn = range(min(self._width, DRAWN))
        detail = {
            **each,
            "quantiles": _quantiles(errors),
            "density": [_density(true[:, target], predicted[:, target]) for target in drawn],
            "residuals": [_residuals(errors[:, target]) for target in drawn],
        }
        every = torch.ones(total, dtype=torch.bool)
        rows = distinct(worst(losses, every), *(worst(errors[:, target].abs(), every, _OWN) for target in drawn))
        pictures = [
            {
                "position": int(positions[row]),
                "true": _brief(true[row, :DRAWN]),
                "answer": _brief(predicted[row, :DRAWN]),
                "loss": brief(losses[row]),
            }
            for row in rows
        ]
        return Result({name: mean(values) for name, values in each.items()}, detail=detail, pictures=pictures)


def _brief(row: Tensor) -> list[float]:
    return [brief(value) for value in row.tolist()]


def _quantiles(errors: Tensor) -> list[list[float]]:
    """Return, per target, the residual (predicted - true) at each of `QUANTILES`."""
    if not len(errors):
        return []
    ordered = errors.sort(0).values
    places = [min(len(errors) - 1, round(share * (len(errors) - 1))) for share in QUANTILES]
    return [_brief(column) for column in ordered[places].T]


def _density(true: Tensor, predicted: Tensor) -> dict[str, Any]:
    """Return how many pictures have which truth and which prediction, on a grid of `CELLS` by `CELLS`.

    The range is that of the truths, widened to all predictions but the outermost percents; what lies beyond is
    counted at the edge, and what is not finite left out.
    """
    good = predicted.isfinite() & true.isfinite()
    true, predicted = true[good], predicted[good]
    if not len(true):
        return {"low": 0.0, "high": 1.0, "cells": []}
    ordered = predicted.sort().values
    low = min(float(true.min()), float(ordered[len(ordered) // 100]))
    high = max(float(true.max()), float(ordered[-1 - len(ordered) // 100]))
    width = (high - low) / CELLS or 1.0
    rows, columns = (((values - low) / width).long().clamp(0, CELLS - 1) for values in (true, predicted))
    places, counts = torch.unique(rows * CELLS + columns, return_counts=True)
    cells = [[place // CELLS, place % CELLS, n] for place, n in zip(places.tolist(), counts.tolist(), strict=True)]
    return {"low": brief(low), "high": brief(high), "cells": cells}


def _residuals(errors: Tensor) -> dict[str, Any]:
    """Return how many residuals lie in each of `RESIDUALS` bins around zero; those beyond 99 % in the outermost."""
    errors = errors[errors.isfinite()]
    if not len(errors):
        return {"limit": 0.0, "counts": [0] * RESIDUALS}
    limit = float(errors.abs().sort().values[-1 - len(errors) // 100])
    places = (((errors / limit if limit else errors) + 1) / 2 * RESIDUALS).long().clamp(0, RESIDUALS - 1)
    return {"limit": brief(limit), "counts": torch.bincount(places, minlength=RESIDUALS).tolist()}
