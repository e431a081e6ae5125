"""The events of a run folded into its `RunState`, one after the other, every text in them sanitized."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import msgspec

from tui.core.events import (
    CheckpointSaved,
    Cleared,
    Controlled,
    Ended,
    EpochEnded,
    Evaluated,
    Event,
    Extended,
    Found,
    Governed,
    Launched,
    Message,
    Nonfinite,
    Preparing,
    Rewound,
    Started,
)
from tui.core.text import clean
from tui.runs.state import LONGEST_NAME, RunState

_E = TypeVar("_E", bound=Event)
_LOGGED = (
    Launched,
    Started,
    Rewound,
    Message,
    Controlled,
    Extended,
    Found,
    Cleared,
    Nonfinite,
    Governed,
    Ended,
)

LONGEST_TEXT = 2000
SEVERITIES = ("critical", "warning", "info")
_MOST_LOGGED = 1000
_MOST_KEPT = 10_000
_MOST_RECALLS = 200_000


def cleaned(event: Event) -> Event:
    """Return the event with every text in it sanitized."""
    changes = {
        name: new
        for name, value in msgspec.structs.asdict(event).items()
        if (new := _cleaned(value)) != value and new is not None
    }
    return event.but(**changes) if changes else event


def _cleaned(value: Any) -> Any:
    """Return the sanitized value if it has text in it, else None."""
    if isinstance(value, str):
        return clean(value, LONGEST_TEXT)
    if is_dataclass(value) and not isinstance(value, type):
        changes = {each.name: _within(getattr(value, each.name)) for each in fields(value)}
        return replace(value, **changes)
    if isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, float)):
        return type(value)(_within(item) for item in value)
    if isinstance(value, dict):
        return {clean(str(key), LONGEST_NAME): _within(item) for key, item in value.items()}
    return None


def _within(value: Any) -> Any:
    """Return a value inside of another one, sanitized; names may not be as long as sentences."""
    if isinstance(value, str):
        return clean(value, LONGEST_NAME)
    new = _cleaned(value)
    return value if new is None else new


def fold(state: RunState, event: Event) -> None:
    """Take one event into the state; events come in the order of the file."""
    event = cleaned(event)
    state.last_time = max(state.last_time, event.time)
    match event:
        case Launched():
            state.attempt = max(state.attempt, event.attempt)
            state.launched, state.running_attempt_started = True, False
            state.ended = state.preparing = None
            _unpause(state, event.time)
            state.stop_asked = state.stop_after_epoch = False
        case Preparing():
            state.preparing = event
        case Started():
            state.attempt = max(state.attempt, event.attempt)
            state.launched = state.running_attempt_started = True
            state.preparing = None
            state.started, state.total_steps = event, max(0, event.total_steps)
            state.begun = event.step if event.attempt == 1 else state.begun
            state.findings = {}  # each attempt has a doctor of its own
            _rewind(state, event.step)
        case Rewound():
            _rewind(state, event.step)
        case EpochEnded():
            _append(state.epochs, event)
        case Evaluated(split="validation"):
            _append(state.evaluations, event)
            _forget_recalls(state)
            state.best = event if event.best or state.best is None else state.best
        case Evaluated(split="test"):
            state.test = event
        case CheckpointSaved():
            _append(state.checkpoints, event)
        case Found():
            before = state.findings.get(event.code)
            if before is not None:  # told again with other effects: it stands since it was found
                event = event.but(step=before.step)
            else:
                state.found = [*state.found[-_MOST_LOGGED:], event]
            by_weight = sorted({**state.findings, event.code: event}.items(), key=lambda item: _weight(item[1]))
            state.findings = dict(by_weight)
        case Cleared():
            state.findings = {code: found for code, found in state.findings.items() if code != event.code}
        case Controlled():
            _control(state, event)
            state.controls.append(event)
            del state.controls[:-_MOST_LOGGED]
        case Extended():
            state.total_steps = max(0, event.total_steps)
        case Ended():
            state.ended, state.preparing = event, None
            _unpause(state, event.time)
    if isinstance(event, _LOGGED):
        state.log.append(event)
        del state.log[:-_MOST_LOGGED]
    advance(state, max(state.step, event.step))


def advance(state: RunState, step: int) -> None:
    """Set how many steps are done."""
    state.step = step
    state.epoch = step / state.started.steps_per_epoch if state.started and state.started.steps_per_epoch > 0 else 0.0


def _weight(found: Found) -> int:
    return SEVERITIES.index(found.severity) if found.severity in SEVERITIES else len(SEVERITIES)


def _control(state: RunState, event: Controlled) -> None:
    if event.action == "stop":
        state.stop_asked = True
    elif event.action == "stop_after_epoch":
        state.stop_after_epoch = True
    elif event.action == "pause" and not state.paused:
        state.paused = True
        state.pauses.append((event.time, float("inf")))
        del state.pauses[:-100]
    elif event.action == "continue":
        _unpause(state, event.time)


def _unpause(state: RunState, moment: float) -> None:
    if state.paused:
        state.paused = False
        state.pauses[-1] = (state.pauses[-1][0], moment)


def _rewind(state: RunState, step: int) -> None:
    """Forget what earlier attempts did after ``step``."""
    _forget_after(state.epochs, step)
    _forget_after(state.evaluations, step)
    _forget_after(state.checkpoints, step)
    state.found = [found for found in state.found if found.step <= step]
    _forget_after(state.controls, step)
    state.best = _best(state.evaluations) if state.best is not None and state.best.step > step else state.best
    if state.test is not None and state.test.step > step:
        state.test = None
    if state.step > step:
        state.latest = {}
        advance(state, step)


def _best(evaluations: Iterable[Evaluated]) -> Evaluated | None:
    return next((event for event in reversed(list(evaluations)) if event.best), None)


def _append(events: list[_E], event: _E) -> None:
    """Append in place of what was known of this step; thin the older half out when there are too many."""
    _forget_after(events, event.step - 1)
    events.append(event)
    if len(events) > _MOST_KEPT:
        half = _MOST_KEPT // 2
        events[:half] = events[:half:2]


def _forget_after(events: list[_E], step: int) -> None:
    while events and events[-1].step > step:
        del events[-1]


def _forget_recalls(state: RunState) -> None:
    evaluations = state.evaluations
    kept = max(16, _MOST_RECALLS // max(1, len(evaluations[-1].recall)))
    if len(evaluations) > kept and evaluations[-kept - 1].recall:
        old = evaluations[-kept - 1]
        evaluations[-kept - 1] = old.but(recall=[], counts=[])
