"""The layout of list files: which there are, and every line of them turned into a picture and what it shows.

Lists are found beside or above the pictures, or named by ``data.list``. What is wrong with single lines costs
these lines and is told with their numbers; what is wrong with all of them is a refusal.
"""

from __future__ import annotations

import csv
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tui.core.dataset.columns import Columns, read_columns
from tui.core.dataset.entries import Complaints, Entry, place_of, settle
from tui.core.dataset.folders import check_same_classes, used_splits
from tui.core.dataset.labels import Meaning, meaning_of
from tui.core.dataset.lookup import Lookup
from tui.core.dataset.pictures import EXTENSIONS
from tui.core.dataset.problems import Problem, many, names_of, some_of
from tui.core.dataset.samples import SPELLINGS, Found, Target, split_named
from tui.core.dataset.table import MOST_BYTES, SUFFIXES, TITLE, Table
from tui.core.dataset.walk import Picture, Walker
from tui.core.errors import UsageError, did_you_mean
from tui.core.groups.data import DataSettings
from tui.core.text import clean, clean_path

_CONVINCING = 0.5
"""Of a file's first lines, how many must name pictures for it to be taken for a list without being named."""
_FEW_FOLDERS, _FEW_FILES, _LOOKED_AT = 12, 12, 20
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


@dataclass
class Lists:
    """The list files of a directory, and the pictures they may name."""

    lookup: Lookup
    files: list[tuple[Table, str]] = field(default_factory=list)
    """(list, split that its name says; empty: none)."""


def find_lists(walker: Walker, data: DataSettings, problems: list[Problem]) -> Lists | None:
    """Return the list files of a directory, or nothing if it is one of folders.

    Args:
        walker: at the directory that was asked for.
        data: ``list`` names them; otherwise those that lie in the directory, or where that has nothing to go by
            in a folder of it, and name its pictures are taken.
        problems: what looks like a list and cannot be used is told here.

    Raises:
        UsageError: a list that is named is not there, one is wanted and none is there, or there are too many.
        Cancelled: as asked.
    """
    if data.layout not in ("auto", "list"):
        return None
    if data.list:
        paths = [_named(name.strip(), walker.root) for name in _split_names(data.list) if name.strip()]
        lists = Lists(Lookup(_rooted(walker, data)), [(Table(path), "") for path in paths])
        if len(paths) > 1:
            lists.files = [(table, _split_of(table.path)) for table, _ in lists.files]
        return lists
    candidates = _candidates(walker.root) or _deeper(walker)
    if not candidates:
        if data.layout == "list":
            endings = ", ".join(SUFFIXES)
            cause = f"there is no list file in {clean_path(walker.root, 200)} ({endings})"
            raise UsageError(TITLE, cause, "Name one with data.list.")
        return None
    lists = Lists(Lookup(_rooted(walker, data)))
    ignored: list[Problem] = []
    convincing = [path for path in candidates if _convinces(path, lists.lookup, data, ignored)]
    if not convincing:
        problems += ignored
        if data.layout == "list":
            cause = f"no list in {clean_path(walker.root, 120)} names its pictures: {_names(candidates)}"
            raise UsageError(TITLE, cause, "Name the list with data.list, its column with data.path_column.")
        return None
    for path in _chosen(convincing):
        lists.files.append((Table(path), _split_of(path)))
    return lists


def _rooted(walker: Walker, data: DataSettings) -> Walker:
    """Return a walker at the root of the paths."""
    if data.list_root:
        root = os.path.join(walker.root, os.path.expanduser(data.list_root))
        if not os.path.isdir(root):
            cause = f"data.list_root is no directory: {clean_path(root, 200)}"
            raise UsageError(TITLE, cause, "Name the folder that the list's paths start at.")
        walker = walker.at(os.path.abspath(root))
    return walker


def _split_names(text: str) -> list[str]:
    return next(csv.reader([text], skipinitialspace=True), [])


