"""A run made out of another one: what it keeps, what differs, from where it starts, and how a trial is judged."""

from __future__ import annotations

import json
from pathlib import Path

import builders
import pytest

from tui.core import events
from tui.core.dataset.manifest import load_manifest
from tui.core.errors import FailureError, UsageError
from tui.core.presets import read_settings
from tui.core.rates import RateChange, note_rate, read_rates
from tui.core.rundir import RunDir, safe_name
from tui.runs.derive import derive, derived_name, trial
from tui.runs.follow import RunFollower
from tui.runs.state import RunState

FOUND = events.Found(
    step=340, code="rate_high", title="LR too high", severity="critical", message="Too high.", effects=["died"]
)


@pytest.fixture
def parent(tmp_path: Path) -> RunDir:
    run = builders.make_run(tmp_path, steps=400, epochs=4, name="20260131-120000-shoes")
    for step in (100, 200, 300, 400):
        run.checkpoint(step).mkdir(parents=True)
        (run.checkpoint(step) / "state.json").write_text(str(step))
    run.pointer("best").write_text(json.dumps({"directory": run.checkpoint(200).name}))
    return run


def state_of(run: RunDir) -> RunState:
    follower = RunFollower(run, history=False)
    follower.poll()
    return follower.state


def checkpoints(run: RunDir) -> list[str]:
    return sorted(path.name for path in run.checkpoints.iterdir())


def test_it_keeps_pictures_and_settings_and_changes_what_is_asked(parent: RunDir) -> None:
    before = {path: path.read_bytes() for path in parent.path.rglob("*") if path.is_file()}
    child = derive(parent, {"optimizer.learning_rate": 0.002}, finding=FOUND)
    assert child.path.parent == parent.path.parent
    assert child.given_name == "shoes-learning_rate-0.002"
    assert load_manifest(child.dataset).splits == load_manifest(parent.dataset).splits
    old, new = read_settings(parent.settings), read_settings(child.settings)
    assert new.optimizer.learning_rate == 0.002
    assert new.model_copy(update={"optimizer": old.optimizer}) == old
    assert checkpoints(child) == []
    info = state_of(child).info
    assert (info["parent"], info["preset"]) == (parent.name, "cifar10")
    assert {path: path.read_bytes() for path in parent.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("shoes", {"optimizer.learning_rate": 0.05}, "shoes-learning_rate-0.05"),
        ("shoes-learning_rate-0.05", {"optimizer.learning_rate": 0.025}, "shoes-learning_rate-0.025"),
        ("shoes-learning_rate-0.05", {"data.mixup": 0.2}, "shoes-learning_rate-0.05-mixup-0.2"),
        ("shoes", {"data.crop": "none", "data.mixup": 0.0}, "shoes-crop-none-and-1-more"),
        ("a" * 60, {"schedule.warmup_fraction": 0.1}, f"{'a' * 24}-warmup_fraction-0.1"),
        ("shoes", {}, "shoes-again"),
    ],
)
def test_its_name_says_what_it_derives_from(name: str, changes: dict[str, object], told: str) -> None:
    assert derived_name(name, changes) == told == safe_name(told)


def test_it_goes_on_from_the_best_checkpoint_that_is_older_than_the_finding(parent: RunDir) -> None:
    change = {"optimizer.clip_norm": 1.0}
    assert checkpoints(derive(parent, change, finding=FOUND, checkpoint=True)) == ["step-000000200"]
    early = FOUND.but(step=150)
    assert checkpoints(derive(parent, change, finding=early, checkpoint=True)) == ["step-000000100"]
    first = FOUND.but(step=50)
    assert checkpoints(derive(parent, change, finding=first, checkpoint=True)) == []


def test_rates_changed_before_the_checkpoint_go_on_counting(parent: RunDir) -> None:
    for change in (RateChange(120, 0.5, "a"), RateChange(200, 0.5, "b"), RateChange(260, 4.0, "c")):
        note_rate(parent, change)
    settings = {"optimizer.clip_norm": 1.0}
    child = derive(parent, settings, finding=FOUND, checkpoint=True)
    assert [(change.step, change.factor) for change in read_rates(child)] == [(120, 0.5), (200, 0.5)]
    assert read_rates(derive(parent, settings)) == ()  # from scratch: nothing of that course is left
    before = sorted(parent.path.parent.iterdir())
    parent.rates.write_text("{")
    with pytest.raises(FailureError, match=r"rates\.json is damaged"):
        derive(parent, settings, finding=FOUND, checkpoint=True)
    assert sorted(parent.path.parent.iterdir()) == before


@pytest.mark.parametrize("change", [{"model.width": 16}, {"optimizer.name": "adamw"}])
def test_weights_that_cannot_fit_are_not_taken_along(parent: RunDir, change: dict[str, object]) -> None:
    assert checkpoints(derive(parent, change, finding=FOUND, checkpoint=True)) == []


