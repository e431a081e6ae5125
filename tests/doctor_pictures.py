"""Two families of procedural pictures, ten classes each, for the doctor's benchmark: the same bytes everywhere.

*shapes* are figures and stripes in any colour at any place; *digits* are seven-segment numerals on clutter. One
is tuned on, the other is not looked at before the measurement.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FAMILIES = ("shapes", "digits")
SIZE = 32
CLASSES = 10
COUNTS = {"train": 160, "val": 30}
"""Pictures per class."""

Pixels = NDArray[np.float64]
_ROW, _COLUMN = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64)
_SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def make_family(folder: Path, family: str) -> Path:
    """Write a family as ``train/CLASS/*.png`` and ``val/CLASS/*.png`` unless it is there; return the folder."""
    root = folder / family
    if root.exists():
        return root
    building = folder / f"{family}.building"
    for split, count in COUNTS.items():
        for label in range(CLASSES):
            place = building / split / f"class_{label}"
            place.mkdir(parents=True)
            for index in range(count):
                Image.fromarray(draw(family, label, index + (10_000 if split == "val" else 0))).save(
                    place / f"{index:04d}.png"
                )
    building.rename(root)
    return root


def draw(family: str, label: int, index: int) -> NDArray[np.uint8]:
    """Return one picture, uint8 [SIZE, SIZE, 3]."""
    random = np.random.default_rng((FAMILIES.index(family), label, index))
    mask = _shape(label, random) if family == "shapes" else _digit(label, random)
    back, front = random.uniform(30, 225, 3), random.uniform(30, 225, 3)
    while abs(back.mean() - front.mean()) < 45:
        front = random.uniform(10, 245, 3)
    picture = back + mask[..., None] * (front - back)
    if family == "digits":
        for _ in range(2):  # clutter: short bars in any colour
            x, y = random.integers(0, SIZE - 4, 2)
            w, h = random.integers(1, 4, 2)
            picture[y : y + h, x : x + w] = random.uniform(20, 235, 3)
    return (picture + random.normal(0, 14, picture.shape)).clip(0, 255).astype(np.uint8)


def _shape(label: int, random: np.random.Generator) -> Pixels:
    size = random.uniform(7, 12)
    x, y = random.uniform(size, SIZE - size, 2)
    u, v = _COLUMN - x, _ROW - y
    radius, side = np.hypot(u, v), np.maximum(abs(u), abs(v))
    period, phase = random.uniform(5, 8), random.uniform(0, 8)
    inside: NDArray[np.bool_]
    match label:
        case 0:
            inside = radius < size
        case 1:
            inside = side < size * 0.88
        case 2:
            inside = (v < size * 0.8) & (v > 1.8 * abs(u) - size)
        case 3:
            inside = (np.minimum(abs(u), abs(v)) < size / 4) & (side < size)
        case 4:
            inside = (radius < size) & (radius > size * 0.55)
        case 5:
            inside = (_ROW + phase) % period < period / 2
        case 6:
            inside = (_COLUMN + phase) % period < period / 2
        case 7:
            inside = (_ROW + _COLUMN + phase) % (1.4 * period) < 0.7 * period
        case 8:
            inside = ((_ROW + phase) % period < period / 2) ^ ((_COLUMN + phase) % period < period / 2)
        case _:
            inside = np.hypot((_ROW + phase) % period - period / 2, (_COLUMN + phase) % period - period / 2) < 1.8
    return inside.astype(np.float64)


def _digit(label: int, random: np.random.Generator) -> Pixels:
    height, width = random.uniform(24, 28), random.uniform(13, 16)
    x, y = random.uniform(2, SIZE - width - 2), random.uniform(2, SIZE - height - 2)
    thick = random.uniform(3.5, 5)
    slant = random.uniform(-0.15, 0.15)
    u, v = _COLUMN - x + slant * (_ROW - y - height / 2), _ROW - y
    middle = height / 2
    bars = {
        "a": (0, width, 0, thick),
        "d": (0, width, height - thick, height),
        "g": (0, width, middle - thick / 2, middle + thick / 2),
        "f": (0, thick, 0, middle),
        "e": (0, thick, middle, height),
        "b": (width - thick, width, 0, middle),
        "c": (width - thick, width, middle, height),
    }
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    for name in _SEGMENTS[label]:
        left, right, top, bottom = bars[name]
        mask |= (u >= left) & (u <= right) & (v >= top) & (v <= bottom)
    return mask.astype(np.float64)