def _named(name: str, root: str) -> Path:
    path = Path(os.path.join(root, os.path.expanduser(name)))
    if not path.is_file():
        try:
            near = did_you_mean(path.name, [clean(other, 80) for other in os.listdir(path.parent)])
        except OSError:
            near = ""
        step = f"{near[:1].upper()}{near[1:]}" if near else "Check data.list; it is relative to the directory."
        raise UsageError(TITLE, f"there is no file {clean_path(path, 200)}", step)
    return path


def _candidates(root: str) -> list[Path]:
    found = []
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                name = entry.name.casefold()
                # Made to be handed in: their labels are blanks.
                if not name.endswith(SUFFIXES) or name.startswith(".") or "submission" in name:
                    continue
                if entry.is_file() and 0 < entry.stat().st_size <= MOST_BYTES:
                    found.append(Path(entry.path))
    except OSError:
        return []
    return sorted(found)


def _deeper(walker: Walker) -> list[Path]:
    """Return the files that may be lists in the folders of a directory whose folders cannot be classes."""
    try:
        folders = walker.at(walker.root).look("").folders
    except OSError:
        return []
    if len(folders) > _FEW_FOLDERS:
        return []
    found = [path for name in folders for path in _candidates(os.path.join(walker.root, name))]
    if not found or len(found) > _FEW_FILES:
        return []
    inner = walker.at(walker.root)
    pictures = [name for name in folders if inner.pictures_below(name)]
    return found if len(pictures) < 2 and not any(map(split_named, pictures)) else []


def _convinces(path: Path, lookup: Lookup, data: DataSettings, ignored: list[Problem]) -> bool:
    """Whether a file that nobody named is a list of these pictures; say so if it looks like one and is not used."""

    def ignore(why: str, step: str) -> bool:
        text = f"{clean(path.name, 80)} looks like a list of pictures and is not used: {why}."
        ignored.append(Problem("list_ignored", "warning", text, (path.name,), step))
        return False

    try:
        table = Table(path, head=True)
    except UsageError:
        return data.layout == "list"
    folder = _folder_of(table, lookup)
    try:
        columns = read_columns(table, lookup, folder, data)
    except UsageError as error:
        # Unclear: worth asking about where folders say nothing.
        if data.layout == "list" or len({path.split("/")[0] for path in lookup.pictures if "/" in path}) < 2:
            return True
        step = f"Name the column of labels to use it: data.list={clean(path.name, 60)} and data.label_columns."
        return ignore(error.cause, step)
    if columns is None or columns.share < _CONVINCING:
        example = _picture_named(table)
        if example:
            step = "Say where its paths start with data.list_root, to use it."
            return ignore(f'too few of its lines name pictures that are there, like "{clean(example, 60)}"', step)
        return False
    # Paths alone may be a list of anything, of pictures to leave out even.
    return bool(columns.labels or columns.split is not None or _split_of(path))


def _picture_named(table: Table) -> str:
    """Return the first name of a picture in a file that may be a list; empty: it does not look like one."""
    for _, (_, cells) in zip(range(_LOOKED_AT), table.rows(), strict=False):
        for cell in cells if isinstance(cells, list) else ():
            if isinstance(cell, str) and posixpath.splitext(cell)[1].casefold() in EXTENSIONS:
                return cell
    return ""


def _split_of(path: Path) -> str:
    """Return the split that a list's name says: ``train.csv``, ``valLabels.txt``, ``labels_test.csv``."""
    found = {SPELLINGS[word] for word in map(str.casefold, _WORDS.findall(path.stem)) if word in SPELLINGS}
    return found.pop() if len(found) == 1 else ""


def _chosen(paths: Sequence[Path]) -> Sequence[Path]:
    """Return the one list, or one for each split."""
    splits = [_split_of(path) for path in paths]
    if len(paths) == 1 or ("" not in splits and len(set(splits)) == len(splits)):
        return paths
    cause = f"there are several lists of pictures: {_names(paths)}"
    raise UsageError(TITLE, cause, "Name the one to use with data.list, or set data.layout to go by the folders.")


def _names(paths: Sequence[Path]) -> str:
    return names_of([path.name for path in paths], 6)


