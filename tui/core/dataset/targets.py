"""What the pictures of a split show, as arrays ready for batches; a row is made only when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.core.dataset.samples import Sample
from tui.core.metrics import Task


@dataclass(frozen=True)
class Targets:
    """The targets of N pictures. A thousand possible labels cost nothing: only those a picture has are kept."""

    task: Task
    width: int
    """Outputs of the network: C classes, or T numbers."""
    values: NDArray[Any]
    """int64 ``[N]`` classes; float32 ``[N, T]`` numbers; int32 ``[L]``: all labels of all pictures in a row."""
    bounds: NDArray[np.int64]
    """``[N + 1]``: where the labels of each picture begin, for multi-label; else empty."""

    def __len__(self) -> int:
        return len(self.bounds) - 1 if self.task == "multilabel" else len(self.values)

    def take(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return the targets of the pictures at ``positions`` ``[B]``.

        Returns:
            int64 ``[B]`` for classification; float32 ``[B, T]`` for regression; float32 ``[B, C]`` of zeros and
            ones for multi-label.
        """
        if self.task != "multilabel":
            taken: NDArray[Any] = self.values[positions]
            return taken
        rows = np.zeros((len(positions), self.width), dtype=np.float32)
        for row, position in enumerate(positions):
            rows[row, self.values[self.bounds[position] : self.bounds[position + 1]]] = 1.0
        return rows

    def all(self) -> NDArray[Any]:
        """Return the targets of every picture, in order: what `take` returns of all positions."""
        return self.take(np.arange(len(self), dtype=np.int64))

    def per_class(self) -> NDArray[np.int64]:
        """Return the pictures of each class ``[C]``; for regression, which has none, an empty array."""
        if self.task == "regression":
            return np.zeros(0, dtype=np.int64)
        return np.bincount(self.values, minlength=self.width).astype(np.int64)


def targets_of(samples: Sequence[Sample], task: Task, width: int) -> Targets:
    """Return the targets of a split of the manifest.

    Args:
        samples: (path, target) as in `tui.core.dataset.manifest.Manifest.splits`.
        task: of the manifest.
        width: ``manifest.outputs``.
    """
    none = np.zeros(0, dtype=np.int64)
    if task == "classification":
        return Targets(task, width, np.array([target for _, target in samples], dtype=np.int64), none)
    if task == "regression":
        numbers = np.array([target for _, target in samples], dtype=np.float32).reshape(len(samples), width)
        return Targets(task, width, numbers, none)
    rows = [target if isinstance(target, tuple) else (target,) for _, target in samples]
    bounds = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=bounds[1:])
    return Targets(task, width, np.array([label for row in rows for label in row], dtype=np.int32), bounds)
