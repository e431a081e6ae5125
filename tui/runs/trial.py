"""What became of a run that tries a change: judged against its parent, like with like, and told in a sentence.

Both sides are looked at over the same steps: what the parent showed until the finding, and what the new run shows by
then. What comes later changes nothing of that but is told, too: a finding that was only put off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tui.core.rundir import RunDir
from tui.core.text import clean

if TYPE_CHECKING:
    from tui.core.events import Evaluated, Found
    from tui.runs.state import RunState

PARENT, CHANGED, FINDING, TITLE = "parent", "changed", "finding", "finding_title"
JUDGED_AFTER, BAR, BAR_STEP = "judged_after", "bar", "bar_step"
"""Keys of the ``[run]`` table of a derived run's settings."""
Outcome = Literal["confirmed", "put off", "no better", "no effect", ""]
_SOONEST = 100
"""Steps after which a change is judged at the earliest."""
_OF_FEW = ("imbalanced", "neglected")
"""What these mend is the recall of rare classes, which may cost accuracy."""
_SHORTEST = 9
"""Characters that are left of a name at least."""


@dataclass(frozen=True)
class Trial:
    """What a derived run was to mend, and what became of it."""

    finding: str
    """In a few words."""
    steps: int
    """After so many steps it is judged: as many as the parent needed to show the finding, at least 100."""
    made: int
    """Steps that the new run has made."""
    outcome: Outcome
    """Nothing while it is too early."""
    instead: str = ""
    """What shows, in a few words, that the run is no better though the finding did not come back: something critical,
    or a validation that is no better than the parent's. A symptom that is gone is no cure."""
    gain: str = ""
    """The best validation beside the parent's, where the change is confirmed by one."""
    again: int = 0
    """After so many steps the finding came back; 0: it did not."""


def asked(finding: Found, parent: RunState, begun: int) -> dict[str, str]:
    """Return what a run has to keep for being judged, for the ``[run]`` table of its settings.

    Args:
        finding: what its change is to mend.
        parent: the run with the finding, as it is now.
        begun: the step after which the new run starts.
    """
    steps = max(_SOONEST, finding.step - begun)
    title = clean(finding.title or finding.code.replace("_", " "), 80)
    kept = {FINDING: clean(finding.code, 80), TITLE: title, JUDGED_AFTER: str(steps)}
    best = _best(parent, begun, begun + steps) if finding.code not in _OF_FEW else None
    if best is None:
        return kept
    last = max(each.step for each in parent.evaluations if each.step <= begun + steps)
    return kept | {BAR: repr(_score(parent, best)), BAR_STEP: str(last)}


def trial(state: RunState) -> Trial | None:
    """Return what a derived run was to mend and whether it did, or None for a run that is no trial."""
    code, steps = state.info.get(FINDING, ""), _number(state.info.get(JUDGED_AFTER, ""))
    if not code or not steps:
        return None
    title = state.info.get(TITLE, "") or code.replace("_", " ")
    made = max(0, state.step - state.begun)
    came = [found.step - state.begun for found in state.found if code in (found.code, *found.effects)]
    again = max(1, min(came)) if came else 0
    if again and again <= steps:
        return Trial(title, steps, made, "no effect", again=again)
    if state.started is None or made < steps or _awaited(state):
        return Trial(title, steps, made, "")
    better, compared = _compared(state)
    worse = _critical(state, state.begun + steps) or ("" if better else compared)
    if worse:
        return Trial(title, steps, made, "no better", worse, again=again)
    return Trial(title, steps, made, "put off" if again else "confirmed", gain=compared, again=again)


def origin(info: Mapping[str, str]) -> str:
    """Return from which run one comes and what differs, in a few words; nothing for one that comes from none."""
    parent, changed = info.get(PARENT, ""), info.get(CHANGED, "")
    if not parent:
        return ""
    return f"from {RunDir(Path(parent)).given_name}" + (f": {changed}" if changed else "")


def became(trial: Trial, room: float = math.inf) -> str:
    """Return what became of a trial; where the sentence is longer than ``room``, names are cut and not its words."""
    names, end = [trial.finding], f"; {trial.gain}." if trial.gain else "."
    match trial.outcome:
        case "confirmed":
            words = f"Confirmed: “{{}}” did not come back in {trial.steps:,} steps{end}"
        case "put off":
            words = f"Put off: “{{}}” came back, but only after {trial.again:,} steps{end}"
        case "no better":
            words = "No better: {1}; “{0}” did not come back" + (f" in {trial.steps:,} steps." if trial.again else ".")
            names = [trial.finding, trial.instead]
        case "no effect":
            words = f"No effect: “{{}}” is there again after {trial.again:,} steps."
        case _ if trial.made < trial.steps:
            words = f"Does this mend “{{}}”? Judged after {trial.steps:,} steps, {trial.made:,} made."
        case _:
            words = "Does this mend “{}”? Judged after the next validation."
    left = room - len(words.format("", ""))
    if left < sum(map(len, names)):
        each = max(_SHORTEST, int(left) // len(names))
        names = [clean(name, each) for name in names]
    return words.format(*names)


def _awaited(state: RunState) -> bool:
    """Return whether the validation that is to be compared with the parent's is still to come."""
    last = state.evaluations[-1].step if state.evaluations else 0
    return state.live and _bar(state) is not None and last < _until(state)


def _critical(state: RunState, until: int) -> str:
    """Return what was found by a step that is critical, and stands."""
    known = (found for found in state.findings.values() if found.severity == "critical" and found.step <= until)
    return next((found.title or found.code for found in known), "")


def _compared(state: RunState) -> tuple[bool, str]:
    """Return whether the best validation is better than the parent's over the same steps, and both in words.

    What cannot be compared is not held against the change.
    """
    bar, headline = _bar(state), state.metrics.headline
    best = _best(state, state.begun, _until(state)) if bar is not None else None
    if bar is None or best is None:
        return True, ""
    score = _score(state, best)
    better = score > bar if headline.better == "max" else score < bar
    return better, f"{headline.label} {headline.format(score)} by step {_until(state):,}, {headline.format(bar)} before"


def _bar(state: RunState) -> float | None:
    try:
        return float(state.info[BAR])
    except (KeyError, ValueError):
        return None


def _until(state: RunState) -> int:
    """Return up to which step validations are compared."""
    return _number(state.info.get(BAR_STEP, "")) or state.begun + _number(state.info.get(JUDGED_AFTER, ""))


def _best(state: RunState, begun: int, until: int) -> Evaluated | None:
    """Return the best of the validations after a step and up to another one; None without any."""
    known = [each for each in state.evaluations if begun < each.step <= until and math.isfinite(_score(state, each))]
    best = max if state.metrics.headline.better == "max" else min
    return best(known, key=lambda each: _score(state, each), default=None)


def _score(state: RunState, validation: Evaluated) -> float:
    return validation.metrics.get(state.metrics.headline.name, math.nan)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else 0