def read_lists(lists: Lists, data: DataSettings, problems: list[Problem]) -> Found:
    """Return what list files mean, line by line.

    Raises:
        UsageError: they cannot be used: no picture that they name is there, or their columns are unclear.
    """
    complaints = Complaints(several=len(lists.files) > 1)
    entries: list[Entry] = []
    several = len(lists.files) > 1
    all_columns = []
    for table, _ in lists.files:
        lists.lookup.walker.account.use(os.path.relpath(os.path.abspath(table.path), lists.lookup.root))
        all_columns.append(_columns_of(table, lists.lookup, data))
    columns = max(all_columns, key=lambda one: len(one.labels))
    used: list[Table] = []
    for (table, split), own in zip(lists.files, all_columns, strict=True):
        if columns.labels and not own.labels:
            text = f"{table.shown} has no column of labels and will not be used."
            problems.append(Problem("list_unused", "info", text))
            continue
        used.append(table)
        if len(own.labels) != len(columns.labels):
            cause = f"{table.shown} has other columns of labels than another list: {names_of(own.label_names)}"
            raise UsageError(TITLE, cause, "Name them with data.label_columns.")
        entries += _entries(table, own, split if several else "", lists.lookup, complaints)
        if table.foreign:
            text = f"{table.shown} is no UTF-8 from line {table.foreign:,} on: names in it keep their bytes."
            problems.append(Problem("list_encoding", "warning", text))
    meaning = _meaning(entries, columns, lists.files[0][0], data)
    settled = settle(entries, meaning, complaints)
    problems += complaints.problems()
    if not settled:
        cause = f"no line of {names_of([table.path.name for table, _ in lists.files])} can be used"
        first = complaints.first()
        raise UsageError(TITLE, f"{cause}: {first}" if first else cause, "Mend the list, or name another.")
    named = f"list {names_of([table.path.name for table in used], 3)}: {columns.described()}"
    return _found(settled, named, meaning, lists, problems)


def _columns_of(table: Table, lookup: Lookup, data: DataSettings) -> Columns:
    if not any(line.strip() for line in table.lines):
        raise UsageError(TITLE, f"{table.shown} is empty", "Write one line for each picture: its path and its label.")
    columns = read_columns(table, lookup, _folder_of(table, lookup), data)
    if columns is not None:
        return columns
    if not lookup.pictures:
        where = clean_path(lookup.root, 200)
        raise UsageError(TITLE, f"{where} holds no pictures", "Name the folder of the pictures with data.list_root.")
    row = next((cells for _, cells in table.rows() if not isinstance(cells, str)), None)
    shown = f", like {names_of([str(cell) for cell in row], 3)}" if row else ""
    cause = f"no column of {table.shown} names pictures that are in {clean_path(lookup.root, 120)}{shown}"
    raise UsageError(TITLE, cause, "Say where its paths start with data.list_root.")


def _folder_of(table: Table, lookup: Lookup) -> str:
    folder = os.path.relpath(os.path.abspath(table.path.parent), lookup.root)
    return "" if folder == "." or folder.startswith("..") else folder.replace(os.sep, "/")


def _entries(table: Table, columns: Columns, split: str, lookup: Lookup, complaints: Complaints) -> list[Entry]:
    folder = _folder_of(table, lookup)
    needed = max(columns.path, *columns.labels, columns.split or 0, columns.group or 0)
    width = len(columns.names)
    name = table.shown if complaints.several else ""
    known: dict[str, str] = {}
    found: list[Entry] = []
    skip = columns.headed and not table.json
    for line, cells in table.rows():
        if skip:
            skip = False
            continue
        if isinstance(cells, str):
            complaints.add("list_line", place_of(line, name), cells)
            continue
        if len(cells) <= needed or any(cell not in (None, "") for cell in cells[width:]):
            complaints.add("list_line", place_of(line, name), f"it has {many(len(cells), 'column')} instead of {width}")
            continue
        own = split
        if columns.split is not None:
            word = str(cells[columns.split] or "").strip()
            own = SPELLINGS.get(word.casefold(), "")
            if not own:
                reason = f'its split is "{clean(word, 30)}"' if word else "it has no split"
                complaints.add("list_split", place_of(line, name), reason)
                continue
        cell = cells[columns.path]
        written = str(cell) if isinstance(cell, (str, int)) else ""
        picture = lookup.find(written, folder, own)
        if not isinstance(picture, Picture):
            complaints.miss(picture, place_of(line, name), written)
            continue
        if written[-4:] != picture.path[-4:] and _other_ending(written, picture.path):
            complaints.add("list_ending", place_of(line, name), f'"{clean(picture.path, 60)}"', picture.path)
        group = "" if columns.group is None or cells[columns.group] is None else str(cells[columns.group])
        in_folder = (posixpath.basename(posixpath.dirname(picture.path)),)
        values = tuple([_kept(cells[place], known) for place in columns.labels]) or in_folder
        found.append(Entry(picture, values, own, group, line, name))
    return found


