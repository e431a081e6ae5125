"""Which files are byte for byte the same, found without reading what cannot be.

Only files of equal size can be equal, and of large ones three pieces are read before the whole: reading all
of a large dataset to begin a run would take longer than its first epoch.
"""

from __future__ import annotations

import contextlib
import os
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from tui.core.dataset import listings
from tui.core.dataset.listing_store import bytes_of, load_copies, save_copies

MOST_FILES = 200_000
"""More files of equal size than this are not compared when a run begins; `cnntrain check` compares any number."""
_WHOLE = 1 << 16
_PIECE = 1 << 12
_TICK = 512

Progress = Callable[[int, int], None]


def find_same(
    root: str | os.PathLike[str], pictures: Iterable[tuple[str, int]], progress: Progress | None = None
) -> dict[str, int] | None:
    """Return the number of a set of equal files by path; files that are equal to none are not in it.

    Args:
        root: of the dataset.
        pictures: (path relative to the root, size).
        progress: told (done, total).

    Returns:
        None if there are too many to compare.
    """
    by_size: dict[int, list[str]] = defaultdict(list)
    for path, size in pictures:
        by_size[size].append(path)
    alike = [(size, paths) for size, paths in by_size.items() if len(paths) > 1 and size > 0]
    if sum(len(paths) for _, paths in alike) > MOST_FILES:
        return None
    sets: list[list[str]] = []
    waiting = [(size, path) for size, paths in alike for path in paths]
    for size, likely in _grouped(root, waiting, _beginning, progress):
        if size <= _WHOLE:
            sets.append(likely)
        else:
            sets += [own for _, own in _grouped(root, [(size, path) for path in likely], _whole, None)]
    return {path: number for number, paths in enumerate(sorted(sets)) for path in paths}


def find_again(
    root: Path, paths: Sequence[str], stamps: array[int], progress: Progress | None = None
) -> dict[str, int] | None:
    """Return what `find_same` does; where it took long, from the user's cache, as long as no picture has changed.

    Args:
        root: of the dataset, absolute.
        paths: of the pictures, relative to the root.
        stamps: size and time of change in ns of each picture.
        progress: told (done, total).
    """
    digest = blake2b(bytes_of(stamps), digest_size=16)
    digest.update("\0".join(paths).encode("utf-8", "surrogateescape"))
    pictures = digest.hexdigest()
    if len(paths) >= listings.LEAST and (known := load_copies(str(root), pictures)) is not None:
        return known
    found = find_same(root, zip(paths, stamps[::2], strict=True), progress)
    # A file may be written twice within one step of its file system's clock.
    if found is not None and len(paths) >= listings.LEAST and max(stamps[1::2]) < time.time_ns() - listings.SETTLED_NS:
        with contextlib.suppress(OSError):
            save_copies(str(root), pictures, found)
    return found


def _grouped(
    root: str | os.PathLike[str],
    files: Sequence[tuple[int, str]],
    digest: Callable[[int, int], bytes],
    progress: Progress | None,
) -> list[tuple[int, list[str]]]:
    """Return size and paths of the files that have size and digest in common; those that are gone are like none."""
    groups: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    for done, (size, path) in enumerate(files, start=1):
        try:
            # No file object: most files of a large dataset are small, and making one takes as long as reading them.
            handle = os.open(os.path.join(root, path), os.O_RDONLY | os.O_NONBLOCK)
            try:
                groups[size, digest(handle, size)].append(path)
            finally:
                os.close(handle)
        except OSError:
            continue
        if progress is not None and (done % _TICK == 0 or done == len(files)):
            progress(done, len(files))
    return [(size, sorted(paths)) for (size, _), paths in groups.items() if len(paths) > 1]


def _beginning(handle: int, size: int) -> bytes:
    """Return a digest of a small file, or of three pieces of a large one."""
    if size <= _WHOLE:
        return _whole(handle, size)
    places = (0, size // 2, size - _PIECE)
    return blake2b(b"".join(os.pread(handle, _PIECE, place) for place in places), digest_size=16).digest()


def _whole(handle: int, size: int) -> bytes:
    digest = blake2b(digest_size=16)
    while piece := os.read(handle, min(size + 1, 1 << 20)):
        digest.update(piece)
    return digest.digest()
