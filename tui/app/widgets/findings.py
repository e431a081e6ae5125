"""What the doctor found: one line over the panels, the list of findings, and one of them in full."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual.geometry import Size
from textual.message import Message

from tui.app.palette import Tone
from tui.app.widgets.panel import Row, Rows, ScrollPanel, fit
from tui.core.diagnosis.words import against, changed, decided, margin, nearest_first, not_judged

if TYPE_CHECKING:
    from tui.core.diagnosis.finding import Check
    from tui.core.events import Found
    from tui.runs.state import RunState
    from tui.runs.trial import Outcome, Trial

SIGNS: dict[str, tuple[str, Tone]] = {"critical": ("✗", "bad"), "warning": ("!", "warn"), "info": ("i", "second")}
"""By severity; anything else is shown as information."""
OUTCOMES: dict[Outcome, tuple[str, Tone]] = {
    "": ("·", "muted"),
    "confirmed": ("✓", "good"),
    "put off": ("!", "warn"),
    "no better": ("✗", "bad"),
    "no effect": ("✗", "bad"),
}


def sign(severity: str) -> tuple[str, Tone]:
    """Return the sign and the tone of a severity."""
    return SIGNS.get(severity, SIGNS["info"])


def headed(found: Found) -> str:
    """Return what is wrong in a few words, then in full."""
    return f"{found.title}: {found.message}" if found.title else found.message


class FindingLine(Rows):
    """One row with the gravest finding that stands, or what became of a trial, in two rows where one is too narrow.

    It is hidden where there is neither.
    """

    DEFAULT_CSS = "FindingLine { height: auto; display: none; }"

    class Opened(Message):
        """It was clicked."""

    def on_click(self) -> None:
        self.post_message(self.Opened())

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._found: Sequence[Found] = ()
        self._trial: Trial | None = None

    def show(self, found: Sequence[Found], trial: Trial | None) -> None:
        """Show what stands.

        Args:
            found: the findings, the gravest first; those that only inform are not worth the row.
            trial: of a run that tries a change.
        """
        self._found = [finding for finding in found if finding.severity != "info"]
        self._trial = trial
        shown = bool(self._found) or trial is not None
        if shown != self.display:
            self.display = shown
        if shown and self.size and len(self.lines(*self.size)) != self.size.height:
            self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return how many rows it takes."""
        return len(self.lines(width, 0))

    def lines(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        keys = "  d Doctor"
        if self._trial is not None:
            confirmed = self._trial.outcome == "confirmed"
            critical = any(finding.severity == "critical" for finding in self._found)
            if (confirmed and not critical) or not self._found:
                from tui.runs.trial import became

                mark, tone = OUTCOMES[self._trial.outcome]
                room = max(20, width - len(keys))
                rows = textwrap.wrap(f"{mark} {became(self._trial, 2 * room - 12)}", room)
                rows = [*rows[:1], " ".join(rows[1:])] if len(rows) > 1 else rows
                return [((fit(row, room), tone), (keys if row is rows[-1] else "", "muted")) for row in rows]
        if not self._found:
            return [()]
        first, more = self._found[0], len(self._found) - 1
        glyph, tone = sign(first.severity)
        others = f" (+{more})" if more else ""
        room = width - len(keys) - len(others) - 2
        return [((f"{glyph} ", tone), (fit(headed(first), room), tone), (others, tone), (keys, "muted"))]


class FindingText(ScrollPanel):
    """One finding in full: what, why, the evidence, what follows from it, and the change that is offered."""

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(title, id=id)
        self._content: tuple[Found, Mapping[str, Any], str, bool] | None = None
        self._empty: tuple[str, Sequence[Check]] = ("", ())
        self._wrapped: list[Row] = []
        self._width = 0

    def show(self, found: Found, values: Mapping[str, Any], start: str, *, stands: bool) -> None:
        """Show a finding.

        Args:
            found: sanitized.
            values: the run's settings, for what the change replaces.
            start: from where a run with the change starts, in words.
            stands: it is still so.
        """
        self._content = (found, values, start, stands)
        self._width = 0
        self.title = found.title or found.code.replace("_", " ")
        self.redraw()

    def say(self, text: str, checks: Sequence[Check] = ()) -> None:
        """Show a sentence instead of a finding, and what became of each rule."""
        self._content, self._empty, self._width = None, (text, checks), 0
        self.title = "nothing is wrong"
        self.redraw()

    def count(self, width: int) -> int:
        """Return how many rows the text takes."""
        if width != self._width:
            self._width = width
            self._wrapped = self._wrap(max(20, width))
        return len(self._wrapped)

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return some rows."""
        return self._wrapped[first:last]

    def _wrap(self, width: int) -> list[Row]:
        if self._content is None:
            return _margins(*self._empty, width)
        found, values, start, stands = self._content
        tone = sign(found.severity)[1]
        rows: list[Row] = [((line, tone),) for line in textwrap.wrap(found.message, width)]
        when = f"{found.severity}, found at step {found.step:,}" + ("" if stands else "; it is no longer so")
        rows += [((f"{when}.", "muted"),), ()]
        rows += _offer(found, values, start, width)
        rows += [(), (("Why:", "strong"),)]
        for each in found.evidence:
            rows += _evidence(each, width)
        if found.effects:
            effects = ", ".join(code.replace("_", " ") for code in found.effects)
            rows += [((line, "muted"),) for line in textwrap.wrap(f"From this follows: {effects}.", width)]
        return rows


def _margins(text: str, checks: Sequence[Check], width: int) -> list[Row]:
    """Return the rows of a healthy verdict: a sentence, then each rule with how near it came to an alarm."""
    rows: list[Row] = [((line, "text"),) for line in textwrap.wrap(text, width)]
    quiet = nearest_first(checks)
    if quiet:
        rows += [(), (("Checked, and how near each came to an alarm:", "strong"),)]
    for check in quiet:
        lines = textwrap.wrap(decided(check), max(10, width - 9))
        rows += [
            ((f"{margin(check) if not at else '':>7}  ", "muted"), (line, "text")) for at, line in enumerate(lines)
        ]
    unknown = textwrap.wrap(not_judged(checks), width)
    return rows + ([(), *(((line, "muted"),) for line in unknown)] if unknown else [])


def _offer(found: Found, values: Mapping[str, Any], start: str, width: int) -> list[Row]:
    """Return the rows of what would mend it."""
    if not found.change:
        return [(("No setting of this run mends it.", "text"),)]
    rows: list[Row] = [(("What would mend it:", "strong"),)]
    longest = min(34, max(len(key) for key in found.change))
    for key, value in found.change.items():
        _, old, new = changed(key, values.get(key, "?"), value)
        setting: Row = ((f"  {fit(key, longest)}  ", "text"),)
        values_row: Row = ((old, "muted"), (" → ", "faint"), (new, "good"))
        fits = len(old) + len(new) + longest + 7 <= width
        rows += [(*setting, *values_row)] if fits else [setting, (("    ", "text"), *values_row)]
    return rows + [((line, "muted"),) for line in textwrap.wrap(f"t starts a new run with it, {start}.", width)]


def _evidence(each: Mapping[str, Any], width: int) -> list[Row]:
    """Return the rows of one number against its threshold."""
    lines = textwrap.wrap(against(each), width - 2, subsequent_indent="  ")
    return [(("· " if index == 0 else "  ", "muted"), (line, "text")) for index, line in enumerate(lines)]


def standing(state: RunState) -> list[Found]:
    """Return the findings to list: what stands, the gravest first, then what is over, the newest first."""
    over: dict[str, Found] = {}
    for found in reversed(state.found):
        if found.code not in state.findings:
            over.setdefault(found.code, found)
    return [*state.findings.values(), *over.values()]
