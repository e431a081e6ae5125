"""What an evaluation collects: per picture on the device, read back once at the end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

WORST = 64
"""Pictures that are kept one by one: so many with the highest losses, and so many most confident errors."""


@dataclass(frozen=True)
class Result:
    """What a tally has found."""

    metrics: dict[str, float]
    """By the names in `tui.core.metrics.TaskMetrics.evaluation`, without the loss."""
    recall: list[float] = field(default_factory=list)
    """Per class or label; NaN for one without pictures. Empty for regression."""
    counts: list[int] = field(default_factory=list)
    """Pictures per class or label; empty for regression."""
    detail: dict[str, Any] = field(default_factory=dict)
    """What else goes to the file, in JSON's types."""
    pictures: list[dict[str, Any]] = field(default_factory=list)
    """Those worth looking at, each with its ``position`` in the split, in JSON's types."""


class Tally(Protocol):
    """Collects one evaluation of one split."""

    def add(self, outputs: Tensor, predictions: Tensor, targets: Tensor) -> None:
        """Take a batch, without waiting for the device.

        Args:
            outputs: of the network [B, outputs].
            predictions: what they say, by `tui.engine.losses.Objective.predictions`.
            targets: on the same device.
        """

    def result(self, losses: Tensor, positions: Tensor) -> Result:
        """Return what was found, from each picture's loss [N] and its position in the split [N], on the host."""


def joined(parts: Sequence[Tensor], *shape: int) -> Tensor:
    """Return the parts in one tensor on the host; without parts an empty one of ``shape``."""
    return torch.cat(list(parts)).cpu() if parts else torch.zeros(shape)


def worst(values: Tensor, among: Tensor, most: int = WORST) -> list[int]:
    """Return the rows with the highest values, the highest first, a NaN above all.

    Args:
        values: float [N].
        among: bool [N], which may be chosen.
        most: of them.
    """
    rows = among.nonzero().flatten()
    order = torch.argsort(values[rows].double().nan_to_num(nan=math.inf), descending=True, stable=True)[:most]
    return [int(row) for row in rows[order]]


def distinct(*choices: Iterable[int]) -> list[int]:
    """Return all rows that were chosen, each once, in the order of the choices."""
    return list(dict.fromkeys(row for rows in choices for row in rows))


def brief(value: float) -> float:
    """Return a number with six digits: the file stays small."""
    return float(f"{value:.6g}")


def share(part: float, whole: float) -> float:
    """Return a share; NaN of nothing."""
    return part / whole if whole else math.nan


def mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are defined; NaN when there are none."""
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan
