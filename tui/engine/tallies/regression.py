"""Numbers: errors in the targets' own units, per target and over all, and the worst residuals."""

from __future__ import annotations

import torch
from torch import Tensor

from tui.core.metrics import MAE, R2, RMSE
from tui.engine.tallies.tally import Result, brief, joined, mean, share, worst

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


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
        every = torch.ones(total, dtype=torch.bool)
        residuals = [
            [int(positions[row]), _brief(true[row]), _brief(predicted[row]), brief(losses[row])]
            for row in worst(losses, every)
        ]
        detail = {**each, "quantiles": _quantiles(errors), "residuals": residuals}
        return Result({name: mean(values) for name, values in each.items()}, detail=detail)


def _brief(row: Tensor) -> list[float]:
    return [brief(value) for value in row.tolist()]


def _quantiles(errors: Tensor) -> list[list[float]]:
    """Return, per target, the residual (predicted - true) at each of `QUANTILES`."""
    if not len(errors):
        return []
    ordered = errors.sort(0).values
    places = [min(len(errors) - 1, round(share * (len(errors) - 1))) for share in QUANTILES]
    return [_brief(column) for column in ordered[places].T]
