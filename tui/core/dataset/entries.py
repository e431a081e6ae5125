"""The lines of a list, one for each picture: what is wrong with single lines, and what they say together."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import groupby

from tui.core.dataset.labels import Cells, Meaning
from tui.core.dataset.listings import Picture
from tui.core.dataset.lookup import Miss
from tui.core.dataset.problems import Problem, Severity, many, some_of
from tui.core.text import clean

Values = tuple[str, ...] | tuple[float, ...]
_SHOWN = 3
_KEPT = {"test": 0, "validation": 1, "train": 2}
_DISTINCT = 10_000
"""So many different cells are kept once; more are numbers to learn, which differ anyway."""


class Rows:
    """The lines that name a picture which is there, as columns: there may be a million of them."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self.cells: list[Cells] = []
        """What stands in the label columns."""
        self.splits: list[str] = []
        """Empty: the list does not say."""
        self.groups: list[str] = []
        self._places: list[str] = []
        self._numbers = array("q")
        self._known: dict[Cells, Cells] = {}

    def __len__(self) -> int:
        return len(self.pictures)

    def add(self, picture: Picture, cells: Cells, split: str, group: str, number: int, list: str) -> None:
        """Take in a line: its number, and the name of its list if there are several."""
        if len(self._known) < _DISTINCT and all(type(cell) is str for cell in cells):
            cells = self._known.setdefault(cells, cells)
        self.pictures.append(picture)
        self.cells.append(cells)
        self.splits.append(split)
        self.groups.append(group)
        self._places.append(list)
        self._numbers.append(number)

    def place(self, row: int) -> tuple[int, str]:
        """Return the number of a line, and the name of its list if there are several."""
        return self._numbers[row], self._places[row]


_SENTENCES: dict[str, tuple[str, Severity, str]] = {
    "list_line": ("cannot be read and will not be used", "warning", ""),
    "list_split": ("has a split that is not known and will not be used", "warning", ""),
    "list_missing": ("names a picture that is not there", "warning", ""),
    "list_outside": (
        "leads out of the directory and will not be used (data.list_root, data.follow_links)",
        "warning",
        "",
    ),
    "list_ending": ("names a picture of another ending; the one that is there is used", "info", ""),
    "list_ambiguous": ("has a name that several pictures have and will not be used", "warning", ""),
    "list_label": ("has no usable label and will not be used", "warning", ""),
    "list_duplicate": ("says again what a line before it says", "warning", ""),
    "list_contradiction": ("names a picture of which another line says something else; none is used", "warning", ""),
    "list_two_splits": ("names a picture that is in another split too; it is kept where it is tested", "warning", ""),
}
_PLURAL = (
    (" has ", " have "),
    (" names ", " name "),
    (" leads ", " lead "),
    (" says again", " say again"),
)


class Complaints:
    """What is wrong with single lines, by kind.

    Args:
        noun: what a line is called.
        several: there are several lists, and a line's number says too little.
    """

    def __init__(self, noun: str = "line", several: bool = False) -> None:
        self.several = several
        self.noun = noun
        self._found: dict[str, list[tuple[str, str]]] = {}
        self._paths: dict[str, list[str]] = {}

    def add(self, code: str, place: tuple[int, str], detail: str = "", path: str = "") -> None:
        """Note a line: its number and, of several lists, its list.

        ``detail`` is a sanitized clause, ``path`` the raw path of its picture.
        """
        number, list = place
        where = f"{list}:{number}" if list else f"{self.noun} {number:,}"
        self._found.setdefault(code, []).append((where, detail))
        if path:
            self._paths.setdefault(code, []).append(path)

    def miss(self, why: Miss, place: tuple[int, str], written: str) -> None:
        """Note a line whose picture was not found."""
        detail = f'"{clean(written, 60)}"' if written else "it has no path"
        self.add(f"list_{why}", place, detail, written)

    def first(self) -> str:
        """Return the first complaint of the largest kind, as a clause."""
        if not self._found:
            return ""
        code = max(self._found, key=lambda kind: len(self._found[kind]))
        where, detail = self._found[code][0]
        rest = detail or _SENTENCES[code][0]
        return f"{where}: {rest}"

    def problems(self) -> list[Problem]:
        """Return a problem for each kind, with the numbers of the first lines."""
        found = []
        for code, lines in self._found.items():
            rest, severity, step = _SENTENCES[code]
            text = f" {rest}"
            if len(lines) > 1:
                for one, several in _PLURAL:
                    text = text.replace(one, several, 1) if text.startswith(one) else text
            shown = ", ".join(f"{where} ({detail})" if detail else where for where, detail in lines[:_SHOWN])
            more = f" and {len(lines) - _SHOWN:,} more" if len(lines) > _SHOWN else ""
            sentence = f"{many(len(lines), self.noun)}{text}: {shown}{more}."
            found.append(Problem(code, severity, sentence, some_of(self._paths.get(code, [])), step))
        return found


