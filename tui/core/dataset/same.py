"""Which files are byte for byte the same, found without reading what cannot be.

Only files of equal size can be equal, and of large ones three pieces are read before the whole: reading all
of a large dataset to begin a run would take longer than its first epoch.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

MOST_FILES = 200_000
"""More files of equal size than this are not compared when a run begins; `cnntrain check` compares any number."""
_WHOLE = 1 << 16
_PIECE = 1 << 12
_AT_ONCE = 512
_THREADS = 4

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
    waiting = [(size, path) for size, paths in alike for path in paths]
    first = _grouped(root, waiting, _pieces, progress)
    large = [one for one in first if one[0][0] > _WHOLE]
    sets = [paths for (size, _), paths in first if size <= _WHOLE]
    for (size, _), paths in large:
        sets += [own for _, own in _grouped(root, [(size, path) for path in paths], _whole, None)]
    return {path: number for number, paths in enumerate(sorted(sets)) for path in paths}


def _grouped(
    root: str | os.PathLike[str],
    files: Sequence[tuple[int, str]],
    digest: Callable[[str, int], bytes],
    progress: Progress | None,
) -> list[tuple[tuple[int, bytes], list[str]]]:
    """Return (size, digest) and paths of the files that have both in common."""
    groups: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(files), _AT_ONCE):
            part = files[start : start + _AT_ONCE]
            for (size, path), found in zip(
                part, pool.map(lambda one: digest(os.path.join(root, one[1]), one[0]), part), strict=True
            ):
                if found:
                    groups[size, found].append(path)
            if progress is not None:
                progress(start + len(part), len(files))
    return [(key, sorted(paths)) for key, paths in groups.items() if len(paths) > 1]


def _pieces(path: str, size: int) -> bytes:
    """Return a digest of a small file, or of the beginning, middle and end of a large one; nothing if it is gone."""
    if size <= _WHOLE:
        return _whole(path, size)
    try:
        with open(path, "rb", buffering=0) as file:
            digest = blake2b(file.read(_PIECE), digest_size=16)
            for place in (size // 2, size - _PIECE):
                file.seek(place)
                digest.update(file.read(_PIECE))
            return digest.digest()
    except OSError:
        return b""


def _whole(path: str, size: int) -> bytes:
    digest = blake2b(digest_size=16)
    try:
        with open(path, "rb", buffering=0) as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError:
        return b""
    return digest.digest()
