"""The doctor's benchmark in short: planted faults are named within steps, and sound runs are left alone.

All cases, both families of pictures, repairs and the published rules beside ours: ``python -m tests.bench.doctor``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import doctor_cases, doctor_runs
from tests.doctor_cases import CASES
from tests.doctor_report import judged
from tests.doctor_runs import Record

pytestmark = pytest.mark.timeout(600)  # of a machine that has much else to do

FAULTS = {
    "deep sigmoid": 60,
    "head x40": 12,
    "sgd 1": 80,
    "sgd 1e-5": 50,
    "conv bias -2": 60,
    "inf pixel": 60,
    "0-255, plain": 12,
    "weight decay 0.5": 90,
    "detached": 12,
    "long tail": 12,
}
"""Each with the steps within which it must be named."""
SOUND = ("sgd, constant", "adam, one cycle", "lenet, relu", "sigmoid, batchnorm", "dropout 0.3", "batch 16")
STEPS = 120


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    doctor_runs.prepare()
    return tmp_path_factory.mktemp("doctor")


def trained(name: str, steps: int, place: Path) -> Record:
    changes = {"training.max_steps": steps, "diagnosis.training_pictures": 100}
    return doctor_runs.train(CASES[name], "shapes", 0, place, changes=changes)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_first(name: str, place: Path) -> None:
    found = judged(trained(name, FAULTS[name], place), CASES[name])
    assert found.right, found.said
    assert found.hit <= FAULTS[name]


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_run_is_left_alone(name: str, place: Path) -> None:
    record = trained(name, STEPS, place)
    found = judged(record, CASES[name])
    assert record.steps[-1].step == STEPS
    assert record.steps[-1].loss < record.steps[0].loss
    assert (found.warnings, found.criticals) == (0, 0), found.said


def test_the_benchmark_is_as_large_as_it_is_said_to_be() -> None:
    assert len(doctor_cases.FAULTS) >= 44
    assert sum(case.group == "compound" for case in doctor_cases.FAULTS) >= 6
    assert len(doctor_cases.HEALTHY) >= 22
    assert len(CASES) == len(doctor_cases.FAULTS) + len(doctor_cases.HEALTHY)


def test_a_kept_record_is_judged_as_the_run_was(place: Path) -> None:
    record = trained("sgd 1e-5", 40, place)
    record.write(place / "kept.json.gz")
    again = doctor_runs.read(place / "kept.json.gz")
    assert again.facts == record.facts
    said = [(step, change.kind, change.finding.code) for step, change in record.judge()[1]]
    assert said == [(step, change.kind, change.finding.code) for step, change in again.judge()[1]]
    assert any(code == "rate_low" for _, _, code in said)
