"""RandAugment and TrivialAugment: which change each picture gets, how strong, and making it.

Cubuk et al. 2020, "RandAugment: Practical automated data augmentation with a reduced search space"; Müller and
Hutter 2021, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation" (the wide space). Changes,
ranges and probabilities are those of torchvision's transforms of these names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui.engine.data import colour, geometry
from tui.engine.data.draws import Bits, Numbers, Pictures, Positions, below, coin

BINS = 31
"""Strengths to choose from, evenly spread."""
DRAWS = 3
"""Random numbers for one change: which, how strong, in which direction."""
_PIXELS_OF_331 = 150 / 331


@dataclass(frozen=True)
class Change:
    """One kind of change."""

    name: str
    make: Callable[[Pictures, Numbers], Pictures]
    """Takes the pictures and a magnitude for each."""
    random: Callable[[int], Numbers]
    """The magnitudes in RandAugment, by the side of the pictures: ``[BINS]``."""
    trivial: Callable[[int], Numbers]
    """Likewise in TrivialAugment."""
    signed: bool = False
    """Half of the magnitudes are negative."""


def _spread(end: float, start: float = 0.0) -> Callable[[int], Numbers]:
    return lambda side: np.linspace(start, end, BINS)


def _bits(lost: int) -> Callable[[int], Numbers]:
    return lambda side: np.rint(8 - np.arange(BINS) / ((BINS - 1) / lost))


def _none(side: int) -> Numbers:
    return np.zeros(BINS)


def _more(make: Callable[[Pictures, Numbers], Pictures]) -> Callable[[Pictures, Numbers], Pictures]:
    """Return a change whose magnitude counts from 1."""
    return lambda pictures, magnitudes: make(pictures, 1.0 + magnitudes)


def _far(side: int) -> Numbers:
    return np.linspace(0.0, _PIXELS_OF_331 * side, BINS)


CHANGES: Sequence[Change] = (
    Change("Identity", lambda pictures, _: pictures, _none, _none),
    Change("ShearX", geometry.sheared_across, _spread(0.3), _spread(0.99), signed=True),
    Change("ShearY", geometry.sheared_down, _spread(0.3), _spread(0.99), signed=True),
    Change("TranslateX", geometry.moved_across, _far, _spread(32.0), signed=True),
    Change("TranslateY", geometry.moved_down, _far, _spread(32.0), signed=True),
    Change("Rotate", geometry.rotated, _spread(30.0), _spread(135.0), signed=True),
    Change("Brightness", _more(colour.brightness), _spread(0.9), _spread(0.99), signed=True),
    Change("Color", _more(colour.saturation), _spread(0.9), _spread(0.99), signed=True),
    Change("Contrast", _more(colour.contrast), _spread(0.9), _spread(0.99), signed=True),
    Change("Sharpness", _more(colour.sharpness), _spread(0.9), _spread(0.99), signed=True),
    Change("Posterize", colour.posterize, _bits(4), _bits(6)),
    Change("Solarize", lambda p, m: colour.solarize(p, 255 * m), _spread(0.0, 1.0), _spread(0.0, 1.0)),
    Change("AutoContrast", colour.autocontrast, _none, _none),
    Change("Equalize", colour.equalize, _none, _none),
)
"""In the order of torchvision's tables."""


def chosen(bits: Bits, side: int, magnitude: int | None) -> tuple[Positions, Numbers]:
    """Return (which change ``[n]``, its magnitude ``[n]``).

    Args:
        bits: ``[n, DRAWS]``.
        side: of the pictures.
        magnitude: the bin, for RandAugment; None draws it, for TrivialAugment.
    """
    which = below(bits[:, 0], len(CHANGES))
    tables = np.stack([(c.trivial if magnitude is None else c.random)(side) for c in CHANGES])
    bins = below(bits[:, 1], BINS) if magnitude is None else np.full(len(bits), magnitude)
    values = tables[which, bins]
    signed: NDArray[np.bool_] = np.array([change.signed for change in CHANGES])[which]
    return which, np.where(signed & coin(bits[:, 2]), -values, values)


def changed(pictures: Pictures, which: Positions, magnitudes: Numbers) -> Pictures:
    """Make each picture's change; pictures with the same one are changed together."""
    result = pictures.copy()
    for number, change in enumerate(CHANGES):
        places = np.flatnonzero(which == number)
        if len(places) and number:
            result[places] = change.make(pictures[places], magnitudes[places])
    return result
