"""What an evaluation says of classes, labels and numbers, against values worked out by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tui.core.dataset.targets import Targets, targets_of
from tui.core.evaluations import decode
from tui.core.metrics import of_task
from tui.core.settings import LossSettings, Settings
from tui.engine.data.batches import Batch
from tui.engine.evaluate import Evaluation, evaluate
from tui.engine.losses import objective
from tui.engine.tallies.classification import PAIRS, ClassificationTally
from tui.engine.tallies.multilabel import average_precision
from tui.engine.tallies.tally import WORST


class Rows(nn.Module):
    """Answers picture i with row i; the picture's two pixels are its number."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        return self.rows[(x[:, 0, 0, 0] * 256 + x[:, 0, 0, 1]).long()]


def batches(targets: Tensor, size: int) -> Iterator[Batch]:
    for start in range(0, len(targets), size):
        places = torch.arange(len(targets))[start : start + size]
        pixels = torch.stack([places // 256, places % 256], 1).to(torch.uint8).view(-1, 1, 2, 1)
        yield Batch(pixels, targets[start : start + size], 1000 + places)


def judged(outputs: Tensor, learned: Targets, targets: Tensor, size: int = 7, **loss: Any) -> Evaluation:
    result = evaluate(
        Rows(outputs),
        batches(targets, size),
        objective(Settings(loss=LossSettings(**loss)), learned),
        normalise=lambda images: images.permute(0, 3, 1, 2).float(),
        stopping=lambda: False,
    )
    assert result is not None
    return result


def classes(count: int) -> Targets:
    return targets_of([("", label) for label in range(count)], "classification", count)


def test_top_five_counts_from_six_classes_on() -> None:
    outputs = torch.arange(6.0).repeat(6, 1)  # class 5 is highest, class 0 lowest
    result = judged(outputs, classes(6), torch.arange(6))
    assert result.metrics["top5_accuracy"] == 5 / 6
    assert result.metrics["accuracy"] == 1 / 6
    assert "top5_accuracy" not in judged(torch.eye(5), classes(5), torch.arange(5)).metrics
    broken = judged(torch.full((6, 6), math.nan), classes(6), torch.arange(6))
    assert broken.metrics["top5_accuracy"] == 0
    assert math.isnan(broken.metrics["calibration_error"])


def test_macro_precision_counts_a_class_that_was_never_the_answer_as_zero() -> None:
    outputs = nn.functional.one_hot(torch.tensor([0, 0, 1, 0]), 4).float()
    result = judged(outputs, classes(4), torch.tensor([0, 0, 1, 2]))  # class 3 has no pictures
    assert result.metrics["macro_precision"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert result.metrics["balanced_accuracy"] == pytest.approx((1 + 1 + 0) / 3)


def test_calibration_by_hand() -> None:
    sure, unsure = math.log(9), 0.0  # 90 % and 50 % for class 0
    outputs = torch.tensor([[sure, 0.0]] * 10 + [[unsure + 1e-3, 0.0]] * 10)
    targets = torch.tensor([0] * 6 + [1] * 4 + [0] * 5 + [1] * 5)
    result = judged(outputs, classes(2), targets)
    bins = result.detail["calibration"]
    assert [(place, count) for place, count in enumerate(bins["counts"]) if count] == [(7, 10), (13, 10)]
    assert bins["accuracy"][13] == 0.6
    assert bins["confidence"][13] == pytest.approx(0.9, rel=1e-5)
    assert result.metrics["calibration_error"] == pytest.approx((0.3 + 0.00025) / 2, rel=1e-3)


def test_the_worst_mistakes_and_the_most_confident_ones_are_kept_and_they_are_few() -> None:
    torch.manual_seed(2)
    outputs, targets = torch.randn(3000, 3) * 4, torch.randint(0, 3, (3000,))
    result = judged(outputs, classes(3), targets)
    each = nn.functional.cross_entropy(outputs, targets, reduction="none")
    wrong, sure = outputs.argmax(1) != targets, outputs.softmax(1).amax(1)
    kept = {one["position"] - 1000 for one in result.pictures}
    for values in (each, sure):
        worst = values.where(wrong, torch.tensor(-1.0)).topk(WORST).indices.tolist()
        assert kept.issuperset(worst)
    assert len(kept) == len(result.pictures) <= 2 * WORST + 6 * 6
    losses = [one["loss"] for one in result.pictures[:WORST]]
    assert losses == sorted(losses, reverse=True)
    first = result.pictures[0]
    row = first["position"] - 1000
    assert (first["true"], first["answer"]) == (int(targets[row]), int(outputs[row].argmax()))
    assert first["confidence"] == pytest.approx(float(sure[row]), rel=1e-5)
    assert [top for top, _ in first["top"]] == outputs[row].argsort(descending=True).tolist()
    assert sum(share for _, share in first["top"]) == pytest.approx(1, abs=1e-5)
    assert judged(torch.eye(3) * 5, classes(3), torch.arange(3)).pictures == []


def test_every_confused_pair_has_its_examples() -> None:
    # Class 0 is taken for 1 a hundred times with certainty, class 2 for 0 twice, hesitatingly.
    outputs = torch.cat([torch.tensor([[0.0, 9, 0]]).repeat(100, 1), torch.tensor([[0.2, 0, 0.1]]).repeat(2, 1)])
    result = judged(outputs, classes(3), torch.tensor([0] * 100 + [2] * 2))
    assert sum((one["true"], one["answer"]) == (2, 0) for one in result.pictures) == 2


def test_thresholds_by_hand() -> None:
    def logit(share: float) -> float:
        return math.log(share / (1 - share))

    outputs = torch.tensor([[logit(share), 0.0] for share in (0.95, 0.85, 0.75, 0.65)] + [[math.nan] * 2])
    result = judged(outputs, classes(2), torch.tensor([0, 0, 1, 0, 0]))
    curve = result.detail["thresholds"]
    read = {at: (n, hits) for at, n, hits in zip(curve["at"], curve["answered"], curve["right"], strict=True)}
    assert read[0.0] == read[0.65 - 0.01] == (4, 3)
    assert read[0.7] == (3, 2)
    assert read[0.8] == (2, 2)
    assert read[0.9] == (1, 1)
    assert read[0.96] == read[0.9999] == (0, 0)


def test_a_thousand_classes_and_a_hundred_thousand_pictures_stay_small() -> None:
    torch.manual_seed(4)
    count, width = 100_000, 1000
    true, answers = torch.randint(0, width, (count,)), torch.randint(0, width, (count,))
    tally = ClassificationTally(width)
    for start in range(0, count, 10_000):
        part = answers[start : start + 10_000]
        outputs = torch.zeros(len(part), width).scatter_(1, part[:, None], 0.9)
        tally.add(outputs, outputs, true[start : start + 10_000])
    found = tally.result(torch.rand(count), torch.arange(count))
    confusion = found.detail["confusion"]
    diagonal = [(t, n) for t, a, n in confusion if t == a]
    assert diagonal == [(t, n) for t in range(width) if (n := int(((true == t) & (answers == t)).sum()))]
    assert len(confusion) - len(diagonal) == PAIRS
    assert min(n for t, a, n in confusion if t != a) >= 1
    assert len(json.dumps([found.detail, found.pictures])) < 400_000


def test_numbers_by_hand() -> None:
    learned = targets_of([("", (0.0, 100.0)), ("", (2.0, 300.0))], "regression", 2)  # mean 1, 200; deviation 1, 100
    outputs = torch.tensor([[-1.0, -1.0], [0.0, 0.0], [1.0, 2.0]])  # 0, 100; 1, 200; 2, 400
    targets = torch.tensor([[0.0, 100.0], [1.0, 300.0], [4.0, 500.0]])
    result = judged(outputs, learned, targets, size=2)
    assert result.detail["mae"] == pytest.approx([2 / 3, 200 / 3])
    assert result.detail["rmse"] == pytest.approx([math.sqrt(4 / 3), math.sqrt(20000 / 3)])
    around = [(25 / 9 + 4 / 9 + 49 / 9), 80000.0]
    assert result.detail["r2"] == pytest.approx([1 - 4 / around[0], 1 - 20000 / around[1]])
    assert result.metrics["mae"] == pytest.approx((2 / 3 + 200 / 3) / 2)
    assert result.metrics["r2"] == pytest.approx(sum(result.detail["r2"]) / 2)
    assert result.metrics["loss"] == pytest.approx((0 + 0 + 0 + 1 + 4 + 1) / 6, rel=1e-6)  # squared deviations
    assert result.pictures[0] == {"position": 1002, "true": [4.0, 500.0], "answer": [2.0, 400.0], "loss": 2.5}
    assert len(result.pictures) == 3
    # From 0 to 4 in 32 parts: 0 at 0, 1 at 8 and 4 at the last, predicted as 0, 1 and 2.
    assert result.detail["density"][0] == {"low": 0.0, "high": 4.0, "cells": [[0, 0, 1], [8, 8, 1], [31, 16, 1]]}
    residuals = result.detail["residuals"][0]
    assert residuals["limit"] == 2.0
    assert [(place, n) for place, n in enumerate(residuals["counts"]) if n] == [(0, 1), (15, 2)]
    assert result.detail["quantiles"][0][:1] == [-2.0]
    assert (result.recall, result.counts) == ([], [])


def test_numbers_without_variance_or_pictures() -> None:
    learned = targets_of([("", (1.0,)), ("", (2.0,))], "regression", 1)
    same = judged(torch.zeros(3, 1), learned, torch.full((3, 1), 1.5))
    assert math.isnan(same.metrics["r2"])
    assert same.metrics["mae"] == 0
    empty = judged(torch.zeros(0, 1), learned, torch.zeros(0, 1))
    assert all(math.isnan(value) for value in empty.metrics.values())


def test_average_precision_by_hand() -> None:
    true = torch.tensor([True, False, True, False, True])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])
    assert average_precision(scores, true) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert average_precision(torch.full((5,), 0.5), true) == pytest.approx(3 / 5)  # all at once
    tied = torch.tensor([0.9, 0.7, 0.7, 0.6, 0.5])
    assert average_precision(tied, true) == pytest.approx((1 * 1 + 1 * 2 / 3 + 1 * 3 / 5) / 3)
    assert math.isnan(average_precision(scores, torch.zeros(5, dtype=torch.bool)))
    assert average_precision(scores, torch.ones(5, dtype=torch.bool)) == 1


def test_labels_by_hand() -> None:
    learned = targets_of([("", (0,)), ("", (1,))], "multilabel", 3)
    targets = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]])
    outputs = torch.tensor([[2.0, -1, -1], [1, -0.5, -1], [-1, -1, 1], [-1, 3, -1]])
    result = judged(outputs, learned, targets, size=3)
    assert result.counts == [2, 2, 0]
    assert result.recall[:2] == [1.0, 0.5]
    assert math.isnan(result.recall[2])
    assert result.metrics["exact_match"] == 0.5
    assert result.metrics["micro_f1"] == pytest.approx(2 * 3 / (4 + 4))
    assert result.metrics["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert result.metrics["mean_average_precision"] == pytest.approx((1.0 + 1.0) / 2)
    kept = [(one["position"], one["true"], one["answer"]) for one in result.pictures]
    assert kept == [(1002, [], [2]), (1001, [0, 1], [0])]
    assert result.pictures[0]["confidence"] == pytest.approx(float(torch.tensor(1.0).sigmoid()), rel=1e-5)
    # Label 1 is there in pictures of 95 and 38 %, not in two of 27 %: from 38 % on everything is right.
    assert result.detail["best_threshold"][1] == pytest.approx(float(torch.tensor(-0.5).sigmoid()), rel=1e-5)
    assert result.detail["best_f1"][:2] == [1.0, 1.0]
    assert math.isnan(result.detail["best_threshold"][2])
    curve = result.detail["thresholds"]
    at = {t: (n, r) for t, n, r in zip(curve["at"], curve["answered"][1], curve["right"][1], strict=True)}
    assert (at[0.25], at[0.3], at[0.4], at[0.95]) == ((4, 2), (2, 2), (1, 1), (1, 1))


def test_labels_that_are_not_numbers() -> None:
    learned = targets_of([("", (0,)), ("", (1,))], "multilabel", 2)
    outputs = torch.tensor([[2.0, math.nan], [-2.0, 1.0]])
    result = judged(outputs, learned, torch.tensor([[1.0, 0], [0, 1]]))
    assert math.isnan(result.detail["average_precision"][1])
    curve = result.detail["thresholds"]
    assert (curve["answered"][1][9], curve["right"][1][9]) == (1, 1)  # at one half
    broken = judged(torch.full((2, 2), math.nan), learned, torch.tensor([[1.0, 0], [0, 1]]))
    assert [one["position"] for one in broken.pictures] == [1000, 1001]


@pytest.mark.parametrize("task", ["classification", "regression", "multilabel"])
def test_the_batch_size_changes_nothing_and_the_file_is_small(task: Any) -> None:
    torch.manual_seed(3)
    count, width = 1500, 8
    outputs = torch.randn(count, width)
    if task == "classification":
        learned, targets = classes(width), torch.randint(0, width, (count,))
    elif task == "regression":
        targets = torch.randn(count, width) * 5
        learned = targets_of([("", tuple(row)) for row in targets.tolist()], task, width)
    else:
        targets = (torch.rand(count, width) < 0.3).float()
        learned = targets_of([("", tuple(row.nonzero().flatten().tolist())) for row in targets], task, width)
    results = [judged(outputs, learned, targets, size) for size in (3, 64, count)]
    for result in results[1:]:
        assert result.metrics == results[0].metrics
        assert result.detail == results[0].detail
        assert result.pictures == results[0].pictures
    assert list(results[0].metrics) == [metric.name for metric in of_task(task).evaluation]
    names = {"targets" if task == "regression" else "classes": [f"name {number}" for number in range(width)]}
    text = results[0].to_json(lambda place: f"some/picture-{place}.png", split="test", step=1, epoch=1.0, **names)
    assert len(text) < 80_000
    assert decode(text.encode(), "test.json").task == task
