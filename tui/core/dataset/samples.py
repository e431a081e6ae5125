"""What one picture is to a training run: where it lies, and what it shows.

A target is one class, several classes, or numbers, by the task of the dataset:

==============  ===========================  ==============================
task            target of a picture          targets of a batch
==============  ===========================  ==============================
classification  index of its class           int64 ``[B]``
multilabel      indices of its classes,      float32 ``[B, C]``, 0 or 1
                ascending; perhaps none
regression      one number per target name   float32 ``[B, T]``
==============  ===========================  ==============================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from tui.core.metrics import Task

Layout = Literal["class_folders", "split_folders", "class_then_split", "list"]
Target = int | tuple[float, ...]
Sample = tuple[str, Target]
"""(path relative to the root, target)."""

DIVIDED: tuple[Layout, ...] = ("split_folders", "class_then_split")
"""Layouts whose folders say what trains and what validates."""


def classes_of(target: Target, task: Task) -> tuple[int, ...]:
    """Return the classes of a target; numbers have none."""
    if isinstance(target, int):
        return (target,)
    return () if task == "regression" else tuple(int(index) for index in target)


def count_classes(samples: Sequence[Sample], classes: int, task: Task = "classification") -> list[int]:
    """Return the number of pictures of each class; empty for regression, which has none."""
    counted = Counter(index for _, target in samples for index in classes_of(target, task))
    return [counted[index] for index in range(classes)]
