"""The signals of a recorded run: the same as were judged live, whatever was recorded twice, or is missing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests import builders
from tui.core.diagnosis.sequence import place
from tui.core.diagnosis.signals import (
    Activations,
    Agreement,
    Inputs,
    Layer,
    NonFinite,
    Step,
    Updates,
    Validation,
)
from tui.core.errors import CnntrainError
from tui.core.events import Inspected, Nonfinite, Wired
from tui.core.records import AGREEMENT, DEAD, SATURATED, UPDATES, WEIGHTS
from tui.core.rundir import RunDir
from tui.runs.signals import read_signals

INPUTS = Inputs(0.0, 1.0, 2.5, 0.1, 0.9, 1.8, False, 1.7, 3, ("head\x1b[2J",))


def without_probes(run: RunDir) -> RunDir:
    for kind in (UPDATES, WEIGHTS, DEAD, SATURATED, AGREEMENT):
        for path in run.segments(kind):
            path.unlink()
    return run


def test_a_run_from_before_the_probes(tmp_path: Path) -> None:
    run = without_probes(builders.make_run(tmp_path, steps=40, epochs=4, layers=3))
    facts, signals = read_signals(run)
    assert [layer.name for layer in facts.layers] == [f"blocks.{i}.convolution.weight" for i in range(3)]
    assert (facts.steps_per_epoch, facts.total_steps, facts.task) == (10, 40, "classification")
    assert facts.class_counts == (100,) * 6
    found = list(signals)
    steps = [signal for signal in found if isinstance(signal, Step)]
    assert [signal.step for signal in steps] == list(range(1, 41))
    assert all(len(signal.gradients) == 3 and signal.learning_rate >= 0 for signal in steps)
    validations = [signal for signal in found if isinstance(signal, Validation)]
    assert [signal.step for signal in validations] == [10, 20, 30, 40]
    assert all(math.isnan(signal.train_accuracy) and math.isnan(signal.largest_answer) for signal in validations)
    assert len(found) == 44
    assert found == sorted(found, key=place)


def probed(run: RunDir, attempt: int, steps: list[int], names: tuple[str, ...], value: float) -> None:
    rows = [[float(step), float(step), *[value] * len(names)] for step in steps]
    for kind in (UPDATES, DEAD, SATURATED):
        builders.append_records(run, kind, attempt, names, rows)
    builders.append_records(run, WEIGHTS, attempt, names, rows[1:])
    halves = [[float(step), float(step), 4.0, 3.0, 128.0] for step in steps]
    builders.append_records(run, AGREEMENT, attempt, ("half", "whole", "batch_size"), halves)


def test_of_steps_made_twice_the_latest_attempt_counts(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=40, epochs=4, layers=("a", "b"), attempts=((1, 30), (21, 40)))
    without_probes(run)
    layers = [Layer("c"), Layer("b", feeds_norm=True, activation="relu"), Layer("a", output=True)]
    builders.append_event(run, Wired(step=20, layers=layers, class_counts=[7, 8], batch_norm=True))
    probed(run, 1, [16, 24], ("a", "b"), 0.25)
    probed(run, 2, [32], ("a", "b", "c"), 0.5)
    facts, signals = read_signals(run)
    found = list(signals)
    assert facts.layers == tuple(layers)
    assert facts.class_counts == (7, 8)
    assert [signal.step for signal in found if isinstance(signal, Step)] == list(range(1, 41))
    updates = [signal for signal in found if isinstance(signal, Updates)]
    assert [signal.step for signal in updates] == [16, 32]  # 24 was gone over again, and not measured then
    assert updates[0].ratios[1:] == (0.25, 0.25)
    assert math.isnan(updates[0].ratios[0])  # "c" was not there
    assert all(math.isnan(value) for value in updates[0].weights)
    assert updates[1].ratios == (0.5,) * 3
    assert [signal.step for signal in found if isinstance(signal, Activations)] == [16, 32]
    assert [signal for signal in found if isinstance(signal, Agreement)][-1] == Agreement(32, 4.0, 3.0, 128)
    assert found == sorted(found, key=place)


def test_events_are_signals_and_their_text_is_foreign(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=20, epochs=2, layers=2, status="failed", nan_from=20)
    builders.append_event(run, Inspected(inputs=INPUTS))
    builders.append_event(run, Nonfinite(step=20, found=NonFinite(20, "output of \x1b]0;x\x07", "")))
    found = list(read_signals(run)[1])
    assert isinstance(found[0], Inputs)
    assert found[0].duplicates == 3
    assert "\x1b" not in found[0].constant[0]
    at = next(index for index, signal in enumerate(found) if isinstance(signal, NonFinite))
    assert "\x1b" not in found[at].where  # type: ignore[union-attr]
    later = [signal for signal in found[at + 1 :] if isinstance(signal, Step)]
    assert [signal.step for signal in later] == [20]  # its origin is known when the step is judged
    assert math.isnan(later[0].loss)


def test_a_run_that_never_started_cannot_be_judged(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, status="preparing")
    try:
        with pytest.raises(CnntrainError, match="has not come to its first step"):
            read_signals(run)
    finally:
        builders.let_go(run)
