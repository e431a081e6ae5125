"""What a folder of pictures is: its layout, classes, pictures and everything that is odd about it.

Nothing is opened here: names, sizes and times tell. Folders that cannot be trained on are refused with a
sentence that says what is wrong; what can be worked around becomes a `Problem` that says what was done.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tui.core.dataset.problems import Problem, many, names_of, passed_over, some_of
from tui.core.dataset.samples import Layout, Sample, count_classes
from tui.core.dataset.sizes import Sizes, measure_sizes
from tui.core.dataset.walk import Account, Cancelled, Listing, Picture, Walker
from tui.core.errors import UsageError, did_you_mean
from tui.core.groups.data import DataSettings
from tui.core.metrics import Task
from tui.core.text import clean, clean_path

__all__ = ["Cancelled", "Problem", "Scan", "Sizes", "measure_sizes", "scan", "signature_now"]

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
_TITLE = "These pictures cannot be used"
_LAYOUT_HINT = "Make one folder per class and put its pictures inside, like pictures/cat/1.jpg and pictures/dog/2.jpg."
_MOST_WRAPPERS = 8


@dataclass(frozen=True)
class Scan:
    """A folder of pictures that can be trained on."""

    root: Path
    """Where the class or split folders are: below the directory that was asked for if that only wraps it."""
    layout: Layout
    classes: tuple[str, ...]
    """Raw folder names, sorted; with split folders those of train. Clean them before showing."""
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
    reading: tuple[object, ...] = ()
    """The settings that decided what was found: `reading_of`."""

    @property
    def total(self) -> int:
        """The number of pictures."""
        return sum(len(samples) for samples in self.samples.values())


def reading_of(data: DataSettings) -> tuple[object, ...]:
    """Return what a scan depends on besides the directory: scans of equal readings are equal."""
    columns = (data.path_column, data.label_columns, data.split_column, data.group_column)
    return (data.follow_links, data.task, data.layout, data.list, data.list_root, *columns)


def scan(
    directory: Path,
    data: DataSettings | None = None,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Scan:
    """Look through a folder of pictures.

    Args:
        directory: one folder per class, or train, validation and test folders of them.
        data: how to read it; its own ``directory`` is not looked at.
        progress: told now and then how many files were seen.
        cancelled: asked now and then whether to give up.

    Raises:
        UsageError: it cannot be trained on; the message says why and what to change.
        Cancelled: as asked.
    """
    data = data or DataSettings()
    follow_links = data.follow_links
    problems: list[Problem] = []
    walker, top = _unwrapped(_root(directory), lambda root: Walker(root, progress, cancelled, follow_links), problems)
    try:
        return replace(_judged(walker, top, problems), reading=reading_of(data))
    except UsageError as error:
        outside = walker.account.outside
        if not outside or follow_links:
            raise
        lead = "link leads out of it and was" if len(outside) == 1 else "links lead out of it and were"
        cause = f"{error.cause}; {len(outside):,} {lead} not followed: {names_of(outside)}"
        raise UsageError(error.title, cause, f"Set data.follow_links to true to use them. {error.next_step}") from error


def _judged(walker: Walker, top: Listing, problems: list[Problem]) -> Scan:
    """Return what the folders mean."""
    _check_not_flat(walker.root, top, walker.account)
    splits = _split_folders(walker, top, problems)
    found: dict[str, list[Sample]]
    if splits:
        found, classes, pictures = _scan_splits(walker, splits, problems)
    else:
        by_class = _by_class(walker, "", top, problems)
        classes = tuple(sorted(by_class))
        _check_classes(classes, walker.root, "")
        pictures = [picture for name in classes for picture in by_class[name]]
        found = {"all": [(p.path, index) for index, name in enumerate(classes) for p in by_class[name]]}
        problems += _datasets_among(by_class)
    problems += _collisions(classes)
    problems += passed_over(walker.account, walker.follow_links)
    return Scan(
        root=Path(walker.root),
        layout="split_folders" if splits else "class_folders",
        classes=classes,
        samples=found,
        counts={key: count_classes(samples, len(classes)) for key, samples in found.items()},
        problems=problems,
        signature=_signature((p.path, p.size, p.mtime_ns) for p in pictures),
    )


def signature_now(root: Path, paths: Iterable[str]) -> str:
    """Return the `Scan.signature` that these pictures would have now; what is gone counts as size -1."""
    entries = []
    for path in paths:
        try:
            found = os.stat(os.path.join(root, path))
            entries.append((path, found.st_size, found.st_mtime_ns))
        except OSError:
            entries.append((path, -1, 0))
    return _signature(entries)


def _signature(entries: Iterable[tuple[str, int, int]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path, size, mtime_ns in sorted(entries):
        digest.update(f"{path}\0{size}\0{mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _root(directory: Path) -> str:
    path = Path(directory).expanduser()
    shown = clean_path(path, 200)
    if not os.path.lexists(path):
        near = _near(path)
        raise UsageError(_TITLE, f"there is no directory {shown}", near or "Check the path.")
    if not path.is_dir():
        raise UsageError(_TITLE, f"{shown} is not a directory", "Name the folder that holds the class folders.")
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
            raise UsageError(_TITLE, cause, "Check who may read that directory.") from error
        # A single folder that holds folders is a wrapper, as archives make them; one that holds pictures is a class.
        if not (alone and inner.folders) or top.folders[0].casefold() in SPELLINGS:
            break
        root = os.path.join(root, top.folders[0])
    walker.account = Account()
    top = walker.look("")
    if root != asked:
        inside = clean(os.path.relpath(root, asked), 120)
        problems.append(Problem("wrapped", "info", f'The class folders were found one level down, in "{inside}".'))
    return walker, top


def _check_not_flat(root: str, top: Listing, account: Account) -> None:
    if top.folders:
        return
    shown = clean_path(root, 200)
    if top.pictures:
        count = many(len(top.pictures), "picture")
        raise UsageError(_TITLE, f"{shown} is a flat folder of {count} without class folders", _LAYOUT_HINT)
    other = len(account.not_pictures) + len(account.empty_files)
    if other:
        cause = f"{shown} holds no pictures, only {many(other, 'other file')}"
    elif account.hidden:
        cause = f"{shown} holds only hidden files"
    else:
        cause = f"{shown} is empty"
    raise UsageError(_TITLE, cause, _LAYOUT_HINT)


def _split_folders(walker: Walker, top: Listing, problems: list[Problem]) -> dict[str, str]:
    """Return {split: folder name} when the folders are splits, or nothing when they are classes."""
    named = [(name, SPELLINGS[name.casefold()]) for name in top.folders if name.casefold() in SPELLINGS]
    splits: dict[str, str] = {}
    for name, split in named:
        if split in splits:
            both = f'"{clean(splits[split], 40)}" and "{clean(name, 40)}"'
            raise UsageError(_TITLE, f"both {both} are {split} folders", "Keep one of them, or join them.")
        splits[split] = name
    others = [name for name in top.folders if name.casefold() not in SPELLINGS]
    if "train" not in splits:
        if named and not others:
            have = names_of([name for name, _ in named])
            raise UsageError(_TITLE, f"there is {have} but no train folder", "Add a folder named train.")
        return {}
    train = _listed(Walker(walker.root, follow_links=walker.follow_links), splits["train"])
    if not train.folders and others:
        return {}  # bus, car, train: a class of vehicles
    if others:
        text = f"{many(len(others), 'folder')} beside the split folders will not be used: {names_of(others)}."
        problems.append(Problem("extra_folder", "warning", text, some_of(others)))
    return splits


def _listed(walker: Walker, folder: str) -> Listing:
    try:
        return walker.look(folder)
    except OSError as error:
        cause = f'"{clean(folder, 60)}" cannot be opened: {error.strerror}'
        raise UsageError(_TITLE, cause, "Check who may read that directory.") from error


def _scan_splits(
    walker: Walker, splits: dict[str, str], problems: list[Problem]
) -> tuple[dict[str, list[Sample]], tuple[str, ...], list[Picture]]:
    samples: dict[str, list[Sample]] = {}
    pictures: list[Picture] = []
    classes: tuple[str, ...] = ()
    index: dict[str, int] = {}
    for split in ("train", "validation", "test"):
        folder = splits.get(split)
        by_class: dict[str, list[Picture]] = {}
        if folder is not None:
            by_class = _by_class(walker, folder, _listed(walker, folder), problems)
        if split == "train":
            classes = tuple(sorted(by_class))
            _check_classes(classes, walker.root, folder or "")
            index = {name: number for number, name in enumerate(classes)}
        elif folder is not None:
            _check_same_classes(by_class, classes, folder, problems)
        if by_class:
            samples[split] = [(p.path, index[name]) for name in sorted(by_class) for p in by_class[name]]
            pictures += [p for name in sorted(by_class) for p in by_class[name]]
        elif split == "validation":
            text = "There are no validation pictures: a share of the training pictures will be kept for validation."
            problems.append(Problem("no_validation", "info", text))
        elif split == "test":
            text = "There are no test pictures: the run ends with its validation."
            problems.append(Problem("no_test", "info", text))
    return samples, classes, pictures


def _by_class(walker: Walker, folder: str, listing: Listing, problems: list[Problem]) -> dict[str, list[Picture]]:
    """Return the pictures of each class folder that has any."""
    where = f' in "{clean(folder, 60)}"' if folder else ""
    if listing.pictures:
        loose = [picture.path for picture in listing.pictures]
        if not listing.folders:
            cause = f'"{clean(folder, 60)}" is a flat folder of {many(len(loose), "picture")} without class folders'
            raise UsageError(_TITLE, cause, _LAYOUT_HINT)
        are = "lies" if len(loose) == 1 else "lie"
        text = f"{many(len(loose), 'picture')} {are} beside the class folders{where} and will not be used."
        problems.append(Problem("loose", "warning", text, some_of(loose)))
    found: dict[str, list[Picture]] = {}
    empty: list[str] = []
    for name in listing.folders:
        pictures = walker.pictures_below(f"{folder}/{name}" if folder else name)
        if pictures:
            found[name] = pictures
        else:
            empty.append(name)
    if empty:
        word = "folder has" if len(empty) == 1 else "folders have"
        text = f"{len(empty)} class {word} no pictures{where} and will be left out: {names_of(empty)}."
        problems.append(Problem("empty_class", "warning", text, some_of(empty)))
    return found


def _check_classes(classes: tuple[str, ...], root: str, folder: str) -> None:
    shown = clean_path(os.path.join(root, folder) if folder else root, 200)
    if not classes:
        raise UsageError(_TITLE, f"no folder in {shown} holds a picture", _LAYOUT_HINT)
    if len(classes) == 1:
        cause = f'{shown} has only one class with pictures, "{clean(classes[0], 60)}"'
        raise UsageError(_TITLE, cause, "Training needs at least two class folders.")


def _check_same_classes(
    by_class: dict[str, list[Picture]], classes: tuple[str, ...], folder: str, problems: list[Problem]
) -> None:
    unknown = sorted(set(by_class) - set(classes))
    shown = clean(folder, 60)
    if unknown:
        word = "a class" if len(unknown) == 1 else "classes"
        hint = did_you_mean(unknown[0], classes)
        step = f"{clean(hint[:1].upper() + hint[1:], 120)} " if hint else ""
        cause = f'"{shown}" has {word} that train does not have: {names_of(unknown)}'
        raise UsageError(_TITLE, cause, f"{step}Give every class the same folder name in each split.")
    missing = sorted(set(classes) - set(by_class))
    if by_class and missing:
        text = f'"{shown}" has no pictures of {names_of(missing)}: nothing will be measured there.'
        problems.append(Problem("class_missing", "warning", text, some_of(missing)))


def _datasets_among(by_class: dict[str, list[Picture]]) -> list[Problem]:
    """Return a warning when what was taken for classes looks like several datasets."""
    # Pictures in folders inside a class belong to it: only classes without any picture of their own are suspect.
    inside = {
        name: {picture.path.split("/")[1].casefold() for picture in pictures}
        for name, pictures in by_class.items()
        if all(picture.path.count("/") > 1 for picture in pictures)
    }
    splits = {name: {SPELLINGS.get(folder, "") for folder in folders} for name, folders in inside.items()}
    divided = [name for name, found in splits.items() if "train" in found and found & {"validation", "test"}]
    if divided:
        hold, which = ("holds", "it") if len(divided) == 1 else ("hold", "one of them")
        themselves = "itself" if len(divided) == 1 else "themselves"
        other = "test" if any("test" in splits[name] for name in divided) else "validation"
        text = f"{_listed_names(divided)} {hold} train and {other} folders {themselves}"
        text += f": this looks like a folder of datasets; choose {which}."
        return [Problem("datasets", "warning", text, some_of(divided))]
    if len(inside) == len(by_class) and all(len(folders) > 1 for folders in inside.values()):
        text = f"{_listed_names(sorted(inside))} hold only folders, no pictures of their own"
        text += ": if this is a folder of datasets, choose one of them."
        return [Problem("datasets", "warning", text, some_of(sorted(inside)))]
    return []


def _listed_names(names: Sequence[str]) -> str:
    return " and ".join(names_of([name]) for name in names) if len(names) == 2 else names_of(names)


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
