"""Findings and margins in words: the same on the screen and from the command."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tui.core.diagnosis.finding import Check


def number(value: Any) -> str:
    """Return a number of an event as a person reads it: three digits, and words for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value) if value is not None else "–"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.3g}"


def against(evidence: Mapping[str, Any]) -> str:
    """Return one number against its threshold: the table of an `Evidence`, perhaps from a foreign file."""
    side = "above" if evidence.get("side") == "above" else "below"
    healthy = f"; healthy: {evidence['healthy']}" if evidence.get("healthy") else ""
    return (
        f"{evidence.get('what', '?')}: {number(evidence.get('value'))} "
        f"(an alarm {side} {number(evidence.get('limit'))}{healthy})"
    )


def changed(key: str, old: Any, new: Any) -> tuple[str, str, str]:
    """Return (key, old value, new value) of a proposed setting; an empty list means that it is measured."""
    return key, _value(old), _value(new)


def _value(value: Any) -> str:
    from tui.core.schema import in_words  # pydantic, for which the first paint does not wait

    return in_words(value) or "measured"


def margin(check: Check) -> str:
    """Return how far a silent condition came: per cent of the way to its limit."""
    near = check.closeness
    if near >= 1:
        return "briefly"  # at its limit, but not for as long as an alarm takes
    return f"{100 * near:.0f} %" if near >= 0.01 else "<1 %"


def decided(check: Check) -> str:
    """Return the number that kept a rule silent: the farthest from its limit, as all must be beyond theirs."""
    farthest = min(check.evidence, key=lambda each: each.closeness)
    limit = f"alarm {farthest.side} {number(farthest.limit)}"
    return f"{check.title}: {farthest.what} {number(farthest.value)}, {limit}"


def nearest_first(checks: Iterable[Check]) -> list[Check]:
    """Return the rules that were judged and stayed silent, those that came nearest to an alarm first."""
    return sorted((check for check in checks if check.state == "quiet"), key=lambda check: -check.closeness)


@dataclass(frozen=True)
class Tally:
    """How many findings are listed, of each kind."""

    wrong: int
    """That stand and are more than information."""
    told: int
    """That stand and only inform."""
    over: int
    """That are no longer so."""
    recovered: bool
    """Whether something of that was wrong."""

    @classmethod
    def of(cls, standing: Iterable[str], over: Iterable[str]) -> Tally:
        """Count findings by their severities."""
        now, gone = list(standing), list(over)
        told = now.count("info")
        return cls(len(now) - told, told, len(gone), gone.count("info") < len(gone))


def headline(tally: Tally, checks: Sequence[Check], run: str = "") -> str:
    """Return what a verdict begins with: how much is wrong, or that nothing is, and how much that is worth.

    Args:
        tally: of all that is listed beneath.
        checks: what became of each rule; a run of a few steps has met few of them. None: not known yet.
        run: its name, where the sentence is to say it.
    """
    of, wrong = f" with {run}" if run else "", tally.wrong
    counts = (f"{tally.over} no longer so" if tally.over else "", f"{tally.told} for information" if tally.told else "")
    beside = "".join(f", {count}" for count in counts if count)
    if wrong:
        return f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong{of}{beside}"
    rules, unknown = len(checks), len(unjudged(checks))
    now = " any more" if tally.recovered else ""
    worth = f", as far as {rules - unknown} of {rules} rules could judge" if unknown else ""
    worth = worth if checks else ", as far as the doctor can see"
    return f"nothing is wrong{now}{of}{worth}{beside}"


def unjudged(checks: Iterable[Check]) -> list[Check]:
    """Return the rules that could not be judged."""
    return [check for check in checks if check.state in ("too early", "not measured")]


def not_judged(checks: Iterable[Check]) -> str:
    """Return a sentence with the rules that could not be judged; empty if all could."""
    titles = [check.title for check in unjudged(checks)]
    return f"Not judged, too early or not recorded: {', '.join(titles)}." if titles else ""
