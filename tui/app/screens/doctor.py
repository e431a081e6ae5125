"""What the doctor found in a run: every finding with its evidence, and the change that would mend it, one key away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import WorkerCancelled, get_current_worker

from tui.app.screens.layers import LayersScreen
from tui.app.widgets.chart import Chart, Plot
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.findings import FindingText, headed, sign, standing
from tui.app.widgets.keys import Keys
from tui.app.widgets.panel import Rows
from tui.app.widgets.row_list import RowList
from tui.core.diagnosis.words import Tally, headline
from tui.core.events import Found
from tui.core.metrics import GRADIENT_NORM, LOSS, METRICS, Metric
from tui.core.records import BATCHES, DEAD, LAYERS, SATURATED, UPDATES

if TYPE_CHECKING:
    from tui.app.widgets.raster import Mark, Trace
    from tui.core.diagnosis.finding import Check
    from tui.runs.follow import RunFollower
    from tui.runs.verdict import Verdict

_TICK = 1.0
_SOON = 0.1
_MOST_STEPS = 100_000
"""Of a run with more steps the records are not judged here, which would slow the screen: the command does it."""
_COLOURS: dict[str, str] = {"bad": "$error", "warn": "$warning", "second": "$secondary"}

EVIDENCE: dict[str, str] = {
    "vanishing": LAYERS,
    "frozen": LAYERS,
    "unwired": LAYERS,
    "constant_weights": LAYERS,
    "rate_high": UPDATES,
    "rate_low": UPDATES,
    "decayed_early": UPDATES,
    "decay_dominates": UPDATES,
    "dead_start": DEAD,
    "died": DEAD,
    "saturated": SATURATED,
    "exploding": GRADIENT_NORM.name,
    "rate_blew_up": GRADIENT_NORM.name,
    "nonfinite": GRADIENT_NORM.name,
}
"""Which records show a finding, by its code: of layers, or a column of the batches. The loss for all others."""


class DoctorScreen(Screen[None]):
    """Shows what is wrong with a run.

    Args:
        follower: of the run; the screen below goes on polling it.
        look: has that screen look at the run now.
    """

    CSS_PATH = "doctor.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Back", id="doctor.back", tooltip="Back to the run."),
        Binding("t", "try_it", "Try the change", id="doctor.try", tooltip="Start a new run with the offered change."),
        Binding("y", "layers", "Layers", id="doctor.layers", tooltip="What was recorded of each layer."),
    ]

    def __init__(self, follower: RunFollower, look: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._follower, self._look = follower, look
        self._asked: object = None
        """For what a look was asked."""
        self._shown: dict[str, Found] = {}
        self._checks: Sequence[Check] = ()
        """What became of each rule, once that is known."""
        self._replayed: dict[str, Found] = {}
        """What stands by today's rules in a run that is over and was told of nothing."""
        self._verdict = ""
        self._offers = False
        self._judged = -1
        """The step at which that was asked."""

    def compose(self) -> ComposeResult:
        yield Static(id="verdict")
        yield RowList(id="findings")
        yield FindingText("", id="finding")
        yield Chart("evidence", id="evidence", waiting="nothing recorded yet")
        yield Keys()

    def on_mount(self) -> None:
        """Show what is known, and look again now and then."""
        self.query_one(RowList).focus()
        self.set_interval(_TICK, self.draw)
        self.call_after_refresh(self.draw)

    def on_rows_shown(self, event: Rows.Shown) -> None:
        """A widget has another size."""
        event.stop()
        if isinstance(event.rows, Chart):
            self._draw_chosen()
        else:
            event.rows.redraw()

    @property
    def chosen(self) -> Found | None:
        """The finding under the cursor."""
        return self._shown.get(self.query_one(RowList).row or "")

    @property
    def _standing(self) -> dict[str, Found]:
        """What is wrong now, by its code, the gravest first."""
        state = self._follower.state
        return state.findings or ({} if state.live else self._replayed)

    def draw(self) -> None:
        """Draw the list and the finding under the cursor."""
        if not self.is_current:
            return
        if not self._follower.busy and self._follower.wanting:  # the screen below reads it
            wanted = self.chosen.code if self.chosen is not None else ""
            if wanted != self._asked:
                self._asked = wanted
                self._look()
            self.set_timer(_SOON, self.draw)
        if self._follower.busy:
            return
        state = self._follower.state
        self._shown = self._standing | {found.code: found for found in standing(state)}
        self._say_verdict()
        findings = self.query_one(RowList)
        findings.display = bool(self._shown)
        findings.styles.max_height = max(3, self.size.height // 4)
        findings.show({code: partial(_row, found, code in self._standing) for code, found in self._shown.items()})
        self._draw_chosen()
        self._offer_keys()

    def _say_verdict(self) -> None:
        """Say how much is wrong; of a sound run also how many rules could judge it, which the records tell."""
        state = self._follower.state
        standing = self._standing
        over = [one.severity for one in self._shown.values() if one.code not in standing]
        tally = Tally.of([one.severity for one in standing.values()], over)
        if not state.findings:
            self._ask_the_rules()
        verdict = headline(tally, self._checks, state.run.name)
        if verdict != self._verdict:
            self._verdict = verdict
            self.query_one("#verdict", Static).update(Content(verdict[0].upper() + verdict[1:]))

    @on(RowList.Marked)
    def _marked(self, event: RowList.Marked) -> None:
        event.stop()
        self._draw_chosen()
        self._offer_keys()

    def _offer_keys(self) -> None:
        """Let the footer show the key when there is something to try, or no longer; not asked every second."""
        offers = bool(self.check_action("try_it", ()))
        if offers != self._offers:
            self._offers = offers
            self.refresh_bindings()

    def _draw_chosen(self) -> None:
        found, text, chart = self.chosen, self.query_one(FindingText), self.query_one(Chart)
        if found is None:
            self._say_healthy(text)
            self._plot(chart, LOSS.name, None)
            return
        text.show(found, self._values(), self._start(found), stands=found.code in self._standing)
        self._plot(chart, EVIDENCE.get(found.code, LOSS.name), found)

    def _say_healthy(self, text: FindingText) -> None:
        """Say that nothing is wrong, and by what margin."""
        state = self._follower.state
        if not state.step:
            text.say("The run has not made a step yet.")
            return
        hint = "" if self._checks else " `cnntrain diagnose` lists what it checked and how near each came to an alarm."
        text.say(f"No condition that the doctor knows holds now.{hint}", self._checks)

    def _ask_the_rules(self) -> None:
        """Have the records judged, aside from the screen, unless it was done when the run was half as long or more."""
        state = self._follower.state
        if state.step and not 2 * self._judged > state.step and state.step <= _MOST_STEPS:
            self._judged = state.step
            self.run_worker(self._judge, thread=True, exclusive=True, group="judge", exit_on_error=False)

    def _judge(self) -> None:
        from tui.core.errors import CnntrainError
        from tui.runs.verdict import judge

        worker = get_current_worker()

        def go_on(_done: int, _total: int) -> None:
            if worker.is_cancelled:
                raise WorkerCancelled

        try:
            verdict = judge(self._follower.run, go_on)
        except (CnntrainError, WorkerCancelled):
            return
        self.app.call_from_thread(self._show_judged, verdict)

    def _show_judged(self, verdict: Verdict) -> None:
        self._checks = verdict.checks
        self._replayed = {finding.code: Found.of(finding) for finding in verdict.findings}
        if self.is_mounted:
            self.draw()

    def _values(self) -> dict[str, Any]:
        from tui.core.schema import flattened

        settings = self._follower.state.settings
        return flattened(settings) if settings is not None else {}

    @staticmethod
    def _start(found: Found) -> str:
        if found.restart == "newest":
            return "from the last checkpoint"
        if found.restart == "checkpoint":
            return "from the last good checkpoint if there is one"
        return "from new weights"

    def _plot(self, chart: Chart, what: str, found: Found | None) -> None:
        """Draw the evidence: a column of the batches, or the layer that is named, or the first and last layer."""
        from tui.app.widgets.raster import Mark

        state = self._follower.state
        last = max(1, state.step)
        metric: Metric | None = METRICS.get(what)
        if metric is not None:
            names, kind, label = [what], BATCHES, metric.label
        else:
            kind = what
            history = self._follower.history(kind)
            named = found.layer if found is not None else ""
            columns = history.columns
            names = [named] if named in columns else list(dict.fromkeys(columns[:1] + columns[-1:]))
            quantity = LayersScreen.quantity(kind).metric
            label = f"{quantity.label} of {' and '.join(names)}" if names else quantity.label
        log = metric is GRADIENT_NORM or (metric is None and LayersScreen.quantity(kind).log)
        if chart.log_axis != log:
            chart.toggle_log()
        chart.title = label
        chart.show(
            Plot(
                first=1,
                last=last,
                traces=[self._trace(kind, name, index, last, chart.points) for index, name in enumerate(names)],
                marks=[
                    *(self._validations(last, chart.points) if metric is LOSS else ()),
                    *([Mark("▲", sign(found.severity)[1], found.step)] if found is not None else ()),
                ],
                levels=() if metric is not None else LayersScreen.quantity(kind).healthy,
            )
        )

    def _validations(self, last: int, cells: int) -> list[Mark]:
        """Return the loss of validations, which many findings are about: of those in one cell the newest."""
        from tui.app.widgets.raster import Mark

        events = self._follower.state.evaluations
        newest = {event.step * cells // last: event for event in events if LOSS.name in event.metrics}
        return [Mark("◆", "mark", event.step, event.metrics[LOSS.name], "validation") for event in newest.values()]

    def _trace(self, kind: str, name: str, index: int, last: int, points: int) -> Trace:
        from tui.app.widgets.raster import Trace

        series = self._follower.history(kind).series(name, 1, last, points)
        label = name if index else ""
        return Trace(label, "line" if index == 0 else "second", series.steps, series.low, series.high, series.nonfinite)

    # --- what keys do -------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer a change where there is one."""
        if action == "try_it":
            return self.chosen is not None and bool(self.chosen.change)
        return True

    def action_layers(self) -> None:
        """Show the layers, the one that the finding names chosen."""
        found = self.chosen
        kind = EVIDENCE.get(found.code, LAYERS) if found is not None else LAYERS
        layer = found.layer if found is not None else ""
        self.app.push_screen(LayersScreen(self._follower, kind=kind, layer=layer, look=self._look))

    def action_try_it(self) -> None:
        """Ask, then start a new run with the change."""
        found = self.chosen
        if found is None or not found.change:
            return
        from tui.app.screens.ask import Confirm
        from tui.core.diagnosis.words import changed

        live = self._follower.state.live
        detail = (
            "The run goes on beside it; stop it first if the machine is small."
            if live
            else "This run stays as it is; the new one is beside it."
        )
        values = self._values()
        changes = ", ".join(
            "{} {} → {}".format(*changed(key, values.get(key), new)) for key, new in found.change.items()
        )
        question = f"Start a new run with {changes}, {self._start(found)}?"
        self.app.push_screen(Confirm(question, detail, yes="Start"), partial(self._try, found))

    def _try(self, found: Found, yes: bool | None) -> None:
        if yes:
            from tui.app import starts
            from tui.app.screens.begin import begin

            begin(self.app, starts.mended(self._follower.run, found))


def _row(found: Found, stands: bool, width: int) -> Content:
    glyph, tone = sign(found.severity)
    colour = _COLOURS.get(tone, "") if stands else "$text-muted"
    cells = [
        Cell(glyph if stands else "·", 1, colour),
        Cell(f"step {found.step:,}", 12, "$text-muted"),
        Cell(headed(found), max(10, width - 17), colour),
    ]
    return line(cells)
