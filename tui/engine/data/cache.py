"""Decoded pictures on disk: made once, memory-mapped by every run that sees the same files at the same size.

A cache is a directory that appears by a rename when it is complete and flushed; what a killed run leaves
behind has another name and is removed by the next. Making and using are guarded by a file lock per cache:
of two runs that want the same one the second waits, and what is in use is never pruned. A full disk, a
budget that is too small or a directory that cannot be written is no failure: the pictures are then
decoded again in every epoch.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tui.core import caches
from tui.core.caches import ENTRY
from tui.core.dataset.decoders import Decoders
from tui.core.text import clean_path
from tui.engine.data.filling import Filler, Progress, Stopped
from tui.engine.data.stored import Cache, Making, NoCache, Recipe, opened

__all__ = ["Cache", "NoCache", "Recipe", "Stopped", "begin_cache", "is_cached", "no_cache", "open_cache"]

_MARGIN = 512 << 20
"""Bytes that stay free on the disk."""


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
    cache = begin_cache(recipe, budget=budget, progress=progress, stopping=stopping)
    if cache.filling is not None:
        filler = Filler([cache.filling], decoders)
        try:
            cache.filling.finish(progress, stopping)
        except BaseException as error:
            if isinstance(error, Stopped):
                decoders.close()  # at once, whatever they are at
            filler.join()
            cache.close()
            if isinstance(error, OSError):
                raise no_cache(error) from error
            raise
        filler.join()
    return cache


def begin_cache(
    recipe: Recipe, *, budget: int, progress: Progress, stopping: Callable[[], bool], mine: Sequence[Recipe] = ()
) -> Cache:
    """Return the cache for ``recipe``; where there is none an empty one, which a `Filler` has to fill.

    Args, raises: as for `open_cache`.
        mine: what this run has begun before.
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
            cache = _existing(directory, recipe, lock)  # another run may have made it just now
            if cache is not None:
                return cache
            _make_room(directory, recipe, budget, mine)
            making = Making(directory, recipe, lock)
            filling = making.filling
            return Cache(making.pixels, recipe, lock, filling.unreadable, filling.digests, making)
        except BaseException:
            os.close(lock)
            raise
    except OSError as error:
        raise no_cache(error) from error


def no_cache(error: OSError) -> NoCache:
    """Return what a file system that refuses means."""
    return NoCache(f"{clean_path(caches.directory())}: {error.strerror or error}")


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


def _existing(directory: Path, recipe: Recipe, lock: int = -1) -> Cache | None:
    """Return the cache if it is there and complete; ``lock`` is held already, or taken."""
    if not (directory / recipe.key / ENTRY).exists():
        return None
    held = lock if lock >= 0 else caches.lock(directory / f"{recipe.key}.lock", exclusive=False)
    if held is None:
        return None
    try:
        found = opened(directory / recipe.key, recipe, held)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        if held != lock:
            os.close(held)
        return None
    if held == lock:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return found


def _make_room(directory: Path, recipe: Recipe, budget: int, mine: Sequence[Recipe]) -> None:
    """Remove leftovers, then the caches that were not used for longest, until ``recipe`` fits.

    Raises:
        NoCache: it still does not fit.
    """
    shutil.rmtree(directory / recipe.key, ignore_errors=True)  # there is one, but not a complete one
    kept = {one.key for one in mine}
    sizes: dict[Path, int] = {}
    used: dict[Path, float] = {}
    for path in directory.iterdir():
        if path.suffix == caches.UNFINISHED:
            key = path.name.split(".")[0]
            if key == recipe.key:
                shutil.rmtree(path, ignore_errors=True)
            elif key not in kept:  # a file system without locks would let it go
                caches.remove_unused(directory, key, path)
        elif path.is_dir():
            with contextlib.suppress(OSError):
                sizes[path] = caches.size_of(path)
                used[path] = (path / ENTRY).stat().st_mtime if (path / ENTRY).exists() else 0.0
    needed = recipe.total_bytes
    budget -= sum(one.total_bytes for one in mine if directory / one.key not in sizes)
    for path in sorted(sizes, key=lambda path: used.get(path, 0.0)):
        free = shutil.disk_usage(directory).free
        if sum(sizes.values()) + needed <= budget and free >= needed + _MARGIN:
            break
        if path.name not in kept and caches.remove_unused(directory, path.name, path):
            del sizes[path]
    if sum(sizes.values()) + needed > budget:
        raise NoCache("caches that other runs use fill data.cache_gib")
    if shutil.disk_usage(directory).free < needed + _MARGIN:
        raise NoCache(f"the disk of {clean_path(directory)} has too little room for {needed / (1 << 30):.1f} GiB")
