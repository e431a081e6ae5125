"""How threads wait: decided before torch is imported, by what others do on the same cores."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tui.core.events import Message
from tui.core.rundir import RunDir
from tui.engine import waiting
from tui.engine.link import Link
from tui.engine.waiting import Moment, busy_cores, decide, worked

STATISTICS = """\
cpu  600 0 200 9000 50 5 5 7 0 0
cpu0 100 10 50 4000 30 2 3 7 0 0
cpu1 500 20 150 5000 20 3 2 0 0 0
intr 12345
"""


@pytest.fixture(autouse=True)
def policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decided ends with the test."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "")
    del os.environ["OMP_WAIT_POLICY"]


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say how many of two cores others keep busy."""

    def say(cores: float) -> Moment:
        monkeypatch.setattr(waiting.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
        monkeypatch.setattr(waiting, "SECONDS", 0.0)
        monkeypatch.setattr(waiting, "look", lambda: Moment(10.0, 100.0 + 10 * cores + 4.0, 5.0))
        return Moment(0.0, 100.0, 1.0)

    return say


def test_the_work_of_the_cores_that_may_be_used_is_counted_without_their_rest() -> None:
    assert worked(STATISTICS, {0, 1}, ticks=100) == pytest.approx((165 + 675) / 100)
    assert worked(STATISTICS, {1}, ticks=100) == pytest.approx(6.75)
    with pytest.raises(ValueError, match="not all cores"):
        worked(STATISTICS, {0, 7}, ticks=100)


def test_what_this_process_does_is_not_others_work() -> None:
    before, now = Moment(0.0, 50.0, 1.0), Moment(2.0, 53.0, 2.0)
    assert busy_cores(before, now) == pytest.approx(1.0)
    assert busy_cores(before, Moment(2.0, 50.5, 2.0)) == 0.0


@pytest.mark.parametrize(
    ("changes", "others", "sleeps"),
    [
        ({}, 0.2, False),
        ({}, 1.0, True),
        ({"training.threads": 1}, 1.0, False),
        ({"training.threads": 1}, 2.0, False),  # it has nobody to wait for
        ({"compute.waiting": "spin"}, 2.0, False),
        ({"compute.waiting": "sleep"}, 0.0, True),
    ],
)
def test_threads_sleep_where_they_would_spin_on_cores_that_others_need(
    changes: dict[str, Any], others: float, sleeps: bool, settings: Any, run: RunDir, events: Any, busy: Any
) -> None:
    given = settings(**{"training.threads": 0, **changes})
    decide(given, Link(run, 1), busy(others))
    assert os.environ.get("OMP_WAIT_POLICY") == ("PASSIVE" if sleeps else None)
    told = [event.text for event in events(run, Message)]
    assert bool(told) == (sleeps and given.compute.waiting == "auto")
    assert all(f"Other programs keep {others:.1f} of 2 processor cores busy" in text for text in told)


def test_what_the_environment_says_stays(
    settings: Any, run: RunDir, busy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    decide(settings(**{"compute.waiting": "sleep"}), Link(run, 1), busy(2.0))
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_a_machine_that_does_not_tell_is_taken_as_free(settings: Any, run: RunDir) -> None:
    decide(settings(**{"training.threads": 0}), Link(run, 1), None)
    assert "OMP_WAIT_POLICY" not in os.environ


@pytest.mark.skipif(not waiting._STATISTICS.exists(), reason="the system has no /proc/stat")
def test_this_machine_tells() -> None:
    before = waiting.look()
    assert before is not None
    while (now := waiting.look()) is not None and now.own < before.own + 0.05:
        pass
    assert now is not None
    assert now.machine >= before.machine
