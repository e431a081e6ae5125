"""A folder for work that is thrown away: gone at its end, or, if this process was killed, at the next start of one.

Every start of a training clears such folders away, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "cnntrain-trial-"
_LOCK = "lock"
_FORSAKEN = 3600.0
"""Seconds after which a folder without a lock is nobody's: its maker was killed before it could take it."""


@contextmanager
def scratch() -> Iterator[Path]:
    """Make such a folder, which only this user can enter, and take away what earlier ones have left.

    Raises:
        OSError: it cannot be made.
    """
    clear_forsaken()
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        lock = os.open(os.path.join(name, _LOCK), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.suppress(OSError):  # a file system without locks: then nobody may clear it
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Path(name)
        finally:
            os.close(lock)


def clear_forsaken() -> None:
    """Take away what those have left who were killed."""
    with contextlib.suppress(OSError):
        for folder in list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
            if _is_forsaken(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_forsaken(folder: Path) -> bool:
    """Whether a folder is this user's own and nobody works in it."""
    try:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return False
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return time.time() - found.st_mtime > _FORSAKEN
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(lock)
    except OSError:
        return False
    return True