def _kept(cell: Any, known: dict[str, str]) -> Any:
    """Return a cell; equal texts are one in memory."""
    return known.setdefault(cell, cell) if isinstance(cell, str) else cell


def _other_ending(written: str, path: str) -> bool:
    said, real = (posixpath.splitext(name)[1].casefold() for name in (written, path))
    return said != real and said in EXTENSIONS


def _meaning(entries: Sequence[Entry], columns: Columns, table: Table, data: DataSettings) -> Meaning:
    names = columns.label_names or ("folder",)
    try:
        return meaning_of(
            [entry.cells for entry in entries], names, "classification" if not columns.labels else data.task
        )
    except ValueError as error:
        cause = f"data.task is {data.task}, and in {table.shown} {error} ({names_of(names)})"
        raise UsageError(TITLE, cause, "Set data.task to auto, or name other data.label_columns.") from None


def _found(
    settled: dict[str, list[tuple[Entry, tuple[str, ...] | tuple[float, ...]]]],
    described: str,
    meaning: Meaning,
    lists: Lists,
    problems: list[Problem],
) -> Found:
    """Return classes as indices, and the pictures by split."""
    divided = "all" not in settled
    if divided and "train" not in settled:
        raise UsageError(TITLE, "no line of the list is for training", "Name the split column with data.split_column.")
    classes: tuple[str, ...] = ()
    members: dict[str, list[tuple[Picture, Target]]] = {}
    if meaning.task == "regression":
        members = {
            split: [(entry.picture, tuple(map(float, values))) for entry, values in own]
            for split, own in settled.items()
        }
    else:
        first = settled["train" if divided else "all"]
        classes = meaning.ordered({str(name) for _, names in first for name in names})
        index = {name: number for number, name in enumerate(classes)}
        for split, own in settled.items():
            if split not in ("train", "all"):
                check_same_classes({str(n) for _, names in own for n in names}, classes, f'"{split}"', problems)
            known = [(entry, [index[str(n)] for n in names if n in index], len(names)) for entry, names in own]
            members[split] = [
                (entry.picture, found[0] if meaning.task == "classification" else tuple(sorted(found)))
                for entry, found, count in known
                if len(found) == count
            ]
    if len(classes) < 2 and meaning.task == "classification":
        text = f"The list has only one class, {names_of(classes)}."
        problems.append(Problem("one_class", "error", text, (), "Training needs at least two classes."))
    listed = {entry.picture.path for own in settled.values() for entry, _ in own}
    unlisted = [path for path in lists.lookup.pictures if path not in listed]
    if unlisted:
        are = "picture is" if len(unlisted) == 1 else "pictures are"
        text = f"{len(unlisted):,} {are} in no usable line of a list and will not be used: {names_of(unlisted, 2)}."
        problems.append(Problem("list_unlisted", "info", text, some_of(unlisted)))
    return Found(
        layout="list",
        classes=classes,
        members=used_splits(members, problems) if divided else members,
        task=meaning.task,
        target_names=meaning.names if meaning.task == "regression" else (),
        groups={entry.picture.path: entry.group for own in settled.values() for entry, _ in own if entry.group},
        described=described,
    )
