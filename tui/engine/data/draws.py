"""Random numbers that are hashes of what they are for: (seed, epoch, stream, key, number of the draw).

There is no generator whose state could be lost, shared between workers or drawn from in another order: a run
that is resumed at any step, with any number of workers, draws the same. A key is a picture's position in the
split, plus the split's length for each time it was drawn before in the same epoch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]
Positions = NDArray[np.int64]
Bits = NDArray[np.uint64]
Numbers = NDArray[np.float64]

ORDER, AUGMENT, VERTICAL, ROTATION, JITTER, POLICY, ERASING, MIXING, BALANCE = range(1, 10)
"""Streams: one for each use, so that a new one changes no other."""

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_POINTS = 4096


def _mix(x: Any) -> Any:
    """Turn 64 bits into 64 bits that look unrelated (the finalizer of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def draw(seed: int, epoch: int, stream: int, keys: Positions, draws: int) -> Bits:
    """Return 64 random bits for each key and draw: ``[len(keys), draws]``."""
    key = np.zeros(1, dtype=np.uint64)
    for part in (seed, epoch, stream):
        key = _mix(key + np.uint64((part + 1) * _STEP & _MASK))
    own = _mix(key + keys.astype(np.uint64) * np.uint64(_STEP))
    numbers = np.arange(1, draws + 1, dtype=np.uint64) * np.uint64(0xD1B54A32D192ED03)
    return np.asarray(_mix(own[:, None] + numbers[None, :]), dtype=np.uint64)


def uniform(bits: Bits) -> Numbers:
    """Return numbers in [0, 1)."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def below(bits: Bits, limit: Any) -> Positions:
    """Return whole numbers in [0, limit), for limits far below 2**32."""
    return ((bits >> np.uint64(32)) * np.asarray(limit).astype(np.uint64) >> np.uint64(32)).astype(np.int64)


def coin(bits: Bits) -> NDArray[np.bool_]:
    """Return true for one half."""
    return np.asarray(bits >> np.uint64(63), dtype=np.bool_)


def beta(bits: Bits, alpha: float) -> Numbers:
    """Return numbers distributed as Beta(alpha, alpha), by the inverse of its distribution function."""
    side = uniform(bits) * 2  # symmetric: the lower half is drawn, and mirrored
    low = _half_beta(np.where(side < 1, side, side - 1), alpha)
    return np.where(side < 1, low, 1 - low)


def _half_beta(shares: Numbers, alpha: float) -> Numbers:
    """Return where the distribution, cut at one half, reaches each share."""
    reached, at = _beta_table(alpha)
    powers = np.interp(shares, reached, at)
    return np.asarray(powers ** (1 / alpha) / 2)


@lru_cache(maxsize=8)
def _beta_table(alpha: float) -> tuple[Numbers, Numbers]:
    """Return the distribution of t = (2 x)^alpha for x below one half: (shares, t).

    In t the density is (1 - x)^(alpha - 1), which is smooth where that of x has a pole.
    """
    t = np.linspace(0.0, 1.0, 2 * _POINTS + 1)
    density = (1 - t ** (1 / alpha) / 2) ** (alpha - 1)
    panels = density[:-2:2] + 4 * density[1::2] + density[2::2]  # Simpson's rule
    whole = np.concatenate([[0.0], np.cumsum(panels)])
    return whole / whole[-1], t[::2]
