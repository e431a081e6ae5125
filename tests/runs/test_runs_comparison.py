"""Runs beside each other, in order, and what a person says of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import builders
import pytest

from tui.core.errors import FailureError, UsageError
from tui.runs import remarks
from tui.runs.catalog import list_runs, summary_of
from tui.runs.comparison import compare, letter, sorted_runs


def test_only_what_differs_is_told_and_the_best_is_marked(tmp_path: Path) -> None:
    slow = builders.make_run(tmp_path, name="slow", steps=40, settings={"optimizer": {"learning_rate": 0.01}})
    fast = builders.make_run(tmp_path, name="fast", steps=40, status="stopped", settings={"data": {"mean": [0.5] * 3}})
    found = compare([summary_of(slow), summary_of(fast)])
    assert set(found.settings) == {"optimizer.learning_rate", "data.mean", "training.epochs"}
    assert found.settings["optimizer.learning_rate"] == (0.01, 0.05)
    accuracy = next(score for score in found.scores if score.which == "best" and score.metric.name == "accuracy")
    assert accuracy.label == "best validation accuracy"
    assert accuracy.winners == (0,)
    loss = next(score for score in found.scores if score.which == "best" and score.metric.name == "loss")
    assert loss.winners == (0,)
    test = next(score for score in found.scores if score.which == "test" and score.metric.name == "accuracy")
    assert test.values[1] is None
    assert test.winners == ()


def test_no_loss_is_the_best_of_different_ones(tmp_path: Path) -> None:
    chosen = (("finished", "auto"), ("stopped", "cross_entropy"), ("finished", "focal"))
    runs = [
        builders.make_run(tmp_path, name=name, steps=40, status=status, settings={"loss": {"name": name}})
        for status, name in chosen
    ]

    def winners(*places: int) -> dict[str, bool]:
        found = compare([summary_of(runs[place]) for place in places])
        return {score.metric.name: bool(score.winners) for score in found.scores if score.which == "best"}

    same, different = winners(0, 1), winners(0, 1, 2)
    assert (same["loss"], different["loss"]) == (True, False)
    assert different["accuracy"]


def test_runs_of_other_versions_and_broken_ones_are_compared_as_far_as_they_go(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, name="whole", steps=20)
    broken = builders.make_run(tmp_path, name="broken", steps=20)
    broken.settings.write_bytes(b"\xff[run")
    found = compare([summary_of(run), summary_of(broken)])
    assert found.settings["model.name"] == ("simple_cnn", None)


def test_letters() -> None:
    assert [letter(place) for place in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]


def test_orders(tmp_path: Path) -> None:
    for number, (name, status) in enumerate((("b", "finished"), ("a", "stopped"), ("c", "failed"))):
        builders.make_run(tmp_path, name=f"2026013{number}-120000-{name}", steps=40, status=status, seed=number)
    runs = list_runs(tmp_path)
    assert [one.run.given_name for one in sorted_runs(runs, "newest")] == ["c", "a", "b"]
    assert [one.run.given_name for one in sorted_runs(runs, "name")] == ["a", "b", "c"]
    assert [one.run.given_name for one in sorted_runs(runs, "state")] == ["c", "a", "b"]
    scores = dict(zip("cab", (0.5, None, float("nan")), strict=True))
    runs = [dataclasses.replace(one, best_score=scores[one.run.given_name], score=None) for one in runs]
    assert next(one.run.given_name for one in sorted_runs(runs, "best")) == "c"
    remarks.pin(runs[2].run, True)
    pinned = [summary_of(one.run) for one in runs]
    assert [one.run.given_name for one in sorted_runs(pinned, "newest")] == ["b", "c", "a"]


def test_remarks_are_kept_in_the_run_and_seen_in_the_list(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=20)
    assert summary_of(run).note == ""
    remarks.note(run, "  good\tone\n\x1b[31m")
    remarks.pin(run, True)
    assert (summary_of(run).note, summary_of(run).pinned) == ("good one \\x1b[31m", True)
    remarks.note(run, "")
    assert remarks.read(run) == remarks.Remarks("", True)
    remarks.pin(run, False)
    assert not run.remarks.exists()
    with pytest.raises(UsageError, match="501 characters"):
        remarks.note(run, "x" * 501)
    run.remarks.write_bytes(b'{"note": ["x"')
    assert remarks.read(run) == remarks.Remarks()
    run.remarks.unlink()
    run.remarks.mkdir()
    with pytest.raises(FailureError, match="cannot be kept with the run"):
        remarks.note(run, "x")
