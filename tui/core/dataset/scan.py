"""What a directory of pictures is: its layout, task, classes, pictures and everything that is odd about it.

No picture is opened here: names, sizes and times tell, and list files. What nothing can be made of is refused
with a sentence that says what is wrong; everything else becomes a `Problem`, and those of severity ``error``
keep `tui.core.dataset.manifest.make_manifest` from making a run of it.

A directory is read in one pass of `os.scandir`. What folders held that have not changed since the last time is
known from `tui.core.dataset.listings`, for those who ask for it.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tui.core.dataset.folders import read_folders
from tui.core.dataset.listed import read_lists
from tui.core.dataset.listings import Listing, Listings
from tui.core.dataset.lists import find_lists
from tui.core.dataset.mixed import with_folders
from tui.core.dataset.problems import Problem, names_of, passed_over
from tui.core.dataset.samples import Found, Layout, Sample, count_classes, split_named
from tui.core.dataset.sizes import Sizes, measure_sizes
from tui.core.dataset.table import SUFFIXES
from tui.core.dataset.unusable import PACKED, TITLE
from tui.core.dataset.walk import RULES, Account, Cancelled, Walker
from tui.core.errors import UsageError, did_you_mean
from tui.core.groups.data import DataSettings
from tui.core.metrics import Task
from tui.core.text import clean, clean_path

__all__ = ["Cancelled", "Problem", "Scan", "Sizes", "measure_sizes", "scan", "stamp_now"]

_MOST_WRAPPERS = 8


@dataclass(frozen=True)
class Scan:
    """A directory of pictures that can be trained on, or nearly: see the problems."""

    root: Path
    """What the paths are relative to: below the directory that was asked for if that only wraps it."""
    layout: Layout
    classes: tuple[str, ...]
    """Raw names in the order of their indices; with splits those of train; empty for regression. Clean them
    before showing."""
    samples: dict[str, list[Sample]]
    """(path relative to the root, target) by split; ``{"all": ...}`` for what we divide ourselves."""
    counts: dict[str, list[int]]
    """Pictures per class, by the same keys; empty lists for regression."""
    problems: list[Problem]
    signature: str
    """Changes when a picture is added, removed, renamed or rewritten."""
    task: Task = "classification"
    target_names: tuple[str, ...] = ()
    """What the numbers of a regression are called: raw headings. Clean them before showing."""
    groups: dict[str, str] = field(default_factory=dict)
    """What belongs together: a group's name by path; a picture that is not here stands alone."""
    stamps: dict[str, array[int]] = field(default_factory=dict)
    """Size and time of change (ns) of each sample, one after the other, by the keys of ``samples``."""
    described: str = ""
    """Where a list file's columns were found, a sanitized clause; empty for folders."""
    reading: tuple[object, ...] = ()
    """The settings that decided what was found: `reading_of`."""
    copies: dict[str, dict[str, int] | None] = field(default_factory=dict, compare=False, repr=False)
    """What `tui.core.dataset.same.find_same` found, by the keys of ``samples``, once it was asked."""

    @property
    def total(self) -> int:
        """The number of pictures."""
        return sum(len(samples) for samples in self.samples.values())

    def is_current(self) -> bool:
        """Whether every picture still has the size and time that were seen; one that was added is not noticed."""
        return all(
            stamp_now(self.root, path) == (own[2 * place], own[2 * place + 1])
            for key, own in self.stamps.items()
            for place, (path, _) in enumerate(self.samples[key])
        )

    def pictures(self) -> dict[str, tuple[int, int]]:
        """Return (size, time of change in ns) of every picture by its path, as it was seen."""
        return stamped(self.samples, self.stamps)


def reading_of(data: DataSettings) -> tuple[object, ...]:
    """Return what a scan depends on besides the directory: scans of equal readings are equal."""
    columns = (data.path_column, data.label_columns, data.split_column, data.group_column)
    return (data.follow_links, data.task, data.layout, data.list, data.list_root, data.empty_classes, *columns)


