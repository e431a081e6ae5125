"""What people hand in that is no dataset yet: flat folders, archives, boxes of objects, in words that help on."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Collection, Sequence

from tui.core.dataset.listings import Picture
from tui.core.dataset.pictures import EXTENSIONS
from tui.core.dataset.problems import endings_of, many, names_of
from tui.core.dataset.walk import Account
from tui.core.errors import UsageError
from tui.core.text import clean, clean_path

TITLE = "These pictures cannot be used"
PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
LAYOUT_HINT = "Make one folder per class and put its pictures inside, like pictures/cat/1.jpg and pictures/dog/2.jpg"
_LIST_HINT = "or add a list file, like labels.csv, of each picture's name and what it shows."
_USUAL = ".jpg, .jpeg, .png, .webp, .bmp, .gif, .tif or .ppm"
_INSIDE = (".csv", ".parquet", ".arrow", ".npz", ".npy", ".h5", ".hdf5", ".mat", ".pkl", ".tfrecord", ".mdb")
_SHEETS = (".xlsx", ".xls", ".ods")
_BOXES = frozenset({"labels", "annotations", "annotation", "bboxes", "boxes"})
_NOTES = (".txt", ".xml", ".json")
_WORD = re.compile(r"([^\W\d_]+(?:[ _-][^\W\d_]+)*)[\W_]*\d")
_MOST_WORDS = 100
_MOST_LOOKED, _FIRST = 2000, 20
"""Entries of the folder above, and of each folder in it, that are looked at to find out what was meant."""


def flat(where: str, pictures: Sequence[Picture], account: Account, hint: str = "") -> UsageError:
    """Return the refusal of a folder of pictures without class folders.

    Args:
        where: the folder, as it is shown.
        pictures: in it.
        account: what else lies there.
        hint: what else may have been meant, a sentence; may be empty.
    """
    cause = f"{where} is a flat folder of {many(len(pictures), 'picture')} without class folders"
    notes, count = max(((suffix, account.suffixes[suffix]) for suffix in _NOTES), key=lambda one: one[1])
    if 2 * count >= len(pictures) and count > 1:
        cause += f", and the {count:,} {notes} beside them are not read"
    step = f"{_by_name(pictures) or LAYOUT_HINT}; {_LIST_HINT}{sheets_hint(account)}"
    return UsageError(TITLE, cause, f"{hint} {step}".strip())


def one_of(root: str) -> str:
    """Return a sentence where a folder of pictures lies among such folders only, as one class of several does."""
    above = os.path.dirname(os.path.abspath(root))
    try:
        with os.scandir(above) as entries:
            beside = [entry for entry in itertools.islice(entries, _MOST_LOOKED) if not entry.name.startswith(".")]
        folders = [entry for entry in beside if entry.is_dir() and entry.path != os.path.abspath(root)]
        alike = [entry.name for entry in folders if _holds_pictures(entry.path)]
    except OSError:
        return ""
    if not alike or len(alike) < len(folders):
        return ""
    name = clean(os.path.basename(os.path.abspath(root)), 60)
    return f'If "{name}" is one class beside {names_of(sorted(alike), 3)}, choose {clean_path(above, 120)}.'


def _holds_pictures(folder: str) -> bool:
    """Whether the first names in a folder are those of pictures."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in itertools.islice(entries, _FIRST) if not entry.name.startswith(".")]
    return bool(names) and all(os.path.splitext(name)[1].casefold() in EXTENSIONS for name in names)


def sheets_hint(account: Account) -> str:
    """Return what to do with a spreadsheet, a sentence with a blank in front; empty: there is none."""
    sheets = [path for path in account.not_pictures if path.casefold().endswith(_SHEETS)]
    return f" If {names_of(sheets, 2)} says it, save that as CSV." if sheets else ""


def _by_name(pictures: Sequence[Picture]) -> str:
    """Return what to do where the pictures' names say what they show, like ``cat.12.jpg``; empty: they do not."""
    names = [picture.path.rpartition("/")[2] for picture in pictures]
    words = Counter(found[1] for name in names if (found := _WORD.match(name)))
    if not 2 <= len(words) <= _MOST_WORDS or min(words.values()) < 2 or words.total() < 0.9 * len(names):
        return ""
    first = min(words)
    behind = next(name[len(first)] for name in names if name.startswith(first) and len(name) > len(first))
    glob = f"{first}[0-9]*" if behind.isdigit() else f"{first}{behind}*"
    plain = re.fullmatch(r"[\w.-]+\*|\w+\[0-9\]\*", glob, re.ASCII)
    how = f", like `mkdir {first} && mv {glob} {first}/`" if plain else ""
    return f"Their names seem to say what they show ({names_of(sorted(words))}): make a folder for each{how}"


def no_pictures(cause: str, account: Account) -> UsageError:
    """Return the refusal of a place without pictures, with what is there instead."""
    step = f"{LAYOUT_HINT}."
    if account.not_pictures:
        cause += f", only {endings_of(account)}"
        step = f"Names of pictures end in {_USUAL}; bring others to one of these kinds."
        if any(path.casefold().endswith(_INSIDE) for path in account.not_pictures):
            step = "Pictures inside of such files are not read: write each out as a file, in one folder per class."
            if account.suffixes[".csv"]:
                step += " If it is a list of pictures elsewhere, say where with data.list_root."
        if packed := [path for path in account.not_pictures if path.casefold().endswith(PACKED)]:
            step = f"Unpack {names_of(packed, 2)} and name the folder."
    elif account.empty_files:
        cause += f", only {many(len(account.empty_files), 'empty file')}"
    return UsageError(TITLE, cause, step)


def check_no_boxes(classes: Collection[str], empty: Sequence[str], account: Account) -> None:
    """Refuse what YOLO, VOC and COCO make: a folder of pictures beside one of boxes in them.

    Args:
        classes: names of the folders that hold pictures.
        empty: names of those that hold none.
        account: what else was seen.

    Raises:
        UsageError: it is that.
    """
    boxes = [name for name in empty if name.casefold() in _BOXES]
    if len(classes) == 1 and boxes and any(account.suffixes[suffix] for suffix in _NOTES):
        cause = f'"{clean(boxes[0], 40)}" holds no pictures, only {endings_of(account)}'
        cause += ": this looks like a set for finding objects in pictures, and their boxes are not read"
        raise UsageError(TITLE, cause, f"Cut the objects out into one folder per class; {_LIST_HINT}")
