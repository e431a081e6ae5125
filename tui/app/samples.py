"""The pictures of a dataset in groups that a person looks at: one per class, or per part of a range; no widget here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice, zip_longest

from tui.core.dataset.samples import Target, classes_of
from tui.core.dataset.scan import Scan
from tui.core.text import clean

_PARTS = 5
"""Numbers are divided into so many groups of equal size."""


@dataclass
class Group:
    """Pictures that belong together."""

    name: str
    """Sanitized."""
    paths: list[str] = field(default_factory=list)
    """Raw, relative to the root."""


def grouped(scan: Scan) -> list[Group]:
    """Return a group per class in the order of the labels; for numbers, all pictures and fifths of them."""
    if scan.task == "regression":
        return _by_value(scan)
    groups = [Group(clean(name, 120)) for name in scan.classes]
    without = Group("(no label)")
    for samples in scan.samples.values():
        for path, target in samples:
            own = classes_of(target, scan.task)
            for index in own:
                groups[index].paths.append(path)
            if not own:
                without.paths.append(path)
    return [*groups, without] if without.paths else groups


def mixed(scan: Scan, most: int = 500) -> list[str]:
    """Return pictures of all groups by turns, so that one sees different ones one after another."""
    groups = [group.paths for group in grouped(scan)]
    if scan.task == "regression":
        groups = groups[1:]
    turns = (path for turn in zip_longest(*groups) for path in turn if path is not None)
    return list(dict.fromkeys(islice(turns, most)))


def labeller(scan: Scan) -> Callable[[str], str]:
    """Return what stands below a picture: its file name; its numbers or labels where these are not the group's."""
    if scan.task == "classification":
        return lambda path: clean(os.path.basename(path), 80)
    targets: dict[str, Target] = {path: target for samples in scan.samples.values() for path, target in samples}

    def label(path: str) -> str:
        target = targets[path]
        if scan.task == "regression":
            return ", ".join(map(value_words, target)) if isinstance(target, tuple) else str(target)
        return ", ".join(clean(scan.classes[index], 40) for index in classes_of(target, scan.task)) or "(no label)"

    return label


def values_of(scan: Scan) -> list[float]:
    """Return the first number of every picture."""
    return [float(target[0]) for samples in scan.samples.values() for _, target in samples if isinstance(target, tuple)]


def value_words(value: float) -> str:
    """Return a number to learn, short."""
    return f"{value:.4g}"


def _by_value(scan: Scan) -> list[Group]:
    pairs = [
        (float(target[0]), path)
        for samples in scan.samples.values()
        for path, target in samples
        if isinstance(target, tuple)
    ]
    pairs.sort()
    groups = [Group("all, by value", [path for _, path in pairs])]
    for part in range(_PARTS):
        own = pairs[len(pairs) * part // _PARTS : len(pairs) * (part + 1) // _PARTS]
        if own:
            name = f"{value_words(own[0][0])} – {value_words(own[-1][0])}"
            groups.append(Group(name, [path for _, path in own]))
    return groups
