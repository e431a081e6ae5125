"""Which pictures train, which validate and which test: a pure function of their names, the settings and the seed.

Each class is cut by itself. A picture's place is decided by a hash of the seed and its path, so the split
does not depend on the order in which a file system lists files, and a picture that is added later leaves
most others where they were.
"""

from __future__ import annotations

import hashlib

from tui.core.dataset.problems import many, names_of
from tui.core.dataset.samples import Sample, classes_of
from tui.core.dataset.scan import Scan
from tui.core.errors import UsageError
from tui.core.settings import DataSettings

SPLITS = ("train", "validation", "test")


def divide(scan: Scan, data: DataSettings, seed: int) -> dict[str, list[Sample]]:
    """Return the pictures of ``train``, ``validation`` and ``test``, each in the order of the scan.

    Split folders are taken as they are; a missing validation split is cut from train, a missing test
    split stays empty. Every class keeps at least one picture in train and, where we cut, in validation.

    Raises:
        UsageError: a class has too few pictures to be cut.
    """
    if "all" in scan.samples:
        return _cut(scan, scan.samples["all"], data.validation_fraction, data.test_fraction, seed)
    splits = {name: list(scan.samples.get(name, [])) for name in SPLITS}
    if not splits["validation"]:
        cut = _cut(scan, splits["train"], data.validation_fraction, 0.0, seed)
        splits["train"], splits["validation"] = cut["train"], cut["validation"]
    return splits


def _cut(
    scan: Scan, samples: list[Sample], validation_fraction: float, test_fraction: float, seed: int
) -> dict[str, list[Sample]]:
    by_class: list[list[Sample]] = [[] for _ in scan.classes]
    for sample in samples:
        by_class[next(iter(classes_of(sample[1], scan.task)), 0)].append(sample)
    _check_enough(scan, by_class)
    chosen: dict[Sample, str] = {}
    for own in by_class:
        ordered = sorted(own, key=lambda sample: _rank(seed, sample[0]))
        validation, test = shares(len(own), validation_fraction, test_fraction)
        chosen.update(dict.fromkeys(ordered[:validation], "validation"))
        chosen.update(dict.fromkeys(ordered[validation : validation + test], "test"))
    splits: dict[str, list[Sample]] = {name: [] for name in SPLITS}
    for sample in samples:
        splits[chosen.get(sample, "train")].append(sample)
    return splits


def shares(count: int, validation_fraction: float, test_fraction: float) -> tuple[int, int]:
    """Return how many of a class's ``count`` pictures validate and test; ``count`` is at least 2.

    Training keeps at least one, then validation gets at least one, then test if there is a share for it.
    """
    validation = min(max(1, round(count * validation_fraction)), count - 1)
    test = max(1, round(count * test_fraction)) if test_fraction > 0 else 0
    return validation, min(test, count - 1 - validation)


def _check_enough(scan: Scan, by_class: list[list[Sample]]) -> None:
    single = [name for name, own in zip(scan.classes, by_class, strict=True) if len(own) < 2]
    if single:
        word = "the class" if len(single) == 1 else many(len(single), "class")
        has = "has" if len(single) == 1 else "have"
        raise UsageError(
            "These pictures cannot be split",
            f"{word} {names_of(single)} {has} only one picture",
            "A class needs one to train on and one to validate with; add pictures or move the folder away.",
        )


def _rank(seed: int, path: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{path}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
