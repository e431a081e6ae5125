"""How large the pictures are, told from the headers of a few of them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tui.core.dataset.pictures import PictureError, inspect

if TYPE_CHECKING:
    from tui.core.dataset.scan import Scan


@dataclass(frozen=True)
class Sizes:
    """The sizes of a sample of pictures, from their headers."""

    measured: int
    """How many could be read."""
    width: tuple[int, int, int]
    """Smallest, middle and greatest, in pixels."""
    height: tuple[int, int, int]
    modes: dict[str, int]
    """Pictures by colour mode as Pillow names it (RGB, L, CMYK, P, ...), the most frequent first."""
    unreadable: list[str] = field(default_factory=list)
    """Paths whose header could not be read."""


def measure_sizes(scan: Scan, limit: int = 256) -> Sizes:
    """Read the headers of at most ``limit`` pictures, spread evenly over all of them."""
    paths = [path for samples in scan.samples.values() for path, _ in samples]
    count = min(limit, len(paths))
    measured: list[tuple[int, int, str]] = []
    unreadable: list[str] = []
    for index in range(count):
        path = paths[index * len(paths) // count]
        try:
            measured.append(inspect(os.path.join(scan.root, path)))
        except PictureError:
            unreadable.append(path)
    return sizes_of(measured, unreadable)


def sizes_of(measured: list[tuple[int, int, str]], unreadable: list[str]) -> Sizes:
    """Return the sizes of pictures from (width, height, mode) of each."""
    widths, heights = _spread([width for width, _, _ in measured]), _spread([height for _, height, _ in measured])
    modes = Counter(mode for _, _, mode in measured)
    return Sizes(len(measured), widths, heights, dict(modes.most_common()), unreadable)


def _spread(values: list[int]) -> tuple[int, int, int]:
    ordered = sorted(values) or [0]
    return ordered[0], ordered[len(ordered) // 2], ordered[-1]
