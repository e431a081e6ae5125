"""What the lines of list files say: every line turned into a picture and what it shows.

What is wrong with single lines costs these lines and is told with their numbers; what is wrong with all of them is
a refusal.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence

from tui.core.dataset.columns import Columns, read_columns
from tui.core.dataset.entries import Complaints, Rows, Values, settle
from tui.core.dataset.folders import check_same_classes, used_splits
from tui.core.dataset.labels import Meaning, meaning_of
from tui.core.dataset.listings import Picture
from tui.core.dataset.lists import Lists
from tui.core.dataset.lookup import Lookup
from tui.core.dataset.pictures import EXTENSIONS
from tui.core.dataset.problems import Problem, many, names_of, some_of
from tui.core.dataset.samples import SPELLINGS, Found, Target
from tui.core.dataset.table import TITLE, Table
from tui.core.errors import UsageError
from tui.core.groups.data import DataSettings
from tui.core.text import clean, clean_path


def read_lists(lists: Lists, data: DataSettings, problems: list[Problem]) -> Found:
    """Return what list files mean, line by line; ``lists`` has no files afterwards, whose texts are large.

    Raises:
        UsageError: they cannot be used: no picture that they name is there, or their columns are unclear.
    """
    rows, complaints, columns, used = _rows(lists, data, problems)
    names = names_of([table.name for table, _ in lists.files])
    first = lists.files[0][0].shown
    lists.files.clear()
    meaning = _meaning(rows, columns, first, data)
    settled, values = settle(rows, meaning, complaints)
    problems += complaints.problems()
    if not settled:
        cause = f"no {complaints.noun} of {names} can be used"
        reason = complaints.first()
        raise UsageError(TITLE, f"{cause}: {reason}" if reason else cause, "Mend the list, or name another.")
    named = f"list {names_of(used, 3)}: {columns.described()}"
    return _found(settled, rows, values, named, meaning, lists.lookup, problems)


def _rows(lists: Lists, data: DataSettings, problems: list[Problem]) -> tuple[Rows, Complaints, Columns, list[str]]:
    """Return the lines, what is wrong with others, what the columns are, and the names of the lists that are used."""
    tables = [table for table, _ in lists.files]
    several = len(tables) > 1
    noun = "line" if any(table.noun == "line" for table in tables) else "entry"
    complaints = Complaints(noun, several)
    for table in tables:
        lists.lookup.walker.account.use(os.path.relpath(os.path.abspath(table.path), lists.lookup.root))
    all_columns = [_columns_of(table, lists.lookup, data) for table in tables]
    columns = max(all_columns, key=lambda one: len(one.labels))
    rows, used = Rows(), []
    for (table, split), own in zip(lists.files, all_columns, strict=True):
        if columns.labels and not own.labels:
            text = f"{table.shown} has no column of labels and will not be used."
            problems.append(Problem("list_unused", "info", text))
            continue
        used.append(table.name)
        if len(own.labels) != len(columns.labels):
            cause = f"{table.shown} has other columns of labels than another list: {names_of(own.label_names)}"
            raise UsageError(TITLE, cause, "Name them with data.label_columns.")
        _read_rows(rows, table, own, split if several else "", lists.lookup, complaints)
        if table.foreign:
            text = f"{table.shown} is no UTF-8 from line {table.foreign:,} on: names in it keep their bytes."
            problems.append(Problem("list_encoding", "warning", text))
    return rows, complaints, columns, used


def _columns_of(table: Table, lookup: Lookup, data: DataSettings) -> Columns:
    if table.empty:
        raise UsageError(TITLE, f"{table.shown} is empty", "Write one line for each picture: its path and its label.")
    columns = read_columns(table, lookup, lookup.folder_of(table.path), data)
    if columns is not None:
        return columns
    if not lookup.pictures:
        where = clean_path(lookup.root, 200)
        raise UsageError(TITLE, f"{where} holds no pictures", "Name the folder of the pictures with data.list_root.")
    row = next((cells for _, cells in table.rows() if not isinstance(cells, str)), None)
    shown = f", like {names_of([str(cell) for cell in row], 3)}" if row else ""
    cause = f"no column of {table.shown} names pictures that are in {clean_path(lookup.root, 120)}{shown}"
    raise UsageError(TITLE, cause, "Say where its paths start with data.list_root.")


def _read_rows(rows: Rows, table: Table, columns: Columns, split: str, lookup: Lookup, complaints: Complaints) -> None:
    """Take in the lines of a list; ``split`` is what its name says."""
    folder = lookup.folder_of(table.path)
    needed = max(columns.path, *columns.labels, columns.split or 0, columns.group or 0)
    width = len(columns.names)
    name = table.shown if complaints.several else ""
    skip = columns.headed and not table.json
    for line, cells in table.rows():
        if skip:
            skip = False
            continue
        if isinstance(cells, str):
            complaints.add("list_line", (line, name), cells)
            continue
        if len(cells) <= needed or any(cell not in (None, "") for cell in cells[width:]):
            complaints.add("list_line", (line, name), f"it has {many(len(cells), 'column')} instead of {width}")
            continue
        own = split
        if columns.split is not None:
            word = str(cells[columns.split] or "").strip()
            own = SPELLINGS.get(word.casefold(), "")
            if not own:
                reason = f'its split is "{clean(word, 30)}"' if word else "it has no split"
                complaints.add("list_split", (line, name), reason)
                continue
        cell = cells[columns.path]
        written = str(cell) if isinstance(cell, (str, int)) else ""
        picture = lookup.find(written, folder, own)
        if not isinstance(picture, Picture):
            complaints.miss(picture, (line, name), written)
            continue
        if written[-4:] != picture.path[-4:] and _other_ending(written, picture.path):
            complaints.add("list_ending", (line, name), f'"{clean(picture.path, 60)}"', picture.path)
        group = "" if columns.group is None or cells[columns.group] is None else str(cells[columns.group])
        if columns.labels:
            labels = tuple([cells[place] for place in columns.labels])
        else:
            labels = (posixpath.basename(posixpath.dirname(picture.path)),)
        rows.add(picture, labels, own, group, line, name)


def _other_ending(written: str, path: str) -> bool:
    said, real = (posixpath.splitext(name)[1].casefold() for name in (written, path))
    return said != real and said in EXTENSIONS


def _meaning(rows: Rows, columns: Columns, shown: str, data: DataSettings) -> Meaning:
    names = columns.label_names or ("folder",)
    try:
        return meaning_of(rows.cells, names, data.task if columns.labels else "classification")
    except ValueError as error:
        cause = f"data.task is {data.task}, and in {shown} {error} ({names_of(names)})"
        raise UsageError(TITLE, cause, "Set data.task to auto, or name other data.label_columns.") from None


def _found(
    settled: dict[str, list[int]],
    rows: Rows,
    values: Sequence[Values | None],
    described: str,
    meaning: Meaning,
    lookup: Lookup,
    problems: list[Problem],
) -> Found:
    """Return classes as indices, and the pictures by split."""
    divided = "all" not in settled
    if divided and "train" not in settled:
        raise UsageError(TITLE, "no line of the list is for training", "Name the split column with data.split_column.")
    classes: tuple[str, ...] = ()
    if meaning.task == "regression":
        members: dict[str, list[tuple[Picture, Target]]] = {
            split: [(rows.pictures[row], tuple(map(float, values[row] or ()))) for row in own]
            for split, own in settled.items()
        }
    else:
        classes, members = _classified(settled, rows, values, meaning, problems)
    if len(classes) < 2 and meaning.task == "classification":
        text = f"The list has only one class, {names_of(classes)}."
        problems.append(Problem("one_class", "error", text, (), "Training needs at least two classes."))
    if sum(map(len, settled.values())) < len(lookup.pictures):
        _report_unlisted({rows.pictures[row].path for own in settled.values() for row in own}, lookup, problems)
    return Found(
        layout="list",
        classes=classes,
        members=used_splits(members, problems) if divided else members,
        task=meaning.task,
        target_names=meaning.names if meaning.task == "regression" else (),
        groups={
            rows.pictures[row].path: rows.groups[row] for own in settled.values() for row in own if rows.groups[row]
        },
        described=described,
    )


def _classified(
    settled: dict[str, list[int]],
    rows: Rows,
    values: Sequence[Values | None],
    meaning: Meaning,
    problems: list[Problem],
) -> tuple[tuple[str, ...], dict[str, list[tuple[Picture, Target]]]]:
    """Return the classes, which are those to train on, and the pictures that show nothing else."""
    names: dict[str, set[str]] = {}
    for split, own in settled.items():
        distinct = {values[row] for row in own}
        names[split] = {str(name) for shown in distinct for name in shown or ()}
    classes = meaning.ordered(names["all" if "all" in settled else "train"])
    index = {name: number for number, name in enumerate(classes)}
    targets: dict[Values | None, Target | None] = {}

    def target_of(shown: Values | None) -> Target | None:
        found = [index[str(name)] for name in shown or () if name in index]
        if len(found) < len(shown or ()):
            return None
        return found[0] if meaning.task == "classification" else tuple(sorted(found))

    members: dict[str, list[tuple[Picture, Target]]] = {}
    for split, own in settled.items():
        if split not in ("train", "all"):
            check_same_classes(names[split], classes, f'"{split}"', problems)
        members[split] = []
        for row in own:
            shown = values[row]
            if shown not in targets:
                targets[shown] = target_of(shown)
            if (target := targets[shown]) is not None:
                members[split].append((rows.pictures[row], target))
    return classes, members


def _report_unlisted(listed: set[str], lookup: Lookup, problems: list[Problem]) -> None:
    unlisted = [path for path in lookup.pictures if path not in listed]
    if unlisted:
        are = "picture is" if len(unlisted) == 1 else "pictures are"
        text = f"{len(unlisted):,} {are} in no usable line of a list and will not be used: {names_of(unlisted, 2)}."
        problems.append(Problem("list_unlisted", "info", text, some_of(unlisted)))
