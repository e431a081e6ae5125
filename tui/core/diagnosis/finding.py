"""What the doctor says: findings with their evidence and the change that is proposed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["info", "warning", "critical"]
Restart = Literal["", "scratch", "checkpoint", "newest"]
"""Whence a run with the change starts: from new weights, from a good checkpoint, or, where nothing is wrong with what
was learned, from the newest. Empty: there is no change."""
State = Literal["raised", "quiet", "too early", "not measured"]


@dataclass(frozen=True)
class Evidence:
    """One number against its threshold; a condition holds when all of its numbers are on the wrong side."""

    what: str
    value: float
    limit: float
    side: Literal["above", "below"]
    """On which side of the limit something is wrong."""
    healthy: str = ""
    """What sound runs show, in words."""

    @property
    def holds(self) -> bool:
        """Whether the value is on the wrong side; NaN never is."""
        return self.value > self.limit if self.side == "above" else self.value < self.limit

    @property
    def closeness(self) -> float:
        """Return how near the value came to the limit: 1 at it, 0.1 a tenth of the way, above 1 beyond it."""
        if math.isnan(self.value):
            return 0.0
        value, limit = (self.value, self.limit) if self.side == "above" else (-self.value, -self.limit)
        if value == limit:
            return 1.0
        if limit > 0:
            return max(0.0, value) / limit
        if limit < 0:
            return limit / value if value < 0 else math.inf
        return math.inf if value > 0 else 0.0


@dataclass(frozen=True)
class Advice:
    """What is said and offered when a condition holds."""

    message: str
    layer: str = ""
    change: dict[str, Any] | None = None
    """New values by the settings' keys."""
    restart: Restart = "scratch"
    severity: Severity | None = None
    """Where it differs from the rule's."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, why, and what to change."""

    code: str
    severity: Severity
    title: str
    message: str
    step: int
    """At which it was found."""
    layer: str = ""
    evidence: tuple[Evidence, ...] = ()
    change: dict[str, Any] | None = None
    """The proposed settings, by their keys: only those that exist, are allowed, and differ from the run's."""
    restart: Restart = ""
    effects: tuple[str, ...] = ()
    """Codes of what else holds and follows from this."""

    def to_table(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return {**asdict(self), "change": self.change or {}, "effects": list(self.effects)}


@dataclass(frozen=True)
class Change:
    """A finding was raised, raised again with other effects or a better cause (the same code), or cleared."""

    kind: Literal["raised", "cleared"]
    finding: Finding


@dataclass(frozen=True)
class Check:
    """What became of one rule: the lines of a verdict."""

    number: int
    code: str
    title: str
    state: State
    evidence: tuple[Evidence, ...] = ()
    """Of the moment that came closest to an alarm."""

    @property
    def closeness(self) -> float:
        """Return how near it came: the number that was farthest from its limit decides, as all must be beyond."""
        return min((each.closeness for each in self.evidence), default=0.0)
