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

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tui.core.dataset.listings import Picture
from tui.core.metrics import Task

__all__ = ["DIVIDED", "SPELLINGS", "Found", "Layout", "Sample", "Target", "classes_of", "count_classes", "split_named"]

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
    "validate": "validation",
    "dev": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "test": "test",
    "testing": "test",
}
"""How people write the names of splits, case aside."""
_BESIDE = frozenset("set images image imgs img data dataset pictures photos split seg".split())
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_REST = re.compile(r"[\W_]*(?:(?:19|20)\d\d)?[\W_]*")

DIVIDED: tuple[Layout, ...] = ("split_folders", "class_then_split")
"""Layouts whose folders say what trains and what validates."""


def split_named(name: str) -> str:
    """Return the split that a folder's name says, like ``Train``, ``test_images``, ``val2017``; empty: none."""
    if name.casefold() == "test1":  # of a competition that everybody begins with
        return "test"
    words = [word.removesuffix("set") for word in map(str.casefold, _WORDS.findall(name))]
    said = [word for word in words if word and word not in _BESIDE]
    if len(said) != 1 or not _REST.fullmatch(_WORDS.sub("", name)):
        return ""
    return SPELLINGS.get(said[0], "")


def is_wrapper(name: str) -> bool:
    """Whether a folder's name says nothing but that pictures are inside: ``images``, ``data``."""
    return name.casefold() in _BESIDE


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
