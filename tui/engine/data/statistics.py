"""Mean and deviation of the training pictures, in whole numbers, so that they do not depend on the machine."""

from __future__ import annotations

import numpy as np

from tui.engine.data.draws import Pictures, Positions
from tui.engine.data.sources import Source

MOST_VALUES = 1 << 29
"""A set with more pixel values than this is measured by an even sample."""
_CHUNK = 128


def spread_evenly(positions: Positions, most: int) -> Positions:
    """Return at most ``most`` of the positions, evenly spread."""
    if len(positions) <= most:
        return positions
    return positions[np.arange(most) * len(positions) // most]


def mean_and_deviation(source: Source, positions: Positions, channels: int) -> tuple[list[float], list[float]]:
    """Return the mean and the standard deviation of each channel, in 0..1, over all pixels of these pictures.

    A deviation is never below 1/255: a channel that is constant stays finite.
    """
    count = 0
    total = np.zeros(channels, dtype=np.uint64)
    squares = np.zeros(channels, dtype=np.uint64)
    waiting = [positions[start : start + _CHUNK] for start in range(0, len(positions), _CHUNK)]
    pending = [source.request(chunk) for chunk in waiting[: source.ahead]]
    for number in range(len(waiting)):
        pictures, reasons = pending.pop(0).take()
        if number + source.ahead < len(waiting):
            pending.append(source.request(waiting[number + source.ahead]))
        if reasons:
            pictures = np.delete(pictures, list(reasons), axis=0)
        one_total, one_squares = _sums(pictures, channels)
        total += one_total
        squares += one_squares
        count += pictures[..., 0].size
    if count == 0:
        return [0.5] * channels, [0.25] * channels
    mean = [int(value) / count for value in total]
    variance = [max(0.0, int(value) / count - centre * centre) for value, centre in zip(squares, mean, strict=True)]
    return [value / 255 for value in mean], [max(value**0.5, 1.0) / 255 for value in variance]


def _sums(pictures: Pictures, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum and the sum of squares of each channel, exactly."""
    if len(pictures) == 0:
        return np.zeros(channels, dtype=np.uint64), np.zeros(channels, dtype=np.uint64)
    # Down the pictures first: whole lines are added at once, and 128 squares fit 32 bits.
    flat = pictures.reshape(len(pictures), -1)
    total = flat.sum(axis=0, dtype=np.uint32).astype(np.uint64)
    squares = np.square(flat, dtype=np.uint16).sum(axis=0, dtype=np.uint32).astype(np.uint64)
    return total.reshape(-1, channels).sum(axis=0), squares.reshape(-1, channels).sum(axis=0)
