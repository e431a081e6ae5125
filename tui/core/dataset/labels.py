"""From the cells of a list to targets: classes, several labels, or numbers.

What a column has follows from its values, by these rules (``data.task`` overrules them):

- Several columns: 0 and 1 only (or -1 and 1), with exactly one 1 in each line, are one class; 0 and 1 only are
  labels; other numbers are numbers to learn.
- One column of JSON lists: of texts or whole numbers, labels; of other numbers, numbers to learn.
- One column of numbers: numbers to learn if one of them has decimals or is negative, if there are more than 20
  different ones and more than one for every five pictures, or if most of them occur once; else classes.
- One column of texts: labels if a ``|`` or ``;`` stands between words that occur elsewhere too; else classes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tui.core.dataset.problems import many
from tui.core.metrics import Task

Cells = tuple[Any, ...]
"""What stands in the label columns of one line."""
Form = Literal["one", "several", "indicators", "separated", "list"]

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+\Z")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z|[+-]?(nan|inf|infinity)\Z", re.IGNORECASE)
_FEW, _EVERY = 20, 5
_MOSTLY = 0.9
_NAME_LIMIT = 1000


@dataclass(frozen=True)
class Meaning:
    """How the cells of a list become targets."""

    task: Task
    form: Form
    names: tuple[str, ...] = ()
    """What the label columns are called, raw."""
    separator: str = ""
    whole: bool = False
    """Classes are whole numbers: ``03`` and ``3.0`` are ``3``, and they are sorted as numbers."""

    signed: bool = False
    """Indicators are -1 and 1 instead of 0 and 1."""

    def read(self, cells: Cells) -> tuple[str, ...] | tuple[float, ...]:
        """Return the names of the classes that the cells name, or the numbers.

        Raises:
            ValueError: they name none; the message is a clause that says why.
        """
        if self.task == "regression":
            numbers = tuple(_finite(cell) for cell in (_parts(cells[0]) if self.form == "list" else cells))
            if len(numbers) != len(self.names):
                raise ValueError(f"it has {many(len(numbers), 'number')} instead of {len(self.names):,}")
            return numbers
        if self.form == "indicators":
            found = tuple(name for name, cell in zip(self.names, cells, strict=True) if _indicator(cell, self.signed))
        elif self.form == "separated":
            found = tuple(filter(None, (part.strip() for part in str(cells[0] or "").split(self.separator))))
        elif self.form == "list":
            found = tuple(self._name(part) for part in _parts(cells[0]))
        else:
            found = tuple(self._name(cell) for cell in cells if cell not in (None, ""))
        if self.task == "classification" and len(found) != 1:
            raise ValueError("it has no label" if not found else f"it has {len(found)} labels instead of one")
        return tuple(dict.fromkeys(found))

    def _name(self, cell: Any) -> str:
        if isinstance(cell, (list, dict)):
            raise ValueError("its label is no text")
        if self.whole and (number := number_of(cell)) is not None:
            return str(int(number))
        text = str(cell).strip()
        if len(text) > _NAME_LIMIT:
            raise ValueError(f"its label has more than {_NAME_LIMIT:,} characters")
        return text

    def ordered(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return classes in the order of their indices."""
        if self.form == "indicators":
            there = set(names)
            return tuple(name for name in self.names if name in there)
        return tuple(sorted(names, key=_by_number) if self.whole else sorted(names))


def _by_number(name: str) -> tuple[bool, int, str]:
    """Order numbers as numbers, and what is none among them last."""
    number = number_of(name)
    whole = number is not None and _is_whole(number)
    return not whole, int(name) if whole else 0, name


def _parts(cell: Any) -> list[Any]:
    """Return what a cell of lists holds; one value, as some write it, is a list of it."""
    return cell if isinstance(cell, list) else [] if cell in (None, "") else [cell]


def number_of(cell: Any) -> float | None:
    """Return the number that a cell has, NaN and infinity included; None: it has none."""
    if isinstance(cell, bool):
        return float(cell)
    if isinstance(cell, (int, float)):
        try:
            return float(cell)
        except OverflowError:
            return math.inf
    if not isinstance(cell, str) or len(cell) > 400:
        return None
    if _DECIMAL_COMMA.match(cell):
        cell = cell.replace(",", ".")
    return float(cell) if _NUMBER.match(cell) else None


def _finite(cell: Any) -> float:
    number = number_of(cell)
    if cell is None or cell == "":
        raise ValueError("it has no number")
    if number is None:
        raise ValueError("its value is no number")
    if not math.isfinite(number) or abs(number) > 1e30:
        raise ValueError("its number is not finite")
    return number


def _indicator(cell: Any, signed: bool) -> bool:
    if cell is None or cell == "":
        return False
    number = number_of(cell)
    if number not in ((-1.0, 1.0) if signed else (0.0, 1.0)):
        raise ValueError(f"its labels are not all {-1 if signed else 0} or 1")
    return number == 1.0


