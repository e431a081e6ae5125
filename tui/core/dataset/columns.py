"""What the columns of a list mean: which names pictures, which says what they show, which divides them."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tui.core.dataset.labels import number_of
from tui.core.dataset.listings import Picture
from tui.core.dataset.lookup import Lookup, Miss
from tui.core.dataset.pictures import EXTENSIONS
from tui.core.dataset.problems import names_of
from tui.core.dataset.samples import SPELLINGS
from tui.core.dataset.table import LAST_BLANK, TITLE, Row, Table
from tui.core.errors import UsageError, did_you_mean
from tui.core.groups.data import DataSettings
from tui.core.text import clean

PATHS = (
    *("path", "paths", "file", "files", "file_name", "filename", "filenames", "filepath", "filepaths", "file_path"),
    *("image", "img", "image_path", "image_name", "image_id", "image_index", "img_path", "picture"),
)
LABELS = (
    *(
        "label",
        "labels",
        "class",
        "classes",
        "class_name",
        "category",
        "categories",
        "target",
        "targets",
        "tags",
        "tag",
    ),
    *("label_name", "classname", "class_id", "label_id", "category_id", "diagnosis", "dx", "finding_labels"),
    *("species", "breed"),
)
SPLITS = ("split", "set", "subset", "partition", "data_set", "dataset", "split_name", "fold_name")
GROUPS = (
    *("group", "group_id", "groups", "patient", "patient_id", "patientid", "subject", "subject_id"),
    *("lesion_id", "scene_id"),
)
_LOOKED_AT = 300
_PLAINLY = 0.9
"""If so many lines of a column name pictures as they are, none is looked for by its last parts: that takes an index."""


@dataclass(frozen=True)
class Columns:
    """Which column of a list is what, by place."""

    names: tuple[str, ...]
    """Raw headings; numbers from 1 if there is no heading."""
    headed: bool
    """The first line is a heading (of JSON: every entry has its own)."""
    path: int
    labels: tuple[int, ...]
    """Empty: the folder that a picture lies in is its class."""
    split: int | None
    group: int | None
    share: float
    """Of the lines looked at: how many name a picture that is there."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """What the label columns are called, raw."""
        return tuple(self.names[place] for place in self.labels)

    def described(self) -> str:
        """Return where everything was found, sanitized: ``paths in "image", labels in "class"``."""
        parts = [f'paths in "{clean(self.names[self.path], 40)}"']
        parts.append(f"labels in {names_of(self.label_names, 3)}" if self.labels else "labels from their folders")
        for word, place in (("splits", self.split), ("groups", self.group)):
            if place is not None:
                parts.append(f'{word} in "{clean(self.names[place], 40)}"')
        return ", ".join(parts)


def read_columns(table: Table, lookup: Lookup, folder: str, data: DataSettings) -> Columns | None:
    """Return the columns of a list, or None if none of them names pictures that are there.

    Args:
        table: the list; its delimiter is set right where white space was taken for one and paths have blanks.
        lookup: the pictures.
        folder: of the list, relative to the root.
        data: what the settings say about columns.

    Raises:
        UsageError: a column that the settings name is not there, or which one has the labels is unclear.
    """
    found = _read(table, lookup, folder, data)
    if table.delimiter != " ":
        return found
    for delimiter in (LAST_BLANK, "\n"):
        if found is not None and found.share > 0.5:
            break
        before, table.delimiter = table.delimiter, delimiter
        other = _read(table, lookup, folder, data)
        if other is not None and (found is None or other.share > found.share):
            found = other
        else:
            table.delimiter = before
    return found


def _read(table: Table, lookup: Lookup, folder: str, data: DataSettings) -> Columns | None:
    good = (cells for _, cells in table.rows() if not isinstance(cells, str))
    rows = [cells for cells, _ in zip(good, range(_LOOKED_AT), strict=False)]
    if not rows:
        return None
    width = len(table.keys) if table.json else Counter(map(len, rows)).most_common(1)[0][0]
    first, body = (table.keys, rows) if table.json else (rows[0], rows[1:] or rows)
    place = None
    if data.path_column:
        place = _place(data.path_column, _texts(first), width, table, "path")
        shares = {place: _share(place, body, lookup.find, folder)}
    else:
        shares = {column: _share(column, body, lookup.find_there, folder) for column in range(width)}
        if max(shares.values(), default=0) < _PLAINLY:
            shares = {column: _share(column, body, lookup.find, folder) for column in range(width)}
        named = [plain(str(cell)) in PATHS for cell in (*first[:width], *[""] * (width - len(first)))]
        # Pictures are often called by numbers, as labels are; labels come again and again.
        weights = {column: shares[column] * (1 if named[column] else _variety(column, body)) for column in shares}
        place = max(range(width), key=lambda column: (weights[column], named[column], -column), default=None)
    if place is None or (not shares[place] and not data.path_column):
        return None
    headed = table.json or _is_heading(first, place, body, lookup, folder, data)
    names = tuple(_texts(first)) if headed else tuple(str(column + 1) for column in range(width))
    names += tuple(str(column + 1) for column in range(len(names), width))
    columns = Columns(names, headed, place, (), None, None, shares[place])
    split = _special(data.split_column, SPLITS, columns, table, "split")
    if not data.split_column and (split is None or not _says_splits(split, body, 0.5)):
        split = next((column for column in range(width) if column != place and _says_splits(column, body, 1)), None)
    group = _special(data.group_column, GROUPS, columns, table, "group")
    columns = replace(columns, split=split, group=group if group != split else None)
    return replace(columns, labels=_labels(columns, body, table, data))


def plain(heading: str) -> str:
    """Return a heading as the tables here have it: ``Image Name`` and ``image-name`` are ``image_name``."""
    return re.sub(r"[\s_-]+", "_", heading.casefold()).strip("_")


def _texts(cells: Sequence[Any]) -> list[str]:
    return [cell if isinstance(cell, str) else "" if cell is None else str(cell) for cell in cells]


def _share(column: int, rows: Sequence[Row], find: Callable[[str, str], Picture | Miss | None], folder: str) -> float:
    found = 0
    for row in rows:
        cell = row[column] if column < len(row) else None
        if isinstance(cell, int) and not isinstance(cell, bool):
            cell = str(cell)
        if isinstance(cell, str):
            seen = find(cell, folder)
            found += seen not in (None, "missing", "outside") or (
                seen == "outside" and os.path.splitext(cell)[1].lower() in EXTENSIONS
            )
    return found / len(rows)


def _variety(column: int, rows: Sequence[Row]) -> float:
    """Return 1 if at least half of a column's values differ from each other, else less."""
    return min(1.0, 2 * len({str(row[column]) for row in rows if column < len(row)}) / len(rows))


