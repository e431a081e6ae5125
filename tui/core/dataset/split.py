"""Which pictures train, which validate and which test: a pure function of their names, the settings and the seed.

Each class is cut by itself. A picture's place is decided by a hash of the seed and its path, so the split
does not depend on the order in which a file system lists files, and a picture that is added later leaves
most others where they were. What belongs together (a group of the list file, copies of one file) is never
divided: such sets are placed first, where they disturb the shares of the classes least.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from tui.core.dataset.problems import many, names_of
from tui.core.dataset.samples import Sample, classes_of
from tui.core.dataset.scan import Scan
from tui.core.errors import UsageError
from tui.core.settings import DataSettings

SPLITS = ("train", "validation", "test")
_TITLE = "These pictures cannot be split"
Set = list[Sample]
"""Samples that stay together."""


def divide(scan: Scan, data: DataSettings, seed: int, same: Mapping[str, Hashable] | None = None) -> dict[str, Set]:
    """Return the pictures of ``train``, ``validation`` and ``test``, each in the order of the scan.

    Splits of folders or lists are taken as they are; a missing validation split is cut from train, a missing
    test split stays empty. Every class keeps at least one picture in train and, where we cut and groups allow,
    in validation. Several labels: a picture counts as its rarest one. Numbers: all pictures are one class.

    Args:
        scan: what there is.
        data: the shares.
        seed: of the run.
        same: by path, which pictures are copies of each other.

    Raises:
        UsageError: a class has too few pictures to be cut, or its pictures belong together in one group.
    """
    if "all" in scan.samples:
        return _cut(scan, scan.samples["all"], (data.validation_fraction, data.test_fraction), seed, same or {})
    splits = {name: list(scan.samples.get(name, [])) for name in SPLITS}
    if not splits["validation"]:
        cut = _cut(scan, splits["train"], (data.validation_fraction, 0.0), seed, same or {})
        splits["train"], splits["validation"] = cut["train"], cut["validation"]
    return splits


def _cut(
    scan: Scan, samples: Set, fractions: tuple[float, float], seed: int, same: Mapping[str, Hashable]
) -> dict[str, Set]:
    strata = _strata(scan, samples)
    _check_enough(scan, Counter(strata.values()), len(samples))
    chosen = _placed(samples, strata, fractions, seed, _together(samples, scan.groups, same))
    if same and _lacking(scan, strata, chosen):
        # So many copies that nothing else is left: told by the check, no reason to refuse.
        chosen = _placed(samples, strata, fractions, seed, _together(samples, scan.groups, {}))
    if lacking := _lacking(scan, strata, chosen):
        raise UsageError(_TITLE, lacking, "Set data.group_column to none, or to a column with more groups.")
    splits: dict[str, Set] = {name: [] for name in SPLITS}
    for sample in samples:
        splits[chosen[sample[0]]].append(sample)
    return splits


def _placed(
    samples: Set, strata: Mapping[str, int], fractions: tuple[float, float], seed: int, sets: Sequence[Set]
) -> dict[str, str]:
    """Return the split of each picture by path."""
    counts = Counter(strata.values())
    wanted: dict[str, dict[int, int]] = {name: {} for name in SPLITS}
    for stratum, count in counts.items():
        validation, test = shares(count, *fractions) if count > 1 else (0, 0)
        for name, share in zip(SPLITS, (count - validation - test, validation, test), strict=True):
            wanted[name][stratum] = share
    place = _Placing(wanted, strata)
    for own in sorted((own for own in sets if len(own) > 1), key=lambda own: (-len(own), _rank(seed, own[0][0]))):
        place.best(own)
    singles: dict[int, Set] = {stratum: [] for stratum in counts}
    for own in sets:
        if len(own) == 1:
            singles[strata[own[0][0]]].append(own[0])
    for stratum, alone in singles.items():
        place.fill(stratum, sorted(alone, key=lambda sample: _rank(seed, sample[0])))
    if len(sets) < len(samples):
        place.mend(sets)
    return place.chosen


def _strata(scan: Scan, samples: Set) -> dict[str, int]:
    """Return by path the class that a picture counts as when the pictures are cut."""
    if scan.task == "regression":
        return dict.fromkeys((path for path, _ in samples), 0)
    often = Counter(index for _, target in samples for index in classes_of(target, scan.task))
    return {
        path: min(classes_of(target, scan.task), key=lambda index: (often[index], index), default=-1)
        for path, target in samples
    }


def _together(samples: Set, groups: Mapping[str, str], same: Mapping[str, Hashable]) -> list[Set]:
    """Return the sets of samples that stay together, and the others as sets of one."""
    if not groups and not same:
        return [[sample] for sample in samples]
    leader: dict[Hashable, Hashable] = {}

    def find(key: Hashable) -> Hashable:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for path, _ in samples:
        for kind, names in (("group", groups), ("same", same)):
            if path in names:
                leader[find((kind, names[path]))] = find(path)
    sets: dict[Hashable, Set] = {}
    for sample in samples:
        sets.setdefault(find(sample[0]), []).append(sample)
    return [sorted(own, key=lambda sample: sample[0]) for own in sets.values()]


class _Placing:
    """Where each picture goes, and how many of each class are still wanted there."""

    def __init__(self, wanted: Mapping[str, Mapping[int, int]], strata: Mapping[str, int]) -> None:
        self.chosen: dict[str, str] = {}
        self._wanted = {name: dict(own) for name, own in wanted.items()}
        self._size = Counter(strata.values())
        self._strata = strata

    def put(self, own: Sequence[Sample], split: str) -> None:
        for path, _ in own:
            self._wanted[split][self._strata[path]] -= 1
            if path in self.chosen:
                self._wanted[self.chosen[path]][self._strata[path]] += 1
            self.chosen[path] = split

    def best(self, own: Set) -> None:
        """Put a set where the squared deviations from the shares grow least."""
        counts = Counter(self._strata[path] for path, _ in own)

        def growth(split: str) -> float:
            left = self._wanted[split]
            return sum((count * count - 2 * count * left[s]) / self._size[s] for s, count in counts.items())

        self.put(own, min(SPLITS, key=growth))

    def fill(self, stratum: int, alone: Set) -> None:
        """Put single pictures of a class, in this order, where they are wanted: validation, test, train."""
        start = 0
        for split in ("validation", "test"):
            count = min(max(0, self._wanted[split][stratum]), len(alone) - start)
            self.put(alone[start : start + count], split)
            start += count
        self.put(alone[start:], "train")

    def mend(self, sets: Sequence[Set]) -> None:
        """Let every class train and validate, where it has a set for each."""
        of_class: dict[int, list[Set]] = {}
        for own in sets:
            for stratum in {self._strata[path] for path, _ in own}:
                of_class.setdefault(stratum, []).append(own)
        for split, source in (("train", ""), ("validation", "train")):
            for own_sets in of_class.values():
                if any(self._of(own) == split for own in own_sets):
                    continue
                movable = [own for own in own_sets if not source or self._spare(own, source, of_class)]
                if movable:
                    self.put(min(movable, key=lambda own: (len(own), own[0][0])), split)

    def _spare(self, own: Set, split: str, of_class: Mapping[int, Sequence[Set]]) -> bool:
        """Whether each class of a set has another set where this one is."""
        strata = {self._strata[path] for path, _ in own}
        others = ([other for other in of_class[s] if other is not own and self._of(other) == split] for s in strata)
        return self._of(own) == split and all(others)

    def _of(self, own: Set) -> str:
        return self.chosen[own[0][0]]


def shares(count: int, validation_fraction: float, test_fraction: float) -> tuple[int, int]:
    """Return how many of a class's ``count`` pictures validate and test; ``count`` is at least 2.

    Training keeps at least one, then validation gets at least one, then test if there is a share for it.
    """
    validation = min(max(1, round(count * validation_fraction)), count - 1)
    test = max(1, round(count * test_fraction)) if test_fraction > 0 else 0
    return validation, min(test, count - 1 - validation)


def _check_enough(scan: Scan, counts: Mapping[int, int], total: int) -> None:
    if scan.task != "classification":
        if total < 2:
            cause = f"there is only {many(total, 'picture')}"
            raise UsageError(_TITLE, cause, "One is needed to train on and one to validate with.")
        return
    single = [name for index, name in enumerate(scan.classes) if counts.get(index, 0) < 2]
    if single:
        word = "the class" if len(single) == 1 else many(len(single), "class")
        has = "has" if len(single) == 1 else "have"
        raise UsageError(
            _TITLE,
            f"{word} {names_of(single)} {has} only one picture",
            "A class needs one to train on and one to validate with; add pictures or move the folder away.",
        )


def _lacking(scan: Scan, strata: Mapping[str, int], chosen: Mapping[str, str]) -> str:
    """Return what is missing where pictures belong together, a clause; empty: nothing is."""
    there = {(split, strata[path]) for path, split in chosen.items()}
    for split in ("train", "validation"):
        if all(name != split for name, _ in there):
            return f"everything belongs together in one group, which leaves nothing for {split}"
    if scan.task == "classification":
        lost = [name for index, name in enumerate(scan.classes) if ("train", index) not in there]
        if lost:
            return f"no group of {names_of(lost)} is left to train on"
    return ""


def _rank(seed: int, path: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{path}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
