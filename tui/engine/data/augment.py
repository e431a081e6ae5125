"""Augmentation of training pictures, as a pure function of (seed, epoch, key).

A run that is resumed at any step, with any number of workers, sees the same bytes. Whole batches are augmented at
once, in plain numpy: torch's own threads would compete with the training step. The order is crop, flips,
rotation, colours, RandAugment or TrivialAugment, erasing; then pictures are mixed in pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.core.settings import DataSettings
from tui.engine.data import colour, draws, geometry, mixing, policies
from tui.engine.data.draws import Bits, Numbers, Pictures, Positions, below, coin, draw, uniform
from tui.engine.data.geometry import ATTEMPTS

_FLIP, _TOP, _LEFT, _AREA = 0, 1, 2, 3
_DRAWS = 3 + 2 * ATTEMPTS
_ROOM = 1.25


def stored_size(data: DataSettings) -> int:
    """Return the side in pixels at which training pictures are decoded.

    A random resized crop is scaled up from a part of the picture: it gets some room to be sharp.
    """
    return round(data.image_size * _ROOM) if data.crop == "random_resized" else data.image_size


@dataclass(frozen=True)
class Augmentation:
    """What happens to training pictures; distributed like torchvision's transforms of these names."""

    data: DataSettings
    seed: int

    def apply(self, pictures: Pictures, epoch: int, keys: Positions) -> Pictures:
        """Return augmented pictures.

        Args:
            pictures: uint8 ``[B, S, S, C]`` with the side of `stored_size`; may be changed.
            epoch: counted from 0.
            keys: of the pictures in this epoch ``[B]``, as `tui.engine.data.order` gives them; of a picture that
                comes once, its position in the training split.

        Returns:
            uint8 ``[B, size, size, C]``, contiguous.
        """
        pictures = self._cropped_and_flipped(pictures, epoch, keys)
        if self.data.rotation:
            turn = 2 * uniform(self._draw(epoch, draws.ROTATION, keys, 1)[:, 0]) - 1
            pictures = geometry.rotated(pictures, self.data.rotation * turn)
        pictures = self._jittered(pictures, epoch, keys)
        if self.data.auto_augment != "none":
            pictures = self._changed(pictures, epoch, keys)
        if self.data.erase:
            bits = self._draw(epoch, draws.ERASING, keys, 1 + _DRAWS)
            boxes, some = geometry.erased_boxes(bits[:, 3 : 3 + 2 * ATTEMPTS], bits[:, 1:3], pictures.shape[1])
            places = np.flatnonzero((uniform(bits[:, 0]) < self.data.erase) & some)
            # Indexing with an array would erase in a copy.
            geometry.erase([pictures[place] for place in places.tolist()], boxes[places])
        return pictures

    @property
    def only_copies(self) -> bool:
        """Whether pixels are only moved, and nothing is computed with them."""
        data = self.data
        computed = (data.rotation, data.brightness, data.contrast, data.saturation, data.hue, data.erase, self.mixes)
        return data.crop != "random_resized" and data.auto_augment == "none" and not any(computed)

    @property
    def mixes(self) -> bool:
        """Whether pictures are mixed with each other, so that targets become shares."""
        return bool(self.data.mixup or self.data.cutmix)

    def mix(
        self, pictures: Pictures, targets: NDArray[Any], classes: int, epoch: int, keys: Positions
    ) -> tuple[Pictures, NDArray[np.float32]]:
        """Return pictures mixed with their neighbours in the batch, and their targets.

        Args:
            pictures: uint8 ``[B, size, size, C]``, as `apply` returns them.
            targets: int64 ``[B]`` or float32 ``[B, outputs]``.
            classes: outputs of the network.
            epoch, keys: as for `apply`.

        Returns:
            uint8 ``[B, size, size, C]``; float32 ``[B, outputs]``.
        """
        bits = self._draw(epoch, draws.MIXING, keys, mixing.DRAWS)
        pictures, shares = mixing.mixed(pictures, bits, self.data.mixup, self.data.cutmix)
        return pictures, mixing.mixed_targets(targets, shares, classes)

    def _draw(self, epoch: int, stream: int, keys: Positions, count: int) -> Bits:
        return draw(self.seed, epoch, stream, keys, count)

    def _cropped_and_flipped(self, pictures: Pictures, epoch: int, keys: Positions) -> Pictures:
        resized = self.data.crop == "random_resized"
        bits = self._draw(epoch, draws.AUGMENT, keys, _DRAWS if resized else _AREA)
        if resized:
            boxes = geometry.resized_boxes(
                bits[:, _AREA:],
                bits[:, _TOP : _LEFT + 1],
                pictures.shape[1],
                self.data.crop_scale,
                self.data.crop_ratio,
            )
            pictures = geometry.resized_crops(pictures, boxes, self.data.image_size)
        elif self.data.crop == "padded" and self.data.crop_padding > 0:
            top, left = (below(bits[:, draw], 2 * self.data.crop_padding + 1) for draw in (_TOP, _LEFT))
            pictures = geometry.shifted(pictures, self.data.crop_padding, top, left)
        if self.data.flip:
            geometry.mirror(pictures, np.flatnonzero(coin(bits[:, _FLIP])))
        if self.data.vertical_flip:
            upside_down = np.flatnonzero(coin(self._draw(epoch, draws.VERTICAL, keys, 1)[:, 0]))
            pictures[upside_down] = pictures[upside_down, ::-1]
        return pictures

    def _jittered(self, pictures: Pictures, epoch: int, keys: Positions) -> Pictures:
        """Change brightness, contrast, saturation and hue, for each picture in an order of its own."""
        data = self.data
        if not (data.brightness or data.contrast or data.saturation or data.hue):
            return pictures
        order, factors = jitter(self._draw(epoch, draws.JITTER, keys, 8), data)
        makers: tuple[Callable[[Pictures, Numbers], Pictures], ...] = (
            colour.brightness,
            colour.contrast,
            colour.saturation,
            colour.hue,
        )
        used = [
            number for number, limit in enumerate((data.brightness, data.contrast, data.saturation, data.hue)) if limit
        ]
        for turn in range(4):
            for number in used:
                places = np.flatnonzero(order[:, turn] == number)
                if len(places):
                    pictures[places] = makers[number](pictures[places], factors[places, number])
        return pictures

    def _changed(self, pictures: Pictures, epoch: int, keys: Positions) -> Pictures:
        data = self.data
        random = data.auto_augment == "randaugment"
        count = data.randaugment_ops if random else 1
        bits = self._draw(epoch, draws.POLICY, keys, policies.DRAWS * count)
        for number in range(count):
            part = bits[:, policies.DRAWS * number : policies.DRAWS * (number + 1)]
            magnitude = data.randaugment_magnitude if random else None
            pictures = policies.changed(pictures, *policies.chosen(part, pictures.shape[1], magnitude))
        return pictures


def jitter(bits: Bits, data: DataSettings) -> tuple[Positions, Numbers]:
    """Return the order of the four changes ``[n, 4]`` and their factors ``[n, 4]``, as torchvision's ColorJitter draws.

    Brightness, contrast and saturation are uniform in [max(0, 1 - limit), 1 + limit], hue in [-limit, limit].

    Args:
        bits: ``[n, 8]``: for the order, and for the factors.
        data: the limits.
    """
    order = np.argsort(bits[:, :4], axis=1, kind="stable")
    limits = (data.brightness, data.contrast, data.saturation)
    ranges = [(max(0.0, 1 - limit), 1 + limit) for limit in limits] + [(-data.hue, data.hue)]
    low, high = np.array(ranges).T
    return order, low + (high - low) * uniform(bits[:, 4:])
