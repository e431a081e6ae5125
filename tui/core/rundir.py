"""ALL file names of a run, and nothing else: the only place where a path inside a run directory is spelt.

settings.toml        resolved settings, with the versions they ran on
launched.toml        a copy of them from the newest launch
dataset.json         class map (from train), split membership, sizes, problems found
metrics/*.seg        per-batch and per-layer records, one segment per kind (`tui.core.records`) and attempt
metrics/*.pyr        summaries of a segment's records, one file per level (`tui.core.pyramid`); may be deleted
extensions.json      from which steps on the run was made longer
rates.json           after which steps a person changed the learning rate
evaluations/*.json   confusion of each validation and of the test
events.jsonl         rare events
checkpoints/         step-*/ directories, and last.json and best.json that name one of them
remarks.json         what a person says of it: a note, and whether it is pinned
tensorboard/         event files for TensorBoard, where they were asked for
control/             requests
lock, owner.json     who runs it
engine.log           what the processes printed
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from tui.core.errors import UsageError
from tui.core.naming import NAMELESS, safe_name

FORMAT = 1
"""The version of a run directory's layout; a higher one is opened read-only."""

KNOWN = b"\n"
"""What a supervisor tells its engine, through standard input, once ``owner.json`` names it."""

DEFAULT_ROOT = Path("runs")

_STAMPED = re.compile(r"\d{8}-\d{6}-(.+)", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class RunDir:
    """The paths of one run. Making the object touches no disk."""

    path: Path

    @property
    def name(self) -> str:
        """The directory's own name: ``20260131-120000-cifar10``."""
        return self.path.name

    @property
    def given_name(self) -> str:
        """The name that a person gave: the directory's without the time stamp."""
        stamped = _STAMPED.fullmatch(self.name)
        return stamped[1] if stamped else self.name

    @property
    def settings(self) -> Path:
        return self.path / "settings.toml"

    @property
    def launched(self) -> Path:
        return self.path / "launched.toml"

    @property
    def dataset(self) -> Path:
        return self.path / "dataset.json"

    @property
    def extensions(self) -> Path:
        return self.path / "extensions.json"

    @property
    def remarks(self) -> Path:
        return self.path / "remarks.json"

    @property
    def rates(self) -> Path:
        return self.path / "rates.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics"

    def segment(self, kind: str, attempt: int) -> Path:
        """The record file of one kind (``batches``, ``layers``) and attempt (1, 2, ...)."""
        return self.metrics / f"{kind}-{attempt:04d}.seg"

    def segments(self, kind: str) -> list[Path]:
        """The record files of one kind that exist, oldest attempt first."""
        before = f"{kind}-"
        try:
            names = [name for name in os.listdir(self.metrics) if name.startswith(before) and name.endswith(".seg")]
        except OSError:
            return []
        return [self.metrics / name for name in sorted(names) if name[len(before)].isdecimal()]

    def summary(self, kind: str, attempt: int, level: int) -> Path:
        """The summaries of a segment: the first level is the finest."""
        return self.metrics / f"{kind}-{attempt:04d}.{level}.pyr"

    @property
    def evaluations(self) -> Path:
        return self.path / "evaluations"

    def evaluation(self, split: str, step: int) -> Path:
        """The detailed result of evaluating ``split`` after ``step`` steps."""
        return self.evaluations / f"{split}-{step:09d}.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def checkpoint(self, step: int) -> Path:
        """The directory of the checkpoint taken after ``step`` steps."""
        return self.checkpoints / f"step-{step:09d}"

    def pointer(self, kind: str) -> Path:
        """The small file that names the ``last`` or ``best`` checkpoint."""
        return self.checkpoints / f"{kind}.json"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def control(self) -> Path:
        return self.path / "control"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def owner(self) -> Path:
        return self.path / "owner.json"

    @property
    def log(self) -> Path:
        return self.path / "engine.log"

    @property
    def own_names(self) -> frozenset[str]:
        """The names of everything that cnntrain puts at the top of the directory: those of the paths above."""
        paths = (
            getattr(self, name) for name, of in vars(RunDir).items() if isinstance(of, property) and name != "own_names"
        )
        return frozenset(path.name for path in paths if isinstance(path, Path) and path.parent == self.path)

    @property
    def exists(self) -> bool:
        """Whether this is a run: a directory with settings or events in it, that may be read."""
        return os.path.isfile(self.settings) or os.path.isfile(self.events)

    def make(self) -> None:
        """Create the directory and its folders; only the owner can enter ``control``.

        Raises:
            OSError: the place cannot be written, or the run exists.
        """
        self.path.mkdir(parents=True)
        for folder in (self.metrics, self.evaluations, self.checkpoints):
            folder.mkdir()
        self.control.mkdir(mode=0o700)


def new_run(root: Path, name: str) -> RunDir:
    """Return an unused directory ``YYYYMMDD-HHMMSS-name`` under ``root`` (not created yet).

    Raises:
        UsageError: nothing is left of ``name`` when unsafe characters are taken out.
    """
    safe = safe_name(name)
    if not safe:
        raise UsageError("The run cannot be named", NAMELESS, "Give another --name.")
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    base = root / f"{stamp}-{safe}"
    path, copy = base, 1
    while path.exists():
        copy += 1
        path = base.with_name(f"{base.name}-{copy}")
    return RunDir(path)