def settle(rows: Rows, meaning: Meaning, complaints: Complaints) -> tuple[dict[str, list[int]], list[Values | None]]:
    """Return one row for each picture, by split and in the order of the paths; and what each row's picture shows.

    Lines that say the same are one; of a picture that two lines contradict each other about, none is left; a
    picture in two splits stays where it is tested.
    """
    values = _values(rows, meaning, complaints)

    def path_of(row: int) -> str:
        return rows.pictures[row].path

    usable = sorted((row for row, own in enumerate(values) if own is not None), key=path_of)
    settled: dict[str, list[int]] = {}
    for _, same in groupby(usable, path_of):
        told = list(same)
        row = told[0]
        if len(told) > 1:
            if not _agree(told, rows, values, meaning, complaints):
                continue
            row = min(told, key=lambda one: _KEPT.get(rows.splits[one], 3))
            if _by_line(meaning):
                values[row] = tuple(dict.fromkeys(str(name) for one in told for name in values[one] or ()))
        settled.setdefault(rows.splits[row] or "all", []).append(row)
    if len(settled) > 1 and "all" in settled:
        # Lists of which only some say their split: what says nothing trains.
        settled["train"] = sorted(settled.get("train", []) + settled.pop("all"), key=path_of)
    return settled, values


def _values(rows: Rows, meaning: Meaning, complaints: Complaints) -> list[Values | None]:
    """Return what each row's picture shows; None: it has no usable label, which is told."""
    read: dict[int, Values] = {}
    found: list[Values | None] = []
    for row, cells in enumerate(rows.cells):
        own = read.get(id(cells))
        if own is None:
            try:
                own = meaning.read(cells)
            except ValueError as error:
                complaints.add("list_label", rows.place(row), str(error), rows.pictures[row].path)
            else:
                if len(read) < _DISTINCT:
                    read[id(cells)] = own
        found.append(own)
    return found


def _by_line(meaning: Meaning) -> bool:
    """Whether one line for each label is a usual way to write several of them."""
    return meaning.task == "multilabel" and meaning.form == "several"


def _agree(
    told: Sequence[int], rows: Rows, values: Sequence[Values | None], meaning: Meaning, complaints: Complaints
) -> bool:
    """Note what is odd about several lines of one picture; return whether it can be used."""
    path = rows.pictures[told[0]].path
    detail = f'"{clean(path, 60)}"'
    meant = [
        own if meaning.task == "regression" else frozenset(own) for row in told if (own := values[row]) is not None
    ]
    if not _by_line(meaning) and len(set(meant)) > 1:
        for row in told:
            complaints.add("list_contradiction", rows.place(row), detail, path)
        return False
    kept = min((rows.splits[row] for row in told), key=lambda split: _KEPT.get(split, 3))
    seen = set()
    for row in told:
        if rows.splits[row] != kept:
            complaints.add("list_two_splits", rows.place(row), detail, path)
        elif values[row] in seen:
            complaints.add("list_duplicate", rows.place(row), detail, path)
        else:
            seen.add(values[row])
    return True
