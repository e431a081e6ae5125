"""The learning rate of each step, against values worked out by hand from the published formulas."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from tui.core.schedule import Curve
from tui.core.schema import with_changes
from tui.core.settings import Settings

ALL = ("cosine", "plateau", "constant", "step", "multistep", "exponential", "onecycle", "polynomial")


def rates(name: str, *, epochs: int = 4, steps: int = 10, **changes: Any) -> list[float]:
    """Return the learning rates of a run of ``epochs`` times ``steps`` steps with the peak 1."""
    chosen = {"schedule.warmup_epochs": 0.0, **{f"schedule.{key}": value for key, value in changes.items()}}
    base = {"optimizer.learning_rate": 1.0, "training.epochs": epochs, "schedule.name": name}
    curve = Curve(with_changes(Settings(), {**base, **chosen}, source="test"), steps, epochs * steps)
    return [curve.rate(step) for step in range(1, epochs * steps + 1)]


def test_constant() -> None:
    assert set(rates("constant")) == {1.0}


def test_cosine_falls_to_its_final_share() -> None:
    made = rates("cosine", final_fraction=0.2)
    assert made == pytest.approx([0.2 + 0.8 * (1 + math.cos(math.pi * t / 40)) / 2 for t in range(40)])


def test_warm_restarts_jump_back_to_the_peak() -> None:
    made = rates("cosine", cycles=2)
    one = [(1 + math.cos(math.pi * t / 20)) / 2 for t in range(20)]
    assert made == pytest.approx([*one, *one])
    growing = rates("cosine", cycles=2, cycle_growth=3.0)
    assert [step for step, (a, b) in enumerate(itertools.pairwise(growing), start=1) if b > a] == [10]
    assert growing[10] == pytest.approx(1.0)
    assert growing[25] == pytest.approx(0.5)


def test_step_falls_after_whole_epochs() -> None:
    assert rates("step", step_epochs=2, factor=0.5) == pytest.approx([1.0] * 20 + [0.5] * 20)
    counted_from_the_start = rates("step", step_epochs=2, factor=0.5, warmup_epochs=1.0)
    assert counted_from_the_start[10:] == pytest.approx([1.0] * 10 + [0.5] * 20)


def test_multistep_falls_at_shares_of_the_run_in_any_order() -> None:
    assert rates("multistep", milestones=(0.75, 0.5)) == pytest.approx([1.0] * 20 + [0.1] * 10 + [0.01] * 10)


def test_exponential_loses_the_same_share_over_every_epoch() -> None:
    made = rates("exponential", decay=0.5)
    assert [made[0], made[10], made[20], made[30]] == pytest.approx([1.0, 0.5, 0.25, 0.125])
    assert made[5] == pytest.approx(0.5**0.5)


def test_onecycle_rises_once_and_falls_once() -> None:
    made = rates("onecycle", rise=0.25, start_fraction=0.1, final_fraction=0.01)
    assert made[0] == pytest.approx(0.1)
    assert made[5] == pytest.approx(0.55)  # half way up
    assert made[10] == 1.0 == max(made)
    assert made[25] == pytest.approx(0.505)  # half way down
    assert all(a < b for a, b in itertools.pairwise(made[:11]))
    assert all(a > b for a, b in itertools.pairwise(made[10:]))


def test_polynomial_of_one_is_a_straight_line() -> None:
    assert rates("polynomial", final_fraction=0.2) == pytest.approx([1 - 0.8 * t / 40 for t in range(40)])
    assert rates("polynomial", power=2.0)[20] == pytest.approx(0.25)


def test_plateau_takes_what_the_validations_left() -> None:
    settings = with_changes(Settings(), {"schedule.name": "plateau", "schedule.warmup_epochs": 1.0}, source="test")
    curve = Curve(settings, 10, 100)
    peak = settings.optimizer.learning_rate
    assert curve.rate(50, 0.01) == pytest.approx(peak * 0.01)
    assert curve.rate(5, 0.01) == pytest.approx(peak * 5 / 11)  # the warm-up is over before anything falls


@pytest.mark.parametrize("name", ALL)
def test_a_warm_up_leads_in_a_straight_line_to_where_the_schedule_begins(name: str) -> None:
    made = rates(name, warmup_epochs=1.0)
    start = 0.04 if name == "onecycle" else 1.0
    assert made[:10] == pytest.approx([start * step / 11 for step in range(1, 11)])
    assert made[10] == pytest.approx(start)


@pytest.mark.parametrize("name", ALL)
def test_every_rate_is_a_positive_share_of_the_peak(name: str) -> None:
    for warmup in (0.0, 0.25, 1.0):
        for epochs, steps in ((1, 1), (1, 3), (7, 2)):
            made = rates(name, epochs=epochs, steps=steps, warmup_epochs=warmup, final_fraction=0.01)
            assert all(0 < rate <= 1 for rate in made)
