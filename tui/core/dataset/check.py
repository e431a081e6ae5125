"""The check of a dataset: every file looked into before an epoch is spent on it. Nothing is ever written to it.

The scan tells what the folders mean, decoding processes tell what each file is, and comparing what they
told finds the copies. What training can live with is a finding; what it cannot is a refusal.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tui.core.dataset.copies import Member, find_alike, find_copies
from tui.core.dataset.examination import examine_all
from tui.core.dataset.facts import Depth, Facts
from tui.core.dataset.findings import FAULTS, TRAITS, Finding, faulty, of_problem, unusual
from tui.core.dataset.problems import many, names_of
from tui.core.dataset.samples import classes_of
from tui.core.dataset.scan import Scan, colliding, scan
from tui.core.dataset.sizes import Sizes, sizes_of
from tui.core.dataset.split import divide
from tui.core.dataset.spread import spreads_of
from tui.core.errors import UsageError
from tui.core.settings import DataSettings
from tui.core.tasks import moved_targets
from tui.core.text import clean

Progress = Callable[[str, int, int], None]
"""Told (what is being done, done, total); total 0: unknown."""
Verdict = Literal["clean", "findings", "unusable"]

_IMBALANCE = 10
_ELONGATED = 3
_FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), ("JPEG", "MPO")),
    **dict.fromkeys((".tif", ".tiff"), ("TIFF",)),
    **dict.fromkeys((".bmp", ".dib"), ("BMP",)),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), ("PPM",)),
    ".png": ("PNG",),
    ".gif": ("GIF",),
    ".webp": ("WEBP",),
}


@dataclass
class Report:
    """What a check has found."""

    directory: Path
    """As asked for."""
    deep: bool
    scan: Scan | None = None
    """None: the directory cannot be used at all."""
    sizes: Sizes | None = None
    formats: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    """Errors first, then warnings, then notes."""
    exclude: list[str] = field(default_factory=list)
    """Pictures to leave out, raw and relative to ``scan.root``: those that cannot be used, and copies but one."""
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """``unusable`` if training refuses the directory, ``findings`` if there is more than notes."""
        severities = {finding.severity for finding in self.findings}
        if "error" in severities:
            return "unusable"
        return "findings" if "warning" in severities else "clean"


def check(
    directory: Path,
    *,
    deep: bool = False,
    data: DataSettings | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Report:
    """Look into every file of a dataset.

    Args:
        directory: as for `tui.core.dataset.scan.scan`.
        deep: decode every picture, which finds damage, copies in other files and pictures that look alike.
        data: how to read the directory, as for `tui.core.dataset.scan.scan`.
        workers: processes; 0: one per core.
        progress: told how far.
        cancelled: asked now and then whether to give up.

    Raises:
        Cancelled: as asked.
        FailureError: the processes that look into the files keep dying.
    """
    begun = time.monotonic()
    data = data or DataSettings()
    report = Report(directory, deep)
    tell = progress or (lambda stage, done, total: None)
    try:
        found = scan(
            directory,
            data,
            progress=lambda seen: tell("looking through the folders", seen, 0),
            cancelled=cancelled,
        )
    except UsageError as error:
        report.findings.append(Finding("unusable", "error", clean(str(error))))
        report.seconds = time.monotonic() - begun
        return report
    report.scan = found
    report.findings += [of_problem(problem) for problem in found.problems]
    members = [Member(split, path, label) for split, own in found.samples.items() for path, label in own]
    facts = examine_all(
        str(found.root),
        _wanted(found, [member.path for member in members], deep),
        workers=workers,
        progress=lambda done, total: tell("decoding every picture" if deep else "reading headers", done, total),
        cancelled=cancelled,
    )
    _measure(report, members, facts)
    report.findings += _about_folders(found, data)
    report.findings += _about_files(report, members, facts)
    copies = find_copies(members, facts)
    report.findings += copies.findings
    if deep:
        report.findings += find_alike(
            found.root, members, facts, lambda done, total: tell("comparing pictures", done, total)
        )
    report.exclude = sorted(set(report.exclude) | copies.surplus)
    report.findings.sort(key=lambda finding: ("error", "warning", "info").index(finding.severity))
    report.seconds = time.monotonic() - begun
    return report


def _wanted(found: Scan, paths: Sequence[str], deep: bool) -> list[tuple[str, Depth]]:
    """Return how much to read of each file: without ``deep``, only files of equal size can be equal."""
    if deep:
        return [(path, "pixels") for path in paths]
    sizes = [size for stamps in found.stamps.values() for size in stamps[::2]]
    common = Counter(sizes)
    return [(path, "bytes" if common[size] > 1 else "header") for path, size in zip(paths, sizes, strict=True)]


def _measure(report: Report, members: Sequence[Member], facts: Sequence[Facts]) -> None:
    usable = [fact for fact in facts if not fact.reason]
    unreadable = [member.path for member, fact in zip(members, facts, strict=True) if fact.reason]
    report.sizes = sizes_of([(fact.width, fact.height, fact.mode) for fact in usable], unreadable)
    report.formats = dict(Counter(fact.format for fact in usable).most_common())


def _about_folders(found: Scan, data: DataSettings) -> list[Finding]:
    findings = []
    if all(problem.severity != "error" for problem in found.problems):
        try:
            divide(found, data, 0)
        except UsageError as error:
            findings.append(Finding("unusable", "error", clean(str(error))))
    findings += _about_targets(found)
    # A note here: the pictures are as they should be.
    findings += [replace(of_problem(one), severity="info") for one in moved_targets(data, found.target_names)]
    counts = next(iter(found.counts.values()))
    if counts and max(counts) > _IMBALANCE * min(counts):
        most, least = counts.index(max(counts)), counts.index(min(counts))
        text = (
            f"The classes are uneven: {max(counts):,} pictures of {names_of([found.classes[most]])} and "
            f"{min(counts):,} of {names_of([found.classes[least]])}."
        )
        findings.append(Finding("imbalance", "info", text))
    same = colliding(path for samples in found.samples.values() for path, _ in samples)
    if same:
        paths = tuple(path for group in same for path in group)
        text = (
            f"{many(len(paths), 'picture')} have names that differ only in case or in how letters are stored, and "
            f"overwrite each other on some file systems: {names_of(paths, 2)}."
        )
        findings.append(Finding("name_collision", "warning", text, paths, tuple(map(tuple, same))))
    return findings


def _about_targets(found: Scan) -> list[Finding]:
    samples = [sample for own in found.samples.values() for sample in own]
    flat = [spread.name for spread in spreads_of(samples, found.target_names) if spread.low == spread.high]
    if flat:
        are = "is the same number" if len(flat) == 1 else "are the same numbers"
        text = f"{names_of(flat)} {are} for every picture: there is nothing to learn."
        return [Finding("target_constant", "warning", text, tuple(flat))]
    unlabelled = [path for path, target in samples if target == ()]
    if unlabelled:
        has = "has" if len(unlabelled) == 1 else "have"
        text = f"{many(len(unlabelled), 'picture')} {has} no label at all: {names_of(unlabelled, 2)}."
        return [Finding("no_labels", "info", text, tuple(unlabelled))]
    return []


def _about_files(report: Report, members: Sequence[Member], facts: Sequence[Facts]) -> list[Finding]:
    """Return what the files themselves are, and note those that cannot be used in ``report.exclude``."""
    faults: dict[str, list[tuple[str, str]]] = {}
    traits: dict[str, list[str]] = {}
    misnamed: list[str] = []
    for member, fact in zip(members, facts, strict=True):
        if fact.reason:
            faults.setdefault(fact.fault, []).append((member.path, fact.reason))
            report.exclude.append(member.path)
            continue
        for trait in fact.traits:
            traits.setdefault(trait, []).append(member.path)
        if max(fact.width, fact.height) > _ELONGATED * min(fact.width, fact.height):
            traits.setdefault("elongated", []).append(member.path)
        if fact.format not in _FORMATS.get(os.path.splitext(member.path)[1].lower(), (fact.format,)):
            misnamed.append(member.path)
    findings = [faulty(code, faults[code]) for code in FAULTS if code in faults]
    findings += _unreadable_classes(report, members, facts)
    findings += [unusual(code, traits[code]) for code in TRAITS if code in traits]
    if misnamed:
        verb = "is of another format than its name says" if len(misnamed) == 1 else "are of other formats"
        text = f"{many(len(misnamed), 'picture')} {verb}; the content counts: {names_of(misnamed, 2)}."
        findings.append(Finding("misnamed", "info", text, tuple(misnamed)))
    return findings


def _unreadable_classes(report: Report, members: Sequence[Member], facts: Sequence[Facts]) -> list[Finding]:
    assert report.scan is not None
    split = next(iter(report.scan.samples))
    readable = [
        member.label for member, fact in zip(members, facts, strict=True) if member.split == split and not fact.reason
    ]
    if not readable:
        return [Finding("unusable", "error", "None of the pictures to train on can be read.")]
    labels = {label for target in readable for label in classes_of(target, report.scan.task)}
    lost = [name for label, name in enumerate(report.scan.classes) if label not in labels]
    if not lost:
        return []
    text = f"No picture of {names_of(lost)} can be read: nothing will be learnt about that."
    return [Finding("class_unreadable", "warning", text, tuple(lost))]