def scan(
    directory: Path,
    data: DataSettings | None = None,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    recall: bool = False,
) -> Scan:
    """Look through a directory of pictures.

    Args:
        directory: folders of pictures in any layout, with or without list files; or a list file itself.
        data: how to read it; its own ``directory`` is not looked at.
        progress: told now and then how many files were seen.
        cancelled: asked now and then whether to give up.
        recall: take folders that have not changed as they were seen last; sizes and times of pictures that were
            written over in place may be old then (`Scan.is_current` tells).

    Raises:
        UsageError: nothing can be made of it; the message says why and what to change.
        Cancelled: as asked.
    """
    data = data or DataSettings()
    problems: list[Problem] = []
    asked = Path(directory).expanduser()
    if asked.suffix.casefold() in SUFFIXES and asked.is_file():
        if data.list:
            cause = f"data.directory and data.list both name a list: {clean_path(asked, 120)}"
            raise UsageError(TITLE, cause, "Name the directory, or leave data.list empty.")
        data = data.model_copy(update={"list": os.path.abspath(asked), "layout": "list"})
        asked = asked.parent

    root = _root(asked)
    listings = Listings(root, RULES, recall)
    walker, top = Walker(root, progress, cancelled, data.follow_links, listings), Listing()
    lists = find_lists(walker, data, problems)
    if lists is None:
        outer = walker.root
        walker, top = _unwrapped(outer, walker.at, problems)
        lists = find_lists(walker.at(walker.root), data, problems) if walker.root != outer else None
    if lists is not None:
        walker = lists.lookup.walker
    try:
        if lists is None:
            found = read_folders(walker, top, data, problems)
        else:
            found = read_lists(lists, data, problems)
            lists = None  # its index of the pictures is large
            if data.layout == "auto" and not data.list:
                found = with_folders(found, walker, data, problems)
    except UsageError as error:
        raise _with_links(error, walker, data) from error
    problems += _collisions(found.classes)
    problems += passed_over(walker.account, walker.follow_links)
    listings.save()
    return _scan(*_rerooted(walker.root, found), problems, data)


def _scan(root: str, found: Found, problems: list[Problem], data: DataSettings) -> Scan:
    samples: dict[str, list[Sample]] = {}
    stamps: dict[str, array[int]] = {}
    for split, members in found.members.items():
        samples[split] = [(picture.path, target) for picture, target in members]
        stamps[split] = array("q", [number for p, _ in members for number in (p.size, p.mtime_ns)])
    return Scan(
        root=Path(root),
        layout=found.layout,
        classes=found.classes,
        samples=samples,
        counts={split: count_classes(own, len(found.classes), found.task) for split, own in samples.items()},
        problems=problems,
        signature=signature_of(picture for members in found.members.values() for picture, _ in members),
        task=found.task,
        target_names=found.target_names,
        groups=found.groups,
        stamps=stamps,
        described=found.described,
        reading=reading_of(data),
    )


def _rerooted(root: str, found: Found) -> tuple[str, Found]:
    """Return a root that holds all pictures, with the paths relative to it: those of lists may lie outside."""
    outside = [p.path for members in found.members.values() for p, _ in members if os.path.isabs(p.path)]
    if not outside:
        return root, found
    common = os.path.commonpath([root, *map(os.path.dirname, outside)])

    def moved(path: str) -> str:
        return os.path.relpath(os.path.join(root, path), common)

    members = {
        split: [(picture._replace(path=moved(picture.path)), target) for picture, target in own]
        for split, own in found.members.items()
    }
    groups = {moved(path): group for path, group in found.groups.items()}
    return common, replace(found, members=members, groups=groups)


