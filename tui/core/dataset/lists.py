"""Which list files there are: beside or above the pictures, or named by ``data.list``.

What their lines say is read by `tui.core.dataset.listed`.
"""

from __future__ import annotations

import contextlib
import csv
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tui.core.dataset.columns import LABELS, plain, read_columns
from tui.core.dataset.lookup import Lookup
from tui.core.dataset.pictures import EXTENSIONS
from tui.core.dataset.problems import Problem, names_of
from tui.core.dataset.samples import SPELLINGS, split_named
from tui.core.dataset.table import MOST_BYTES, SUFFIXES, TITLE, Table
from tui.core.dataset.walk import Walker
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
        return _of_settings(walker, data)
    named: list[Path] = []
    lists: Lists | None = None
    ignored: list[Problem] = []
    for candidates in (_candidates(walker), _deeper(walker)):
        if not candidates:
            continue
        named += candidates
        lists = lists or Lists(Lookup(_rooted(walker, data)))
        convincing = [path for path in candidates if _convinces(path, lists.lookup, data, ignored)]
        if convincing:
            lists.files += _chosen(convincing, lists.lookup.root)
            return lists
    problems += ignored
    if data.layout == "list" and named:
        cause = f"no list in {clean_path(walker.root, 120)} names its pictures: {_names(named)}"
        raise UsageError(TITLE, cause, "Name the list with data.list, its column with data.path_column.")
    if data.layout == "list":
        endings = ", ".join(SUFFIXES)
        cause = f"there is no list file in {clean_path(walker.root, 200)} ({endings})"
        raise UsageError(TITLE, cause, "Name one with data.list.")
    return None


def _of_settings(walker: Walker, data: DataSettings) -> Lists:
    paths = [_named(name.strip(), walker.root) for name in _split_names(data.list) if name.strip()]
    lists = Lists(Lookup(_rooted(walker, data)))
    several = len(paths) > 1
    lists.files = [(Table(path), split_of(path, lists.lookup.root) if several else "") for path in paths]
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


def _candidates(walker: Walker, folder: str = "") -> list[Path]:
    found = []
    with contextlib.suppress(OSError):
        for name in walker.other_names(folder):
            folded = name.casefold()
            # Made to be handed in: their labels are blanks.
            if not folded.endswith(SUFFIXES) or folded.startswith(".") or "submission" in folded:
                continue
            path = Path(walker.root, folder, name)
            if path.is_file() and 0 < path.stat().st_size <= MOST_BYTES:
                found.append(path)
    return sorted(found)


def _deeper(walker: Walker) -> list[Path]:
    """Return the files that may be lists in the folders of a directory whose folders cannot be classes.

    Raises:
        Cancelled: as asked.
    """
    try:
        folders = walker.at(walker.root).look("").folders
    except OSError:
        return []
    if len(folders) > _FEW_FOLDERS:
        return []
    found = [path for name in folders for path in _candidates(walker, name)]
    if not found or len(found) > _FEW_FILES:
        return []
    inner = walker.at(walker.root)
    pictures = [name for name in folders if inner.pictures_below(name)]
    if len(pictures) < 2 and not any(map(split_named, pictures)):
        return found
    # A list in each of the split folders, whose pictures lie beside it.
    if all(split_named(name) and not walker.at(walker.root).look(name).folders for name in pictures):
        return [path for path in found if path.parent.name in pictures]
    return []


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
    folder = lookup.folder_of(table.path)
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
        if (cell := _labelled(table)) is not None:
            why = f'none of its columns names pictures that are there, like "{clean(cell, 40)}"'
            return ignore(why, "Write the names of the picture files into it, to use it.")
        return False
    # Paths alone may be a list of anything, of pictures to leave out even.
    return bool(columns.labels or columns.split is not None or split_of(path, lookup.root))


def _labelled(table: Table) -> str | None:
    """Return the first cell below a heading that speaks of labels; None: there is no such heading."""
    rows = [cells for _, (_, cells) in zip(range(2), table.rows(), strict=False) if isinstance(cells, list)]
    heading = table.keys if table.json else rows[0] if rows else []
    body = rows[0 if table.json else 1 :]
    if len(heading) < 2 or not body or not any(plain(str(word)) in LABELS for word in heading):
        return None
    return str(body[0][0])


def _picture_named(table: Table) -> str:
    """Return the first name of a picture in a file that may be a list; empty: it does not look like one."""
    for _, (_, cells) in zip(range(_LOOKED_AT), table.rows(), strict=False):
        for cell in cells if isinstance(cells, list) else ():
            if isinstance(cell, str) and posixpath.splitext(cell)[1].casefold() in EXTENSIONS:
                return cell
    return ""


def split_of(path: Path, root: str) -> str:
    """Return the split that a list's name says, or its folder's below the root: ``train.csv``, ``valLabels.txt``."""
    found = {SPELLINGS[word] for word in map(str.casefold, _WORDS.findall(path.stem)) if word in SPELLINGS}
    if len(found) == 1:
        return found.pop()
    return split_named(path.parent.name) if os.path.abspath(path.parent) != root else ""


def _chosen(paths: Sequence[Path], root: str) -> list[tuple[Table, str]]:
    """Return the one list, or one for each split."""
    splits = [split_of(path, root) for path in paths]
    if len(paths) > 1 and ("" in splits or len(set(splits)) < len(splits)):
        cause = f"there are several lists of pictures: {_names(paths)}"
        raise UsageError(TITLE, cause, "Name the one to use with data.list, or set data.layout to go by the folders.")
    alike = len({path.name for path in paths}) < len(paths)
    names = [os.path.join(path.parent.name, path.name) if alike else path.name for path in paths]
    return [(Table(path, name=name), split) for path, name, split in zip(paths, names, splits, strict=True)]


def _names(paths: Sequence[Path]) -> str:
    return names_of([path.name for path in paths], 6)
