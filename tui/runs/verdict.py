"""What today's doctor says of a run, from its records: also of one that is older than a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tui.core.diagnosis.doctor import Doctor
from tui.core.diagnosis.finding import Check, Finding
from tui.core.diagnosis.signals import Step, Validation
from tui.core.rundir import RunDir
from tui.runs.signals import read_signals

_TELL_EVERY = 1000
"""Steps between two words of how far it is."""


@dataclass(frozen=True)
class Verdict:
    """A run as the rules see it."""

    findings: tuple[Finding, ...]
    """What stands at the end of the records, the gravest first."""
    over: tuple[tuple[Finding, int], ...]
    """What was found and is no longer so, with the step at which it was taken back; the newest last."""
    checks: tuple[Check, ...]
    """What became of each rule."""
    steps: int
    """That were judged."""
    validations: int

    @property
    def severity(self) -> str:
        """The gravest of what stands; empty where nothing does."""
        return self.findings[0].severity if self.findings else ""


def judge(run: RunDir, progress: Callable[[int, int], None] = lambda done, total: None) -> Verdict:
    """Judge a run in whatever state.

    Args:
        run: it is only read.
        progress: told (steps done, steps in all; 0: unknown).

    Raises:
        CnntrainError: its settings cannot be read, or it never came to its first step.
    """
    facts, signals = read_signals(run)
    doctor, standing, over = Doctor(facts), dict[str, Finding](), list[tuple[Finding, int]]()
    steps = validations = step = 0
    for signal in signals:
        changes = doctor.feed(signal)
        if isinstance(signal, Step):
            steps, step = steps + 1, signal.step
            if steps % _TELL_EVERY == 0:
                progress(step, facts.total_steps)
        validations += isinstance(signal, Validation)
        for change in changes:
            if change.kind == "raised":
                standing[change.finding.code] = change.finding
            else:
                over.append((standing.pop(change.finding.code, change.finding), step))
    doctor.finish()
    return Verdict(tuple(doctor.findings), tuple(over), tuple(doctor.verdict()), steps, validations)
