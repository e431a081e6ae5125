"""What a run is doing, in one word and one sentence: the only place where that is decided.

The folder of events (`tui.runs.fold`) and the quick look of the list (`tui.runs.catalog`) gather the
same few facts; `judge` makes the status of them. It never calls a run dead whose lock is held, nor one
on another machine that shows signs of life, and never calls one running that nobody runs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from tui.core.rundir import FORMAT
from tui.core.text import clean
from tui.runs.liveness import FRESH, Liveness

Status = Literal[
    "preparing", "running", "paused", "stopping", "silent", "finished", "stopped", "failed", "crashed", "interrupted"
]

LIVE: frozenset[Status] = frozenset({"preparing", "running", "paused", "stopping", "silent"})
"""In these a process may still be at work; in all others the run is over."""

SILENCE = 60.0
"""Seconds without any sign after which a living run counts as silent, unless its steps are slower than that."""


def now() -> float:
    """Return the time, in seconds since 1970; tests put their own clock here."""
    return time.time()


@dataclass
class Facts:
    """What is known of a run's latest attempt, from its events and records."""

    launched: bool = False
    """A supervisor has started an engine at least once."""
    started: bool = False
    """The latest attempt has come to its first step."""
    stage: str = ""
    """What the engine does before the first step (already sanitized)."""
    paused: bool = False
    stop_asked: bool = False
    stop_after_epoch: bool = False
    ended: str = ""
    """Why the latest attempt ended (`tui.core.events.Reason`), empty while it has not."""
    ended_text: str = ""
    last_sign: float = 0.0
    """When the run last wrote an event or a record."""
    slowest: float = 0.0
    """Seconds that can pass between two signs of this run: its longest validation or step."""


_UNNOTED = "Nobody noted why it ended: its supervisor was killed, or the disk was full. It can be resumed."
_ENDS: dict[str, tuple[Status, str]] = {
    "finished": ("finished", "Finished."),
    "stopped": ("stopped", "Stopped; it can be resumed."),
    "failed": ("failed", "Failed."),
    "killed": ("crashed", "The engine was killed; it can be resumed from its last checkpoint."),
}


def judge(facts: Facts, life: Liveness, moment: float) -> tuple[Status, str]:
    """Return the status of a run and one sentence that says why; the sentence is safe to show.

    Args:
        facts: what its events and records say.
        life: who holds its lock.
        moment: now, in seconds since 1970.
    """
    text = clean(facts.ended_text, 2000)
    if facts.ended:
        status, sentence = _ENDS.get(facts.ended, ("failed", "It ended for a reason that this version does not know."))
        if life.alive:
            return "stopping", f"Ending: {text or sentence}"
        return status, text or sentence
    if life.alive:
        return _living(facts, life, moment)
    if life.elsewhere:
        assert life.owner is not None
        sign = max(facts.last_sign, life.heartbeat)
        if moment - sign <= max(FRESH, facts.slowest):
            return _living(facts, life, moment)
        return "silent", f"Silent since {utc(sign)}; it runs, or ran, on {life.owner}, which cannot be seen from here."
    if life.lock == "unknown" and moment - max(facts.last_sign, life.heartbeat) <= FRESH:
        return _living(facts, life, moment)
    if not facts.launched:
        return "stopped", "It was never started."
    return _dead(life, facts)


def _living(facts: Facts, life: Liveness, moment: float) -> tuple[Status, str]:
    place = f"On {clean(life.owner.host, 80)}." if life.owner is not None and not life.owner.here else ""
    if life.leaving:
        return "stopping", "Its supervisor was killed; the engine saves and leaves within seconds."
    if facts.stop_asked:
        return "stopping", "Stopping after this step, with a checkpoint."
    sign = facts.last_sign
    if sign and moment - sign > max(SILENCE, 3 * facts.slowest) and not facts.paused:
        return "silent", f"Silent since {utc(sign)}: its process lives, but nothing has come from it. {place}".rstrip()
    if not facts.started:
        return "preparing", facts.stage or "Starting."
    if facts.paused:
        return "paused", "Paused; it waits for continue."
    return "running", f"It stops at the end of this epoch. {place}".rstrip() if facts.stop_after_epoch else place


def _dead(life: Liveness, facts: Facts) -> tuple[Status, str]:
    owner = life.owner
    if owner is not None and owner.here and not owner.this_boot:
        since = f" after {utc(facts.last_sign)}" if facts.last_sign else ""
        return "interrupted", f"The machine was restarted{since}; the run can be resumed from its last checkpoint."
    if owner is None:
        return "interrupted", "Nobody runs it, and it did not say why it ended; it can be resumed."
    return "crashed", _UNNOTED


def utc(moment: float) -> str:
    """Return a moment as people read it: ``2026-01-31 12:00:00 UTC``."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def newer(written: str) -> str:
    """Return why a run with this format is only to be read, or nothing."""
    if written.isascii() and written.isdigit() and int(written) > FORMAT:
        return f"It was made by a newer version of cnntrain (format {clean(written, 20)}, this one knows {FORMAT})."
    return ""
