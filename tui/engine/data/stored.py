"""The files of a cache of decoded pictures: what they hold, how they are made, and their use in memory.

A cache is a directory that appears by a rename when it is complete and flushed; what a killed run leaves
behind has another name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import mmap
import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tui.core import caches
from tui.core.caches import ENTRY
from tui.core.dataset.decoder import Job
from tui.core.dataset.pictures import VERSION, Resize
from tui.core.files import sync_directory
from tui.engine.data.draws import Pictures, Positions
from tui.engine.data.filling import Filling

FORMAT = 1
_PIXELS, _DIGESTS = "pixels.bin", "digests.bin"
SMALL = 1 << 30
"""Pixels of fewer bytes are read into memory ahead of their use."""


class NoCache(Exception):  # noqa: N818 (handled by streaming)
    """There will be no cache; the text says why in a clause for a person."""


@dataclass(frozen=True)
class Recipe:
    """What decides the content of a cache."""

    root: str
    signature: str
    """Of all files: changes when one of them does."""
    paths: tuple[str, ...]
    """Row by row."""
    size: int
    channels: int
    resize: Resize

    @property
    def row_bytes(self) -> int:
        """Bytes of one picture."""
        return self.size * self.size * self.channels

    @property
    def total_bytes(self) -> int:
        """Bytes of all files of the cache, nearly."""
        return len(self.paths) * (self.row_bytes + 8)

    def job(self, rows: Sequence[int], output: str) -> Job:
        """Return what decoders are to do for some rows."""
        paths = tuple(self.paths[row] for row in rows)
        return Job(self.root, paths, self.size, self.channels, self.resize, output, tuple(rows))

    @cached_property
    def key(self) -> str:
        """The cache's name: equal for equal content."""
        digest = hashlib.blake2b(digest_size=16)
        parts = [FORMAT, VERSION, os.path.realpath(self.root), self.signature, self.size, self.channels, self.resize]
        for part in (*parts, *self.paths):
            digest.update(f"{part}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


class Cache:
    """Decoded pictures, in use until they are closed.

    Args:
        pixels: the file that holds them.
        recipe: what they are.
        lock: on the cache's name; closed with it.
        unreadable: why, by row.
        digests: uint64 ``[rows]`` of the files' contents; 0 for unreadable ones.
        making: of a cache that is not complete yet.

    Attributes:
        pixels: uint8 ``[rows, size, size, channels]``, mapped and read-only; of an incomplete cache the rows that
            have been waited for.
        filling: brings the rows; None: all are there.
    """

    def __init__(
        self,
        pixels: Path,
        recipe: Recipe,
        lock: int,
        unreadable: dict[int, str],
        digests: NDArray[np.uint64],
        making: Making | None = None,
    ) -> None:
        self.unreadable, self.digests = unreadable, digests
        self._making = making
        shape = (len(recipe.paths), recipe.size, recipe.size, recipe.channels)
        mapped = np.memmap(pixels, dtype=np.uint8, mode="r", shape=shape)
        # Rows are read in random order: reading ahead would drag in neighbours, and evict others.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            mapped._mmap.madvise(mmap.MADV_WILLNEED if mapped.nbytes < SMALL else mmap.MADV_RANDOM)  # type: ignore[attr-defined]
        self.pixels: NDArray[np.uint8] = mapped.view(np.ndarray)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch cannot know that nobody writes into what it cannot lock
            self._lines = torch.from_numpy(self.pixels).reshape(shape[0], -1)
        self._lock = lock

    @property
    def filling(self) -> Filling | None:
        """What brings the rows that are not there yet."""
        return self._making.filling if self._making is not None else None

    @property
    def complete(self) -> bool:
        """Whether every row is there."""
        return self._making is None or self._making.filling.done == len(self.pixels)

    def wait(self, rows: Positions) -> NDArray[np.bool_] | None:
        """Wait for rows; return which are there, None: all.

        Raises:
            Exception: what ended the decoding.
        """
        if self.complete or self._making is None:
            return None
        there = self._making.filling.wait(rows)
        return None if there.all() else there

    def rows(self, rows: Positions) -> Pictures:
        """Return copies of rows, uint8 ``[n, size, size, channels]``, made by as many threads as torch has here.

        Rows in random order come from cold memory: the threads wait for it side by side.
        """
        taken = self._lines.index_select(0, torch.from_numpy(rows))
        return taken.numpy().reshape(-1, *self.pixels.shape[1:])

    def close(self) -> None:
        """Allow others to prune the cache; the pixels stay readable as long as they are referred to.

        Nobody may write into one that is not complete any more: it is removed.
        """
        if self._making is not None:
            self._making.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class Making:
    """A cache that is not complete yet: a directory of another name.

    Raises:
        OSError: there is no room for it, or no right to make it.
    """

    def __init__(self, directory: Path, recipe: Recipe, lock: int) -> None:
        self._directory, self._recipe, self._lock = directory, recipe, lock
        self._temporary = Path(tempfile.mkdtemp(prefix=f"{recipe.key}.", suffix=caches.UNFINISHED, dir=directory))
        self.pixels = self._temporary / _PIXELS
        try:
            with self.pixels.open("wb") as file:
                _reserve(file.fileno(), len(recipe.paths) * recipe.row_bytes)
        except BaseException:
            self.clear()
            raise
        self.filling = Filling(recipe, self.pixels, self._publish)

    def _publish(self, filling: Filling) -> None:
        """Give a directory in which everything is there the cache's name, and let others use it."""
        recipe = self._recipe
        with self.pixels.open("rb") as file:
            os.fsync(file.fileno())
        _write(self._temporary / _DIGESTS, filling.digests.tobytes())
        about = {"root": recipe.root, "pictures": len(recipe.paths), "size": recipe.size, "channels": recipe.channels}
        unreadable = {str(row): filling.unreadable[row] for row in sorted(filling.unreadable)}
        entry = {"format": FORMAT, "key": recipe.key, "about": about, "unreadable": unreadable}
        _write(self._temporary / ENTRY, json.dumps(entry).encode())
        sync_directory(self._temporary)
        os.rename(self._temporary, self._directory / recipe.key)
        sync_directory(self._directory)
        with contextlib.suppress(OSError):
            fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def clear(self) -> None:
        """Remove what was not published."""
        shutil.rmtree(self._temporary, ignore_errors=True)


def opened(directory: Path, recipe: Recipe, lock: int) -> Cache:
    """Return a complete cache.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    entry: Any = json.loads((directory / ENTRY).read_bytes())
    if entry["format"] != FORMAT or entry["key"] != recipe.key:
        raise ValueError("another cache")
    unreadable = {int(row): str(reason) for row, reason in entry["unreadable"].items()}
    digests = np.fromfile(directory / _DIGESTS, dtype="<u8")
    if (directory / _PIXELS).stat().st_size != len(recipe.paths) * recipe.row_bytes:
        raise ValueError("not all of its pixels are there")
    if len(digests) != len(recipe.paths):
        raise ValueError("not all of its digests are there")
    with contextlib.suppress(OSError):
        os.utime(directory / ENTRY)
    return Cache(directory / _PIXELS, recipe, lock, unreadable, digests)


def _reserve(handle: int, size: int) -> None:
    """Take the room now: better no cache than a full disk half way."""
    try:
        os.posix_fallocate(handle, 0, max(size, 1))
    except AttributeError:  # macOS
        pass
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
    os.ftruncate(handle, size)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
