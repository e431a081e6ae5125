"""How a trial of an offer is judged: against the parent over the same steps, and in which sentence that is told."""

from __future__ import annotations

import json
from typing import Any

import builders
import pytest
from parents import FOUND, state_of

from tui.core import events
from tui.core.rundir import RunDir
from tui.runs.catalog import summary_of
from tui.runs.derive import derive
from tui.runs.follow import RunFollower
from tui.runs.report import report
from tui.runs.trial import Trial, became, origin, trial

CHANGE = {"optimizer.learning_rate": 0.002}


def accuracies(run: RunDir) -> dict[int, float]:
    return {each.step: each.metrics["accuracy"] for each in state_of(run).evaluations}


def judged(run: RunDir, *, live: bool = False) -> Trial:
    state = state_of(run)
    if live:
        state.status = "running"
    found = trial(state)
    assert found is not None
    return found


def started(run: RunDir, step: int, *, begun: int = 0) -> None:
    """Let a run have started after ``begun`` steps and be at ``step``."""
    (parent,) = run.path.parent.glob("20260131-120000-shoes/events.jsonl")
    fields = json.loads(next(line for line in parent.read_text().splitlines() if '"started"' in line))
    fields.pop("kind")
    builders.append_event(run, events.Started(**{**fields, "attempt": 1, "step": begun}))
    at(run, step)


def at(run: RunDir, step: int) -> None:
    builders.append_event(run, events.EpochEnded(step=step, epoch=1, loss=1.0, seconds=1.0))


def validated(run: RunDir, step: int, accuracy: float) -> None:
    metrics = {"accuracy": accuracy, "loss": 1.0}
    builders.append_event(
        run,
        events.Evaluated(step=step, epoch=1, split="validation", metrics=metrics, recall=[], counts=[], seconds=1.0),
    )


def test_it_is_confirmed_when_the_finding_stays_away_as_long_as_it_took(parent: RunDir) -> None:
    child = derive(parent, CHANGE, finding=FOUND)
    found = judged(child)
    assert (found.finding, found.steps, found.made, found.outcome) == ("LR too high", 340, 0, "")
    started(child, 339)
    assert judged(child).outcome == ""
    at(child, 340)
    assert judged(child).outcome == "confirmed"


@pytest.mark.parametrize("code", ["rate_high", "something"])
def test_it_has_no_effect_when_the_finding_comes_back_even_as_an_effect(parent: RunDir, code: str) -> None:
    child = derive(parent, CHANGE, finding=FOUND)
    started(child, 200)
    builders.append_event(
        child, events.Found(step=150, code=code, title="x", severity="critical", message="x", effects=["rate_high"])
    )
    found = judged(child)
    assert (found.outcome, found.again) == ("no effect", 150)
    assert became(found) == "No effect: “LR too high” is there again after 150 steps."


def test_a_finding_that_comes_back_later_than_in_the_parent_was_put_off(parent: RunDir) -> None:
    child = derive(parent, CHANGE, finding=FOUND)
    started(child, 1200)
    builders.append_event(child, FOUND.but(step=1100))
    found = judged(child)
    assert (found.outcome, found.again) == ("put off", 1100)
    assert became(found) == "Put off: “LR too high” came back, but only after 1,100 steps."


def test_a_symptom_that_is_gone_is_no_cure_while_something_critical_stands(parent: RunDir) -> None:
    child = derive(parent, CHANGE, finding=FOUND)
    started(child, 330)
    died = events.Found(step=330, code="vanishing", title="Vanishing gradients", severity="critical", message="x")
    builders.append_event(child, died)
    at(child, 400)
    found = judged(child)
    assert (found.outcome, found.instead) == ("no better", "Vanishing gradients")
    builders.append_event(child, events.Cleared(step=395, code="vanishing"))
    assert judged(child).outcome == "confirmed"
    builders.append_event(child, died.but(step=500))  # beyond what the parent is known for
    assert judged(child).outcome == "confirmed"


def test_only_validations_of_the_same_steps_are_compared(parent: RunDir) -> None:
    known = accuracies(parent)
    before = max(value for step, value in known.items() if step <= 340)
    child = derive(parent, CHANGE, finding=FOUND)
    started(child, 100)
    for step in (100, 200, 300):
        validated(child, step, before - 0.01)
    at(child, 340)
    found = judged(child)
    assert found.outcome == "no better"
    told = f"accuracy {100 * before - 1:.1f} % by step 300, {100 * before:.1f} % before"
    assert (found.instead, found.gain) == (told, "")
    validated(child, 400, before + 0.2)  # any run gets better when it trains on: the parent was not given that
    validated(child, 900, before + 0.3)
    assert judged(child) == Trial("LR too high", 340, 900, "no better", told)


