"""Twelve SIGKILLs at random instants over all processes of a run; ``tests/bench/crash.py`` does hundreds."""

from __future__ import annotations

import random
import uuid
from pathlib import Path

import pytest

from tests.bench.crash import plan_of
from tests.bench.crash_attack import Attack
from tests.bench.crash_scene import MARK


@pytest.mark.long
@pytest.mark.timeout(240)
def test_nothing_is_lost_to_twelve_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, str(uuid.uuid4()))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    seed = random.randrange(2**32)
    report = Attack(tmp_path, plan_of(12, seed), seed=seed, epochs=30).carry_out()
    assert report.kills.total() == 12
    assert not report.problems, f"seed {seed}:\n{report}"
