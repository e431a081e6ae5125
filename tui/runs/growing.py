"""How files that grow are looked at: a file that is gone, or cannot be read now, has nothing new."""

from __future__ import annotations

import os
from pathlib import Path


def size_of(path: Path) -> int:
    """Return a file's length in bytes; 0 where there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def read_at(path: Path, start: int, length: int) -> bytes:
    """Return up to ``length`` bytes from ``start``; nothing where they cannot be read. It never waits for a writer."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.pread(handle, length, start)
    except OSError:
        return b""
    finally:
        os.close(handle)
