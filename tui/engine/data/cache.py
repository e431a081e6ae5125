"""Decoded pictures on disk: made once, memory-mapped by every run that sees the same files at the same size.

A cache is a directory that appears by a rename when it is complete and flushed; what a killed run leaves
behind has another name and is removed by the next. Making and using are guarded by a file lock per cache:
of two runs that want the same one the second waits, and what is in use is never pruned. A full disk, a
budget that is too small or a directory that cannot be written is no failure: the pictures are then
decoded again in every epoch.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.core import caches
from tui.core.caches import ENTRY
from tui.core.dataset.decoder import Job
from tui.core.dataset.decoders import Answer, Decoders
from tui.core.dataset.pictures import VERSION, Resize
from tui.core.files import sync_directory
from tui.core.text import clean_path

FORMAT = 1
_PIXELS, _DIGESTS = "pixels.bin", "digests.bin"
SMALL = 1 << 30
"""Pixels of fewer bytes are read into memory ahead of their use."""
_MARGIN = 512 << 20
"""Bytes that stay free on the disk."""

Progress = Callable[[str, int, int], None]


class Stopped(Exception):  # noqa: N818 (no error: a wish)
    """The person asked to stop while pictures were prepared."""


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

    @cached_property
    def key(self) -> str:
        """The cache's name: equal for equal content."""
        digest = hashlib.blake2b(digest_size=16)
        parts = [FORMAT, VERSION, os.path.realpath(self.root), self.signature, self.size, self.channels, self.resize]
        for part in (*parts, *self.paths):
            digest.update(f"{part}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


class Cache:
    """A complete cache, in use until it is closed.

    Attributes:
        pixels: uint8 ``[rows, size, size, channels]``, mapped and read-only.
        digests: uint64 ``[rows]`` of the files' contents; 0 for unreadable ones.
        unreadable: why, by row.
    """

    def __init__(self, directory: Path, recipe: Recipe, lock: int) -> None:
        entry: Any = json.loads((directory / ENTRY).read_bytes())
        shape = (len(recipe.paths), recipe.size, recipe.size, recipe.channels)
        if entry["format"] != FORMAT or entry["key"] != recipe.key:
            raise ValueError("another cache")
        self.unreadable: dict[int, str] = {int(row): str(reason) for row, reason in entry["unreadable"].items()}
        self.digests: NDArray[np.uint64] = np.fromfile(directory / _DIGESTS, dtype="<u8")
        if (directory / _PIXELS).stat().st_size != len(recipe.paths) * recipe.row_bytes:
            raise ValueError("not all of its pixels are there")
        if len(self.digests) != len(recipe.paths):
            raise ValueError("not all of its digests are there")
        mapped = np.memmap(directory / _PIXELS, dtype=np.uint8, mode="r", shape=shape)
        # Rows are read in random order: reading ahead would drag in neighbours, and evict others.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            mapped._mmap.madvise(mmap.MADV_WILLNEED if mapped.nbytes < SMALL else mmap.MADV_RANDOM)  # type: ignore[attr-defined]
        self.pixels: NDArray[np.uint8] = mapped.view(np.ndarray)
        self._lock = lock
        with contextlib.suppress(OSError):
            os.utime(directory / ENTRY)

    def close(self) -> None:
        """Allow others to prune the cache; the pixels stay readable as long as they are referred to."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def is_cached(recipe: Recipe) -> bool:
    """Whether there seems to be a cache already, made now or by an earlier run."""
    return (caches.directory() / recipe.key / ENTRY).exists()


def open_cache(
    recipe: Recipe, *, budget: int, decoders: Decoders, progress: Progress, stopping: Callable[[], bool]
) -> Cache:
    """Return the cache for ``recipe``, made now if there is none.

    Args:
        recipe: what it holds.
        budget: bytes that all caches of this user may take.
        decoders: do the work.
        progress: told (stage, done, total).
        stopping: asked several times a second whether to give up.

    Raises:
        NoCache: it does not fit, or cannot be written.
        Stopped: as asked; what was made so far is removed, and the decoders are closed.
        FailureError: decoders keep dying.
    """
    directory = caches.directory()
    if recipe.total_bytes > budget:
        gib = recipe.total_bytes / (1 << 30)
        raise NoCache(f"they would take {gib:.1f} GiB, more than data.cache_gib allows")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_own(directory)
        while True:
            cache = _existing(directory, recipe)
            if cache is not None:
                return cache
            lock = caches.lock(directory / f"{recipe.key}.lock", exclusive=True)
            if lock is not None:
                break
            progress("waiting for another run that decodes the same pictures", 0, 0)
            _pause(stopping)
        try:
            _make_room(directory, recipe, budget)
            _build(directory, recipe, decoders, progress, stopping)
        finally:
            os.close(lock)
        cache = _existing(directory, recipe)
    except OSError as error:
        raise NoCache(f"{clean_path(directory)}: {error.strerror or error}") from error
    if cache is None:
        raise NoCache(f"another program uses {clean_path(directory)}")
    return cache


def _check_own(directory: Path) -> None:
    """Others must not be able to put pixels there, nor to lead us elsewhere: what is decoded is trusted."""
    for link in (directory.parent, directory):
        if link.is_symlink() and link.lstat().st_uid not in (0, os.geteuid()):
            raise NoCache(f"{clean_path(link)} is a link that belongs to another user")
    found = directory.stat()
    if found.st_uid != os.geteuid():
        raise NoCache(f"{clean_path(directory)} belongs to another user")
    if found.st_mode & 0o022:
        directory.chmod(0o700)


def _pause(stopping: Callable[[], bool]) -> None:
    if stopping():
        raise Stopped
    time.sleep(0.2)


def _existing(directory: Path, recipe: Recipe) -> Cache | None:
    """Return the cache if it is there and complete."""
    if not (directory / recipe.key / ENTRY).exists():
        return None
    lock = caches.lock(directory / f"{recipe.key}.lock", exclusive=False)
    if lock is None:
        return None
    try:
        return Cache(directory / recipe.key, recipe, lock)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        os.close(lock)
        return None


def _make_room(directory: Path, recipe: Recipe, budget: int) -> None:
    """Remove leftovers, then the caches that were not used for longest, until ``recipe`` fits.

    Raises:
        NoCache: it still does not fit.
    """
    shutil.rmtree(directory / recipe.key, ignore_errors=True)  # there is one, but not a complete one
    sizes: dict[Path, int] = {}
    used: dict[Path, float] = {}
    for path in directory.iterdir():
        if path.suffix == caches.UNFINISHED:
            key = path.name.split(".")[0]
            if key == recipe.key:
                shutil.rmtree(path, ignore_errors=True)
            else:
                caches.remove_unused(directory, key, path)
        elif path.is_dir():
            with contextlib.suppress(OSError):
                sizes[path] = caches.size_of(path)
                used[path] = (path / ENTRY).stat().st_mtime if (path / ENTRY).exists() else 0.0
    needed = recipe.total_bytes
    for path in sorted(sizes, key=lambda path: used.get(path, 0.0)):
        free = shutil.disk_usage(directory).free
        if sum(sizes.values()) + needed <= budget and free >= needed + _MARGIN:
            break
        if caches.remove_unused(directory, path.name, path):
            del sizes[path]
    if sum(sizes.values()) + needed > budget:
        raise NoCache("caches that other runs use fill data.cache_gib")
    if shutil.disk_usage(directory).free < needed + _MARGIN:
        raise NoCache(f"the disk of {clean_path(directory)} has too little room for {needed / (1 << 30):.1f} GiB")


def _build(
    directory: Path, recipe: Recipe, decoders: Decoders, progress: Progress, stopping: Callable[[], bool]
) -> None:
    """Decode all pictures into a new directory and give it the cache's name."""
    temporary = Path(tempfile.mkdtemp(prefix=f"{recipe.key}.", suffix=caches.UNFINISHED, dir=directory))
    try:
        pixels = temporary / _PIXELS
        with pixels.open("wb") as file:
            _reserve(file.fileno(), len(recipe.paths) * recipe.row_bytes)
            answers = _decode_all(recipe, pixels, decoders, progress, stopping)
            os.fsync(file.fileno())
        digests = np.array([answer.digest for answer in answers], dtype="<u8")
        _write(temporary / _DIGESTS, digests.tobytes())
        unreadable = {row: answer.reason for row, answer in enumerate(answers) if answer.reason}
        about = {"root": recipe.root, "pictures": len(recipe.paths), "size": recipe.size, "channels": recipe.channels}
        entry = {"format": FORMAT, "key": recipe.key, "about": about, "unreadable": unreadable}
        _write(temporary / ENTRY, json.dumps(entry).encode())
        sync_directory(temporary)
        os.rename(temporary, directory / recipe.key)
        sync_directory(directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


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


def _decode_all(
    recipe: Recipe, output: Path, decoders: Decoders, progress: Progress, stopping: Callable[[], bool]
) -> list[Answer]:
    total = len(recipe.paths)
    chunk = min(256, max(8, total // 64))
    jobs: list[Future[list[Answer]]] = [
        decoders.submit(
            Job(
                recipe.root,
                recipe.paths[start : start + chunk],
                recipe.size,
                recipe.channels,
                recipe.resize,
                str(output),
                start,
            )
        )
        for start in range(0, total, chunk)
    ]
    answers: list[Answer] = []
    try:
        for job in jobs:
            answers += _patient(job, stopping)
            progress("decoding pictures", len(answers), total)
    except Stopped:
        decoders.close()  # at once, whatever they are at
        raise
    except BaseException:
        _cancel(jobs)
        raise
    return answers


def _patient(job: Future[list[Answer]], stopping: Callable[[], bool]) -> list[Answer]:
    while True:
        if stopping():
            raise Stopped
        try:
            return job.result(timeout=0.2)
        except FutureTimeoutError:
            if job.done():
                raise


def _cancel(jobs: Sequence[Future[list[Answer]]]) -> None:
    """Wait for the jobs that are being worked on, so that none writes into a directory that is gone."""
    for job in jobs:
        job.cancel()
    for job in jobs:
        if not job.cancelled():
            with contextlib.suppress(BaseException):
                job.result(timeout=30)
