"""What is said about accelerators that are not there, do not fit, or are in use; no accelerator is needed for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tui.core.errors import FailureError
from tui.engine import device as devices

GIB = 1 << 30


def refuse(text: str) -> None:
    raise RuntimeError(text)


@pytest.fixture
def without_cuda(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    return monkeypatch


def test_a_driver_that_does_not_fit_is_named(without_cuda: pytest.MonkeyPatch, settings: Any) -> None:
    text = "The NVIDIA driver on your system is too old (found version 11040).\x1b[2J\nPlease update."
    without_cuda.setattr(torch.cuda, "init", lambda: refuse(text))
    with pytest.raises(FailureError) as refused:
        devices.choose(settings(**{"training.device": "cuda"}).training)
    assert "driver on your system is too old (found version 11040)" in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert refused.value.next_step == "Set training.device=auto to train without it."


def test_a_torch_without_cuda_is_named(without_cuda: pytest.MonkeyPatch, settings: Any) -> None:
    without_cuda.setattr(torch.version, "cuda", None)
    with pytest.raises(FailureError, match="was built without CUDA"):
        devices.choose(settings(**{"training.device": "cuda"}).training)


def test_an_accelerator_that_lies_idle_is_mentioned(without_cuda: pytest.MonkeyPatch) -> None:
    without_cuda.setattr(torch.cuda, "init", lambda: refuse("no driver"))
    without_cuda.setattr(Path, "exists", lambda path: str(path) == "/dev/nvidiactl")
    said = devices.unused_accelerator(torch.device("cpu"))
    assert said.endswith("it cannot be used: no driver. Training on the CPU.")
    without_cuda.setattr(Path, "exists", lambda path: False)
    assert devices.unused_accelerator(torch.device("cpu")) == ""


def test_an_accelerator_that_others_use_is_shown_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * GIB, 80 * GIB))
    assert "10.0 of 80.0 GiB are free" in devices.crowded(torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (79 * GIB, 80 * GIB))
    assert devices.crowded(torch.device("cuda")) == ""
    assert devices.crowded(torch.device("cpu")) == ""
