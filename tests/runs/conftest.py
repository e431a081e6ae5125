"""Real supervisors in real processes, with an engine that only pretends; none outlives its test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import builders
from tests.runs.parents import make_parent
from tests.runs.processes import SUPERVISOR, is_fake_engine
from tui.core.rundir import RunDir
from tui.runs import host, launch
from tui.runs.liveness import read_owner


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RunDir]]:
    """Make a run that was never started, whose engine does what ``fake_engine.py`` is told; start with `launch`."""
    monkeypatch.setattr(launch, "SUPERVISOR", SUPERVISOR)
    made: list[RunDir] = []

    def make(name: str = "20260131-120000-fake", **plan: object) -> RunDir:
        run = builders.make_run(tmp_path, name=name, steps=1, epochs=1, status="finished")
        for path in (run.events, run.owner, *run.metrics.iterdir()):
            path.unlink()
        (run.path / "fake.json").write_text(json.dumps(plan))
        made.append(run)
        return run

    yield make
    for run in made:
        owner, _ = read_owner(run)
        for pid, born in ((owner.pid, owner.start_time), (owner.engine_pid, "")) if owner is not None else ():
            if pid and (host.start_time(pid) == born or (not born and is_fake_engine(pid, run))):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def parent(tmp_path: Path) -> RunDir:
    """A run that others are derived from."""
    return make_parent(tmp_path)
