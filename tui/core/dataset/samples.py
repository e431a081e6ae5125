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
from dataclasses import dataclass, field
from typing import Literal

from tui.core.dataset.walk import Picture
from tui.core.metrics import Task

__all__ = ["DIVIDED", "SPELLINGS", "Found", "Layout", "Sample", "Target", "classes_of", "count_classes"]

Layout = Literal["class_folders", "split_folders", "class_then_split", "list"]
Target = int | tuple[float, ...]
Sample = tuple[str, Target]
"""(path relative to the root, target)."""

SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""How people write the names of splits, case aside."""

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


@dataclass
class Found:
    """What folders or list files mean, picture by picture."""

    layout: Layout
    classes: tuple[str, ...]
    members: dict[str, list[tuple[Picture, Target]]]
    """By split; ``{"all": ...}`` for what we divide ourselves."""
    task: Task = "classification"
    target_names: tuple[str, ...] = ()
    groups: dict[str, str] = field(default_factory=dict)
    """What belongs together: a group's name by path; pictures that are not here stand alone."""
    described: str = ""
    """Where a list file's columns were found, a sanitized clause."""
