"""``cnntrain diagnose``: what is wrong with a run, what would mend it, and how far all else was from an alarm."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tui.cli.states import VERDICTS
from tui.cli.terminal import emit, say, ticking, wrapped
from tui.core.dataset.problems import many
from tui.core.diagnosis.words import Tally, against, changed, decided, headline, margin, nearest_first, not_judged
from tui.core.rundir import RunDir
from tui.core.schema import value_of

if TYPE_CHECKING:
    from tui.core.diagnosis.finding import Finding
    from tui.core.settings import Settings
    from tui.runs.verdict import Verdict


def diagnose(run: RunDir, *, as_json: bool) -> int:
    """Judge a run by today's rules, write the verdict and return the exit code.

    Raises:
        CnntrainError: the run has not come to its first step, or cannot be read.
    """
    from tui.core.presets import read_settings
    from tui.runs.verdict import judge

    with ticking("judging") as tick:
        verdict = judge(run, tick)
    if as_json:
        emit(json.dumps(_as_object(run, verdict), indent=2, ensure_ascii=True) + "\n")
    else:
        _tell(run, verdict, read_settings(run.settings))
    return VERDICTS[verdict.severity]


def _tell(run: RunDir, verdict: Verdict, settings: Settings) -> None:
    tally = Tally.of([one.severity for one in verdict.findings], [one.severity for one, _ in verdict.over])
    basis = f"{many(verdict.steps, 'step')} and {many(verdict.validations, 'validation')} judged"
    say(f"{run.name}: {headline(tally, verdict.checks)}; {basis}")
    for finding in verdict.findings:
        _tell_finding(finding, settings)
    for finding, step in verdict.over:
        say()
        text = f"{finding.title}, found at step {finding.step:,}, no longer so at step {step:,}: {finding.message}"
        emit(wrapped(text, "  ", first="· ") + "\n")
    quiet = nearest_first(verdict.checks)
    if quiet:
        say()
        say("Checked, and how near each came to an alarm:")
    for check in quiet:
        emit(wrapped(decided(check), " " * 11, first=f"{margin(check):>9}  ") + "\n")
    unknown = not_judged(verdict.checks)
    if unknown:
        say()
        emit(wrapped(unknown, "  ", first="") + "\n")


def _tell_finding(finding: Finding, settings: Settings) -> None:
    say()
    head = f"{finding.severity}, step {finding.step:,}: {finding.title}"
    say(f"{head} in {finding.layer}" if finding.layer else head)
    emit(wrapped(finding.message, "  ") + "\n")
    for each in finding.evidence:
        emit(wrapped(against(asdict(each)), "      ", first="    - ") + "\n")
    if finding.effects:
        emit(wrapped(f"From this follows: {', '.join(_words(code) for code in finding.effects)}.", "  ") + "\n")
    if finding.change:
        say("  What would mend it:")
        for key, value in finding.change.items():
            name, old, new = changed(key, value_of(settings, key), value)
            say(f"    {name}  {old} → {new}")


def _words(code: str) -> str:
    return code.replace("_", " ")


def _as_object(run: RunDir, verdict: Verdict) -> dict[str, Any]:
    return {
        "path": str(run.path),
        "name": run.name,
        "verdict": verdict.severity or "healthy",
        "exit_code": VERDICTS[verdict.severity],
        "steps": verdict.steps,
        "validations": verdict.validations,
        "findings": [finding.to_table() for finding in verdict.findings],
        "over": [{**finding.to_table(), "until": step} for finding, step in verdict.over],
        "checks": [
            {**asdict(check), "closeness": check.closeness if check.evidence else None} for check in verdict.checks
        ],
    }
