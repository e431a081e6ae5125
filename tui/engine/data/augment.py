"""Order and augmentation of training pictures, as pure functions of (seed, epoch, position in the split).

There is no generator whose state could be lost, shared between workers or drawn from in another order:
every random number is a hash of what it is for. A run that is resumed at any step, with any number of
workers, sees the same bytes. Whole batches are augmented at once, in plain numpy: torch's own threads
would compete with the training step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from torchvision.transforms.v2 import functional

from tui.core.settings import DataSettings

Pictures = NDArray[np.uint8]
Positions = NDArray[np.int64]

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_ORDER, _AUGMENT = 1, 2
_ATTEMPTS = 10
_FLIP, _TOP, _LEFT, _AREA, _ASPECT = 0, 1, 2, 3, 3 + _ATTEMPTS
_DRAWS = 3 + 2 * _ATTEMPTS
_ROOM = 1.25


def stored_size(data: DataSettings) -> int:
    """Return the side in pixels at which training pictures are decoded.

    A random resized crop is scaled up from a part of the picture: it gets some room to be sharp.
    """
    return round(data.image_size * _ROOM) if data.crop == "random_resized" else data.image_size


def shuffled(positions: Positions, seed: int, epoch: int) -> Positions:
    """Return ``positions`` in the order of one epoch; leaving one out leaves the others in their order."""
    return positions[np.argsort(_bits(seed, epoch, _ORDER, positions, 1)[:, 0], kind="stable")]


def _mix(x: Any) -> Any:
    """Turn 64 bits into 64 bits that look unrelated (the finalizer of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _bits(seed: int, epoch: int, stream: int, positions: Positions, draws: int) -> NDArray[np.uint64]:
    """Return 64 random bits for each position and draw: ``[len(positions), draws]``."""
    key = np.zeros(1, dtype=np.uint64)
    for part in (seed, epoch, stream):
        key = _mix(key + np.uint64((part + 1) * _STEP & _MASK))
    own = _mix(key + positions.astype(np.uint64) * np.uint64(_STEP))
    numbers = np.arange(1, draws + 1, dtype=np.uint64) * np.uint64(0xD1B54A32D192ED03)
    return np.asarray(_mix(own[:, None] + numbers[None, :]), dtype=np.uint64)


def _uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return numbers in [0, 1)."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _below(bits: NDArray[np.uint64], limit: Any) -> NDArray[np.int64]:
    """Return whole numbers in [0, limit), for limits far below 2**32."""
    return ((bits >> np.uint64(32)) * np.asarray(limit).astype(np.uint64) >> np.uint64(32)).astype(np.int64)


@dataclass(frozen=True)
class Augmentation:
    """What happens to training pictures; distributed like torchvision's RandomCrop, RandomResizedCrop and flip."""

    data: DataSettings
    seed: int

    def apply(self, pictures: Pictures, epoch: int, positions: Positions) -> Pictures:
        """Return augmented pictures.

        Args:
            pictures: uint8 ``[B, S, S, C]`` with the side of `stored_size`; may be changed.
            epoch: counted from 0.
            positions: of the pictures in the training split, ``[B]``.

        Returns:
            uint8 ``[B, size, size, C]``, contiguous.
        """
        bits = _bits(self.seed, epoch, _AUGMENT, positions, _DRAWS)
        size = self.data.image_size
        if self.data.crop == "random_resized":
            boxes = resized_boxes(bits, pictures.shape[1], self.data.crop_scale)
            pictures = _resized_crops(pictures, boxes, size)
        elif self.data.crop == "padded" and self.data.crop_padding > 0:
            shifts = 2 * self.data.crop_padding + 1
            pictures = _shifted(
                pictures, self.data.crop_padding, _below(bits[:, _TOP], shifts), _below(bits[:, _LEFT], shifts)
            )
        if self.data.flip:
            _flip(pictures, np.flatnonzero(bits[:, _FLIP] >> np.uint64(63)))
        return pictures


def _shifted(pictures: Pictures, padding: int, top: Positions, left: Positions) -> Pictures:
    """Cut each picture out of itself with a black border of ``padding``, at its own (top, left)."""
    count, height, width, channels = pictures.shape
    shape = (count, height + 2 * padding, width + 2 * padding, channels)
    padded = np.zeros(shape, dtype=np.uint8)
    padded[:, padding : padding + height, padding : padding + width] = pictures
    picture, row, column, _ = padded.strides
    # Every place where a crop can start, as a view whose innermost axis is a whole contiguous line.
    windows = as_strided(
        padded,
        (count, 2 * padding + 1, 2 * padding + 1, height, width * channels),
        (picture, row, column, row, 1),
        writeable=False,
    )
    return windows[np.arange(count), top, left].reshape(pictures.shape)


def _flip(pictures: Pictures, which: Positions) -> None:
    """Mirror some pictures in place; channel by channel is four times as fast as numpy's own reversal."""
    straight = pictures[which]
    mirrored = np.empty_like(straight)
    for channel in range(pictures.shape[3]):
        mirrored[..., channel] = straight[:, :, ::-1, channel]
    pictures[which] = mirrored


def resized_boxes(bits: NDArray[np.uint64], side: int, smallest: float) -> NDArray[np.int64]:
    """Return (top, left, height, width) for each row of bits, drawn as torchvision's RandomResizedCrop does.

    Area uniform between ``smallest`` and 1 of the picture's, logarithm of the aspect ratio uniform between
    3:4 and 4:3, ten attempts, then the whole picture.
    """
    area = side * side * (smallest + (1 - smallest) * _uniform(bits[:, _AREA : _AREA + _ATTEMPTS]))
    aspect = np.exp(np.log(4 / 3) * (2 * _uniform(bits[:, _ASPECT : _ASPECT + _ATTEMPTS]) - 1))
    width = np.rint(np.sqrt(area * aspect)).astype(np.int64)
    height = np.rint(np.sqrt(area / aspect)).astype(np.int64)
    fits = (width > 0) & (width <= side) & (height > 0) & (height <= side)
    first = np.argmax(fits, axis=1)
    rows = np.arange(len(bits))
    some = fits[rows, first]
    width = np.where(some, width[rows, first], side)
    height = np.where(some, height[rows, first], side)
    top, left = _below(bits[:, _TOP], side - height + 1), _below(bits[:, _LEFT], side - width + 1)
    return np.stack([top, left, height, width], axis=1)


def _resized_crops(pictures: Pictures, boxes: NDArray[np.int64], size: int) -> Pictures:
    source = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    result = np.empty((len(pictures), size, size, pictures.shape[3]), dtype=np.uint8)
    for index, (top, left, height, width) in enumerate(boxes.tolist()):
        crop = functional.resized_crop_image(source[index], top, left, height, width, [size, size], antialias=True)
        result[index] = crop.permute(1, 2, 0).numpy()
    return result


def resized(pictures: Pictures, size: int) -> Pictures:
    """Return the whole pictures at another size."""
    if pictures.shape[1] == size:
        return pictures
    whole = np.array([[0, 0, pictures.shape[1], pictures.shape[2]]] * len(pictures), dtype=np.int64).reshape(-1, 4)
    return _resized_crops(pictures, whole, size)
