"""What tests with real processes ask and wait for."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tui.core.rundir import RunDir
from tui.runs.follow import RunFollower
from tui.runs.liveness import look
from tui.runs.state import RunState

SUPERVISOR = (sys.executable, str(Path(__file__).with_name("fake_supervisor.py")))
"""The real supervisor with the pretended engine: what `tui.runs.launch.SUPERVISOR` is in these tests."""


def is_fake_engine(pid: int, run: RunDir) -> bool:
    """Whether a process is the pretended engine of this run."""
    try:
        return os.fsencode(run.path) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def state_of(run: RunDir) -> RunState:
    """Return the run's state as it is now."""
    follower = RunFollower(run, history=False)
    follower.poll()
    return follower.state


def training(run: RunDir, steps: int = 3) -> Callable[[], bool]:
    """Return a condition: the latest attempt has started and made some steps."""
    return lambda: (s := state_of(run)).status == "running" and s.step >= steps


def over(run: RunDir) -> Callable[[], bool]:
    """Return a condition: nobody runs it any more."""
    return lambda: not look(run).alive
