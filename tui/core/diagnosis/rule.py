"""What a rule is: a condition in numbers, and what is said when it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tui.core.diagnosis.finding import Advice, Evidence, Severity
from tui.core.diagnosis.view import View

Moment = Literal["start", "steps", "validation", "at once"]
"""When a rule is judged: before the first step; every `limits.EVERY` steps, later `limits.LATER`; at each validation;
at every step."""
Reading = tuple[Evidence, ...]


@dataclass(frozen=True)
class Rule:
    """One condition."""

    number: int
    """Of the condition in the table that the rules follow."""
    code: str
    title: str
    severity: Severity
    judge: Callable[[View], Reading | None]
    """The numbers that decide: the condition holds when all are beyond their limits. None: not measured, or a guard."""
    tell: Callable[[View], Advice]
    """What to say; asked only when the condition holds."""
    on: Moment = "steps"
    confirm: int = 1
    """Judgements in a row that must find it; twice as many without it clear it."""
    causes: tuple[str, ...] = ()
    """Codes of what this can be an effect of: while one of them is found or suspected, this raises no alarm."""