def _with_links(error: UsageError, walker: Walker, data: DataSettings) -> UsageError:
    """Return the refusal with the links that were not followed, if that may be why."""
    outside = walker.account.outside
    if not outside or data.follow_links:
        return error
    lead = "link leads out of it and was" if len(outside) == 1 else "links lead out of it and were"
    cause = f"{error.cause}; {len(outside):,} {lead} not followed: {names_of(outside)}"
    return UsageError(error.title, cause, f"Set data.follow_links to true to use them. {error.next_step}")


def stamped(samples: Mapping[str, Sequence[Sample]], stamps: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, int]]:
    """Return (size, time of change in ns) of every picture by its path, from `Scan.stamps`."""
    return {
        path: (own[2 * place], own[2 * place + 1])
        for key, own in stamps.items()
        for place, (path, _) in enumerate(samples[key])
    }


def signature_of(pictures: Iterable[tuple[str, int, int]]) -> str:
    """Return the `Scan.signature` of pictures: (path, size, time of change in ns) of each."""
    digest = hashlib.blake2b(digest_size=16)
    for path, size, mtime_ns in sorted(pictures):
        digest.update(f"{path}\0{size}\0{mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def stamp_now(root: str | os.PathLike[str], path: str) -> tuple[int, int]:
    """Return (size, time of change in ns) of a picture; what is gone has size -1."""
    try:
        found = os.stat(os.path.join(root, path))
    except (OSError, ValueError):
        return -1, 0
    return found.st_size, found.st_mtime_ns


def _root(path: Path) -> str:
    shown = clean_path(path, 200)
    if not os.path.lexists(path):
        near = _near(path)
        raise UsageError(TITLE, f"there is no directory {shown}", near or "Check the path.")
    if not path.is_dir():
        packed = path.suffix.casefold() in PACKED
        step = "Unpack it and name the folder." if packed else "Name the folder that holds the class folders."
        raise UsageError(TITLE, f"{shown} is not a directory", step)
    return os.path.abspath(path)


def _near(path: Path) -> str:
    try:
        with os.scandir(path.parent) as entries:
            hint = did_you_mean(path.name, [clean(entry.name, 80) for entry in entries if entry.is_dir()])
    except OSError:
        return ""
    return hint[:1].upper() + hint[1:]


def _unwrapped(root: str, walker_of: Callable[[str], Walker], problems: list[Problem]) -> tuple[Walker, Listing]:
    """Return the walker and listing of the folder that holds the class or split folders."""
    asked = root
    for _ in range(_MOST_WRAPPERS):
        walker = walker_of(root)
        try:
            top = walker.look("")
            alone = len(top.folders) == 1 and not top.pictures
            inner = walker_of(root).look(top.folders[0]) if alone else Listing()
        except OSError as error:
            cause = f"{clean_path(error.filename or root, 200)}: {error.strerror}"
            raise UsageError(TITLE, cause, "Check who may read that directory.") from error
        # A single folder that holds folders is a wrapper, as archives make them; one that holds pictures is a class.
        if not (alone and inner.folders) or split_named(top.folders[0]):
            break
        root = os.path.join(root, top.folders[0])
    walker.account = Account()
    top = walker.look("")
    if root != asked:
        inside = clean(os.path.relpath(root, asked), 120)
        problems.append(Problem("wrapped", "info", f'The class folders were found one level down, in "{inside}".'))
    return walker, top


def _collisions(classes: tuple[str, ...]) -> list[Problem]:
    return [
        Problem(
            "name_collision",
            "warning",
            f"{names_of(same)} differ only in case or in how letters are stored: they are kept as separate classes.",
            tuple(same),
        )
        for same in colliding(classes)
    ]


def colliding(paths: Iterable[str]) -> list[list[str]]:
    """Return the paths whose last parts a file system without case, or with one Unicode form, holds for equal."""
    folded: dict[str, list[str]] = {}
    for path in paths:
        folder, slash, name = path.rpartition("/")
        plain = name if name.isascii() else unicodedata.normalize("NFC", name)
        folded.setdefault(f"{folder}{slash}{plain.casefold()}", []).append(path)
    return [same for same in folded.values() if len(same) > 1]
