"""A new run out of another one: the same pictures in the same splits, some settings changed, and the link kept.

This is how an offer of the doctor is tried; `tui.runs.trial` judges it. With a checkpoint of the parent the new run
goes on from there; its records begin behind that step, and the factors by which a person had changed the learning rate
up to there go on counting: only the named settings differ. A run from scratch begins without them. The parent is not
touched.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core.errors import FailureError
from tui.core.naming import free_name
from tui.core.rates import note_rate, read_rates
from tui.core.rundir import RunDir
from tui.core.text import clean_path
from tui.runs.directory import runs_in
from tui.runs.trial import CHANGED, PARENT, asked

if TYPE_CHECKING:
    from tui.core.events import Found
    from tui.core.settings import Settings
    from tui.runs.state import RunState

_LONGEST_PARENT = 24
"""Characters of the parent's name in the name of a derived run, in which the change must have room."""


def derive(
    run: RunDir, changes: Mapping[str, Any], *, finding: Found | None = None, checkpoint: bool = False
) -> RunDir:
    """Make a new run beside ``run``; start nothing.

    Args:
        run: the parent, in whatever state.
        changes: settings that differ, by their keys.
        finding: what the change is to mend.
        checkpoint: go on from a checkpoint of the parent that is older than the finding, if there is one: the best, or
            the newest where the finding says so.

    Raises:
        UsageError: the changes are not valid.
        FailureError: the parent's files cannot be read, or the new run cannot be written.
    """
    from tui.core.dataset.manifest import load_manifest
    from tui.core.presets import read_settings, read_toml
    from tui.core.schema import with_changes
    from tui.runs.making import make

    before = read_settings(run.settings)
    settings = with_changes(before, dict(changes), source="the offer")
    manifest = load_manifest(run.dataset)
    fits = not any(key.startswith("model.") or key == "optimizer.name" for key in changes)
    newest = finding is not None and finding.restart == "newest"
    source = _good_checkpoint(run, finding.step if finding else None, newest) if checkpoint and fits else None
    about = read_toml(run.settings).get("run")
    preset = about.get("preset", "") if isinstance(about, dict) else ""
    kept = {PARENT: run.name, "preset": preset if isinstance(preset, str) else "", CHANGED: _in_words(before, changes)}
    if finding is not None:
        kept |= asked(finding, _read(run), _step_of(source) if source else 0)
    child = make(settings, manifest, root=run.path.parent, name=_free_name(run, changes), info=kept)
    if source is not None:
        try:
            shutil.copytree(source, child.checkpoints / source.name)
            _keep_rates(run, child, _step_of(source))
        except (OSError, FailureError) as error:
            shutil.rmtree(child.path, ignore_errors=True)  # made a moment ago, by us
            if isinstance(error, FailureError):
                raise
            cause = f"{clean_path(source)}: {error.strerror or 'not all of it could be read'}"
            raise FailureError(
                "The checkpoint cannot be copied", cause, "Start from scratch, or free some space."
            ) from error
    return child


def derived_name(parent: str, changes: Mapping[str, Any]) -> str:
    """Return a name that says what a run derives from and in what it differs: ``cifar10-learning_rate-0.01``."""
    from tui.core.schema import in_words

    if not changes:
        return f"{parent[:_LONGEST_PARENT]}-again"
    key, value = next(iter(changes.items()))
    more = f"-and-{len(changes) - 1}-more" if len(changes) > 1 else ""
    setting = key.rpartition(".")[2]
    # Of the same setting only the newest value is told; 1e-05 is one, and so is 0.05-2, the second run with 0.05.
    origin = re.sub(rf"-{re.escape(setting)}-(?:[^-]|(?<=\de)-)+(?:-\d+)?$", "", parent)
    return f"{origin[:_LONGEST_PARENT]}-{setting}-{in_words(value)}{more}"


def _free_name(run: RunDir, changes: Mapping[str, Any]) -> str:
    """Return a name that no run beside ``run`` has: the same offer may be tried again."""
    return free_name(derived_name(run.given_name, changes), {one.given_name for one in runs_in(run.path.parent)})


def _in_words(before: Settings, changes: Mapping[str, Any]) -> str:
    """Return what differs: ``optimizer.learning_rate 0.1 → 0.01``."""
    from tui.core.diagnosis.words import changed
    from tui.core.schema import flattened

    values = flattened(before)
    return ", ".join("{} {} → {}".format(*changed(key, values.get(key), new)) for key, new in changes.items())


def _keep_rates(run: RunDir, child: RunDir, step: int) -> None:
    for change in read_rates(run):
        if change.step <= step:
            note_rate(child, change)


def _read(run: RunDir) -> RunState:
    from tui.runs.follow import RunFollower

    follower = RunFollower(run, history=False)
    follower.poll()
    return follower.state


def _good_checkpoint(run: RunDir, before: int | None, newest: bool) -> Path | None:
    """Return the best checkpoint if it is older than the finding, else or if wanted the newest; None if none is."""
    try:
        names = [path for path in run.checkpoints.iterdir() if run.checkpoint(_step_of(path)) == path]
    except OSError:
        return None
    old = [path for path in names if before is None or _step_of(path) < before]
    try:
        best = "" if newest else json.loads(run.pointer("best").read_bytes())["directory"]
    except (OSError, ValueError, KeyError, TypeError):
        best = ""
    return next((path for path in old if path.name == best), max(old, key=_step_of, default=None))


def _step_of(path: Path) -> int:
    number = path.name.rpartition("-")[2]
    return int(number) if number.isdecimal() and number.isascii() else -1
