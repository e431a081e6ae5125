"""ALL events of a run: the rare things that happen, one line of JSON each in ``events.jsonl``.

What happens every batch is a record (`tui.core.records`), not an event. Fields that a reader does not
know are ignored and kinds that it does not know become `Unknown`, so that older readers open newer runs.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import msgspec

from tui.core.diagnosis.signals import Inputs, Layer, NonFinite

if TYPE_CHECKING:
    from tui.core.diagnosis.finding import Finding

Split = Literal["train", "validation", "test"]
Level = Literal["info", "warning", "error"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What all events have: when it happened (seconds since 1970, UTC) and after how many steps."""

    kind: ClassVar[str] = ""

    time: float = msgspec.field(default_factory=time.time)
    step: int = 0

    def encode(self) -> bytes:
        """Return the event's line. NaN and infinities are written as Python's JSON writes them.

        Raises:
            TypeError: a field has a value that JSON has no form for.
        """
        return (json.dumps(self.fields(), ensure_ascii=True, separators=(",", ":")) + "\n").encode()

    def fields(self) -> dict[str, Any]:
        """Return the event in the types of JSON, with its kind."""
        return {"kind": self.kind, **msgspec.to_builtins(self, enc_hook=_plain)}

    def but(self, **changes: Any) -> Self:
        """Return a copy in which some fields differ."""
        return msgspec.structs.replace(self, **changes)


class Launched(Event, frozen=True, kw_only=True):
    """The supervisor holds the lock and has started an engine."""

    kind = "launched"
    attempt: int
    host: str
    pid: int


class Preparing(Event, frozen=True, kw_only=True):
    """The engine is busy before the first step; ``done`` of ``total`` (0: unknown)."""

    kind = "preparing"
    stage: str
    done: int = 0
    total: int = 0


class Started(Event, frozen=True, kw_only=True):
    """The first step of an attempt is about to be made; ``step`` is where it continues (0: from scratch)."""

    kind = "started"
    attempt: int
    device: str
    model: str
    parameters: int
    classes: list[str]
    layers: list[str]
    """The weights whose gradient norms are recorded, in the model's order."""
    images: dict[str, int]
    """Pictures per split."""
    steps_per_epoch: int
    total_steps: int
    batch_size: int
    mean: list[float]
    std: list[float]
    versions: dict[str, str]
    task: str = "classification"
    """A `tui.core.metrics.Task`, which decides the metrics."""
    targets: list[str] = []
    """The numbers that a regression learns, by name."""
    trained: float = 0.0
    """Seconds of the attempts before, as far as training.max_minutes counts them."""


class EpochEnded(Event, frozen=True, kw_only=True):
    """All training pictures were gone through once more."""

    kind = "epoch"
    epoch: int
    """Counted from 1."""
    loss: float
    score: float = math.nan
    """Of the training batches, by `tui.core.metrics.TaskMetrics.score`."""
    metric: str = "accuracy"
    """The name of that score."""
    seconds: float


class Evaluated(Event, frozen=True, kw_only=True):
    """A whole split was evaluated, each picture counted exactly once."""

    kind = "evaluated"
    split: Split
    epoch: float
    metrics: dict[str, float]
    """By the names in `tui.core.metrics.TaskMetrics.evaluation` and ``sampled``, and `LARGEST_ANSWER`."""
    recall: list[float]
    """Per class, in the order of the class map; NaN for a class without pictures. Empty for regression."""
    counts: list[int]
    """Pictures per class; empty for regression."""
    seconds: float
    best: bool = False
    """Whether this is the best validation so far."""


class CheckpointSaved(Event, frozen=True, kw_only=True):
    """A checkpoint was written, verified and published."""

    kind = "checkpoint"
    directory: str
    """Its folder's name in ``checkpoints/``."""
    best: bool
    bytes: int


class Rewound(Event, frozen=True, kw_only=True):
    """A resumed attempt continues after ``step``; what earlier attempts recorded later than that is void."""

    kind = "rewound"
    attempt: int
    checkpoint: str


class Controlled(Event, frozen=True, kw_only=True):
    """A request was acted on."""

    kind = "controlled"
    action: str
    value: float | None = None
    """What was asked for with it: epochs, or a factor."""


