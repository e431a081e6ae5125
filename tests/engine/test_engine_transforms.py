"""Every change of pictures against torchvision v2's own function, and every draw against its distribution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from picture_sets import settings_for
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from tui.engine.data import augment, colour, draws, geometry, mixing, policies
from tui.engine.data.augment import Augmentation
from tui.engine.data.draws import beta, draw
from tui.engine.data.order import balanced, shuffled

Array = NDArray[Any]
COUNT = 3000


def bits(number: int, count: int = COUNT, stream: int = draws.POLICY) -> Array:
    return draw(3, 1, stream, np.arange(count), number)


def pictures(count: int = 12, side: int = 24, channels: int = 3) -> Array:
    """Smooth pictures with some noise, one grey, one black and one of a single colour."""
    random = np.random.default_rng(7)
    grid = np.linspace(0, 3, side)
    waves = np.sin(
        grid[None, :, None, None] * random.uniform(0, 3, (count, 1, 1, channels)) + grid[None, None, :, None]
    )
    made = (127 + 100 * waves + random.normal(0, 12, (count, side, side, channels))).clip(0, 255).astype(np.uint8)
    made[0] = made[0, ..., :1]
    made[1] = 0
    made[2] = (200, 30, 90)[:channels]
    return made


def each(images: Array, values: Array, apply: Callable[[torch.Tensor, float], torch.Tensor]) -> Array:
    tensors = [torch.from_numpy(image).permute(2, 0, 1) for image in images]
    return np.stack(
        [apply(tensor, value).permute(1, 2, 0).numpy() for tensor, value in zip(tensors, values.tolist(), strict=True)]
    )


def kolmogorov(one: Array, other: Array) -> float:
    """The greatest distance of the two distribution functions, as a share of what chance allows (1 in 1000)."""
    values = np.union1d(one, other)
    places = [np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (one, other)]
    return float(np.abs(places[0] - places[1]).max()) / (1.95 * (1 / len(one) + 1 / len(other)) ** 0.5)


def chi_square(one: Counter[Any], other: Counter[Any]) -> float:
    """Two samples of equal size: chi-square per kind, about 1 when they have one distribution."""
    kinds = set(one) | set(other)
    return sum((one[kind] - other[kind]) ** 2 / (one[kind] + other[kind]) for kind in kinds) / len(kinds)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize(
    ("ours", "theirs", "values"),
    [
        (colour.brightness, functional.adjust_brightness, np.linspace(0, 2, 12)),
        (colour.contrast, functional.adjust_contrast, np.linspace(0, 2, 12)),
        (colour.saturation, functional.adjust_saturation, np.linspace(0, 2, 12)),
        (colour.hue, functional.adjust_hue, np.linspace(-0.5, 0.5, 12)),
        (colour.sharpness, functional.adjust_sharpness, np.linspace(0, 2, 12)),
        (colour.posterize, lambda x, v: functional.posterize(x, int(v)), np.arange(12) % 9),
        (colour.solarize, functional.solarize, np.linspace(0, 255, 12)),
        (colour.autocontrast, lambda x, _: functional.autocontrast(x), np.zeros(12)),
        (colour.equalize, lambda x, _: functional.equalize(x), np.zeros(12)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_colours_are_torchvisions(ours: Any, theirs: Any, values: Array, channels: int) -> None:
    images = pictures(channels=channels)
    before = images.copy()
    found, expected = ours(images, values), each(images, values, theirs)
    assert np.array_equal(images, before)
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.max() <= 1  # a float that is a whole number up to its last bit
    assert (difference > 0).mean() < 0.02


@pytest.mark.parametrize("side", [24, 25])
@pytest.mark.parametrize(
    ("ours", "theirs", "values"),
    [
        (geometry.rotated, functional.rotate, np.array([0, 90, 180, 270, -90, 7.3, -31.1, 44, 101, -133, 1, 2.5])),
        (
            geometry.sheared_across,
            lambda x, v: v2.RandAugment()._apply_image_or_video_transform(x, "ShearX", v, "nearest", {}),
            np.linspace(-0.99, 0.99, 12),
        ),
        (
            geometry.sheared_down,
            lambda x, v: v2.RandAugment()._apply_image_or_video_transform(x, "ShearY", v, "nearest", {}),
            np.linspace(-0.99, 0.99, 12),
        ),
        (
            geometry.moved_across,
            lambda x, v: v2.RandAugment()._apply_image_or_video_transform(x, "TranslateX", v, "nearest", {}),
            np.linspace(-30, 30, 12),
        ),
        (
            geometry.moved_down,
            lambda x, v: v2.RandAugment()._apply_image_or_video_transform(x, "TranslateY", v, "nearest", {}),
            np.linspace(-30, 30, 12),
        ),
    ],
    ids=["rotate", "shear_x", "shear_y", "translate_x", "translate_y"],
)
def test_movements_are_torchvisions(ours: Any, theirs: Any, values: Array, side: int) -> None:
    images = pictures(side=side)
    found, expected = ours(images, values), each(images, values, theirs)
    # A pixel exactly between two others may fall to either.
    assert (found != expected).any(axis=3).mean() < 0.01


def test_jitter_is_drawn_as_torchvision_draws_it() -> None:
    limits = {"brightness": 0.4, "contrast": 1.5, "saturation": 0.2, "hue": 0.1}
    order, factors = augment.jitter(bits(8, stream=draws.JITTER), settings_for(data=limits).data)
    torch.manual_seed(0)
    reference = v2.ColorJitter(**limits)
    drawn = [reference.make_params([]) for _ in range(COUNT)]
    for number, name in enumerate(limits):
        theirs = np.array([params[f"{name}_factor"] for params in drawn])
        assert kolmogorov(factors[:, number], theirs) < 1
    orders = Counter(map(tuple, order.tolist()))
    assert len(orders) == 24
    assert chi_square(orders, Counter(tuple(params["fn_idx"].tolist()) for params in drawn)) < 2


def test_jitter_makes_the_changes_in_the_order_drawn() -> None:
    limits = {"brightness": 0.9, "contrast": 0.9, "saturation": 0.9, "hue": 0.4}
    one = Augmentation(settings_for(data={"crop": "none", "flip": False, **limits}).data, 3)
    images = pictures()
    found = one.apply(images.copy(), 1, np.arange(12))
    order, factors = augment.jitter(bits(8, 12, draws.JITTER), one.data)
    kernels = (
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
        functional.adjust_hue,
    )
    for image, turns, values, result in zip(images, order, factors, found, strict=True):
        tensor = torch.from_numpy(image).permute(2, 0, 1)
        for turn in turns.tolist():
            tensor = kernels[turn](tensor, float(values[turn]))
        difference = np.abs(tensor.permute(1, 2, 0).numpy().astype(int) - result.astype(int))
        assert np.median(difference) <= 1
        assert (difference > 6).mean() < 0.02


@pytest.mark.parametrize("kind", ["randaugment", "trivialaugment"])
def test_policies_are_drawn_as_torchvision_draws_them(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, float]] = []
    reference = v2.RandAugment(num_ops=1, magnitude=11) if kind == "randaugment" else v2.TrivialAugmentWide()
    monkeypatch.setattr(
        reference,
        "_apply_image_or_video_transform",
        lambda image, name, magnitude, **_: (drawn.append((name, magnitude)), image)[1],
    )
    torch.manual_seed(0)
    for _ in range(COUNT):
        reference(torch.zeros(3, 48, 48, dtype=torch.uint8))
    which, magnitudes = policies.chosen(bits(policies.DRAWS), 48, 11 if kind == "randaugment" else None)
    ours = [(policies.CHANGES[number].name, value) for number, value in zip(which.tolist(), magnitudes, strict=True)]
    assert chi_square(Counter(name for name, _ in ours), Counter(name for name, _ in drawn)) < 2
    for change in policies.CHANGES:
        mine = np.array([value for name, value in ours if name == change.name])
        theirs = np.array([value for name, value in drawn if name == change.name])
        assert np.allclose(mine.max(), theirs.max(), rtol=0.15)
        assert kolmogorov(mine.round(5), theirs.round(5)) < 1.1, change.name
        allowed = (change.random if kind == "randaugment" else change.trivial)(48)
        assert np.isin(np.abs(theirs).round(3), allowed.round(3)).all(), change.name


@pytest.mark.parametrize("number", range(14))
def test_each_change_of_a_policy_is_torchvisions(number: int) -> None:
    change = policies.CHANGES[number]
    images = pictures()
    values = change.trivial(24)[[1, 4, 9, 13, 17, 30] * 2] * (
        np.where(np.arange(12) % 2, -1, 1) if change.signed else 1
    )
    found = policies.changed(images, np.full(12, number), values)
    apply = v2.RandAugment()._apply_image_or_video_transform
    expected = each(images, values, lambda x, v: apply(x, change.name, v, "nearest", {}))
    different = np.abs(found.astype(int) - expected.astype(int)) > 1
    assert different.any(axis=3).mean() < 0.01


def test_holes_are_drawn_as_torchvision_draws_them() -> None:
    side = 32
    torch.manual_seed(0)
    drawn = [v2.RandomErasing(p=1).make_params([torch.zeros(3, side, side)]) for _ in range(COUNT)]
    theirs = np.array([[params[name] for name in ("i", "j", "h", "w")] for params in drawn])
    random = bits(2 + 2 * geometry.ATTEMPTS, stream=draws.ERASING)
    ours, some = geometry.erased_boxes(random[:, 2:], random[:, :2], side)
    assert some.all()
    for quantity in (lambda b: b[:, 0], lambda b: b[:, 1], lambda b: b[:, 2] * b[:, 3], lambda b: b[:, 2] / b[:, 3]):
        assert kolmogorov(quantity(ours), quantity(theirs)) < 1


def test_a_hole_is_black_and_only_in_the_share_asked_for() -> None:
    one = Augmentation(settings_for(data={"crop": "none", "flip": False, "erase": 0.3}).data, 0)
    images = np.full((2000, 12, 12, 3), 9, dtype=np.uint8)
    found = one.apply(images.copy(), 0, np.arange(2000))
    holes = (found == 0).all(axis=3).sum((1, 2))
    assert 520 < (holes > 0).sum() < 680
    assert set(np.unique(found)) == {0, 9}
    assert holes[holes > 0].max() <= 0.4 * 144


def test_rotation_is_uniform_and_vertical_flips_are_half() -> None:
    images = pictures(4)[3:].repeat(400, 0)
    one = Augmentation(settings_for(data={"crop": "none", "flip": False, "vertical_flip": True}).data, 0)
    found = one.apply(images.copy(), 0, np.arange(400))
    upside_down = (found == images[:, ::-1]).all((1, 2, 3))
    assert (upside_down ^ (found == images).all((1, 2, 3))).all()
    assert 160 < upside_down.sum() < 240
    turned = Augmentation(settings_for(data={"crop": "none", "flip": False, "rotation": 30.0}).data, 5)
    keys = np.arange(200)
    angles = 30 * (2 * draws.uniform(draw(5, 2, draws.ROTATION, keys, 1)[:, 0]) - 1)
    found = turned.apply(images[:200].copy(), 2, keys)
    assert np.array_equal(found, geometry.rotated(images[:200], angles))
    assert kolmogorov(angles, np.linspace(-30, 30, 1000)) < 1


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 2.0, 8.0])
def test_shares_are_beta(alpha: float) -> None:
    torch.manual_seed(0)
    theirs = torch.distributions.Beta(torch.tensor(alpha, dtype=torch.float64), alpha).sample((20_000,)).numpy()
    ours = beta(bits(1, 20_000)[:, 0], alpha)
    assert ((ours >= 0) & (ours <= 1)).all()
    assert kolmogorov(ours, theirs) < 1
    assert ours.mean() == pytest.approx(0.5, abs=0.01)
    assert ours.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_mixup_blends_as_torchvision_does() -> None:
    images = pictures()
    drawn = bits(mixing.DRAWS, 12)
    found, shares = mixing.mixed(images, drawn, 1.0, 0.0)
    batch = torch.from_numpy(images).double()
    for place, share in enumerate(shares.tolist()):
        expected = batch[place] * share + batch[place - 1] * (1 - share)
        assert np.abs(found[place] - expected.numpy()).max() <= 0.5 + 1e-9
    assert np.array_equal(shares, np.rint(beta(drawn[:, 0], 1.0) * 256) / 256)
    reference = v2.MixUp(num_classes=5)
    labels = np.arange(12) % 5
    targets = mixing.mixed_targets(labels, shares, 5)
    for place, share in enumerate(shares.tolist()):
        theirs = reference._mixup_label(torch.from_numpy(labels), lam=share)[place]
        assert np.allclose(targets[place], theirs.numpy(), atol=1e-6)
    assert np.allclose(targets.sum(1), 1)


def test_cutmix_boxes_are_drawn_as_torchvision_draws_them() -> None:
    side = 32
    torch.manual_seed(0)
    reference = v2.CutMix(alpha=1.0, num_classes=2)
    drawn = [reference.make_params([torch.zeros(2, 3, side, side)]) for _ in range(COUNT)]
    theirs = np.array([[params["box"][place] for place in (1, 0, 3, 2)] for params in drawn])
    random = bits(mixing.DRAWS)
    ours, shares = mixing.cut_boxes(random, beta(random[:, 0], 1.0), side)
    for place in range(4):
        assert kolmogorov(ours[:, place], theirs[:, place]) < 1
    assert kolmogorov(shares, np.array([params["lam_adjusted"] for params in drawn])) < 1


def test_cutmix_pastes_the_picture_before() -> None:
    images = pictures()
    found, shares = mixing.mixed(images, bits(mixing.DRAWS, 12), 0.0, 1.0)
    for place in range(12):
        own = (found[place] == images[place]).all(axis=2)
        other = (found[place] == images[place - 1]).all(axis=2)
        assert (own | other).all()
        assert own.mean() >= shares[place] - 1e-9


def test_with_both_each_picture_gets_one_of_them() -> None:
    images = np.stack([np.full((16, 16, 3), value, dtype=np.uint8) for value in range(0, 250, 5)] * 8)
    found, shares = mixing.mixed(images, bits(mixing.DRAWS, len(images)), 1.0, 1.0)
    values = [len(np.unique(picture)) for picture in found]
    assert 0.3 < np.mean([value == 1 for value in values]) < 0.7
    assert set(values) == {1, 2}
    assert ((shares >= 0) & (shares <= 1)).all()


def test_numbers_are_mixed_too() -> None:
    targets = np.array([[1.0], [3.0]], dtype=np.float32)
    assert mixing.mixed_targets(targets, np.array([0.25, 1.0]), 1).tolist() == [[2.5], [3.0]]


@pytest.mark.parametrize(
    "data",
    [
        {"rotation": 20.0, "vertical_flip": True},
        {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
        {"auto_augment": "randaugment"},
        {"auto_augment": "trivialaugment", "erase": 0.5},
    ],
)
@pytest.mark.parametrize("channels", [3, 1])
def test_a_picture_is_changed_alike_in_any_batch(data: dict[str, Any], channels: int) -> None:
    one = Augmentation(settings_for(data={**data, "channels": channels}).data, 2)
    images, keys = pictures(30, 16, channels), np.arange(70, 100)
    whole = one.apply(images.copy(), 1, keys)
    assert whole.shape == images.shape
    assert whole.dtype == np.uint8
    parts = [one.apply(images[part].copy(), 1, keys[part]) for part in (slice(0, 1), slice(1, 17), slice(17, 30))]
    assert np.array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(one.apply(images.copy(), 2, keys), whole)


def test_a_picture_that_comes_again_is_augmented_anew() -> None:
    one = Augmentation(settings_for(data={"brightness": 0.4}).data, 0)
    image = pictures(4)[3:4].repeat(5, 0)
    found = one.apply(image, 0, 3 + 100 * np.arange(5))
    assert len({picture.tobytes() for picture in found}) == 5


def test_a_balanced_epoch() -> None:
    classes = np.array([0] * 90 + [1] * 9 + [2] * 5)
    positions = np.delete(np.arange(104), [3, 92])  # two cannot be read
    keys = balanced(positions, classes[positions], 104, 0, 0)
    assert len(keys) == 102
    assert len(set(keys.tolist())) == 102
    drawn = keys % 104
    assert set(drawn.tolist()) <= set(positions.tolist())
    assert np.bincount(classes[drawn]).tolist() == [34, 34, 34]
    for label, most in ((1, -(-34 // 8)), (2, -(-34 // 5))):
        times = Counter(drawn[classes[drawn] == label].tolist())
        assert max(times.values()) == most
        assert min(times.values()) >= most - 1  # every one once more before one comes again
    assert np.array_equal(keys, balanced(positions, classes[positions], 104, 0, 0))
    assert not np.array_equal(keys, balanced(positions, classes[positions], 104, 0, 1))
    # The classes are mixed all along the epoch.
    assert all(len(set(classes[drawn[start : start + 17]].tolist())) == 3 for start in range(0, 102, 17))


def test_classes_of_one_size_are_as_likely() -> None:
    classes = np.arange(7) % 3  # 3, 2 and 2 pictures; 7 places: one class has one more
    more = Counter(
        int(np.bincount(classes[balanced(np.arange(7), classes, 7, 0, epoch) % 7]).argmax()) for epoch in range(300)
    )
    assert min(more.values()) > 70
    assert np.array_equal(np.sort(shuffled(np.arange(7), 0, 0)), np.arange(7))
