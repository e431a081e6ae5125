"""JSON documents that hold a list of pictures: an array of entries, or an object of labels by path.

They are read entry by entry and never become one large object in memory, so that a document costs little more than
its text, and a damaged one gives what stands before the damage.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from tui.core.errors import UsageError

Form = Literal["lines", "array", "object"]

MOST_ENTRY = 1 << 16
"""Characters of one entry, or of one line of a table."""
_SPACE = re.compile(r"[ \t\r\n]*")
_ROOMS = (1 << 10, MOST_ENTRY)
_DECODER = json.JSONDecoder()


class Broken(str):
    """Instead of an entry: a clause that says why nothing more is read."""


def form_of(text: str, suffix: str) -> Form:
    """Return how a JSON file is written; ``lines``: each line is an entry of its own.

    Args:
        text: its beginning at least.
        suffix: of its name, in lower case.
    """
    start = _skip(text, 0)
    line, _, rest = text[start : start + 2 * MOST_ENTRY].partition("\n")
    try:
        whole = type(json.loads(line))
    except (ValueError, RecursionError):
        whole = None
    several = whole is not None and rest.lstrip()[:1] in ("{", "[")
    if text.startswith("[", start) and not several:
        return "array"
    return "object" if suffix == ".json" and text.startswith("{", start) and not several else "lines"


def entries(text: str, form: Form) -> Iterator[Any]:
    """Yield the entries of an array, or an entry for each member of an object; `Broken` may be the last.

    ``{"a.png": "cat"}`` has the entry ``{"path": "a.png", "label": "cat"}``, ``{"a.png": {"class": 3}}`` has
    ``{"path": "a.png", "class": 3}``.
    """
    place = _skip(text, _skip(text, 0) + 1)
    end = "]" if form == "array" else "}"
    while place < len(text) and text[place] != end:
        value, place = _value(text, place)
        if form == "object" and not isinstance(value, Broken):
            key = value
            if not isinstance(key, str) or text[(place := _skip(text, place)) : place + 1] != ":":
                yield Broken("it is no JSON, and what follows it is not read")
                return
            value, place = _value(text, _skip(text, place + 1))
            if not isinstance(value, Broken):
                value = {"path": key, **(value if isinstance(value, dict) else {"label": value})}
        yield value
        if isinstance(value, Broken):
            return
        place = _skip(text, place)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)
        elif place < len(text) and text[place] != end:
            yield Broken("a comma before it is missing, and what follows is not read")
            return
    if place >= len(text):
        yield Broken("the file ends in the middle of the list")


def check_is_list(text: str, form: Form, shown: str, title: str) -> None:
    """Refuse what is known to be no list.

    Raises:
        UsageError: it describes objects in pictures, as COCO does.
    """
    if form == "object" and all(f'"{word}"' in text for word in ("annotations", "image_id")):
        cause = f"{shown} is in COCO's format, of objects or captions in pictures"
        raise UsageError(title, cause, "Write a list of each picture's path and what it shows, as CSV or JSON.")


def _value(text: str, place: int) -> tuple[Any, int]:
    for room in _ROOMS:
        window = text[place : place + room]
        try:
            value, end = _DECODER.raw_decode(window)
        except (ValueError, RecursionError):
            continue
        if end < len(window) or place + end == len(text):  # a number may go on behind the window
            return value, place + end
    long = len(text) - place > MOST_ENTRY
    what = f"it is no JSON or has more than {MOST_ENTRY:,} characters" if long else "it is no JSON"
    return Broken(f"{what}, and what follows it is not read"), place


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place
