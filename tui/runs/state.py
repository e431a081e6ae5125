"""One run as it is now: all its events folded into one `RunState` (`tui.runs.fold`), which screens and commands show.

Everything in it that came from the run as text is sanitized, so that whoever shows it need not. The follower
(`tui.runs.follow`) fills in what records, lock and clock say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tui.core.errors import CnntrainError
from tui.core.events import (
    CheckpointSaved,
    Controlled,
    Ended,
    EpochEnded,
    Evaluated,
    Event,
    Found,
    Message,
    Preparing,
    Started,
)
from tui.core.metrics import TaskMetrics, of_task, task_of
from tui.core.rundir import RunDir
from tui.core.sentences import epochs, planned_epochs
from tui.core.text import clean
from tui.runs.liveness import Liveness, Owner
from tui.runs.status import LIVE, Facts, Status, judge

if TYPE_CHECKING:
    from tui.core.settings import Settings

__all__ = ["LIVE", "RunState", "Status", "rejudge"]

LONGEST_NAME = 200


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
    """Why nothing can be asked of this run (it is from a newer version, its directory is gone), or nothing."""
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
            return clean(value, LONGEST_NAME)
        return value if isinstance(value, int | float) else None

    @property
    def of_epochs(self) -> str:
        """`` of 10``: how many epochs are planned; nothing where that is not known."""
        planned = self.setting("training.epochs")
        if not isinstance(planned, int) or not 0 < planned < 1_000_000_000:
            return ""
        per_epoch = self.started.steps_per_epoch if self.started else 0
        return f" of {epochs(planned_epochs(planned, self.total_steps, per_epoch))}"

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
