"""On a CUDA device: the same loop, and torch itself watches that no step waits for the device."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tui.core.events import Started
from tui.core.rundir import RunDir
from tui.engine.attempt import begin
from tui.engine.link import Link
from tui.engine.trainer import Trainer

pytestmark = pytest.mark.gpu


def test_a_whole_run_on_the_gpu(settings: Any, pictures: Any, run: RunDir, events: Any, records: Any) -> None:
    chosen = settings(**{"training.device": "cuda", "model.dropout": 0.2, "optimizer.clip_norm": 1.0})
    data = pictures(chosen, {"train": 80, "validation": 21, "test": 24})
    Trainer(begin(Link(run, 1), chosen, data, ["a", "b", "c"], torch.device("cuda"))).run()
    assert events(run, Started)[0].device.startswith("cuda (")
    rows = records(run)
    assert list(rows) == list(range(1, 31))
    assert all(math.isfinite(value) for row in rows.values() for value in row.values())
    assert rows[30]["loss"] < rows[1]["loss"]


def test_no_step_waits_for_the_gpu(settings: Any, pictures: Any, run: RunDir) -> None:
    chosen = settings(**{"training.device": "cuda", "optimizer.clip_norm": 1.0})
    data = pictures(chosen, {"train": 80, "validation": 21, "test": 24})
    loop = Trainer(begin(Link(run, 1), chosen, data, ["a", "b", "c"], torch.device("cuda")))
    with data.training_batches(0) as batches:
        loop._recorder.restart_clock()
        for _ in range(3):
            loop._step.make(batches)
        prepared = [next(batches) for _ in range(5)]
        torch.cuda.set_sync_debug_mode("error")
        try:
            for batch in prepared:
                loop._step.make(iter([batch]))
        finally:
            torch.cuda.set_sync_debug_mode("default")
