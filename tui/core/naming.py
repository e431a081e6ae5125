"""What a run can be called: letters of any script, as far as a directory can have them as its name."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections.abc import Container

NAMELESS = "the name has no letter or digit"
"""Why nothing is left of a name."""

_LONGEST = 60
_MOST_BYTES = 120
"""The narrowest of common file systems allows 143; a time stamp in front and a number behind take the rest."""
_MOST_MARKS = 4
"""Accents on one letter; more of them are drawn over the lines around it."""
_UNSEEN = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)}
_UNSEEN |= set(range(0xE0100, 0xE01F0))
"""Letters and marks, as Unicode counts them, of which nothing is drawn."""
_NUMBERED = re.compile(r"(.+)-[2-9]\d{0,3}", re.DOTALL)


def safe_name(name: str) -> str:
    """Return what of a name a directory can be called, at most 60 characters; empty if nothing is left."""
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", name):
        kind = unicodedata.category(character)
        if ord(character) in _UNSEEN or not _storable(character):
            kind = ""
        marks = marks + 1 if kind[:1] == "M" else 0
        if kind[:1] == "M":  # an accent needs a letter
            kept += character if kept and kept[-1] not in "_.-" and marks <= _MOST_MARKS else ""
        elif kind[:1] == "L" or kind == "Nd" or character in "_.-":
            kept.append(character)
        elif kept[-1:] != ["-"]:
            kept.append("-")
    return _cut("".join(kept).strip("-."), _LONGEST, _MOST_BYTES)


def free_name(wanted: str, taken: Container[str]) -> str:
    """Return ``wanted`` as a directory can be called, with a number behind it if the name is taken.

    Of a name that has such a number already, because the name without it is taken too, the number goes on.
    """
    name = safe_name(wanted)
    if name not in taken:
        return name
    before = _NUMBERED.fullmatch(name)
    if before is not None and before[1] in taken:
        name = before[1]
    endings = (f"-{number}" for number in itertools.count(2))
    numbered = (_cut(name, _LONGEST - len(end), _MOST_BYTES - len(end)) + end for end in endings)
    return next(each for each in numbered if each not in taken)


def _storable(character: str) -> bool:
    try:
        os.fsencode(character)
    except UnicodeEncodeError:  # the system's language has no such letter
        return False
    return True


def _cut(name: str, characters: int, size: int) -> str:
    """Return the beginning of a name that has at most so many characters and bytes."""
    left = name[:characters]
    while len(os.fsencode(left)) > size:
        left = left[:-1]
    return name if left == name else left.rstrip("-.")
