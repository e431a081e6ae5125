"""What an evaluation collects: per picture on the device, read back once at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

WORST = 32
"""Pictures that are kept one by one: those with the highest losses."""


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


def worst(losses: Tensor, among: Tensor) -> list[int]:
    """Return the rows with the highest losses, the highest first, a NaN above all.

    Args:
        losses: float [N].
        among: bool [N], which may be chosen.
    """
    rows = among.nonzero().flatten()
    values = losses[rows].double().nan_to_num(nan=math.inf)
    order = torch.argsort(values, descending=True, stable=True)[:WORST]
    return [int(row) for row in rows[order]]


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