def _is_heading(first: Row, path: int, body: Sequence[Row], lookup: Lookup, folder: str, data: DataSettings) -> bool:
    """Whether the first line says what the columns are, instead of naming a picture."""
    written = _texts(first)[path] if path < len(first) else ""
    words, cell = [text.casefold() for text in _texts(first)], written.casefold()
    if plain(cell) in PATHS or {data.path_column.casefold(), data.split_column.casefold()} & set(filter(None, words)):
        return True
    if os.path.splitext(cell)[1] in EXTENSIONS or isinstance(lookup.find(written, folder), Picture):
        return False
    # A picture without its ending that is not there looks like a heading; its number does not.
    for column in range(len(first)):
        below = [row[column] for row in body[:50] if column < len(row)]
        if column != path and below and all(number_of(value) is not None for value in below):
            return number_of(first[column]) is None
    return True


def _says_splits(column: int, rows: Sequence[Row], share: float) -> bool:
    """Whether so many of a column's values are names of splits, and one of them is of training."""
    said = [SPELLINGS.get(str(row[column]).strip().casefold()) for row in rows if column < len(row)]
    return "train" in said and len(said) - said.count(None) >= share * len(said)


def _special(wanted: str, known: Sequence[str], columns: Columns, table: Table, noun: str) -> int | None:
    if wanted.casefold() == "none":
        return None
    if wanted:
        return _place(wanted, columns.names, len(columns.names), table, noun)
    if not columns.headed:
        return None
    folded = [plain(name) for name in columns.names]
    return next((folded.index(name) for name in known if name in folded and folded.index(name) != columns.path), None)


def _place(wanted: str, names: Sequence[str], width: int, table: Table, noun: str) -> int:
    folded = [name.casefold() for name in names]
    if wanted in names:
        return list(names).index(wanted)
    if wanted.casefold() in folded:
        return folded.index(wanted.casefold())
    if wanted.isdecimal() and 1 <= int(wanted) <= width:
        return int(wanted) - 1
    hint = did_you_mean(wanted, [clean(name, 60) for name in names])
    step = f"{hint[:1].upper()}{hint[1:]}" if hint else f"Its columns are {names_of(list(names), 12)}."
    cause = f'{table.shown} has no column "{clean(wanted, 60)}" (data.{noun}_column{"s" if noun == "label" else ""})'
    raise UsageError(TITLE, cause, step)


def _labels(columns: Columns, body: Sequence[Row], table: Table, data: DataSettings) -> tuple[int, ...]:
    if data.label_columns:
        wanted = next(csv.reader([data.label_columns], skipinitialspace=True))
        found = [_place(name.strip(), columns.names, len(columns.names), table, "label") for name in wanted if name]
        return tuple(dict.fromkeys(found))
    rest = [place for place in range(len(columns.names)) if place not in (columns.path, columns.split, columns.group)]
    if columns.headed:
        folded = {plain(columns.names[place]): place for place in reversed(rest)}
        named = [folded[name] for name in LABELS if name in folded]
        if named:
            return (named[0],)
        rest = [place for place in rest if plain(columns.names[place]) not in ("id", "index", "")] or rest
    else:
        rest = [place for place in rest if not _counts_lines(place, body)]
    if len(rest) < 2 or all(_numeric(place, body) for place in rest):
        return tuple(rest)
    step = "Name the columns of labels with data.label_columns, and the other way to read it with data.layout."
    cause = f"which column of {table.shown} says what a picture shows is unclear among {names_of(columns.names, 8)}"
    raise UsageError(TITLE, cause, step)


def _counts_lines(place: int, body: Sequence[Row]) -> bool:
    """Whether a column only numbers the lines."""
    values = [row[place] if place < len(row) else None for row in body]
    first = number_of(values[0]) if len(values) > 2 else None
    return first in (0, 1, 2) and all(number_of(value) == first + line for line, value in enumerate(values))


def _numeric(place: int, body: Sequence[Row]) -> bool:
    values = [row[place] for row in body if place < len(row)]
    return bool(values) and sum(number_of(value) is not None for value in values) >= 0.9 * len(values)
