"""The lines of a list, one for each picture: what is wrong with single lines, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tui.core.dataset.labels import Cells, Meaning
from tui.core.dataset.lookup import Miss
from tui.core.dataset.problems import Problem, Severity, many, some_of
from tui.core.dataset.walk import Picture
from tui.core.text import clean

Values = tuple[str, ...] | tuple[float, ...]
_SHOWN = 3
_KEPT = {"test": 0, "validation": 1, "train": 2}


class Entry(NamedTuple):
    """A line that names a picture which is there."""

    picture: Picture
    cells: Cells
    split: str
    """Empty: the list does not say."""
    group: str
    line: int
    list: str = ""
    """The file's name if there are several."""

    @property
    def where(self) -> str:
        """The line as it is told."""
        return place_of(self.line, self.list)


def place_of(line: int, list: str = "") -> str:
    """Return a line as it is told: ``line 12``, or ``labels.csv:12`` if there are several lists."""
    return f"{list}:{line}" if list else f"line {line:,}"


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
    """What is wrong with single lines, by kind."""

    def __init__(self, several: bool = False) -> None:
        self.several = several
        """There are several lists, and a line's number says too little."""
        self._found: dict[str, list[tuple[str, str]]] = {}
        self._paths: dict[str, list[str]] = {}

    def add(self, code: str, where: str, detail: str = "", path: str = "") -> None:
        """Note a line; ``detail`` is a sanitized clause, ``path`` the raw path of its picture."""
        self._found.setdefault(code, []).append((where, detail))
        if path:
            self._paths.setdefault(code, []).append(path)

    def miss(self, why: Miss, where: str, written: str) -> None:
        """Note a line whose picture was not found."""
        detail = f'"{clean(written, 60)}"' if written else "it has no path"
        self.add(f"list_{why}", where, detail, written)

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
            sentence = f"{many(len(lines), 'line')}{text}: {shown}{more}."
            found.append(Problem(code, severity, sentence, some_of(self._paths.get(code, [])), step))
        return found


def settle(entries: Sequence[Entry], meaning: Meaning, complaints: Complaints) -> dict[str, list[tuple[Entry, Values]]]:
    """Return one entry for each picture with what it shows, by split, in the order of the paths.

    Lines that say the same are one; of a picture that two lines contradict each other about, none is left; a
    picture in two splits stays where it is tested.
    """
    by_path: dict[str, list[tuple[Entry, Values]]] = {}
    known: dict[Values, Values] = {}
    for entry in entries:
        try:
            values = meaning.read(entry.cells)
            values = known.setdefault(values, values)
        except ValueError as error:
            complaints.add("list_label", entry.where, str(error), entry.picture.path)
            continue
        by_path.setdefault(entry.picture.path, []).append((entry, values))
    settled: dict[str, list[tuple[Entry, Values]]] = {}
    for path in sorted(by_path):
        told = by_path[path]
        if len(told) > 1 and not _agree(told, meaning, complaints):
            continue
        entry, values = min(told, key=lambda one: _KEPT.get(one[0].split, 3))
        if meaning.form == "several" and meaning.task == "multilabel":
            values = tuple(dict.fromkeys(str(name) for _, names in told for name in names))
        settled.setdefault(entry.split or "all", []).append((entry, values))
    if len(settled) > 1 and "all" in settled:
        # Lists of which only some say their split: what says nothing trains.
        settled["train"] = sorted(settled.get("train", []) + settled.pop("all"), key=lambda one: one[0].picture.path)
    return settled


def _agree(told: Sequence[tuple[Entry, Values]], meaning: Meaning, complaints: Complaints) -> bool:
    """Note what is odd about several lines of one picture; return whether it can be used."""
    # One line for each label is a usual way to write several of them.
    by_line = meaning.task == "multilabel" and meaning.form == "several"
    if not by_line and len({frozenset(values) if meaning.task != "regression" else values for _, values in told}) > 1:
        for entry, _ in told:
            complaints.add("list_contradiction", entry.where, f'"{clean(entry.picture.path, 60)}"', entry.picture.path)
        return False
    kept = min((entry.split for entry, _ in told), key=lambda split: _KEPT.get(split, 3))
    seen = set()
    for entry, values in told:
        if entry.split != kept:
            complaints.add("list_two_splits", entry.where, f'"{clean(entry.picture.path, 60)}"', entry.picture.path)
        elif values in seen:
            complaints.add("list_duplicate", entry.where, f'"{clean(entry.picture.path, 60)}"', entry.picture.path)
        else:
            seen.add(values)
    return True
