"""What is wrong with a disk, in words for a person."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tui.core.text import clean

_WORDS = {
    errno.EDQUOT: "your disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission was denied",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open on this machine",
    errno.EIO: "the disk cannot be read or written (input/output error)",
    errno.ESTALE: "the file server has lost it (stale file handle)",
}


def trouble(error: OSError, place: Path | None = None) -> str:
    """Say what is wrong; a quota, or too many files, is not mistaken for a full disk.

    Args:
        error: what the system said.
        place: what was to be written, or a folder above it; where the error names a file, that may be left out.
    """
    if error.errno == errno.ENOSPC:
        there = place or (Path(error.filename) if isinstance(error.filename, str) else None)
        return "the disk holds as many files as it can (no inodes left)" if _crowded(there) else "the disk is full"
    return _WORDS.get(error.errno or 0) or clean(error.strerror or str(error), 120)


def _crowded(place: Path | None) -> bool:
    """Whether a disk has room for bytes, but for no more files."""
    if place is None:
        return False
    for folder in (place, *place.parents):
        try:
            found = os.statvfs(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return False
        return found.f_files > 0 and found.f_favail == 0 and found.f_bavail > 0
    return False
