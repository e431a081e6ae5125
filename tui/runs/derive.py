"""A new run out of another one: the same pictures in the same splits, some settings changed, and the link kept.

This is how an offer of the doctor is tried. With a checkpoint of the parent the new run goes on from there;
its records begin behind that step, and the factors by which a person had changed the learning rate up to there go on
counting: only the named settings differ. A run from scratch begins without them. The parent is not touched.
"""

from __future__ import annotations

import json
import math
import re
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

PARENT, FINDING, TITLE, JUDGED_AFTER, BAR = "parent", "finding", "finding_title", "judged_after", "bar"
"""Keys of the ``[run]`` table of a derived run's settings."""
Outcome = Literal["confirmed", "no effect", ""]
_LONGEST_PARENT = 24
"""Characters of the parent's name in the name of a derived run, in which the change must have room."""
_SOONEST = 100
"""Steps after which a change is judged at the earliest."""
_OF_FEW = ("imbalanced", "neglected")
"""What these mend is the recall of rare classes, which may cost accuracy."""


@dataclass(frozen=True)
class Trial:
    """What a derived run was to mend, and what became of it."""

    parent: str
    finding: str
    """In a few words."""
    steps: int
    """After so many steps it is judged: as many as the parent needed to show the finding, at least 100."""
    made: int
    """Steps that the new run has made."""
    outcome: Outcome
    """``confirmed``, ``no effect``, or nothing while it is too early."""
    instead: str = ""
    """What shows, in a few words, that the run is no better though the finding did not come back: something critical,
    or a validation that is no better than the parent's by then. A symptom that is gone is no cure."""
    gain: str = ""
    """The best validation beside the parent's, where the change is confirmed by one."""


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
    from tui.runs.launch import make

    settings = with_changes(read_settings(run.settings), dict(changes), source="the offer")
    manifest = load_manifest(run.dataset)
    fits = not any(key.startswith("model.") or key == "optimizer.name" for key in changes)
    newest = finding is not None and finding.restart == "newest"
    source = _good_checkpoint(run, finding.step if finding else None, newest) if checkpoint and fits else None
    about = read_toml(run.settings).get("run")
    preset = about.get("preset", "") if isinstance(about, dict) else ""
    kept = {PARENT: run.name, "preset": preset if isinstance(preset, str) else ""}
    if finding is not None:
        begun = _step_of(source) if source else 0
        needed = max(_SOONEST, finding.step - begun)
        title = clean(finding.title or finding.code.replace("_", " "), 80)
        kept |= {FINDING: clean(finding.code, 80), TITLE: title, JUDGED_AFTER: str(needed)}
        bar = _best_until(_read(run), begun + needed) if finding.code not in _OF_FEW else None
        kept |= {BAR: repr(bar)} if bar is not None else {}
    child = make(settings, manifest, root=run.path.parent, name=derived_name(run.given_name, changes), info=kept)
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
    origin = re.sub(rf"-{re.escape(setting)}-[^-]+$", "", parent)  # of the same setting only the newest value is told
    return f"{origin[:_LONGEST_PARENT]}-{setting}-{in_words(value)}{more}"


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
    gain = ""
    instead = next((found.title or found.code for found in state.findings.values() if found.severity == "critical"), "")
    if any(code in (found.code, *found.effects) for found in state.found):
        outcome, instead = "no effect", ""
    elif state.started is not None and state.step - begun >= steps:
        better, compared = _compared(state)
        instead = instead or ("" if better else compared)
        outcome, gain = ("no effect", "") if instead else ("confirmed", compared)
    title = state.info.get(TITLE, "") or code.replace("_", " ")
    made = max(0, state.step - begun)
    return Trial(state.info.get(PARENT, ""), title, steps, made, outcome, instead if outcome else "", gain)


def _read(run: RunDir) -> RunState:
    from tui.runs.follow import RunFollower

    follower = RunFollower(run, history=False)
    follower.poll()
    return follower.state


def _best_until(state: RunState, step: float) -> float | None:
    """Return the best validation score until a step; None without one."""
    headline = state.metrics.headline
    scores = [each.metrics[headline.name] for each in state.evaluations if each.step <= step]
    known = [score for score in scores if math.isfinite(score)]
    return (max if headline.better == "max" else min)(known) if known else None


def _compared(state: RunState) -> tuple[bool, str]:
    """Return whether the best validation is better than the parent's was by the judged step, and both in words.

    What cannot be compared yet is not held against the change.
    """
    try:
        bar = float(state.info.get(BAR, ""))
    except ValueError:
        return True, ""
    best, headline = _best_until(state, math.inf), state.metrics.headline
    if best is None:
        return True, ""
    better = best > bar if headline.better == "max" else best < bar
    return better, f"{headline.label} {headline.format(best)}, {headline.format(bar)} before"


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
