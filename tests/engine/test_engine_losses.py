"""The losses against their formulas, the weights against their meaning, scores and predictions by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tui.core.dataset.targets import Targets, targets_of
from tui.core.schema import with_changes
from tui.core.settings import LossSettings, Settings
from tui.engine import losses
from tui.engine.losses import Objective


def classes(*counts: int) -> Targets:
    samples = [("", label) for label, count in enumerate(counts) for _ in range(count)]
    return targets_of(samples, "classification", len(counts))


def numbers(*rows: tuple[float, ...]) -> Targets:
    return targets_of([("", row) for row in rows], "regression", len(rows[0]))


def labels(count: int, *rows: tuple[int, ...]) -> Targets:
    return targets_of([("", row) for row in rows], "multilabel", count)


def objective(targets: Targets, **loss: Any) -> Objective:
    return losses.objective(Settings(loss=LossSettings(**loss)), targets)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(12, 4) * 3, torch.arange(12) % 4


def test_weighted_cross_entropy_is_torchs_up_to_its_scale(batch: tuple[Tensor, Tensor]) -> None:
    outputs, targets = batch
    made = objective(classes(1, 2, 3, 6), class_weights="balanced", label_smoothing=0.1)
    weights = torch.tensor([3.0, 1.5, 1.0, 0.5])  # N / (C n), as scikit-learn balances
    each = F.cross_entropy(outputs, targets, weights, label_smoothing=0.1, reduction="none")
    assert float(made.training_loss(outputs, targets)) == pytest.approx(float(each.mean()), rel=1e-6)
    plain = F.cross_entropy(outputs, targets, reduction="none")
    assert torch.equal(made.sample_losses(outputs, targets), plain)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_parts_of_a_batch_add_up(loss: str, weights: str, batch: tuple[Tensor, Tensor]) -> None:
    outputs, targets = batch
    made = objective(classes(1, 2, 3, 6), name=loss, class_weights=weights, label_smoothing=0.1)
    whole = made.training_loss(outputs, targets)
    parts = [made.training_loss(outputs[i : i + 4], targets[i : i + 4]) for i in (0, 4, 8)]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_shares_of_classes_that_are_whole_are_classes(loss: str, batch: tuple[Tensor, Tensor]) -> None:
    outputs, targets = batch
    made = objective(classes(1, 2, 3, 6), name=loss, class_weights="balanced", label_smoothing=0.2)
    soft = F.one_hot(targets, 4).float()
    torch.testing.assert_close(made.training_loss(outputs, soft), made.training_loss(outputs, targets))
    assert torch.equal(made.score(outputs, soft), made.score(outputs, targets))


def test_a_mixed_picture_costs_what_its_parts_cost(batch: tuple[Tensor, Tensor]) -> None:
    outputs, targets = batch
    other, share = targets.roll(1), torch.linspace(0, 1, 12)[:, None]
    soft = share * F.one_hot(targets, 4) + (1 - share) * F.one_hot(other, 4)
    own, others = (F.cross_entropy(outputs, t, reduction="none") for t in (targets, other))
    expected = (share.flatten() * own + (1 - share.flatten()) * others).mean()
    torch.testing.assert_close(objective(classes(3, 3, 3, 3)).training_loss(outputs, soft), expected)


def test_focal_loss_by_its_formula(batch: tuple[Tensor, Tensor]) -> None:
    outputs, targets = batch
    p = outputs.double().softmax(1)[range(12), targets]
    expected = (-((1 - p) ** 1.5) * p.log()).mean()
    made = objective(classes(3, 3, 3, 3), name="focal", focal_gamma=1.5)
    assert float(made.training_loss(outputs, targets)) == pytest.approx(float(expected), rel=1e-5)
    assert float(made.sample_losses(outputs, targets).mean()) == pytest.approx(float(expected), rel=1e-5)
    plain = objective(classes(3, 3, 3, 3), name="focal", focal_gamma=0.0)
    torch.testing.assert_close(plain.training_loss(outputs, targets), F.cross_entropy(outputs, targets))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_has_a_gradient_where_a_picture_is_surely_right(gamma: float) -> None:
    outputs = torch.tensor([[200.0, 0.0]], requires_grad=True)
    objective(classes(1, 1), name="focal", focal_gamma=gamma).training_loss(outputs, torch.tensor([0])).backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()


def test_class_weights_mean_one_over_the_training_pictures() -> None:
    counts = np.array([5, 50, 500, 0])
    for settings in (
        LossSettings(class_weights="balanced"),
        LossSettings(class_weights="effective", effective_beta=0.99),
        LossSettings(class_weights="given", weights=(8.0, 4.0, 2.0, 1.0)),
    ):
        weights = losses.class_weights(settings, counts)
        assert weights is not None
        assert float((weights * counts).sum()) == pytest.approx(555)
        assert weights[0] > weights[1] > weights[2] > 0
        assert weights[3] == 1
    balanced = losses.class_weights(LossSettings(class_weights="balanced"), counts)
    assert balanced is not None
    assert balanced[0] / balanced[2] == pytest.approx(100)
    assert losses.class_weights(LossSettings(), counts) is None


def test_class_weights_mean_one_over_what_a_balanced_sampler_draws() -> None:
    counts = np.array([5, 50, 500, 0])
    weights = losses.class_weights(LossSettings(class_weights="balanced"), counts, evenly=True)
    assert weights is not None
    assert float(weights[:3].mean()) == pytest.approx(1)
    assert weights[0] / weights[2] == pytest.approx(100)
    chosen = with_changes(Settings(), {"data.sampler": "balanced", "loss.class_weights": "balanced"}, source="test")
    made = losses.objective(chosen, classes(5, 50, 500))
    blank = torch.zeros(3, 3)
    assert float(made.training_loss(blank, torch.arange(3))) == pytest.approx(math.log(3), rel=1e-5)
    assert "made up for twice" in losses.favoured_twice(chosen)
    assert losses.favoured_twice(with_changes(chosen, {"data.sampler": "shuffled"}, source="test")) == ""


def test_the_effective_number_is_between_one_and_all() -> None:
    counts = np.array([10, 1000])

    def ratio(beta: float) -> float:
        weights = losses.class_weights(LossSettings(class_weights="effective", effective_beta=beta), counts)
        assert weights is not None
        return float(weights[0] / weights[1])

    assert ratio(0.0) == pytest.approx(1.0)  # every class counts as one picture
    assert ratio(0.99) == pytest.approx((1 - 0.99**1000) / (1 - 0.99**10))
    assert ratio(1 - 1e-9) == pytest.approx(100, rel=1e-4)  # every picture counts


def test_labels() -> None:
    targets = labels(3, (0, 1), (1,), ())
    made = objective(targets)
    outputs = torch.tensor([[2.0, -1.0, -3.0], [0.5, 1.0, -0.5]])
    there = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    expected = F.binary_cross_entropy_with_logits(outputs, there)
    torch.testing.assert_close(made.training_loss(outputs, there), expected)
    torch.testing.assert_close(made.sample_losses(outputs, there).mean(), expected)
    assert float(made.score(outputs, there)) == pytest.approx(2 * 2 / (3 + 3))
    assert float(made.score(torch.full((2, 3), -1.0), torch.zeros(2, 3))) == 1.0
    torch.testing.assert_close(made.predictions(outputs), outputs.sigmoid())
    smooth = objective(targets, label_smoothing=0.2).training_loss(outputs, there)
    torch.testing.assert_close(smooth, F.binary_cross_entropy_with_logits(outputs, there * 0.8 + 0.1))


def test_labels_that_are_rare_weigh_more() -> None:
    targets = labels(3, (0,), (0, 1), (0,), (0,))  # with: 4, 1, 0 of 4
    assert losses.positive_weights(
        LossSettings(class_weights="balanced"), targets.per_class(), 4
    ).tolist() == pytest.approx([1.0, 3.0, 1.0])  # type: ignore[union-attr]
    made = objective(targets, class_weights="balanced")
    outputs, there = torch.zeros(1, 3), torch.tensor([[0.0, 1.0, 0.0]])
    assert float(made.training_loss(outputs, there)) == pytest.approx(math.log(2) * (1 + 3 + 1) / 3)


def test_focal_loss_of_labels_by_its_formula() -> None:
    torch.manual_seed(1)
    outputs, there = torch.randn(5, 3), (torch.rand(5, 3) < 0.5).float()
    p = outputs.double().sigmoid()
    right = torch.where(there > 0, p, 1 - p)
    expected = (-((1 - right) ** 2) * right.log()).mean()
    made = objective(labels(3, (0,), (1,)), name="focal")
    assert float(made.training_loss(outputs, there)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", ["mse", "l1", "smooth_l1"])
def test_numbers_are_learned_in_deviations_and_told_in_their_units(name: str) -> None:
    targets = numbers((1000.0, 0.1), (3000.0, 0.5))  # mean 2000 and 0.3, deviation 1000 and 0.2
    made = objective(targets, name=name, smooth_beta=0.5)
    outputs = torch.tensor([[-1.0, 1.0], [2.0, 0.0]])
    wanted = torch.tensor([[1000.0, 0.5], [3000.0, 0.3]])
    torch.testing.assert_close(made.predictions(outputs), torch.tensor([[1000.0, 0.5], [4000.0, 0.3]]))
    distance = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    loss = {"mse": distance**2, "l1": distance, "smooth_l1": distance - 0.25 * (distance > 0)}[name]
    torch.testing.assert_close(made.training_loss(outputs, wanted), loss.mean(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(made.sample_losses(outputs, wanted), loss.mean(1), atol=1e-5, rtol=1e-5)
    assert float(made.score(outputs, wanted)) == pytest.approx(250.0, rel=1e-5)


def test_numbers_that_never_change_and_numbers_as_they_are() -> None:
    made = objective(numbers((5.0,), (5.0,)))
    assert float(made.training_loss(torch.tensor([[0.0]]), torch.tensor([[5.0]]))) == 0
    assert float(made.predictions(torch.tensor([[0.0]]))) == 5
    plain = objective(numbers((1000.0,), (3000.0,)), standardise=False)
    assert float(plain.training_loss(torch.tensor([[10.0]]), torch.tensor([[13.0]]))) == 9
