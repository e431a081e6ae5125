"""Devices: which one, why not, and what their errors mean."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tui.core.errors import FailureError
from tui.engine import device as devices
from tui.engine import failures
from tui.engine.recorder import Diverged


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_fastest(
    settings: Any, monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert devices.choose(settings(**{"training.device": "auto"}).training).type == expected


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_what_is_not_there_is_explained(settings: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(FailureError, match=r"cannot be used: .+ Set training.device=auto"):
        devices.choose(settings(**{"training.device": name}).training)


def test_threads_are_set(settings: Any) -> None:
    devices.prepare(torch.device("cpu"), settings(**{"training.threads": 2}).training)
    assert torch.get_num_threads() == 2
    assert devices.describe(torch.device("cpu")) == "cpu (2 threads)"
    devices.prepare(torch.device("cpu"), settings(**{"training.threads": 0}).training)
    assert torch.get_num_threads() == devices.processors()


@pytest.mark.parametrize(("quota", "expected"), [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1)])
def test_a_containers_quota_counts(monkeypatch: pytest.MonkeyPatch, quota: str, expected: int) -> None:
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(devices.Path, "read_text", lambda *_: quota)
    assert devices.processors() == expected


def test_the_allocator_is_left_alone_where_it_is_not_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.platform, "libc_ver", lambda: ("", ""))
    assert devices.keep_memory() is False


def test_seeding_repeats_dropout() -> None:
    cpu = torch.device("cpu")
    devices.seed(cpu, 5)
    first = torch.rand(3)
    devices.seed(cpu, 5)
    assert torch.equal(first, torch.rand(3))


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_out_of_memory_offers_a_smaller_batch(error: Exception) -> None:
    text = str(failures.explained(error, torch.device("cpu"), 12, 64))
    assert "ran out of memory: in step 12 with 64 pictures per batch; the last checkpoint is kept" in text
    assert "training.batch_size=32" in text
    assert "batch_size=" not in str(failures.explained(error, torch.device("cpu"), 12, 2))


def test_a_lost_accelerator_is_named_and_the_rest_is_passed_on() -> None:
    lost = failures.explained(RuntimeError("CUDA error: unspecified launch failure\nmore"), torch.device("cpu"), 3, 8)
    assert isinstance(lost, FailureError)
    assert str(lost).startswith("The accelerator failed: ")
    assert "CUDA error: unspecified launch failure" in str(lost)
    other = RuntimeError("a defect")
    assert failures.explained(other, torch.device("cpu"), 3, 8) is other


def test_divergence_names_the_step_and_the_learning_rate() -> None:
    text = str(failures.diverged(Diverged("loss", float("nan"), 17, 0.25), 10))
    assert text.startswith(
        "The loss became NaN in step 17: the learning rate was 0.25; the checkpoint of step 10 is kept."
    )
    assert "optimizer.learning_rate" in text
    text = str(failures.diverged(Diverged("gradient", float("inf"), 1, 0.25), 0))
    assert "The gradient became infinite in step 1" in text
    assert "no checkpoint had been saved yet" in text


def test_more_threads_than_cores_are_told(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "processors", lambda: 2)
    cpu = torch.device("cpu")
    for threads in (0, 1, 2):
        assert devices.too_many_threads(cpu, settings(**{"training.threads": threads}).training) == ""
    told = devices.too_many_threads(cpu, settings(**{"training.threads": 3}).training)
    assert told.startswith("training.threads is 3, but this process may use only 2 processor cores: ")
    assert "0 takes as many as there are" in told
    assert devices.too_many_threads(torch.device("cuda"), settings(**{"training.threads": 3}).training) == ""
