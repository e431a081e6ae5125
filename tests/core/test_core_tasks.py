"""Settings that contradict the pictures are refused before anything starts, in one sentence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from picture_sets import class_folders, settings_for

from tui.core.dataset.manifest import make_manifest
from tui.core.dataset.scan import scan
from tui.core.diagnosis.sequence import validation
from tui.core.errors import UsageError
from tui.core.metrics import TASKS, Task
from tui.core.schema import with_changes
from tui.core.settings import Settings
from tui.core.tasks import LOSSES, check_fits, loss_of, moved_targets


def settings(**changes: Any) -> Settings:
    return with_changes(Settings(), changes, source="test")


@pytest.mark.parametrize("task", TASKS)
def test_auto_takes_the_tasks_own_loss(task: Task) -> None:
    check_fits(Settings(), task, 3)
    assert loss_of(Settings(), task) == LOSSES[task][0]
    for loss in LOSSES[task]:
        check_fits(settings(**{"loss.name": loss}), task, 3)
        assert loss_of(settings(**{"loss.name": loss}), task) == loss


@pytest.mark.parametrize(
    ("task", "changes", "said"),
    [
        (
            "classification",
            {"loss.name": "mse"},
            "has one class per picture, but loss.name is mse. Set loss.name to auto, cross_entropy or focal.",
        ),
        (
            "multilabel",
            {"loss.name": "cross_entropy"},
            "several labels per picture, but loss.name is cross_entropy. Set loss.name to auto, bce or focal.",
        ),
        (
            "regression",
            {"loss.name": "focal"},
            "numbers to learn, but loss.name is focal. Set loss.name to auto, mse, l1 or smooth_l1.",
        ),
        ("regression", {"data.cutmix": 1.0}, "data.cutmix is 1. Set data.cutmix to 0; data.mixup can be used."),
        ("multilabel", {"data.sampler": "balanced"}, "data.sampler is balanced. Set data.sampler to shuffled."),
        (
            "classification",
            {"training.stop_metric": "top5_accuracy", "training.stop_patience": 3},
            "stop_metric is top5_accuracy, which is not measured for classification of 3 classes. Choose one of loss,",
        ),
        (
            "classification",
            {"training.best_by": "ema_top5_accuracy", "optimizer.ema_decay": 0.9},
            "best_by is ema_top5_accuracy, which is not measured for classification of 3 classes.",
        ),
        (
            "regression",
            {"loss.class_weights": "balanced"},
            "loss.class_weights is balanced. Set loss.class_weights to none.",
        ),
        (
            "classification",
            {"loss.class_weights": "given", "loss.weights": (1.0, 2.0)},
            "loss.weights lists 2 weights and there are 3 classes. List one weight per class.",
        ),
        (
            "regression",
            {"training.best_by": "accuracy"},
            "training.best_by is accuracy, which is not measured for regression. Choose one of loss, mae, ",
        ),
    ],
)
def test_contradictions(task: Task, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_fits(settings(**changes), task, 3)
    assert said in str(refused.value)


def test_class_folders_refuse_a_loss_for_numbers(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": 8, "dog": 8})
    with pytest.raises(UsageError, match="The settings do not fit the pictures: the data has one class per picture"):
        make_manifest(scan(tmp_path), settings(**{"loss.name": "smooth_l1", "training.batch_size": 4}))


def test_presets_made_for_classes_serve_numbers_too() -> None:
    check_fits(settings(**{"loss.label_smoothing": 0.1}), "regression", 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss.class_weights": "given"}, "loss.class_weights is given, but loss.weights lists none"),
        ({"loss.weights": (1.0, 0.0)}, "loss.weights must be positive"),
    ],
)
def test_weights_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        settings(**changes)


@pytest.mark.parametrize(("task", "headline"), [("regression", "mae"), ("multilabel", "mean_average_precision")])
def test_the_doctor_takes_no_other_metric_for_an_accuracy(task: Task, headline: str) -> None:
    told = validation(8, {"loss": 0.5, headline: 38.0, f"train_{headline}": 12.0}, (), task)
    assert told.loss == 0.5
    assert math.isnan(told.accuracy)
    assert math.isnan(told.train_accuracy)


@pytest.mark.parametrize(
    ("names", "data", "words"),
    [
        (("x", "y"), {}, '"x", "y" seem to say where or how large something is, and data.flip and data.crop move what'),
        (("age",), {}, ""),
        (("tax", "exam"), {}, ""),
        (
            ("Steering",),
            {"crop": "none"},
            '"Steering" seems to say where or how large something is, and data.flip moves what',
        ),
        (("box_xmin", "age"), {"crop": "none", "flip": False, "rotation": 5}, '"box_xmin" seems to say'),
        (("x1", "y1\x1b"), {"crop": "none", "flip": False}, ""),
        (("nose.x",), {"crop": "none", "flip": False, "auto_augment": "trivialaugment"}, "data.auto_augment moves"),
    ],
)
def test_numbers_that_say_where_something_is_are_not_moved_with_it(
    names: tuple[str, ...], data: dict[str, object], words: str
) -> None:
    found = moved_targets(settings_for(data={"crop": "padded", **data}).data, names)
    assert [problem.severity for problem in found] == (["warning"] if words else [])
    assert words in "".join(problem.text for problem in found)