def test_a_run_that_is_better_by_then_stays_mended_whatever_comes_later(parent: RunDir) -> None:
    before = max(value for step, value in accuracies(parent).items() if step <= 340)
    child = derive(parent, CHANGE, finding=FOUND)
    started(child, 100)
    validated(child, 100, before - 0.01)
    validated(child, 300, before + 0.01)
    at(child, 340)
    told = f"accuracy {100 * before + 1:.1f} % by step 300, {100 * before:.1f} % before"
    assert (judged(child).outcome, judged(child).gain) == ("confirmed", told)
    validated(child, 900, 0.0)
    assert (judged(child).outcome, judged(child).gain) == ("confirmed", told)


def test_the_validation_that_is_to_be_compared_is_waited_for_while_it_trains(parent: RunDir) -> None:
    child = derive(parent, CHANGE, finding=FOUND.but(step=300))
    started(child, 100)
    validated(child, 200, 0.01)
    at(child, 300)
    found = judged(child, live=True)
    assert found.outcome == ""
    assert became(found) == "Does this mend “LR too high”? Judged after the next validation."
    assert judged(child).outcome == "no better"  # it is over: none comes
    validated(child, 300, 1.0)
    assert judged(child, live=True).outcome == "confirmed"


def test_a_parent_that_is_not_that_far_is_compared_as_far_as_it_is(parent: RunDir) -> None:
    early = FOUND.but(step=40)
    child = derive(parent, CHANGE, finding=early)
    assert judged(child).steps == 100
    assert state_of(child).info["bar_step"] == "100"
    young = builders.make_run(parent.path.parent, steps=80, epochs=4, name="20260131-120000-young", status="running")
    known = accuracies(young)
    assert max(known) == 80
    bar = max(known.values())
    child = derive(young, CHANGE, finding=early)
    started(child, 70)
    validated(child, 70, bar - 0.01)
    validated(child, 100, bar + 0.01)
    assert judged(child).instead == f"accuracy {100 * bar - 1:.1f} % by step 80, {100 * bar:.1f} % before"


def test_of_a_checkpoint_only_what_came_after_it_counts_on_both_sides(parent: RunDir) -> None:
    known = accuracies(parent)
    child = derive(parent, {"optimizer.clip_norm": 1.0}, finding=FOUND, checkpoint=True)
    assert float(state_of(child).info["bar"]) == known[300]
    started(child, 339, begun=200)
    found = judged(child)
    assert (found.steps, found.outcome) == (140, "")
    validated(child, 300, known[300] + 0.01)
    at(child, 340)
    assert judged(child).outcome == "confirmed"
    at_once = derive(parent, {"optimizer.clip_norm": 1.0}, finding=FOUND.but(step=240), checkpoint=True)
    assert state_of(at_once).info["bar_step"] == "300"


def test_what_helps_rare_classes_is_not_judged_by_the_accuracy(parent: RunDir) -> None:
    rare = derive(parent, {"data.sampler": "balanced"}, finding=FOUND.but(code="neglected"))
    assert "bar" not in state_of(rare).info


def test_an_ordinary_run_is_no_trial_and_comes_from_none(parent: RunDir) -> None:
    state = state_of(parent)
    assert (trial(state), origin(state.info)) == (None, "")


@pytest.mark.parametrize(("key", "value"), [("bar", "x"), ("bar_step", "-1"), ("judged_after", "10" * 20), ("bar", "")])
def test_what_somebody_wrote_over_the_bar_breaks_nothing(parent: RunDir, key: str, value: str) -> None:
    child = derive(parent, CHANGE, finding=FOUND)
    started(child, 400)
    state = state_of(child)
    state.info[key] = value
    found = trial(state)
    assert found is None if key == "judged_after" else found is not None


def test_its_parent_its_change_and_what_became_of_it_are_reported(parent: RunDir) -> None:
    child = derive(parent, CHANGE, finding=FOUND)
    started(child, 400)

    def words() -> tuple[str, ...]:
        follower = RunFollower(child)
        follower.poll()
        return report(follower).words

    assert "Derived from shoes: optimizer.learning_rate 0.05 → 0.002." in words()
    assert "Confirmed: “LR too high” did not come back in 340 steps." in words()
    assert summary_of(child).origin == "from shoes: optimizer.learning_rate 0.05 → 0.002"
    assert summary_of(parent).origin == ""
    later = derive(parent, {"optimizer.clip_norm": 1.0}, finding=FOUND, checkpoint=True)
    started(later, 210, begun=200)
    follower = RunFollower(later)
    follower.poll()
    assert any(
        one.startswith("Derived from shoes: ") and one.endswith("with its checkpoint of step 200.")
        for one in report(follower).words
    )


@pytest.mark.parametrize("outcome", ["", "confirmed", "put off", "no better", "no effect"])
def test_where_a_sentence_is_too_long_its_names_are_cut(outcome: Any) -> None:
    made = Trial("A finding with a long name " * 4, 400, 40, outcome, "An other one " * 9, again=9)
    whole, short = became(made), became(made, 90)
    assert len(short) <= 90 < len(whole)
    assert whole[:5] == short[:5]
    assert whole[-6:] == short[-6:]
