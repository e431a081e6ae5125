"""Where runs are: the root that was asked for, and how a run is named in the commands that we suggest."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from tui.core.rundir import DEFAULT_ROOT, RunDir

ROOT_VARIABLE = "CNNTRAIN_RUNS"


def runs_root(typed: str | None) -> Path:
    """Return the directory of runs as an absolute path: what was typed, else CNNTRAIN_RUNS, else ``./runs``."""
    chosen = typed or os.environ.get(ROOT_VARIABLE) or str(DEFAULT_ROOT)
    return Path(os.path.abspath(os.path.expanduser(chosen)))


def reference(run: RunDir) -> str:
    """Return what to type for ``run``: its name where a command would find it, else its path."""
    at_hand = Path(os.path.abspath(run.path.parent)) == runs_root(None)
    return shlex.quote(run.name if at_hand else str(run.path))
