"""Order and augmentation: pure functions, distributed like torchvision's, made of torchvision's kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from picture_sets import settings_for
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from tui.engine.data import augment, draws
from tui.engine.data.augment import Augmentation, stored_size
from tui.engine.data.draws import below, draw
from tui.engine.data.geometry import ATTEMPTS, resized, resized_boxes
from tui.engine.data.order import shuffled

SIZE = 12


def augmentation(seed: int = 0, **data: Any) -> Augmentation:
    return Augmentation(settings_for(data=data).data, seed)


def pictures(count: int, side: int = SIZE, channels: int = 3) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(1, 256, (count, side, side, channels), dtype=np.uint8)


def bits(count: int, number: int = augment._DRAWS, stream: int = draws.AUGMENT) -> np.ndarray[Any, Any]:
    return draw(0, 0, stream, np.arange(count), number)


def boxes_of(drawn: np.ndarray[Any, Any], side: int, smallest: float, aspect: float = 4 / 3) -> np.ndarray[Any, Any]:
    area, top = augment._AREA, augment._TOP
    return resized_boxes(drawn[:, area : area + 2 * ATTEMPTS], drawn[:, top : top + 2], side, smallest, aspect)


def uniformity(counts: np.ndarray[Any, Any]) -> float:
    """Chi-square per degree of freedom: about 1 when all are equally likely."""
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2 / expected).sum() / (counts.size - 1))


def test_random_bits_are_uniform_and_independent() -> None:
    drawn = bits(40_000, 3)
    for shift in (0, 20, 40, 60):
        nibbles = (drawn >> np.uint64(shift)) & np.uint64(15)
        assert uniformity(np.bincount(nibbles.ravel().astype(int), minlength=16)) < 2.5
    pair = ((drawn[:, 0] >> np.uint64(61)) * np.uint64(8) + (drawn[:, 1] >> np.uint64(61))).astype(int)
    assert uniformity(np.bincount(pair, minlength=64)) < 1.8
    neighbours = ((drawn[1:, 0] >> np.uint64(61)) * np.uint64(8) + (drawn[:-1, 0] >> np.uint64(61))).astype(int)
    assert uniformity(np.bincount(neighbours, minlength=64)) < 1.8


def test_an_epoch_is_a_permutation_that_seed_and_epoch_decide() -> None:
    positions = np.arange(1000)
    orders = [shuffled(positions, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))]
    assert all(np.array_equal(np.sort(order), positions) for order in orders)
    assert np.array_equal(orders[0], orders[3])
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(orders[one], orders[other])[0, 1]) < 0.15
        assert (orders[one] == orders[other]).sum() < 10


def test_leaving_a_picture_out_keeps_the_order_of_the_others() -> None:
    positions = np.arange(100)
    order = shuffled(positions, 5, 2)
    assert np.array_equal(shuffled(np.delete(positions, 37), 5, 2), order[order != 37])


def test_each_place_is_as_likely_for_each_picture() -> None:
    first = np.array([shuffled(np.arange(8), 0, epoch)[0] for epoch in range(4000)])
    assert uniformity(np.bincount(first, minlength=8)) < 2.5


def test_augmentation_depends_on_the_picture_and_not_on_its_batch() -> None:
    one = augmentation()
    images, positions = pictures(10), np.arange(100, 110)
    whole = one.apply(images.copy(), 3, positions)
    parts = np.concatenate(
        [one.apply(images[part].copy(), 3, positions[part]) for part in ([0, 1, 2], [3], range(4, 10))]
    )
    assert np.array_equal(whole, parts)
    assert not np.array_equal(whole, one.apply(images.copy(), 4, positions))
    assert not np.array_equal(whole, augmentation(seed=1).apply(images.copy(), 3, positions))


@pytest.mark.parametrize("channels", [3, 1])
def test_padded_crops_are_torchvisions(channels: int) -> None:
    """Each result is one of the crops of the padded picture, and each of them is as likely."""
    one = augmentation(flip=False, crop_padding=2, channels=channels)
    count = 4000
    image = pictures(1, channels=channels)
    found = one.apply(np.repeat(image, count, axis=0), 0, np.arange(count))
    padded = functional.pad_image(torch.from_numpy(image[0]).permute(2, 0, 1), [2, 2, 2, 2])
    seen = np.zeros((5, 5), dtype=int)
    for top in range(5):
        for left in range(5):
            crop = functional.crop_image(padded, top, left, SIZE, SIZE).permute(1, 2, 0).numpy()
            seen[top, left] = (found == crop).all(axis=(1, 2, 3)).sum()
    assert seen.sum() == count
    assert uniformity(seen) < 2


def test_flips_are_torchvisions_and_half_of_them() -> None:
    one = augmentation(crop="none")
    images = pictures(2000)
    found = one.apply(images.copy(), 0, np.arange(2000))
    mirrored = functional.horizontal_flip_image(torch.from_numpy(images).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    flipped = (found == mirrored.numpy()).all(axis=(1, 2, 3))
    straight = (found == images).all(axis=(1, 2, 3))
    assert (flipped ^ straight).all()
    assert 900 < flipped.sum() < 1100


def test_flip_and_shift_are_independent() -> None:
    drawn = bits(20_000)
    flip = drawn[:, augment._FLIP] >> np.uint64(63)
    top = below(drawn[:, augment._TOP], 9)
    assert uniformity(np.bincount((flip * 9).astype(int) + top, minlength=18)) < 2


def test_without_crop_and_flip_nothing_changes() -> None:
    images = pictures(5)
    assert np.array_equal(augmentation(crop="none", flip=False).apply(images.copy(), 0, np.arange(5)), images)
    still = augmentation(crop="padded", crop_padding=0, flip=False)
    assert np.array_equal(still.apply(images.copy(), 0, np.arange(5)), images)


@pytest.mark.parametrize("smallest", [0.08, 0.35])
def test_resized_crops_are_drawn_as_torchvision_draws_them(smallest: float) -> None:
    side, count = 64, 3000
    torch.manual_seed(0)
    reference = v2.RandomResizedCrop(size=32, scale=(smallest, 1.0))
    theirs_drawn = [reference.make_params([torch.zeros(3, side, side)]) for _ in range(count)]
    theirs = np.array([[drawn[name] for name in ("top", "left", "height", "width")] for drawn in theirs_drawn])
    ours = boxes_of(bits(count), side, smallest)
    assert (ours[:, 0] + ours[:, 2] <= side).all()
    assert (ours[:, 1] + ours[:, 3] <= side).all()
    assert (ours >= 0).all()
    quantities = [
        lambda box: box[:, 0],
        lambda box: box[:, 1],
        lambda box: box[:, 2],
        lambda box: box[:, 3],
        lambda box: box[:, 2] * box[:, 3],
        lambda box: box[:, 3] / box[:, 2],
    ]
    for quantity in quantities:
        assert _kolmogorov(quantity(ours), quantity(theirs)) < 1.63 * (2 / count) ** 0.5 * 1.1


def _kolmogorov(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """The greatest distance of the two distribution functions."""
    values = np.union1d(one, other)
    places = [np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (one, other)]
    return float(np.abs(places[0] - places[1]).max())


def test_a_crop_that_never_fits_becomes_the_whole_picture() -> None:
    drawn = bits(50)
    drawn[:, augment._AREA : augment._AREA + 10] = np.uint64(2**64 - 1)  # the whole area
    drawn[:, augment._AREA + 10 :] = np.uint64(2**64 - 1)  # at 4:3
    assert (boxes_of(drawn, 64, 0.35) == (0, 0, 64, 64)).all()


def test_resized_crops_use_torchvisions_kernel() -> None:
    one = augmentation(crop="random_resized", flip=False)
    side = stored_size(one.data)
    assert side == 15
    images = pictures(20, side)
    found = one.apply(images.copy(), 0, np.arange(20))
    assert found.shape == (20, SIZE, SIZE, 3)
    boxes = boxes_of(bits(20), side, one.data.crop_scale, one.data.crop_ratio)
    for image, (top, left, height, width), result in zip(images, boxes.tolist(), found, strict=True):
        expected = functional.resized_crop(
            torch.from_numpy(image).permute(2, 0, 1), top, left, height, width, [SIZE, SIZE], antialias=True
        )
        assert np.array_equal(result, expected.permute(1, 2, 0).numpy())


def test_whole_pictures_can_be_resized() -> None:
    images = pictures(3, 15)
    assert resized(images, 15) is images
    expected = functional.resize_image(torch.from_numpy(images).permute(0, 3, 1, 2), [SIZE, SIZE], antialias=True)
    assert np.array_equal(resized(images, SIZE), expected.permute(0, 2, 3, 1).numpy())
    assert resized(images[:0], SIZE).shape == (0, SIZE, SIZE, 3)
