"""How the targets of a dataset are spread: numbers from low to high, labels per picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui.core.dataset.samples import Sample

BINS = 16


@dataclass(frozen=True)
class Spread:
    """One number to learn, over all pictures."""

    name: str
    """The raw heading of its column."""
    low: float
    middle: float
    high: float
    histogram: tuple[int, ...]
    """Pictures in each of `BINS` equal steps from low to high."""


def spreads_of(samples: Sequence[Sample], names: Sequence[str]) -> list[Spread]:
    """Return the spread of each number; ``samples`` have one number for each name."""
    found = []
    rows = [target for _, target in samples if isinstance(target, tuple)]
    for place, name in enumerate(names):
        values = sorted(row[place] for row in rows)
        if not values:
            continue
        low, high = values[0], values[-1]
        histogram = [0] * BINS
        for value in values:
            # Halved first: the difference of two large numbers may be infinite.
            share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
            histogram[min(BINS - 1, int(share * BINS))] += 1
        found.append(Spread(name, low, values[len(values) // 2], high, tuple(histogram)))
    return found


def labels_per_picture(samples: Sequence[Sample]) -> tuple[float, int]:
    """Return (labels of a picture in the mean, pictures without any) of a multi-label dataset."""
    counts = [len(target) for _, target in samples if isinstance(target, tuple)]
    return sum(counts) / max(1, len(counts)), counts.count(0)
