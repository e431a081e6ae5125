"""Exact copies among the pictures: in two splits they flatter the result, in two classes they contradict it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tui.core.dataset.problems import Problem, many, names_of, some_of
from tui.core.dataset.samples import Sample, Target

_EVALUATION = ("validation", "test")
_KEPT_FIRST = {"test": 0, "validation": 1}


@dataclass(frozen=True)
class Group:
    """Pictures that are copies of each other: (split, path, label) in the order of the splits."""

    members: tuple[tuple[str, str, Target], ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Where they are."""
        return tuple(path for _, path, _ in self.members)

    def surplus(self) -> tuple[str, ...]:
        """Return which to leave out: all if their classes differ, else all but one, kept where it is tested."""
        if len({label for _, _, label in self.members}) > 1:
            return self.paths
        kept = min(self.members, key=lambda member: (_KEPT_FIRST.get(member[0], 2), len(member[1])))
        return tuple(path for _, path, _ in self.members if path != kept[1])


@dataclass
class Copies:
    """Groups of copies, by what is wrong with them; a group is in the first list that fits."""

    contradictions: list[Group] = field(default_factory=list)
    """In more than one class."""
    leaks: list[Group] = field(default_factory=list)
    """In more than one split."""
    within: list[Group] = field(default_factory=list)
    """In one class of one split."""


def sort_copies(splits: dict[str, list[Sample]], digests: dict[str, NDArray[np.uint64]]) -> Copies:
    """Find the copies.

    Args:
        splits: (path, label) by split.
        digests: of each picture's content, ``[len(split)]``; 0: unknown.
    """
    members = [(split, path, label) for split in digests for path, label in splits[split]]
    copies = Copies()
    every = np.concatenate([np.zeros(0, dtype=np.uint64), *digests.values()])
    for indices in equal(every):
        group = Group(tuple(members[index] for index in indices))
        if len({label for _, _, label in group.members}) > 1:
            copies.contradictions.append(group)
        elif len({split for split, _, _ in group.members}) > 1:
            copies.leaks.append(group)
        else:
            copies.within.append(group)
    return copies


def equal(values: NDArray[np.uint64]) -> list[list[int]]:
    """Return the places of each value that occurs more than once, in order of place; 0 is no value."""
    if not len(values):
        return []
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    borders = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts = np.concatenate(([0], borders))
    lengths = np.diff(np.concatenate((starts, [len(ordered)])))
    large = np.flatnonzero((lengths > 1) & (ordered[starts] != 0))
    groups = [order[starts[index] : starts[index] + lengths[index]].tolist() for index in large]
    return sorted(groups)


def leak_text(groups: Sequence[Group], split: str, known: str = "train") -> tuple[str, list[str]]:
    """Return the sentence about pictures of ``split`` that are in ``known`` too, and their paths."""
    leaked = [
        path
        for group in groups
        if any(own == known for own, _, _ in group.members)
        for own, path, _ in group.members
        if own == split
    ]
    are = "is an exact copy" if len(leaked) == 1 else "are exact copies"
    of = "training pictures, which makes the result look better than it is"
    if known != "train":
        of = f"{known} pictures"
    return f"{many(len(leaked), f'{split} picture')} {are} of {of}: {names_of(leaked, 2)}.", leaked


def contradiction_text(groups: Sequence[Group]) -> str:
    """Return the sentence about pictures in two classes."""
    if isinstance(groups[0].members[0][2], int):
        are = "picture is in two classes" if len(groups) == 1 else "pictures are in two classes"
    else:
        are = "picture shows two things" if len(groups) == 1 else "pictures show two things"
    return f"{len(groups):,} {are} at once: {names_of(groups[0].paths, 2)}."


def find_duplicates(splits: dict[str, list[Sample]], digests: dict[str, NDArray[np.uint64]]) -> list[Problem]:
    """Return problems for copies of training pictures in other splits, and for pictures in two classes.

    Args:
        splits: (path, label) by split.
        digests: of each file's content, ``[len(split)]``; 0: unknown.
    """
    copies = sort_copies(splits, digests)
    problems: list[Problem] = []
    for split in _EVALUATION:
        text, leaked = leak_text(copies.leaks + copies.contradictions, split)
        if leaked:
            problems.append(Problem("leak", "warning", text, some_of(leaked)))
    if copies.contradictions:
        paths = [path for group in copies.contradictions for path in group.paths]
        problems.append(Problem("contradiction", "warning", contradiction_text(copies.contradictions), some_of(paths)))
    return problems
