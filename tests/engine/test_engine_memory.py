"""FAULTS 15 to 18 and 22: memory that runs out, of the accelerator or the host, before and while it trains."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tui.core import memory
from tui.core.errors import FailureError
from tui.core.events import CheckpointSaved, Found
from tui.core.memory import GIB
from tui.core.rundir import RunDir
from tui.core.settings import Settings
from tui.engine import device as devices
from tui.engine import optim
from tui.engine.step import Step

ERRORS = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


def test_malloc_is_asked_for_large_pages_unless_something_is_said_about_them() -> None:
    ours, theirs = "glibc.malloc.hugetlb=1", "glibc.malloc.hugetlb=0"
    assert memory.with_large_pages({"A": "b"}) == {"A": "b", "GLIBC_TUNABLES": ours}
    more = "glibc.malloc.check=3"
    assert memory.with_large_pages({"GLIBC_TUNABLES": more}) == {"GLIBC_TUNABLES": f"{more}:{ours}"}
    assert memory.with_large_pages({"GLIBC_TUNABLES": theirs}) == {"GLIBC_TUNABLES": theirs}


def weights_of(run: RunDir, which: str) -> str:
    return hashlib.sha256((run.checkpoints / which / "optimizer.safetensors").read_bytes()).hexdigest()


def full_from(monkeypatch: pytest.MonkeyPatch, step: int, most: int, error: BaseException) -> list[int]:
    """From a step on, let no more than so many pictures through a network at once; return what was tried."""
    tried: list[int] = []
    forward = Step._forward

    def through(self: Step, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self._attempt.progress.step + 1 >= step:
            tried.append(len(images))
            if len(images) > most:
                raise error
        return forward(self, images, targets)

    monkeypatch.setattr(Step, "_forward", through)
    return tried


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "host", "python"])
def test_18_out_of_memory_keeps_the_state_and_offers_what_fits(
    error: BaseException, trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: Settings = settings(**{"training.epochs": 2})
    with monkeypatch.context() as short:
        tried = full_from(short, 7, 4, error)
        with pytest.raises(FailureError) as failed:
            trainer(chosen)[0].run()
    said = str(failed.value)
    assert "This machine ran out of memory: in step 7 with 8 pictures per batch; the state of step 6 is saved." in said
    assert "4 fit, as was tried: take the doctor's offer" in said
    assert "--set training.batch_size=4 --set optimizer.accumulate=2" in said
    assert tried[:2] == [8, 4]
    assert events(run, CheckpointSaved)[-1].step == 6
    found = events(run, Found)[-1]
    assert (found.code, found.severity, found.restart, found.step) == ("out_of_memory", "critical", "newest", 7)
    assert found.change == {"training.batch_size": 4, "optimizer.accumulate": 2}
    assert chosen.training.batch_size == 8  # nothing is applied
    # With the offer a step has as many pictures as before: the checkpoint fits, and the run ends where it was to end.
    smaller = settings(**{"training.epochs": 2, **found.change})
    assert "Trained 2 epochs" in trainer(smaller, attempt=2)[0].run()


def test_18_nothing_smaller_fits(
    trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_from(monkeypatch, 1, 0, ERRORS[0])
    with pytest.raises(FailureError, match=r"nothing had been saved yet.*smaller data\.image_size or a smaller model"):
        trainer(settings())[0].run()
    found = events(run, Found)[-1]
    assert (found.change, found.restart) == ({}, "")


def test_18_a_step_that_broke_off_within_the_update_is_not_saved(
    trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An optimizer that finds no room for its state has changed some weights already: the last checkpoint counts."""
    loop, _, _ = trainer(settings(**{"training.checkpoint_unit": "steps", "training.checkpoint_every": 5}))
    made = optim.change_weights
    calls: list[int] = []

    def change_weights(optimizer: torch.optim.Optimizer) -> None:
        calls.append(1)
        if len(calls) >= 8:
            raise ERRORS[0]
        made(optimizer)

    monkeypatch.setattr(optim, "change_weights", change_weights)
    with pytest.raises(FailureError, match=r"in step 8 .*; the checkpoint of step 5 is kept"):
        loop.run()
    assert [event.step for event in events(run, CheckpointSaved)] == [5]


def test_18_the_offer_goes_on_from_the_newest_checkpoint(tmp_path: Path) -> None:
    """The offer of the doctor's screen: what was learned is sound, so the newest counts, not the best."""
    from tests import builders
    from tui.runs.derive import derive

    parent = builders.make_run(tmp_path, steps=200, status="failed")
    for step in (100, 150, 199):
        parent.checkpoint(step).mkdir(parents=True, exist_ok=True)
    parent.pointer("best").write_text(json.dumps({"directory": parent.checkpoint(100).name}))
    found = Found(step=200, code="out_of_memory", severity="critical", message="", restart="newest")
    child = derive(parent, {"training.batch_size": 16}, finding=found, checkpoint=True)
    assert [path.name for path in child.checkpoints.iterdir()] == [parent.checkpoint(199).name]


def test_15_and_16_short_memory_is_told_before_data_workers_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 300 << 20)
    monkeypatch.setattr(memory, "shared_free", lambda: 1 << 20)
    little, shared = memory.shortages(8)
    assert little.startswith("Only 300 MiB of memory are free, and 8 data workers may need 768 MiB:")
    assert "set data.workers=3" in little
    assert shared.startswith("Only 1.0 MiB of shared memory (/dev/shm) are free")
    assert "--shm-size" in shared
    monkeypatch.setattr(memory, "available", lambda: 30 * GIB)
    monkeypatch.setattr(memory, "shared_free", lambda: None)
    assert memory.shortages(8) == []


def test_16_data_workers_need_no_shared_memory() -> None:
    """They answer through pipes, so that a small /dev/shm cannot end them."""
    before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    from tui.core.dataset.decoders import Decoders, _Process

    process = _Process()
    try:
        targets = {os.readlink(f"/proc/{process._child.pid}/fd/{number}").split(":")[0] for number in (0, 1)}
        assert targets == {"pipe"}
    finally:
        process.kill()
    assert Decoders.__module__ == "tui.core.dataset.decoders"
    mine = {name for name in set(os.listdir("/dev/shm")) - before if str(os.getpid()) in name} if before else set()
    assert mine == set()


def test_22_who_uses_the_accelerator_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '1024, 99999999, [gone]'\necho '61440, {os.getppid()}, /usr/bin/py\x1b[2Jthon'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * GIB, 80 * GIB))
    said = devices.crowded(torch.device("cuda"))
    assert said.startswith("The GPU's memory is in use by others: 10.0 of 80.0 GiB are free. 60.0 GiB: py")
    assert f"(process {os.getppid()} of " in said
    assert "1.0 GiB: [gone] (process 99999999)" in said
    assert "\x1b" not in said
    monkeypatch.setenv("PATH", "")
    assert devices.crowded(torch.device("cuda")).endswith("are free.")