def test_a_change_that_is_not_valid_is_refused_and_leaves_nothing(parent: RunDir) -> None:
    before = sorted(parent.path.parent.iterdir())
    with pytest.raises(UsageError, match="learning_rate"):
        derive(parent, {"optimizer.learning_rate": -1})
    assert sorted(parent.path.parent.iterdir()) == before


def started(run: RunDir, step: int, *, begun: int = 0) -> None:
    """Let a run have started after ``begun`` steps and be at ``step``."""
    (parent,) = run.path.parent.glob("20260131-120000-shoes/events.jsonl")
    fields = json.loads(next(line for line in parent.read_text().splitlines() if '"started"' in line))
    fields.pop("kind")
    builders.append_event(run, events.Started(**{**fields, "attempt": 1, "step": begun}))
    builders.append_event(run, events.EpochEnded(step=step, epoch=1, loss=1.0, seconds=1.0))


def test_a_trial_is_confirmed_when_the_finding_stays_away_as_long_as_it_took(parent: RunDir) -> None:
    child = derive(parent, {"optimizer.learning_rate": 0.002}, finding=FOUND)
    found = trial(state_of(child))
    assert found is not None
    assert (found.parent, found.finding, found.steps, found.outcome) == (parent.name, "LR too high", 340, "")
    started(child, 339)
    assert trial(state_of(child)).outcome == ""  # type: ignore[union-attr]
    builders.append_event(child, events.EpochEnded(step=340, epoch=2, loss=1.0, seconds=1.0))
    assert trial(state_of(child)).outcome == "confirmed"  # type: ignore[union-attr]


@pytest.mark.parametrize("code", ["rate_high", "something"])
def test_a_trial_has_no_effect_when_the_finding_comes_back_even_as_an_effect(parent: RunDir, code: str) -> None:
    child = derive(parent, {"optimizer.learning_rate": 0.002}, finding=FOUND)
    started(child, 200)
    builders.append_event(
        child, events.Found(step=150, code=code, title="x", severity="critical", message="x", effects=["rate_high"])
    )
    assert trial(state_of(child)).outcome == "no effect"  # type: ignore[union-attr]


def test_a_symptom_that_is_gone_is_no_cure_while_something_critical_stands(parent: RunDir) -> None:
    child = derive(parent, {"optimizer.learning_rate": 0.002}, finding=FOUND)
    started(child, 400)
    died = events.Found(step=390, code="vanishing", title="Vanishing gradients", severity="critical", message="x")
    builders.append_event(child, died)
    found = trial(state_of(child))
    assert found is not None
    assert (found.outcome, found.instead) == ("no effect", "Vanishing gradients")
    builders.append_event(child, events.Cleared(step=395, code="vanishing"))
    found = trial(state_of(child))
    assert found is not None
    assert (found.outcome, found.instead) == ("confirmed", "")


def test_a_run_that_is_no_better_is_not_called_mended(parent: RunDir) -> None:
    before = max(each.metrics["accuracy"] for each in state_of(parent).evaluations if each.step <= 340)
    child = derive(parent, {"optimizer.learning_rate": 0.002}, finding=FOUND)
    started(child, 400)

    def validated(accuracy: float) -> None:
        metrics = {"accuracy": accuracy, "loss": 1.0}
        builders.append_event(
            child,
            events.Evaluated(step=400, epoch=4, split="validation", metrics=metrics, recall=[], counts=[], seconds=1.0),
        )

    validated(before)
    found = trial(state_of(child))
    assert found is not None
    assert found.outcome == "no effect"
    assert found.instead.endswith(f"{100 * before:.1f} % before")
    validated(before + 0.01)
    found = trial(state_of(child))
    assert found is not None
    assert (found.outcome, found.instead) == ("confirmed", "")
    assert found.gain.endswith(f", {100 * before:.1f} % before")
    # rare classes are another matter
    rare = derive(parent, {"data.sampler": "balanced"}, finding=FOUND.but(code="neglected"))
    assert "bar" not in state_of(rare).info


def test_from_a_checkpoint_the_steps_count_from_there(parent: RunDir) -> None:
    child = derive(parent, {"optimizer.clip_norm": 1.0}, finding=FOUND, checkpoint=True)
    started(child, 339, begun=200)
    found = trial(state_of(child))
    assert found is not None
    assert (found.steps, found.outcome) == (140, "")
    builders.append_event(child, events.EpochEnded(step=340, epoch=2, loss=1.0, seconds=1.0))
    assert trial(state_of(child)).outcome == "confirmed"  # type: ignore[union-attr]


def test_an_ordinary_run_is_no_trial(parent: RunDir) -> None:
    assert trial(state_of(parent)) is None
