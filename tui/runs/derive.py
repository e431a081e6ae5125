"""A new run out of another one: the same pictures in the same splits, some settings changed, and the link kept.

This is how an offer of the doctor is tried. With a checkpoint of the parent the new run goes on from there;
its records begin behind that step, and the factors by which a person had changed the learning rate up to there go on
counting: only the named settings differ. A run from scratch begins without them. The parent is not touched.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tui.core.errors import FailureError
from tui.core.rates import note_rate, read_rates
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path

if TYPE_CHECKING:
    from tui.core.events import Found
    from tui.runs.state import RunState

PARENT, FINDING, JUDGED_AFTER = "parent", "finding", "judged_after"
"""Keys of the ``[run]`` table of a derived run's settings."""
Outcome = Literal["confirmed", "no effect", ""]
_SOONEST = 100
"""Steps after which a change is judged at the earliest."""


@dataclass(frozen=True)
class Trial:
    """What a derived run was to mend, and what became of it."""

    parent: str
    finding: str
    """The code."""
    steps: int
    """After so many steps it is judged: as many as the parent needed to show the finding, at least 100."""
    outcome: Outcome
    """``confirmed``, ``no effect``, or nothing while it is too early."""
    instead: str = ""
    """What is critical now though the finding did not come back, in a few words: a symptom that is gone is no cure."""


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
    from tui.core.presets import read_settings
    from tui.core.schema import with_changes
    from tui.runs.launch import make

    settings = with_changes(read_settings(run.settings), dict(changes), source="the offer")
    manifest = load_manifest(run.dataset)
    fits = not any(key.startswith("model.") or key == "optimizer.name" for key in changes)
    newest = finding is not None and finding.restart == "newest"
    source = _good_checkpoint(run, finding.step if finding else None, newest) if checkpoint and fits else None
    kept = {PARENT: run.name}
    if finding is not None:
        needed = finding.step - (_step_of(source) if source else 0)
        kept |= {FINDING: clean(finding.code, 80), JUDGED_AFTER: str(max(_SOONEST, needed))}
    child = make(settings, manifest, root=run.path.parent, name=run.given_name, info=kept)
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


def _keep_rates(run: RunDir, child: RunDir, step: int) -> None:
    for change in read_rates(run):
        if change.step <= step:
            note_rate(child, change)


def trial(state: RunState) -> Trial | None:
    """Return what a derived run was to mend and whether it did, or None for a run that is no trial."""
    code, judged_after = state.info.get(FINDING, ""), state.info.get(JUDGED_AFTER, "")
    if not code or not judged_after.isdecimal():
        return None
    steps = int(judged_after)
    begun = state.begun
    outcome: Outcome = ""
    instead = next((found.title or found.code for found in state.findings.values() if found.severity == "critical"), "")
    if any(code in (found.code, *found.effects) for found in state.found):
        outcome, instead = "no effect", ""
    elif state.started is not None and state.step - begun >= steps:
        outcome = "no effect" if instead else "confirmed"
    return Trial(state.info.get(PARENT, ""), code, steps, outcome, instead if outcome else "")


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
