"""A run made out of another one: what it keeps, what differs, and from where it starts."""

from __future__ import annotations

import pytest
from parents import FOUND, state_of

from tui.core.dataset.manifest import load_manifest
from tui.core.errors import FailureError, UsageError
from tui.core.naming import safe_name
from tui.core.presets import read_settings
from tui.core.rates import RateChange, note_rate, read_rates
from tui.core.rundir import RunDir
from tui.runs.derive import derive, derived_name


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
    assert info["changed"] == "optimizer.learning_rate 0.05 → 0.002"
    assert {path: path.read_bytes() for path in parent.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("shoes", {"optimizer.learning_rate": 0.05}, "shoes-learning_rate-0.05"),
        ("shoes-learning_rate-0.05", {"optimizer.learning_rate": 0.025}, "shoes-learning_rate-0.025"),
        ("shoes-learning_rate-0.05-2", {"optimizer.learning_rate": 0.025}, "shoes-learning_rate-0.025"),
        ("shoes-learning_rate-1e-05", {"optimizer.learning_rate": 2e-5}, "shoes-learning_rate-2e-05"),
        ("shoes-learning_rate-0.05", {"data.mixup": 0.2}, "shoes-learning_rate-0.05-mixup-0.2"),
        ("shoes", {"data.crop": "none", "data.mixup": 0.0}, "shoes-crop-none-and-1-more"),
        ("a" * 60, {"schedule.warmup_fraction": 0.1}, f"{'a' * 24}-warmup_fraction-0.1"),
        ("shoes", {}, "shoes-again"),
    ],
)
def test_its_name_says_what_it_derives_from(name: str, changes: dict[str, object], told: str) -> None:
    assert derived_name(name, changes) == told == safe_name(told)


def test_the_same_offer_twice_makes_two_names(parent: RunDir) -> None:
    changes = {"optimizer.learning_rate": 0.002}
    names = [derive(parent, changes).given_name for _ in range(3)]
    assert names == ["shoes-learning_rate-0.002", "shoes-learning_rate-0.002-2", "shoes-learning_rate-0.002-3"]


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
