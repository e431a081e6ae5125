"""The caches as a person sees them: which there are, what they take, and taking them away.

Those of decoded pictures are directories in the user's cache, made by the engine (`tui.engine.data.cache`) and
guarded by a lock file of the same name: shared while it is used, exclusive while it is made or removed. What is in
use is never removed. What a dataset's folders held is a file for each dataset (`tui.core.dataset.listing_store`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tui.core.dataset import listing_store
from tui.core.files import cache_directory

ENTRY = "entry.json"
"""Says what a cache holds; its time is that of the last use."""
UNFINISHED = ".tmp"
"""The ending of what a killed run left behind, or is being made."""

_KEY = re.compile(r"[0-9a-f]{32}")
_LARGEST = 64 << 20


@dataclass(frozen=True)
class StoredCache:
    """One cache on disk."""

    key: str
    bytes: int
    used: float
    """When it was last used, in seconds since 1970; 0: unknown."""
    in_use: bool
    finished: bool
    root: str = ""
    """The folder that its pictures are from, raw; empty for one made by an older version."""
    pictures: int = 0
    size: int = 0
    """Pixels on each side."""
    channels: int = 0
    kind: Literal["pictures", "folders"] = "pictures"
    """Decoded pictures, or what a dataset's folders held."""


def directory() -> Path:
    """Return where the decoded pictures are."""
    return cache_directory() / "decoded"


def listed() -> list[StoredCache]:
    """Return all caches and leftovers, the last used first; what cannot be read is passed over."""
    try:
        paths = [path for path in directory().iterdir() if _key_of(path) and path.is_dir() and not path.is_symlink()]
    except OSError:
        paths = []
    found = [one for path in paths if (one := _look(path)) is not None]
    found += [
        StoredCache(one.key, one.bytes, one.used, False, True, one.root, one.pictures, kind="folders")
        for one in listing_store.stored()
    ]
    return sorted(found, key=lambda one: one.used, reverse=True)


def clear(caches: list[StoredCache]) -> tuple[list[StoredCache], list[StoredCache]]:
    """Remove caches that nobody uses; return (removed, kept because they are in use or not ours)."""
    removed: list[StoredCache] = []
    kept: list[StoredCache] = []
    for cache in caches:
        if cache.kind == "folders":
            (removed if listing_store.forget(cache.key) else kept).append(cache)
            continue
        paths = [directory() / cache.key] if cache.finished else list(directory().glob(f"{cache.key}.*{UNFINISHED}"))
        gone = all(remove_unused(directory(), cache.key, path) for path in paths)
        (removed if gone else kept).append(cache)
    return removed, kept


def lock(path: Path, *, exclusive: bool) -> int | None:
    """Return a handle that holds the lock until it is closed, or None while someone else holds it.

    Raises:
        OSError: the lock cannot be made.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                os.close(handle)
                return None
            return handle  # a file system without locks: as good as it gets
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        os.close(handle)  # the file was removed between opening and locking it


def remove_unused(folder: Path, key: str, path: Path) -> bool:
    """Remove a cache or leftover that nobody holds; whether it is gone.

    Raises:
        OSError: the lock cannot be made.
    """
    handle = lock(folder / f"{key}.lock", exclusive=True)
    if handle is None:
        return False
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.unlink(folder / f"{key}.lock")
    os.close(handle)
    return not path.exists()


def size_of(path: Path) -> int:
    """Return the bytes that a cache's files take on disk.

    Raises:
        OSError: it cannot be read.
    """
    return sum(file.stat().st_size for file in path.iterdir())


def _key_of(path: Path) -> str:
    """Return the key in the name of a cache or leftover; empty for anything else."""
    key, dot, rest = path.name.partition(".")
    return key if _KEY.fullmatch(key) and (not dot or rest.endswith(UNFINISHED.lstrip("."))) else ""


def _look(path: Path) -> StoredCache | None:
    key = _key_of(path)
    finished = path.name == key
    fields: dict[str, Any] = {}
    used = 0.0
    with contextlib.suppress(OSError, ValueError, RecursionError):
        used = path.stat().st_mtime
        with (path / ENTRY).open("rb") as file:
            used = os.fstat(file.fileno()).st_mtime
            table = json.loads(file.read(_LARGEST))
            about = table.get("about") if isinstance(table, dict) else None
            fields = about if isinstance(about, dict) else {}
    numbers = {name: fields[name] for name in ("pictures", "size", "channels") if type(fields.get(name)) is int}
    try:
        size = size_of(path)
    except OSError:
        return None
    return StoredCache(
        key=key,
        bytes=size,
        used=used,
        in_use=_held(path.parent / f"{key}.lock"),
        finished=finished,
        root=str(fields.get("root", "")),
        **numbers,
    )


def _held(path: Path) -> bool:
    """Whether someone holds the lock; asking takes it for a moment, and makes no file."""
    if not path.exists():
        return False
    try:
        handle = lock(path, exclusive=True)
    except OSError:
        return True
    if handle is None:
        return True
    os.close(handle)
    return False