class Wired(Event, frozen=True, kw_only=True):
    """How the network stands at the start of an attempt: what the doctor must know of it."""

    kind = "wired"
    layers: list[Layer]
    """Every weight, trained or not, in the model's order."""
    class_counts: list[int]
    """Training pictures per class; empty for regression."""
    batch_norm: bool


class Inspected(Event, frozen=True, kw_only=True):
    """What was measured before the first step."""

    kind = "inspected"
    inputs: Inputs


class Nonfinite(Event, frozen=True, kw_only=True):
    """The first NaN or infinity was traced to its origin."""

    kind = "nonfinite"
    found: NonFinite


class Found(Event, frozen=True, kw_only=True):
    """The doctor has raised a finding (`tui.core.diagnosis`), or raised it again with other effects or evidence."""

    kind = "found"
    code: str
    severity: str
    """info, warning or critical."""
    title: str = ""
    """A few words."""
    message: str
    layer: str = ""
    evidence: list[dict[str, Any]] = []
    """Each as `tui.core.diagnosis.finding.Evidence`: what was measured, its value, and what it is compared with."""
    change: dict[str, Any] = {}
    """The settings that are proposed, by their keys."""
    restart: str = ""
    """From where a run with this change may start (`tui.core.diagnosis.finding.Restart`); empty without a change."""
    effects: list[str] = []
    """Codes of findings that follow from this one."""

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Return what tells of a finding, at the step at which it was found."""
        return cls(
            step=finding.step,
            code=finding.code,
            severity=finding.severity,
            title=finding.title,
            message=finding.message,
            layer=finding.layer,
            evidence=[dataclasses.asdict(each) for each in finding.evidence],
            change=finding.change or {},
            restart=finding.restart,
            effects=list(finding.effects),
        )


class Cleared(Event, frozen=True, kw_only=True):
    """What a finding said is no longer so."""

    kind = "cleared"
    code: str
    title: str = ""


class Governed(Event, frozen=True, kw_only=True):
    """The diagnostics took more than their share of the time, so they look more rarely from now on."""

    kind = "governed"
    share: float
    """Of the steps' time, before."""
    factor: int
    """By which all intervals are longer than the settings say."""


class Extended(Event, frozen=True, kw_only=True):
    """The run was made longer; it goes on after ``step``."""

    kind = "extended"
    epochs: int
    """How many more."""
    total_epochs: int
    """How many it has now."""
    total_steps: int


class Message(Event, frozen=True, kw_only=True):
    """Something a person should know: one sentence."""

    kind = "message"
    level: Level
    text: str


Reason = Literal["finished", "stopped", "failed", "killed"]


class Ended(Event, frozen=True, kw_only=True):
    """An attempt is over. ``stopped`` can be resumed where it was, ``failed`` and ``killed`` from a checkpoint."""

    kind = "ended"
    reason: Reason
    exit_code: int
    text: str = ""
    """One sentence for the person: why, and what to do next."""


class Unknown(Event, frozen=True, kw_only=True):
    """An event of a kind that this version does not know."""

    kind = "unknown"
    name: str


KINDS: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        Launched,
        Preparing,
        Started,
        EpochEnded,
        Evaluated,
        CheckpointSaved,
        Rewound,
        Controlled,
        Wired,
        Inspected,
        Nonfinite,
        Found,
        Cleared,
        Governed,
        Extended,
        Message,
        Ended,
    )
}


def _plain(value: Any) -> Any:
    """Return what is in a kind of text or number: torch's version is one, and NumPy and torch have scalars."""
    match value:
        case str():
            return str(value)
        case int():
            return int(value)
        case float():
            return float(value)
    if not hasattr(value, "item"):
        raise TypeError(f"an event cannot hold a {type(value).__name__}")
    return value.item()


def decode(line: bytes) -> Event | None:
    """Return the event on one line of ``events.jsonl``, or None when the line is damaged."""
    try:
        fields: Any = json.loads(line)
        name = fields.pop("kind")
        event = KINDS.get(name)
        if event is None:
            moment = float(fields.get("time", math.nan))
            return Unknown(time=moment, step=int(fields.get("step", 0)), name=str(name))
        if event is EpochEnded and "accuracy" in fields:
            # Runs knew only classification once, and called the score by its name.
            fields = {"score": fields["accuracy"], **fields}
        return msgspec.convert(fields, event)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


class Exit:
    """What the exit code of an engine means."""

    FINISHED = 0
    FAILED = 1
    USAGE = 2
    STOPPED = 75
    KILLED = 137
