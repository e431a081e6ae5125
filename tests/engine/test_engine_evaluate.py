"""Evaluation: each picture once, per class, whatever the batch size."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from tui.core.dataset.targets import targets_of
from tui.core.evaluations import decode
from tui.core.settings import Settings
from tui.engine.data.batches import Batch
from tui.engine.evaluate import Evaluation, batch_size, evaluate
from tui.engine.losses import Objective, objective


def classes_of(count: int) -> Objective:
    return objective(Settings(), targets_of([], "classification", count))


class Table(nn.Module):
    """Answers picture i with row i of a table; the picture's first pixel is its number."""

    def __init__(self, rows: torch.Tensor) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rows[x[:, 0, 0, 0].long()]


def batches(labels: list[int], size: int) -> Iterator[Batch]:
    for start in range(0, len(labels), size):
        numbers = torch.arange(len(labels))[start : start + size]
        yield Batch(numbers.to(torch.uint8).view(-1, 1, 1, 1), torch.tensor(labels[start : start + size]), numbers)


def judged(answers: list[int], labels: list[int], classes: int, size: int = 4) -> Evaluation:
    rows = torch.nn.functional.one_hot(torch.tensor(answers), classes).float() * 3
    result = evaluate(
        Table(rows),
        batches(labels, size),
        classes_of(classes),
        normalise=lambda images: images.permute(0, 3, 1, 2).float(),
        stopping=lambda: False,
    )
    assert result is not None
    return result


def test_the_numbers_by_hand() -> None:
    labels = [0, 0, 0, 0, 1, 1, 2]
    answers = [0, 0, 0, 1, 1, 0, 0]
    result = judged(answers, labels, 4)
    assert result.counts == [4, 2, 1, 0]
    assert result.recall[:3] == [0.75, 0.5, 0.0]
    assert result.detail["precision"][:2] == [0.6, 0.5]
    assert result.detail["f1"][:3] == pytest.approx([6 / 9, 0.5, 0.0])
    for undefined in (
        result.recall[3],
        result.detail["f1"][3],
        result.detail["precision"][2],
        result.detail["precision"][3],
    ):
        assert math.isnan(undefined)
    assert result.detail["confusion"] == [[0, 0, 3], [0, 1, 1], [1, 0, 1], [1, 1, 1], [2, 0, 1]]
    assert result.metrics["accuracy"] == 4 / 7
    assert result.metrics["balanced_accuracy"] == pytest.approx((0.75 + 0.5 + 0.0) / 3)
    assert result.metrics["macro_f1"] == pytest.approx((6 / 9 + 0.5 + 0) / 3)
    right, wrong = -math.log(math.exp(3) / (math.exp(3) + 3)), -math.log(1 / (math.exp(3) + 3))
    assert result.metrics["loss"] == pytest.approx((4 * right + 3 * wrong) / 7, rel=1e-6)


def test_the_batch_size_changes_nothing() -> None:
    torch.manual_seed(1)
    labels = torch.randint(0, 5, (101,)).tolist()
    answers = torch.randint(0, 5, (101,)).tolist()
    results = [judged(answers, labels, 5, size) for size in (1, 7, 100, 500)]
    for result in results[1:]:
        assert result.detail["confusion"] == results[0].detail["confusion"]
        assert result.metrics == results[0].metrics
    assert sum(n for _, _, n in results[0].detail["confusion"]) == 101


def test_every_picture_of_a_real_network_counts_once(settings: Any, pictures: Any) -> None:
    from tui.engine import models
    from tui.engine.data.batches import normalise

    chosen = settings()
    data, model = pictures(chosen, {"train": 8, "validation": 53}), models.build(chosen, 3)
    results = []
    for size in (2, 16, 64):
        result = evaluate(
            model.train(),
            data.evaluation_batches("validation", size),
            classes_of(3),
            normalise=lambda images: normalise(images, data.mean, data.std, "cpu"),
            stopping=lambda: False,
        )
        assert result is not None
        assert sum(result.counts) == 53
        assert model.training  # as it was before
        results.append(result)
    for result in results[1:]:
        assert result.metrics["loss"] == pytest.approx(results[0].metrics["loss"], rel=1e-5)
        assert result.counts == results[0].counts


def test_a_small_loss_is_not_lost_among_large_ones() -> None:
    # In float32 a sum of a million ones and a few millionths would not notice the latter.
    rows = torch.zeros(200, 2)
    rows[0, 1] = 2e4  # picture 0 is wrong by 20,000; the others by log 2
    result = evaluate(
        Table(rows),
        batches([0] * 200, 50),
        classes_of(2),
        normalise=lambda images: images.permute(0, 3, 1, 2).float(),
        stopping=lambda: False,
    )
    assert result is not None
    assert result.metrics["loss"] == pytest.approx((2e4 + 199 * float(torch.tensor(2.0).log())) / 200, rel=1e-12)


def test_given_up_when_asked_to_stop() -> None:
    asked = iter([False, True])
    model = Table(torch.zeros(20, 2))
    assert (
        evaluate(
            model.train(),
            batches([0] * 20, 5),
            classes_of(2),
            normalise=lambda images: images.permute(0, 3, 1, 2).float(),
            stopping=lambda: next(asked),
        )
        is None
    )
    assert model.training


def test_an_empty_split_and_nan() -> None:
    result = evaluate(
        Table(torch.full((4, 3), math.nan)),
        batches([0, 1, 2, 0], 2),
        classes_of(3),
        normalise=lambda images: images.permute(0, 3, 1, 2).float(),
        stopping=lambda: False,
    )
    assert result is not None
    assert math.isnan(result.metrics["loss"])
    assert sum(result.counts) == 4
    empty = evaluate(
        Table(torch.zeros(1, 3)),
        batches([], 2),
        classes_of(3),
        normalise=lambda images: images,
        stopping=lambda: False,
    )
    assert empty is not None
    assert empty.counts == [0, 0, 0]
    assert math.isnan(empty.metrics["accuracy"])


def test_the_file() -> None:
    names = ["a/0.png", "b/1.png", "a/\udcff.png"]
    text = judged([0, 1, 1], [0, 1, 0], 2).to_json(
        names.__getitem__, split="test", step=7, epoch=0.5, root="/p", classes=["a", "b"]
    )
    table = json.loads(text)
    assert table["format"] == 2
    assert (table["split"], table["step"], table["images"]) == ("test", 7, 3)
    assert table["confusion"] == [[0, 0, 1], [0, 1, 1], [1, 1, 1]]
    assert table["recall"] == [0.5, 1.0]
    read = decode(text.encode(), "test.json")
    assert (read.root, read.names, read.counts) == ("/p", ("a", "b"), (2, 1))
    assert [(one.path, one.true, one.answer) for one in read.pictures] == [("a/\udcff.png", (0,), (1,))]
    assert read.pictures[0].top[0] == (1, pytest.approx(1 / (1 + math.exp(-3)), rel=1e-5))


def test_batches_are_large_for_small_pictures_only() -> None:
    assert batch_size(8, 32) == 256
    assert batch_size(8, 224) == 83
    assert batch_size(2, 1024) == 4
    assert batch_size(512, 224) == 512
