"""The doctor: signals in, changes of findings out. The same signals give the same findings, live or from records.

Every rule is judged at its moment (`tui.core.diagnosis.rule.Moment`), raised when its condition held ``confirm``
times in a row and cleared when it did not hold twice as often in a row. Of what belongs to one incident only
the root raises an alarm: a condition waits while one of its causes is suspected, and is listed beneath a cause
that is found; when the cause is found later, it takes the alarm over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tui.core.diagnosis import limits, offers
from tui.core.diagnosis.course import Course
from tui.core.diagnosis.finding import Change, Check, Finding
from tui.core.diagnosis.rule import Moment, Reading, Rule
from tui.core.diagnosis.rules import RULES
from tui.core.diagnosis.signals import Facts, Signal, Step, Validation
from tui.core.diagnosis.view import View


@dataclass
class _Standing:
    """How a rule stands."""

    held: int = 0
    """Judgements in a row that found it."""
    missed: int = 0
    """Judgements in a row that did not."""
    holds: bool = False
    """Confirmed, and not yet cleared."""
    finding: Finding | None = None
    """Its alarm; None while it is only an effect."""
    judged: bool = False
    closest: Reading = ()
    closeness: float = -1.0


class Doctor:
    """Judges one run.

    Args:
        facts: what does not change.
        rules: for tests; by default all.
    """

    def __init__(self, facts: Facts, rules: tuple[Rule, ...] = RULES) -> None:
        self._course = Course(facts)
        self._rules = rules
        self._standings = {rule.code: _Standing() for rule in rules}
        self._started = False

    @property
    def findings(self) -> list[Finding]:
        """What stands now, the gravest first."""
        order = {"critical": 0, "warning": 1, "info": 2}
        found = [standing.finding for standing in self._standings.values() if standing.finding]
        return sorted(found, key=lambda finding: order[finding.severity])

    def feed(self, signal: Signal) -> list[Change]:
        """Take a signal and return what changed by it.

        The signals of one step come before its `Step`; a rule that is judged there knows them.
        """
        course = self._course
        changed = self._begin() if isinstance(signal, Step) and not self._started else []
        course.take(signal)
        if isinstance(signal, Step):
            judged: list[Moment] = []
            if course.bad_steps or course.nonfinite or course.seen <= limits.FIRST:
                judged = ["at once"]
            if signal.step % (limits.EVERY if signal.step <= limits.CLOSE else limits.LATER) == 0:
                judged = ["at once", "steps"]
            return changed + (self._judge(*judged) if judged else [])
        if isinstance(signal, Validation):
            return self._judge("validation")
        return changed

    def finish(self) -> list[Change]:
        """Judge what came after the last step: a run that ended before its first one, or with a bad number."""
        changed = [] if self._started else self._begin()
        return changed + (self._judge("at once") if self._course.nonfinite else [])

    def verdict(self) -> list[Check]:
        """Return what became of each rule, in the order of the conditions' numbers."""
        return sorted((self._check(rule) for rule in self._rules), key=lambda check: (check.number, check.code))

    def _begin(self) -> list[Change]:
        self._started = True
        return self._judge("start")

    def _check(self, rule: Rule) -> Check:
        standing = self._standings[rule.code]
        if standing.holds:
            return Check(rule.number, rule.code, rule.title, "raised", standing.closest)
        if standing.closest:
            return Check(rule.number, rule.code, rule.title, "quiet", standing.closest)
        state = "not measured" if standing.judged else "too early"
        return Check(rule.number, rule.code, rule.title, state)  # type: ignore[arg-type]

    # --- judging -------------------------------------------------------------------------------------

    def _judge(self, *moments: Moment) -> list[Change]:
        """Judge the rules of these moments, causes before effects, and return what changed."""
        view, course = View(self._course), self._course
        dynamic = course.seen >= limits.FIRST and (course.step > course.warm or not course.from_start)
        for rule in self._rules:
            if rule.on in moments and (rule.on != "steps" or dynamic):
                self._ask(rule, view)
        changed = []
        for rule in self._rules:
            change = self._settle(rule, view, fresh=rule.on in moments)
            if change is not None:
                changed.append(change)
        return self._with_effects(changed)

    def _ask(self, rule: Rule, view: View) -> None:
        """Ask a rule whether its condition holds now, and count."""
        standing = self._standings[rule.code]
        standing.judged = True
        reading = rule.judge(view)
        if reading is not None and any(math.isnan(each.value) for each in reading):
            reading = None
        closeness = min([each.closeness for each in reading]) if reading is not None else -1.0
        holds = closeness >= 1 and reading is not None and all(each.holds for each in reading)
        standing.held = standing.held + 1 if holds else 0
        standing.missed = 0 if holds else standing.missed + 1
        if standing.held >= rule.confirm:
            standing.holds = True
        elif standing.missed >= 2 * rule.confirm:
            standing.holds = False
        if reading is not None and closeness >= standing.closeness:
            standing.closest, standing.closeness = reading, closeness

    def _settle(self, rule: Rule, view: View, *, fresh: bool) -> Change | None:
        """Raise, take back or clear the alarm of a rule."""
        standing = self._standings[rule.code]
        if not standing.holds and standing.finding is None:
            return None
        explained = any(cause.holds for cause in self._causes(rule))
        if not standing.holds or explained:
            finding, standing.finding = standing.finding, None
            return Change("cleared", finding) if finding else None
        suspected = any(cause.held for cause in self._causes(rule))
        if not fresh or not standing.held:
            return None
        if standing.finding is None:
            if suspected:
                return None
            standing.finding = self._finding(rule, view)
            return Change("raised", standing.finding)
        finding = self._finding(rule, view)
        if (finding.severity, finding.layer) != (standing.finding.severity, standing.finding.layer):
            standing.finding = replace(finding, step=standing.finding.step, effects=standing.finding.effects)
            return Change("raised", standing.finding)
        return None

    def _causes(self, rule: Rule) -> list[_Standing]:
        return [self._standings[code] for code in rule.causes if code in self._standings]

    def _finding(self, rule: Rule, view: View) -> Finding:
        advice = rule.tell(view)
        change = offers.possible(view.facts, advice.change or {})
        return Finding(
            code=rule.code,
            severity=advice.severity or rule.severity,
            title=rule.title,
            message=advice.message,
            step=self._course.step,
            layer=advice.layer,
            evidence=rule.judge(view) or (),
            change=change,
            restart=advice.restart if change else "",
        )

    def _with_effects(self, changed: list[Change]) -> list[Change]:
        """List what holds beneath its cause; a finding whose list changed is raised, again if it was before."""
        told = {change.finding.code: change for change in changed}
        for code, standing in self._standings.items():
            if standing.finding is None:
                continue
            effects = tuple(rule.code for rule in self._rules if self._root(rule) == code)
            if effects != standing.finding.effects:
                standing.finding = replace(standing.finding, effects=effects)
                told[code] = Change("raised", standing.finding)
        return list(told.values())

    def _root(self, rule: Rule) -> str:
        """Return the found cause that a condition is listed beneath: the first of the table; empty without one."""
        standing = self._standings[rule.code]
        if not standing.holds or standing.finding is not None:
            return ""
        return next((code for code in rule.causes if code in self._standings and self._standings[code].finding), "")
