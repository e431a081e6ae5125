"""Text tables that other people wrote: CSV, TSV, plain text and JSON, read one physical line or entry at a time.

A line stands for itself: a quotation mark that is never closed spoils one line and not the rest of the file.
Names with line breaks need JSON. What is no UTF-8 keeps its bytes, as file names do.
"""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tui.core.dataset.documents import MOST_ENTRY, Broken, check_is_list, entries, form_of
from tui.core.errors import UsageError
from tui.core.text import clean, clean_path

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json")
TITLE = "The list of pictures cannot be used"
MOST_BYTES = 1 << 30
_HEAD = 1 << 18
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_JSON = (".jsonl", ".ndjson", ".json")
_BLOCK = 1 << 18
_BREAK = re.compile(r"\r\n|\n|\r")
_SNIFFED = 50

LAST_BLANK = "  "
"""A delimiter: only the last white space of a line cuts it, because paths have blanks too."""

Row = list[Any]
"""The cells of a line: text; of JSON, whatever it holds. None: there is no such cell."""


class Table:
    """A list file in memory.

    Args:
        path: of the file.
        head: read only its beginning, to see what it is.
        name: what to call it; that of the file if empty.

    Attributes:
        json: each row has its own keys.
        keys: of JSON, in the order of their first appearance; empty for other tables.
        delimiter: between cells; empty for JSON, and a space for any white space.
        foreign: the number of the first line that is no UTF-8; 0: there is none.
        noun: what a row is called.

    Raises:
        UsageError: it cannot be read, is no text, or is known to be no list.
    """

    def __init__(self, path: Path, *, head: bool = False, name: str = "") -> None:
        self.path = path
        self.name = name or path.name
        self.shown = clean(self.name, 80)
        self._text, self.foreign = _decoded(path, head)
        self._cut = head and len(self._text) >= _HEAD // 4
        suffix = path.suffix.casefold()
        self._form = form_of(self._text, suffix) if suffix in _JSON else "lines"
        self.noun = "line" if self._form == "lines" else "entry"
        if self._cut and self._form == "lines":
            self._text = self._text[: max(0, self._text.rfind("\n"), self._text.rfind("\r"))]
        first = next((line for line in self._lines() if line.strip()), "")
        self.json = suffix in _JSON or (suffix == ".txt" and first.lstrip().startswith('{"'))
        check_is_list(self._text, self._form, self.shown, TITLE)
        if self._form == "array":
            # Of arrays or texts, which have no keys.
            self.json = isinstance(next(entries(self._text, "array"), {}), dict)
        self.delimiter = "" if self.json or self._form != "lines" else _delimiter(suffix, self._sample())
        self.keys = self._keys() if self.json else []

    @property
    def empty(self) -> bool:
        """Whether nothing is written there."""
        return not self._text or self._text.isspace()

    def _lines(self) -> Iterator[str]:
        """Yield every line; a million of them are never in memory at once."""
        start = 0
        while start < len(self._text):
            end = self._text.find("\n", start + _BLOCK) + 1 or len(self._text)
            found = _BREAK.split(self._text[start:end])
            if self._text.endswith("\n", start, end):
                found.pop()
            yield from found
            start = end

    def _sample(self) -> list[str]:
        found = (line for line in self._lines() if line.strip() and len(line) <= MOST_ENTRY)
        return [line for line, _ in zip(found, range(_SNIFFED), strict=False)]

    def _keys(self) -> list[str]:
        keys: dict[str, None] = {}
        found = map(_parsed, self._sample()) if self._form == "lines" else self._entries()
        for entry, _ in zip(found, range(_SNIFFED), strict=False):
            if isinstance(entry, dict):
                keys.update(dict.fromkeys(entry))
        return list(keys)

    def rows(self) -> Iterator[tuple[int, Row | str]]:
        """Yield (number from 1, cells) of each line that is not empty, or entry; text for cells says what is wrong."""
        if self._form != "lines":
            yield from enumerate(map(self._cells_of, self._entries()), start=1)
            return
        for number, line in enumerate(self._lines(), start=1):
            if not line or line.isspace():
                continue
            if len(line) > MOST_ENTRY:
                yield number, f"it has more than {MOST_ENTRY:,} characters"
            elif self.json:
                yield number, self._cells_of(_parsed(line))
            elif self.delimiter == " ":
                yield number, line.split()
            elif self.delimiter == LAST_BLANK:
                yield number, line.rsplit(None, 1)
            elif '"' not in line:
                yield number, [cell.strip() for cell in line.split(self.delimiter)]
            else:
                yield number, _cells(line, self.delimiter)

    def _entries(self) -> Iterator[Any]:
        """Yield the entries of a document; what stands where its beginning was cut off is none of them."""
        for entry in entries(self._text, self._form):
            if not (self._cut and isinstance(entry, Broken)):
                yield entry

    def _cells_of(self, entry: Any) -> Row | str:
        if isinstance(entry, Broken):
            return str(entry)
        if self.json and isinstance(entry, dict):
            return [entry.get(key) for key in self.keys]
        if not self.json and isinstance(entry, (list, str)):
            return entry if isinstance(entry, list) else [entry]
        return "it is no JSON object" if self.json else "it is no JSON array"


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _cells(line: str, delimiter: str) -> Row | str:
    try:
        return [
            cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True))
        ]
    except (csv.Error, StopIteration):
        return "a quotation mark in it is not closed"


def _delimiter(suffix: str, sample: list[str]) -> str:
    """Return what cuts most of the lines into the same number of parts, two at least; a comma if nothing does."""
    if suffix == ".tsv":
        return "\t"
    best, found = (0.0, 0), ","
    for delimiter in (",", "\t", ";", "|", " "):
        counts: Counter[int] = Counter()
        for line in sample:
            cells = line.split() if delimiter == " " else _cells(line, delimiter)
            counts[len(cells)] += not isinstance(cells, str)
        width, agreeing = max(counts.items(), key=lambda item: (item[0] > 1, item[1]), default=(0, 0))
        share = agreeing / max(1, len(sample))
        # A comma inside of a path is rarer than a blank: the order above decides among equals.
        if width > 1 and share > 0.5 and (round(share, 1), 0) > best:
            best, found = (round(share, 1), 0), delimiter
    if best == (0.0, 0) and suffix == ".txt":
        return "\n"  # one path per line
    return found


def _decoded(path: Path, head: bool) -> tuple[str, int]:
    shown = clean_path(path, 200)
    step = "Name a text file: CSV, TSV, TXT or JSON."
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(TITLE, f"{shown} is no regular file", step)
        if status.st_size > MOST_BYTES:
            raise UsageError(TITLE, f"{shown} is larger than 1 GiB", "Split it, one list for each split.")
        with open(path, "rb") as file:
            data = file.read(_HEAD if head else MOST_BYTES)
    except OSError as error:
        raise UsageError(TITLE, f"{shown}: {error.strerror}", "Check the path and who may read it.") from error
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = data[len(mark) :].decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
            break
    else:
        if b"\0" in data[:4096]:
            raise UsageError(TITLE, f"{shown} is no text", step)
        text = data.decode("utf-8", "surrogateescape")
    foreign = re.search("[\udc80-\udcff]", text)
    if foreign is None or (head and foreign.start() > len(text) - 4):
        return text, 0
    return text, len(_BREAK.findall(text, 0, foreign.start())) + 1
