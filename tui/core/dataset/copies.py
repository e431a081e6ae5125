"""What the check says about pictures that are equal or look alike, from what the files told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui.core.dataset.alike import alike
from tui.core.dataset.duplicates import Group, contradiction_text, leak_text, sort_copies
from tui.core.dataset.facts import Facts
from tui.core.dataset.findings import Finding
from tui.core.dataset.pictures import PictureError, load_picture
from tui.core.dataset.problems import Severity, many, names_of
from tui.core.dataset.samples import Sample, Target

_MOST_PAIRS = 2000
"""How many are compared by colours, and listed."""
_AGREES = 0.06
"""Mean difference, in parts of the spread of values, up to which two pictures are one: what storing again changes."""


class Member(NamedTuple):
    """A picture of the dataset."""

    split: str
    path: str
    label: Target


@dataclass
class CopyFindings:
    """What there is to say about copies, and which to leave out."""

    findings: list[Finding] = field(default_factory=list)
    surplus: set[str] = field(default_factory=set)


def find_copies(members: Sequence[Member], facts: Sequence[Facts]) -> CopyFindings:
    """Return the findings about exact copies: by decoded pixels where those are known, else by bytes."""
    splits: dict[str, list[Sample]] = {}
    digests: dict[str, list[int]] = {}
    digest_of: dict[str, int] = {}
    for member, fact in zip(members, facts, strict=True):
        splits.setdefault(member.split, []).append((member.path, member.label))
        digests.setdefault(member.split, []).append(0 if fact.reason else fact.pixels or fact.digest)
        digest_of[member.path] = fact.digest
    found = sort_copies(splits, {split: np.array(own, dtype=np.uint64) for split, own in digests.items()})
    answer = CopyFindings()

    def report(code: str, text: str, groups: list[Group]) -> None:
        recoded = sum(len({digest_of[path] for path in group.paths}) > 1 for group in groups)
        if recoded:
            text += f" {recoded:,} of these are other files with the same pixels."
        paths = tuple(path for group in groups for path in group.paths)
        answer.findings.append(Finding(code, "warning", text, paths, tuple(group.paths for group in groups)))
        answer.surplus.update(path for group in groups for path in group.surplus())

    if found.contradictions:
        report("contradiction", contradiction_text(found.contradictions), found.contradictions)
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        groups = [group for group in found.leaks if {first, second} <= {split for split, _, _ in group.members}]
        if groups:
            text, _ = leak_text(groups, second, first)
            report("leak", text, groups)
    if found.within:
        are = "picture is" if len(found.within) == 1 else "pictures are"
        text = f"{len(found.within):,} {are} more than once in a class: {names_of(found.within[0].paths, 2)}."
        report("duplicate", text, found.within)
    return answer


def find_alike(
    root: Path,
    members: Sequence[Member],
    facts: Sequence[Facts],
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Return what there is to say about pictures that look alike and are no exact copies.

    A perceptual hash sees outlines; pairs that it finds are compared once more, by colours, and those that
    agree there too are called the same picture stored in another way.
    """
    looks = [0 if fact.reason else fact.look for fact in facts]
    pairs = [
        (members[first], members[second])
        for first, second, _ in alike(looks, progress=progress)
        if facts[first].pixels != facts[second].pixels
    ]
    # What contradicts itself or flatters the result is worth the first look.
    pairs.sort(key=lambda pair: (pair[0].label == pair[1].label, pair[0].split == pair[1].split))
    same = [_agree(root, first.path, second.path) for first, second in pairs[:_MOST_PAIRS]]
    same += [False] * (len(pairs) - len(same))
    apart = [pair for pair, agree in zip(pairs, same, strict=True) if agree and _apart(*pair)]
    rest = [pair for pair, agree in zip(pairs, same, strict=True) if not (agree and _apart(*pair))]
    findings = []
    if apart:
        are = "is the same picture" if len(apart) == 1 else "are the same pictures"
        text = f"{many(len(apart), 'pair')} {are} stored in another way (judge by eye), {_where(apart)}."
        findings.append(_of_pairs("nearly_equal", "warning", text, apart))
    if rest:
        look = "looks" if len(rest) == 1 else "look"
        text = f"{many(len(rest), 'pair')} of pictures {look} alike (advice, judge by eye), {_where(rest)}."
        findings.append(_of_pairs("alike", "info", text, rest))
    return findings


def _apart(first: Member, second: Member) -> bool:
    return first.split != second.split or first.label != second.label


def _where(pairs: Sequence[tuple[Member, Member]]) -> str:
    between = sum(first.split != second.split for first, second in pairs)
    classes = sum(first.label != second.label for first, second in pairs)
    shown = names_of([pairs[0][0].path, pairs[0][1].path])
    return f"{between:,} across splits and {classes:,} across classes: {shown}"


def _of_pairs(code: str, severity: Severity, text: str, pairs: Sequence[tuple[Member, Member]]) -> Finding:
    groups = tuple((first.path, second.path) for first, second in pairs[:_MOST_PAIRS])
    return Finding(code, severity, text, tuple(dict.fromkeys(path for pair in groups for path in pair)), groups)


def _agree(root: Path, first: str, second: str) -> bool:
    try:
        left, right = (_shrunk(root, path) for path in (first, second))
    except PictureError:
        return False
    spread = (left.std() + right.std()) / 2
    return bool(np.abs(left - right).mean() <= _AGREES * max(1.0, spread))


def _shrunk(root: Path, path: str) -> NDArray[np.float64]:
    """Return a picture as 32 by 32 values of three colours, each around zero: brightness says nothing."""
    pixels = load_picture(os.path.join(root, path), size=32, channels=3, resize="squash").astype(np.float64)
    centred: NDArray[np.float64] = pixels - pixels.mean(axis=(0, 1))
    return centred
