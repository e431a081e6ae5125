"""Which metrics a task has, what they are called, and which way is better."""

from __future__ import annotations

import json
import math

import pytest

from tui.core import events
from tui.core.metrics import ACCURACY, GRADIENT_NORM, LOSS, MAE, METRICS, PRECISION, TASKS, of_task, task_of
from tui.core.sentences import scores, sentence


def evaluated(**metrics: float) -> events.Evaluated:
    return events.Evaluated(split="validation", epoch=2.0, metrics=metrics, recall=[], counts=[], seconds=1.0)


@pytest.mark.parametrize("task", TASKS)
def test_the_headline_of_a_task_says_which_way_is_better(task: str) -> None:
    found = of_task(task)
    assert found.headline.better
    assert found.score.better
    assert found.headline in found.evaluation
    assert found.score in found.evaluation  # drawn in one chart with the batches'
    assert set(found.told) <= set(found.evaluation)
    assert [metric.name for metric in found.batch][:2] == ["loss", found.score.name]
    assert task_of({metric.name: 0.5 for metric in found.evaluation}) == task
    for metric in (*found.batch, *found.evaluation, *found.each):
        assert METRICS[metric.name] is metric
        assert metric.help.endswith(".")
        assert len(metric.brief) <= len(metric.label)


def test_a_run_that_does_not_say_is_a_classification() -> None:
    assert of_task("") == of_task("classification")
    assert task_of({}) == "classification"


def test_better_is_lower_for_an_error() -> None:
    assert MAE.is_better(0.1, 0.2)
    assert not MAE.is_better(math.nan, 0.2)
    assert MAE.is_better(5.0, None)
    assert ACCURACY.is_better(0.3, 0.2)


def test_sentences_name_the_tasks_own_metrics() -> None:
    assert (
        scores(evaluated(loss=0.5, accuracy=0.8, top5_accuracy=0.9))
        == "loss 0.5000, accuracy 80.0 %, top-5 accuracy 90.0 %"
    )
    assert scores(evaluated(loss=0.5, mae=1.5, r2=0.25)) == "loss 0.5000, MAE 1.5000, R² 0.2500"
    text = sentence(events.EpochEnded(epoch=1, loss=0.5, score=2.0, metric="mae", seconds=3))
    assert text == "epoch 1: training loss 0.5000, MAE 2.0000, took 0:03"


def test_an_epoch_of_an_older_run_keeps_its_accuracy() -> None:
    line = json.dumps(
        {"kind": "epoch", "time": 1.0, "step": 4, "epoch": 1, "loss": 0.5, "accuracy": 0.75, "seconds": 3}
    )
    event = events.decode(line.encode())
    assert isinstance(event, events.EpochEnded)
    assert (event.score, event.metric) == (0.75, "accuracy")


def test_what_was_not_measured_is_a_dash_in_a_table_and_nan_elsewhere() -> None:
    assert [PRECISION.format_measured(value) for value in (math.nan, None, 0.5)] == ["–", "–", "50.0 %"]
    assert PRECISION.format(math.nan) == "NaN"


@pytest.mark.parametrize(
    ("value", "norm", "loss"),
    [
        (0.0, "0", "0.0000"),
        (0.078412, "0.0784", "0.0784"),
        (2.4449, "2.44", "2.4449"),
        (0.001, "0.001", "0.0010"),
        (0.00012345, "1.23e-4", "1.23e-4"),
        (-3e-12, "-3.00e-12", "-3.00e-12"),
        (999.4, "999", "999.40"),
        (999.7, "1,000", "999.70"),
        (54321.0, "54,321", "54321.00"),
        (123456.0, "1.23e5", "1.23e5"),
        (math.inf, "∞", "∞"),
        (math.nan, "NaN", "NaN"),
    ],
)
def test_numbers_are_written_as_people_read_them(value: float, norm: str, loss: str) -> None:
    assert (GRADIENT_NORM.format(value), LOSS.format(value)) == (norm, loss)
    assert max(len(norm), len(loss)) <= 9