def meaning_of(rows: Sequence[Cells], names: tuple[str, ...], wanted: Literal["auto"] | Task) -> Meaning:
    """Return how the label columns of a list are read.

    Args:
        rows: the label cells of every line.
        names: of the label columns.
        wanted: the setting ``data.task``.

    Raises:
        ValueError: the values do not fit the task that is wanted; the message is a clause.
    """
    if len(names) > 1:
        return _of_columns(rows, names, wanted)
    values = [row[0] for row in rows if row[0] not in (None, "")]
    lists = [value for value in values if isinstance(value, list)]
    if lists:
        return _of_lists(lists, names, wanted)
    numbers = [number for number in map(number_of, values) if number is not None]
    if wanted == "regression" or (wanted == "auto" and _to_learn(numbers, len(values), len(rows))):
        if not numbers:
            raise ValueError("its values are no numbers")
        return Meaning("regression", "one", names)
    whole = bool(numbers) and len(numbers) == len(values) and all(map(_is_whole, numbers))
    if wanted != "classification":
        separator = _separator(list(map(str, values)), names[0], wanted)
        if separator:
            return Meaning("multilabel", "separated", names, separator)
    if wanted == "multilabel":
        return Meaning("multilabel", "several", names, whole=whole)
    return Meaning("classification", "one", names, whole=whole)


def _of_columns(rows: Sequence[Cells], names: tuple[str, ...], wanted: str) -> Meaning:
    cells = [cell for row in rows for cell in row]
    numbers = [number for number in map(number_of, cells) if number is not None]
    signed = set(numbers) == {-1.0, 1.0}
    zero_one = bool(numbers) and len([n for n in numbers if n in (0.0, 1.0)]) >= _MOSTLY * len(cells)
    if (zero_one or (signed and len(numbers) >= _MOSTLY * len(cells))) and wanted != "regression":
        sums = Counter(sum(number_of(cell) == 1.0 for cell in row) for row in rows)
        single = wanted == "classification" or (wanted == "auto" and sums[1] == len(rows))
        return Meaning("classification" if single else "multilabel", "indicators", names, signed=signed)
    numeric = len(numbers) >= _MOSTLY * len(cells)
    if wanted == "regression" or (wanted == "auto" and numeric):
        if not numbers:
            raise ValueError("the values of its columns are no numbers")
        return Meaning("regression", "several", names)
    if wanted == "classification":
        raise ValueError(f"{len(names)} columns of labels are not one class")
    return Meaning("multilabel", "several", names)


def _of_lists(lists: Sequence[list[Any]], names: tuple[str, ...], wanted: str) -> Meaning:
    parts = [part for value in lists for part in value]
    numbers = [number for number in map(number_of, parts) if number is not None]
    numeric = bool(numbers) and len(numbers) >= _MOSTLY * len(parts)
    whole = bool(numbers) and len(numbers) == len(parts) and all(map(_is_whole, numbers))
    if wanted == "regression" or (wanted == "auto" and numeric and not whole):
        width = Counter(map(len, lists)).most_common(1)[0][0]
        if not numbers or not width:
            raise ValueError("its lists have no numbers")
        if width > 1:
            names = tuple(f"{names[0]}[{place}]" for place in range(width))
        return Meaning("regression", "list", names)
    if wanted == "classification":
        return Meaning("classification", "list", names, whole=whole)
    return Meaning("multilabel", "list", names, whole=whole)


def _is_whole(number: float) -> bool:
    return math.isfinite(number) and number == int(number) and abs(number) < 1e15


def _to_learn(numbers: Sequence[float], values: int, lines: int) -> bool:
    """Whether a column of numbers is measured rather than numbered."""
    if not numbers or len(numbers) < _MOSTLY * values:
        return False
    finite = [number for number in numbers if math.isfinite(number)]
    if any(number < 0 or not _is_whole(number) for number in finite):
        return True
    often = Counter(finite)
    once = sum(count == 1 for count in often.values())
    return (len(often) > _FEW and len(often) * _EVERY > lines) or (len(often) > 2 and 2 * once > len(often))


def _separator(values: Sequence[str], name: str, wanted: str) -> str:
    """Return what stands between labels in one cell; empty: each cell is one label."""
    blank = wanted == "multilabel" or name.casefold() in ("tags", "labels")
    for mark in ("|", ";", ",", " ") if blank else ("|", ";"):
        if not any(mark in value for value in values):
            continue
        parts = Counter(part.strip() for value in values for part in value.split(mark))
        joined = sum(mark in value for value in values)
        reused = sum(count for part, count in parts.items() if part and count > 1)
        if wanted == "multilabel" or (joined and reused >= 0.5 * parts.total() and len(parts) < len(set(values)) + 1):
            return mark
    return ""
