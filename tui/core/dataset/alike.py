"""Pictures that look alike: a search for perceptual hashes that differ in few bits. Advice, never a verdict.

Two hashes that differ in at most seven of 128 bits are equal in at least one of their eight 16-bit parts, so
only hashes that share a part are compared. Parts that very many pictures share say little and are passed over.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tui.core.dataset.facts import LOOK_BITS

MOST_BITS = 7
_PART = 16
_CROWD = 4096
"""A part that more pictures share is passed over: comparing them all takes its square."""
_BLOCK = 512

Pairs = list[tuple[int, int, int]]


def alike(looks: list[int], most_bits: int = MOST_BITS, progress: Callable[[int, int], None] | None = None) -> Pairs:
    """Return (first, second, bits that differ) of the hashes that nearly agree, the closest first.

    Args:
        looks: from `tui.core.dataset.facts.look_of`; 0: unknown.
        most_bits: the most that may differ, at most 7.
        progress: told how many of the parts were searched.
    """
    if most_bits > MOST_BITS:
        raise ValueError(most_bits)
    places = np.array([place for place, look in enumerate(looks) if look], dtype=np.int64)
    data = b"".join(looks[place].to_bytes(LOOK_BITS // 8, "little") for place in places.tolist())
    parts = np.frombuffer(data, dtype="<u2").reshape(len(places), LOOK_BITS // _PART)
    words = np.frombuffer(data, dtype="<u8").reshape(len(places), LOOK_BITS // 64)
    found: dict[tuple[int, int], int] = {}
    for number in range(parts.shape[1]):
        _search(parts[:, number], words, most_bits, found)
        if progress is not None:
            progress(number + 1, parts.shape[1])
    pairs = [(int(places[first]), int(places[second]), bits) for (first, second), bits in found.items()]
    return sorted(pairs, key=lambda pair: (pair[2], pair[0], pair[1]))


def _search(
    part: NDArray[np.uint16], words: NDArray[np.uint64], most_bits: int, found: dict[tuple[int, int], int]
) -> None:
    order = np.argsort(part, kind="stable")
    starts = np.flatnonzero(np.diff(part[order].astype(np.int64), prepend=-1, append=-1))
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if not 1 < end - start <= _CROWD:
            continue
        rows = order[start:end]
        own = words[rows]
        for top in range(0, len(rows), _BLOCK):
            differ = own[top : top + _BLOCK, None, :] ^ own[None, top:, :]
            bits = _ones(differ).sum(axis=2)
            for a, b in zip(*np.nonzero(bits <= most_bits), strict=True):
                if b > a:
                    first, second = sorted((int(rows[top + a]), int(rows[top + b])))
                    found[first, second] = int(bits[a, b])


def _ones(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return how many bits are set (numpy has this only from 2.0 on)."""
    if hasattr(np, "bitwise_count"):
        counted: NDArray[np.uint8] = np.bitwise_count(values)
        return counted
    as_bytes = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8)
    summed: NDArray[np.uint8] = _TABLE[as_bytes].sum(axis=-1, dtype=np.uint8)
    return summed


_TABLE = np.array([bin(value).count("1") for value in range(256)], dtype=np.uint8)
