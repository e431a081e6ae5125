"""The files that keep what the folders of datasets held, and which pictures are copies: whole, or not there.

A first line says version and checksum, a second which dataset and by what rules, a third the folders; then come
names and numbers. Beside it, for as long, is what comparing the pictures has found. A file that is damaged, another
user's or another version's is taken for none. No more than some datasets and bytes are kept; those that were not used
for longest go first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tui.core.files import cache_directory, write_atomic

_FIRST = "cnntrain folders 1"
_SUFFIX, _COPIES = ".folders", ".copies"
_FIRST_COPIES = "cnntrain copies 1"
_MOST_BYTES, _MOST_FOLDERS, _MOST_LINE = 256 << 20, 100_000, 1 << 16
_MOST_DATASETS, _MOST_IN_ALL = 32, 512 << 20

Stamp = tuple[int, int, int, int]
"""Device, inode, and the times (ns) of change of a folder's content and of the folder itself."""


class Kept(NamedTuple):
    """What lies in a folder: names in the order of the counts, then sizes and times of the pictures."""

    stamp: Stamp
    counts: tuple[int, int, int, int]
    """Folders, pictures, other files, and what is hidden."""
    names: bytes
    numbers: bytes
    """int64, little-endian: all sizes, then all times of change in ns."""

    def read(self) -> tuple[list[str], list[str], list[str], list[str], array[int], array[int]]:
        """Return the names of folders, pictures, other and hidden files, and the pictures' sizes and times."""
        text = self.names.decode("utf-8", "surrogateescape")
        names = text.split("\0") if text else []
        numbers = numbers_in(self.numbers)
        lists, start = [], 0
        for count in self.counts:
            lists.append(names[start : start + count])
            start += count
        folders, pictures, others, hidden = lists
        return folders, pictures, others, hidden, numbers[: len(pictures)], numbers[len(pictures) :]


def load(root: str, rules: str) -> dict[str, Kept]:
    """Return what is kept of a dataset, by the absolute path of each folder; perhaps nothing.

    Args:
        root: of the dataset, absolute.
        rules: what decides how names are sorted in; what other rules have sorted is not used.
    """
    try:
        body = _sound(_path(_key(root)), _FIRST)
        about, folders, rest = body.split(b"\n", 2)
        told = json.loads(about)
        if (told["root"], told["rules"]) != (root, _digest(rules.encode())):
            return {}
        return dict(_listings(json.loads(folders), rest))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def save(root: str, rules: str, listings: Mapping[str, Kept]) -> None:
    """Keep what the folders of a dataset hold, in place of what was kept of it; too much is not kept.

    Raises:
        OSError: it cannot be written.
    """
    if len(listings) > _MOST_FOLDERS:
        return
    pictures = sum(kept.counts[1] for kept in listings.values())
    about = {"root": root, "pictures": pictures, "rules": _digest(rules.encode())}
    folders = [[path, kept.stamp, kept.counts, len(kept.names)] for path, kept in listings.items()]
    head = [json.dumps(part, separators=(",", ":")).encode() for part in (about, folders)]
    body = b"\n".join([*head, b""]) + b"".join(
        part for kept in listings.values() for part in (kept.names, kept.numbers)
    )
    content = _sealed(_FIRST, body)
    if len(content) <= _MOST_BYTES:
        directory().mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(_path(_key(root)), content)
        _make_room(_key(root))


def load_copies(root: str, pictures: str) -> dict[str, int] | None:
    """Return which pictures of a dataset are copies, as `tui.core.dataset.same.find_same` does; None: not kept.

    Args:
        root: of the dataset, absolute.
        pictures: a digest of their names, sizes and times; what was found among others is not used.
    """
    try:
        told = json.loads(_sound(_path(_key(root), _COPIES), _FIRST_COPIES))
        if told["pictures"] == pictures:
            return {str(path): number for number, paths in enumerate(told["sets"]) for path in paths}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def save_copies(root: str, pictures: str, found: Mapping[str, int]) -> None:
    """Keep which pictures of a dataset are copies, beside what its folders held; without that, nothing is kept.

    Raises:
        OSError: it cannot be written.
    """
    if not _path(_key(root)).is_file():
        return
    sets: dict[int, list[str]] = {}
    for path, number in found.items():
        sets.setdefault(number, []).append(path)
    body = json.dumps({"pictures": pictures, "sets": [sets[number] for number in sorted(sets)]}).encode()
    if len(body) <= _MOST_BYTES:
        write_atomic(_path(_key(root), _COPIES), _sealed(_FIRST_COPIES, body))


