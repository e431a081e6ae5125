"""One run as it is now: all its events folded into one `RunState`, which screens and commands show.

Everything in it that came from the run as text is sanitized here, so that whoever shows it need not.
The follower (`tui.runs.follow`) fills in what records, lock and clock say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tui.core.errors import CnntrainError
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
from tui.core.metrics import TaskMetrics, of_task, task_of
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.liveness import Liveness, Owner
from tui.runs.status import LIVE, Facts, Status, judge

if TYPE_CHECKING:
    from tui.core.settings import Settings

__all__ = ["LIVE", "RunState", "Status", "cleaned", "fold", "rejudge"]

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
_LONGEST_NAME = 200
_MOST_LOGGED = 1000
_MOST_KEPT = 10_000
_MOST_RECALLS = 200_000


@dataclass
class RunState:
    """Everything that can be shown about a run; `fold` and the follower change it in place."""

    run: RunDir
    table: Mapping[str, Any] | None = None
    """Its settings as their file has them; None while they cannot be used: `problems` says why."""
    info: dict[str, str] = field(default_factory=dict)
    """The ``[run]`` table of its settings: name, preset, created, versions."""
    status: Status = "stopped"
    status_text: str = ""
    """One sentence, or nothing when the status says it all."""
    attempt: int = 0
    preparing: Preparing | None = None
    """What the engine does before the first step; None once it is made."""
    started: Started | None = None
    """The latest start; kept when a later attempt has not started yet."""
    begun: int = 0
    """The step after which its first attempt started: above 0 where it began with another run's checkpoint."""
    step: int = 0
    total_steps: int = 0
    epoch: float = 0.0
    """Epochs done, with fraction."""
    latest: dict[str, float] = field(default_factory=dict)
    """The newest record by metric name."""
    last_time: float = 0.0
    """When the run last wrote an event or a record (seconds since 1970)."""
    epochs: list[EpochEnded] = field(default_factory=list)
    evaluations: list[Evaluated] = field(default_factory=list)
    """Of the validation split, oldest first; of a very long run the old ones have no recall per class."""
    best: Evaluated | None = None
    """The best validation."""
    test: Evaluated | None = None
    checkpoints: list[CheckpointSaved] = field(default_factory=list)
    findings: dict[str, Found] = field(default_factory=dict)
    """What the doctor finds wrong now, by code; the gravest first."""
    found: list[Found] = field(default_factory=list)
    """All that it ever found, in order."""
    controls: list[Controlled] = field(default_factory=list)
    """What was asked of it and done: marks on the charts."""
    log: list[Event] = field(default_factory=list)
    """What a person may want to read back: launches, starts, messages, findings, requests, ends."""
    ended: Ended | None = None
    """How the latest attempt ended; None while it has not."""
    eta_seconds: float | None = None
    read_only: str = ""
    """Why nothing can be asked of this run (it is from a newer version), or nothing."""
    problems: list[str] = field(default_factory=list)
    """What of its files cannot be read, one sentence each."""
    owner: Owner | None = None
    """Who runs it, or did last."""
    paused: bool = False
    stop_asked: bool = False
    stop_after_epoch: bool = False
    seconds_per_step: float = 0.0
    """The recent pace; 0 while it is not known."""
    pauses: list[tuple[float, float]] = field(default_factory=list)
    """When it was paused and continued (infinity: not yet), in seconds since 1970."""
    launched: bool = False
    """An engine was started at least once."""
    running_attempt_started: bool = False
    _checked: tuple[Mapping[str, Any], Settings] | None = None

    @property
    def settings(self) -> Settings | None:
        """All settings, checked; None while they cannot be used. The first look takes 100 ms and 10 MB."""
        if self.table is None:
            return None
        if self._checked is None or self._checked[0] is not self.table:
            from tui.core.refusal import SettingsError
            from tui.core.schema import validated

            try:
                self._checked = self.table, validated(self.table, source=str(self.run.settings))
            except SettingsError as error:
                self.refuse(error)
                return None
        return self._checked[1]

    def setting(self, key: str) -> Any:
        """Return one setting as the file has it, text sanitized; None where it has none.

        Args:
            key: dotted: ``training.epochs``.
        """
        group, _, name = key.partition(".")
        values = self.table.get(group) if self.table is not None else None
        value = values.get(name) if isinstance(values, Mapping) else None
        if isinstance(value, str):
            return clean(value, _LONGEST_NAME)
        return value if isinstance(value, int | float) else None

    @property
    def of_epochs(self) -> str:
        """`` of 10``: how many epochs are planned; nothing where that is not known."""
        epochs = self.setting("training.epochs")
        return "" if epochs is None else f" of {epochs}"

    def refuse(self, error: CnntrainError) -> None:
        """Do without the settings, and say why."""
        self.table = None
        text = clean(str(error), 1000)
        self.problems.append(text)
        self.log.append(Message(time=self.last_time, level="error", text=text))

    @property
    def metrics(self) -> TaskMetrics:
        """The metrics that this run has."""
        if self.started is not None:
            return of_task(self.started.task)
        return of_task(task_of(self.evaluations[-1].metrics)) if self.evaluations else of_task("classification")

    @property
    def live(self) -> bool:
        """Whether a process may still be at work on it."""
        return self.status in LIVE


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
        return {clean(str(key), _LONGEST_NAME): _within(item) for key, item in value.items()}
    return None


def _within(value: Any) -> Any:
    """Return a value inside of another one, sanitized; names may not be as long as sentences."""
    if isinstance(value, str):
        return clean(value, _LONGEST_NAME)
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


def facts(state: RunState) -> Facts:
    """Return what decides the state's status."""
    stage = ""
    if state.preparing is not None:
        stage = state.preparing.stage
        if state.preparing.total > 0:
            stage += f", {state.preparing.done:,} of {state.preparing.total:,}"
    return Facts(
        launched=state.launched,
        started=state.running_attempt_started,
        stage=stage,
        paused=state.paused,
        stop_asked=state.stop_asked,
        stop_after_epoch=state.stop_after_epoch,
        ended=state.ended.reason if state.ended else "",
        ended_text=state.ended.text if state.ended else "",
        last_sign=state.last_time,
        slowest=max((state.seconds_per_step, *(event.seconds for event in state.evaluations[-20:]))),
    )


def rejudge(state: RunState, life: Liveness, moment: float) -> bool:
    """Decide the status anew; return whether it, or its sentence, is another one."""
    before = state.status, state.status_text
    state.owner = life.owner
    state.status, state.status_text = judge(facts(state), life, moment)
    return (state.status, state.status_text) != before
