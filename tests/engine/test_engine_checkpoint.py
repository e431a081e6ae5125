"""Checkpoints: whole or not there, verified, and what a killed save leaves is cleared away."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tui.core.rundir import RunDir
from tui.engine import store as stores
from tui.engine.checkpoint import MANIFEST, MODEL, OPTIMIZER, STATE, Damaged, load, verify
from tui.engine.store import Store


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {"a": torch.full((3, 4), value), "b.weight": torch.arange(5) + int(value)}


@pytest.fixture
def store(run: RunDir) -> Store:
    return Store(run)


def save(store: Store, step: int, *, best: bool = False) -> str:
    return store.save(
        step, tensors(step), {"a/momentum": torch.full((3, 4), -1.0)}, {"progress": {"step": step}}, best=best
    )[0]


def names(run: RunDir) -> list[str]:
    return sorted(path.name for path in run.checkpoints.iterdir())


def test_what_is_saved_comes_back(store: Store, run: RunDir) -> None:
    name, size = store.save(7, tensors(7), {}, {"progress": {"step": 7, "x": 0.1 + 0.2}}, best=True)
    assert name == "step-000000007"
    directory = run.checkpoints / name
    assert size == sum((directory / part).stat().st_size for part in (MODEL, OPTIMIZER, STATE))
    found, problems = store.newest()
    assert found
    assert problems == []
    assert found.state["progress"] == {"step": 7, "x": 0.1 + 0.2}
    assert all(torch.equal(found.model[key], value) for key, value in tensors(7).items())
    best = store.best()
    assert best
    assert best.name == name
    assert names(run) == ["best.json", "last.json", "step-000000007"]


def test_layouts_and_odd_values_survive(store: Store) -> None:
    odd = {
        "nchw": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "nan": torch.tensor([float("nan"), float("inf"), -0.0]),
        "scalar": torch.tensor(3),
        "view": torch.randn(4, 6).t(),
    }
    store.save(1, odd, {}, {}, best=False)
    found, _ = store.newest()
    assert found
    for key, value in odd.items():
        assert torch.equal(found.model[key].view(-1).nan_to_num(7), value.contiguous().view(-1).nan_to_num(7))
        assert found.model[key].dtype == value.dtype


def test_last_previous_and_best_are_kept(store: Store, run: RunDir) -> None:
    for step in (1, 2, 3, 4, 5):
        save(store, step, best=step == 2)
    assert [n for n in names(run) if n.startswith("step")] == [f"step-{n:09d}" for n in (2, 4, 5)]
    assert json.loads(run.pointer("best").read_bytes()) == {"directory": "step-000000002"}


def test_the_same_step_can_be_saved_again(store: Store, run: RunDir) -> None:
    save(store, 3)
    store.save(3, tensors(9), {}, {"again": True}, best=True)
    found, _ = store.newest()
    assert found
    assert found.state["again"]
    assert names(run) == ["best.json", "last.json", "step-000000003"]


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("part", [MODEL, OPTIMIZER, STATE, MANIFEST])
@pytest.mark.parametrize("harm", [truncate, flip, os.unlink], ids=["truncated", "bit flip", "missing"])
def test_a_damaged_one_is_passed_over_and_set_aside(store: Store, run: RunDir, part: str, harm: Any) -> None:
    save(store, 1)
    save(store, 2)
    harm(run.checkpoint(2) / part)
    if part == MANIFEST and harm is flip:  # a flip in a manifest may still be JSON, but never fits its files
        (run.checkpoint(2) / MANIFEST).write_text((run.checkpoint(2) / MANIFEST).read_text().replace("a", "b"))
    found, problems = store.newest()
    assert found
    assert found.name == "step-000000001"
    assert len(problems) == 1
    assert "step-000000002 is damaged" in problems[0]
    assert part in problems[0]
    assert problems[0].endswith("; it was set aside")
    if part != MANIFEST and harm is not os.unlink:
        assert (f"the content of {part} has changed" if harm is flip else " bytes instead of ") in problems[0]
    assert "damaged-step-000000002" in names(run)  # nothing was deleted
    assert json.loads(run.pointer("last").read_bytes())["directory"] == "step-000000001"
    save(store, 2)  # and its name is free again
    again, problems = store.newest()
    assert again
    assert again.name == "step-000000002"
    assert problems == []


def test_none_verifies(store: Store, run: RunDir) -> None:
    save(store, 1)
    truncate(run.checkpoint(1) / MODEL)
    found, problems = store.newest()
    assert found is None
    assert len(problems) == 1
    assert store.newest() == (None, [])


def test_a_checkpoint_that_was_not_yet_named_is_found(store: Store, run: RunDir) -> None:
    save(store, 1)
    save(store, 2)
    run.pointer("last").write_text('{"directory": "step-000000001"}')  # killed between rename and pointer
    found, _ = store.newest()
    assert found
    assert found.name == "step-000000002"


def test_what_a_killed_save_left_is_cleared(store: Store, run: RunDir) -> None:
    save(store, 1)
    (run.checkpoints / ".new-step-000000002").mkdir()
    (run.checkpoints / ".new-step-000000002" / MODEL).write_bytes(b"half")
    (run.checkpoints / ".gone-step-000000000").mkdir()
    # Killed in the middle of replacing step 5 by itself: the old one comes back.
    shutil.copytree(run.checkpoint(1), run.checkpoints / ".old-step-000000005")
    found, problems = store.newest()
    assert found
    assert found.name == "step-000000005"
    assert problems == []
    assert not [name for name in names(run) if name.startswith(".")]


@pytest.mark.parametrize("moment", ["write", "rename", "fsync"])
def test_a_full_disk_leaves_the_previous_one(
    store: Store, run: RunDir, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store, 1, best=True)
    before = {path: path.read_bytes() for path in run.checkpoints.rglob("*") if path.is_file()}
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(*_: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        if moment == "write":
            patch.setattr(stores, "write_parts", refuse)
        else:
            patch.setattr(os, moment, refuse)
        with pytest.raises(OSError, match="No space left"):
            save(store, 2, best=True)
    after = {path: path.read_bytes() for path in run.checkpoints.rglob("*") if path.is_file()}
    assert after == before
    assert save(store, 2) == "step-000000002"


def test_what_reads_back_differently_is_not_published(
    store: Store, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store, 1)
    honest = stores.write_parts

    def lying_disk(path: Path, data: bytes) -> dict[str, Any]:
        entry = honest(path, data)
        if path.name == MODEL:
            flip(path)
        return entry

    monkeypatch.setattr(stores, "write_parts", lying_disk)
    with pytest.raises(OSError, match="reads back differently"):
        save(store, 2)
    assert names(run) == ["last.json", "step-000000001"]


@pytest.mark.parametrize("name", ["../../outside", "/etc", "step-1", ".new-step-000000001", 7, None])
def test_a_pointer_cannot_lead_elsewhere(store: Store, run: RunDir, name: object) -> None:
    run.pointer("best").write_text(json.dumps({"directory": name}))
    assert store.best() is None


def test_a_link_is_no_checkpoint(store: Store, run: RunDir, tmp_path: Path) -> None:
    save(store, 1)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(run.checkpoint(1), elsewhere)
    run.checkpoint(9).symlink_to(elsewhere)
    found, _ = store.newest()
    assert found
    assert found.name == "step-000000001"


def test_nothing_is_unpickled(store: Store, run: RunDir) -> None:
    name = save(store, 1)
    torch.save({"a": torch.zeros(1)}, run.checkpoints / name / MODEL)
    with pytest.raises(Damaged, match=r"model.safetensors"):
        verify(run.checkpoints / name)


def test_a_newer_format_is_refused(store: Store, run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "FORMAT", 2)
    name = save(store, 1)
    with pytest.raises(Damaged, match="newer version"):
        load(run.checkpoints / name)
