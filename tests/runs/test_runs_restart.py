"""Restarts: what was killed goes on by itself within its budget; what knows why it failed, or was stopped, does not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.runs.processes import over, state_of, until
from tui.core import control, events
from tui.core.rundir import RunDir
from tui.runs import launch
from tui.runs.liveness import read_owner
from tui.runs.state import RunState

Fake = Callable[..., RunDir]


@pytest.fixture
def restarting(fake: Fake) -> Callable[..., RunDir]:
    """Make a run that may be restarted so often."""

    def make(budget: int, **plan: object) -> RunDir:
        run = fake(**plan)
        text = run.settings.read_text("utf-8")
        assert "restarts = 0" in text
        run.settings.write_text(text.replace("restarts = 0", f"restarts = {budget}"))
        return run

    return make


def started(run: RunDir, attempt: int) -> Callable[[], bool]:
    return lambda: (s := state_of(run)).attempt == attempt and s.running_attempt_started and s.step > 0


def messages(state: RunState) -> list[str]:
    return [event.text for event in state.log if isinstance(event, events.Message)]


def kill_engine(run: RunDir) -> None:
    owner, _ = read_owner(run)
    assert owner is not None
    os.kill(owner.engine_pid, signal.SIGKILL)


def test_a_killed_engine_is_started_again_until_the_budget_is_used_up(restarting: Callable[..., RunDir]) -> None:
    run = restarting(1)
    launch.start(run)
    until(started(run, 1))
    first, _ = read_owner(run)
    kill_engine(run)
    until(lambda: messages(state_of(run)))
    assert state_of(run).live
    until(started(run, 2))
    state = state_of(run)
    assert state.status == "running"
    (said,) = messages(state)
    assert "killed from outside by signal 9 (SIGKILL)" in said
    assert said.endswith("It goes on from its newest checkpoint (restart 1 of 1).")
    second, _ = read_owner(run)
    assert first is not None
    assert second is not None
    assert second.pid == first.pid
    assert second.engine_pid != first.engine_pid
    kill_engine(run)
    until(over(run))
    state = state_of(run)
    assert (state.status, state.attempt) == ("crashed", 2)
    assert f"cnntrain resume {run.name}" in state.status_text


@pytest.mark.parametrize("then", ["explain", "finish"])
def test_an_engine_that_knows_why_it_ended_is_not_started_again(restarting: Callable[..., RunDir], then: str) -> None:
    run = restarting(3, steps=3, then=then)
    launch.start(run)
    until(over(run))
    state = state_of(run)
    assert state.status == {"explain": "failed", "finish": "finished"}[then]
    assert state.attempt == 1


def test_a_crash_without_a_word_is_restarted_no_oftener_than_allowed(restarting: Callable[..., RunDir]) -> None:
    run = restarting(1, steps=3, then="raise")
    launch.start(run)
    until(over(run))
    state = state_of(run)
    assert (state.status, state.attempt) == ("failed", 2)
    assert "ValueError: something odd" in state.status_text


@pytest.mark.parametrize(("saves", "attempts"), [(False, 1), (True, 3)], ids=["nothing new", "something new"])
def test_memory_that_runs_out_is_tried_again_only_if_it_came_further(
    restarting: Callable[..., RunDir], saves: bool, attempts: int
) -> None:
    run = restarting(2, steps=3, then="kill", out_of_memory=True, saves=saves)
    launch.start(run)
    until(over(run))
    state = state_of(run)
    assert (state.status, state.attempt) == ("crashed", attempts)
    assert "because the memory that it may use ran out" in state.status_text
    assert "Lower training.batch_size or data.workers." in state.status_text
    not_again = "It was not started again by itself: it had saved nothing new since the last start."
    assert (not_again in state.status_text) is not saves


@pytest.mark.parametrize("how", ["sigterm", "request"])
def test_a_stop_is_stronger_than_a_restart(restarting: Callable[..., RunDir], how: str) -> None:
    run = restarting(3)
    launch.start(run)
    until(started(run, 1))
    kill_engine(run)
    until(lambda: messages(state_of(run)))
    owner, _ = read_owner(run)
    assert owner is not None
    if how == "sigterm":
        os.kill(owner.pid, signal.SIGTERM)
    else:
        control.ask(run, "stop")
    until(over(run), 10)
    time.sleep(0.1)
    state = state_of(run)
    assert state.attempt == 1
    assert not state.live
    assert state.ended is not None
