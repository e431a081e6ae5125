"""A run that others are derived from, what was found in it, and its state."""

from __future__ import annotations

import json
from pathlib import Path

from tests import builders
from tui.core import events
from tui.core.rundir import RunDir
from tui.runs.follow import RunFollower
from tui.runs.state import RunState

FOUND = events.Found(
    step=340, code="rate_high", title="LR too high", severity="critical", message="Too high.", effects=["died"]
)


def make_parent(root: Path) -> RunDir:
    """A run of 400 steps that was validated every 100; the best was at 200."""
    run = builders.make_run(root, steps=400, epochs=4, name="20260131-120000-shoes")
    for step in (100, 200, 300, 400):
        run.checkpoint(step).mkdir(parents=True)
        (run.checkpoint(step) / "state.json").write_text(str(step))
    run.pointer("best").write_text(json.dumps({"directory": run.checkpoint(200).name}))
    return run


def state_of(run: RunDir) -> RunState:
    follower = RunFollower(run, history=False)
    follower.poll()
    return follower.state