def touch(root: str) -> None:
    """Note that what is kept of a dataset was used.

    Raises:
        OSError: it cannot be noted.
    """
    os.utime(_path(_key(root)))


@dataclass(frozen=True)
class Stored:
    """The kept listings of one dataset."""

    key: str
    bytes: int
    used: float
    """When they were last used, in seconds since 1970."""
    root: str
    """Of the dataset, raw; empty if the file is damaged."""
    pictures: int


def directory() -> Path:
    """Return where they are kept."""
    return cache_directory() / "folders"


def stored() -> list[Stored]:
    """Return what is kept, the last used first; what cannot be read is passed over."""
    found = []
    for path in _files():
        with contextlib.suppress(OSError):
            status = path.stat()
            root, pictures = _about(path)
            beside = path.with_suffix(_COPIES)
            size = status.st_size + (beside.stat().st_size if beside.is_file() else 0)
            found.append(Stored(path.stem, size, status.st_mtime, root, pictures))
    return sorted(found, key=lambda one: one.used, reverse=True)


def forget(key: str) -> bool:
    """Take away the kept listings of a dataset; whether they are gone."""
    paths = (_path(key, _COPIES), _path(key))
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return not any(os.path.lexists(path) for path in paths)


def numbers_in(data: bytes) -> array[int]:
    """Return numbers from their bytes."""
    return _turned(array("q", data))


def bytes_of(numbers: array[int]) -> bytes:
    """Return numbers as bytes that every machine reads alike."""
    return _turned(array("q", numbers)).tobytes()


def _turned(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _path(key: str, suffix: str = _SUFFIX) -> Path:
    return directory() / f"{key}{suffix}"


def _key(root: str) -> str:
    return _digest(root.encode("utf-8", "surrogateescape"))


def _files() -> list[Path]:
    try:
        found = [path for path in directory().iterdir() if path.suffix == _SUFFIX]
    except OSError:
        return []
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _make_room(newest: str) -> None:
    """Take away the longest unused beyond the limits."""
    total = 0
    for place, one in enumerate(sorted(stored(), key=lambda one: (one.key != newest, -one.used))):
        total += one.bytes
        if place >= _MOST_DATASETS or total > _MOST_IN_ALL:
            forget(one.key)


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _sealed(first: str, body: bytes) -> bytes:
    return f"{first} {_digest(body)}\n".encode() + body


def _sound(path: Path, first: str) -> bytes:
    """Return what was sealed.

    Raises:
        OSError, ValueError: it is not there, or damaged.
    """
    line, _, body = _read(path).partition(b"\n")
    if line.decode() != f"{first} {_digest(body)}":
        raise ValueError("damaged")
    return body


def _about(path: Path) -> tuple[str, int]:
    """Return root and number of pictures; empty and 0 for a damaged file."""
    with open(path, "rb") as file:
        first, about = file.readline(_MOST_LINE), file.readline(_MOST_LINE)
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        table = json.loads(about)
        if first.startswith(_FIRST.encode()):
            return str(table["root"]), int(table["pictures"])
    return "", 0


def _read(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_size > _MOST_BYTES:
            return b""
        return file.read(_MOST_BYTES)


def _listings(folders: list[Any], rest: bytes) -> Iterator[tuple[str, Kept]]:
    start = 0
    for path, stamp, counts, length in folders:
        middle = start + length
        end = middle + 16 * counts[1]
        names = rest[start:middle]
        there = names.count(b"\0") + 1 if names else 0
        if len(stamp) != 4 or len(counts) != 4 or min(counts) < 0 or there != sum(counts) or b"/" in names:
            raise ValueError
        yield path, Kept(tuple(stamp), tuple(counts), names, rest[middle:end])
        start = end
    if start != len(rest):
        raise ValueError
