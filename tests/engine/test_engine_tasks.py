"""Every task trained end to end: its metrics in the records, the events and the last sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tui.core.events import EpochEnded, Evaluated, Started
from tui.core.metrics import of_task
from tui.core.rundir import RunDir


@pytest.mark.parametrize("loss", ["mse", "l1", "smooth_l1"])
def test_numbers(loss: str, trainer: Any, settings: Any, run: RunDir, events: Any, records: Any) -> None:
    chosen = settings(**{"loss.name": loss, "training.epochs": 4, "data.crop": "none", "optimizer.name": "adamw"})
    loop, _, _ = trainer(chosen, task="regression", noise=10)
    text = loop.run()
    assert "best validation MAE " in text
    assert "; test MAE " in text
    started = events(run, Started)[0]
    assert (started.task, started.classes, started.targets) == ("regression", [], ["depth", "share"])
    rows = records(run)
    assert list(rows[1]) == [metric.name for metric in of_task("regression").batch] + ["logging"]
    assert rows[40]["mae"] < rows[1]["mae"] / 2  # of 0, 1000 and 2000, and of hundredths beside them
    assert {event.metric for event in events(run, EpochEnded)} == {"mae"}
    test = next(event for event in events(run, Evaluated) if event.split == "test")
    assert list(test.metrics) == ["loss", "mae", "rmse", "r2"]
    assert test.metrics["r2"] > 0.8
    detail = json.loads(run.evaluation("test", test.step).read_bytes())
    assert detail["targets"] == ["depth", "share"]
    assert detail["mae"][0] > 100 * detail["mae"][1]
    assert len(detail["pictures"]) == 24
    assert detail["pictures"][0]["path"].startswith("test/")


def test_the_best_validation_of_numbers_has_the_smallest_error(
    trainer: Any, settings: Any, run: RunDir, events: Any
) -> None:
    trainer(settings(), task="regression")[0].run()
    validations = [event for event in events(run, Evaluated) if event.split == "validation"]
    smallest = min(event.metrics["mae"] for event in validations)
    assert [event.metrics["mae"] for event in validations if event.best][-1] == smallest


def test_labels(trainer: Any, settings: Any, run: RunDir, events: Any, records: Any) -> None:
    loop, _, _ = trainer(settings(**{"training.epochs": 4}), task="multilabel", noise=10)
    text = loop.run()
    assert "best validation mAP " in text
    assert records(run)[40]["micro_f1"] > 0.8
    test = next(event for event in events(run, Evaluated) if event.split == "test")
    assert test.counts == [24, 16, 8]
    assert test.metrics["mean_average_precision"] > 0.8
    assert events(run, Started)[0].classes == ["red", "green", "blue"]


@pytest.mark.parametrize(
    "changes", [{"loss.name": "focal"}, {"loss.class_weights": "balanced"}, {"loss.class_weights": "effective"}]
)
def test_classes_with_other_losses(changes: Any, trainer: Any, settings: Any, run: RunDir, records: Any) -> None:
    trainer(settings(**changes), noise=10)[0].run()
    assert records(run)[30]["accuracy"] > 0.8
