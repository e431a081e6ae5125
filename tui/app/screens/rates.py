"""The range test of learning rates: the curve, what it suggests, and one key that takes a suggestion."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import OptionList, Static

from tui.app.rehearsals import Waiting
from tui.app.screens.trial import TrialScreen
from tui.app.widgets.chart import Chart, Plot
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.keys import Keys
from tui.app.widgets.panel import Rows
from tui.app.widgets.row_list import RowList
from tui.core.metrics import LEARNING_RATE
from tui.core.rate_range import HIGHEST, LOWEST, STEPS, RateRange, Suggestion
from tui.core.text import clean

RATE = "optimizer.learning_rate"


class RatesScreen(TrialScreen[RateRange]):
    """Makes a range test of a draft and shows what came of it."""

    CSS_PATH = "rates.tcss"
    BINDINGS = [
        # The list itself takes Enter; this shows it.
        Binding(
            "u",
            "take",
            "Use it",
            id="rates.take",
            key_display="enter",
            tooltip="Put the chosen rate into the settings.",
        ),
        Binding("r", "again", "Again", id="rates.again", tooltip="Make the test once more."),
        Binding("l", "log", "Axis", id="rates.log", show=False, tooltip="Logarithmic or linear axis of the loss."),
        Binding(
            "escape", "app.pop_screen", "Back", id="rates.back", tooltip="Back to the settings; nothing is changed."
        ),
    ]

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Chart("loss", id="curve", waiting="")
        yield Static(id="words")
        yield RowList(id="suggestions")
        yield Keys()

    def on_mount(self) -> None:
        self.query_one("#curve").can_focus = False
        self.query_one("#suggestions").focus()

    @property
    def chosen(self) -> Suggestion | None:
        """The suggestion under the cursor."""
        row = self.query_one("#suggestions", RowList).row
        return next((one for one in self.found.suggestions if one.name == row), None) if self.found else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer a rate once there is one."""
        if action == "take":
            return self.found is not None and bool(self.found.suggestions)
        return super().check_action(action, parameters)

    def trial(self) -> Callable[..., RateRange]:
        """Return what makes it."""
        from tui.runs import rehearsals

        return rehearsals.range_test

    def action_log(self) -> None:
        """Switch the axis of the loss."""
        self.query_one(Chart).toggle_log()

    @on(OptionList.OptionSelected)
    def selected(self) -> None:
        self.action_take()

    @on(RowList.Marked)
    def marked(self) -> None:
        """Show where the suggestion under the cursor lies."""
        self._draw()

    @on(Rows.Shown)
    def appeared(self) -> None:
        """The chart has a size now, or another one."""
        self._draw()

    def action_take(self) -> None:
        """Put the chosen rate into the settings and go back to them."""
        chosen = self.chosen
        if chosen is None:
            return
        self._draft.write(RATE, f"{chosen.rate:g}")
        self.app.pop_screen()
        self.app.notify(f"{RATE} is {chosen.rate:g} now.", timeout=3, markup=False)

    def show(self, waiting: Waiting[RateRange]) -> None:
        """Show how it stands, or what came of it."""
        title = Content.styled("Learning rates", "bold")
        about = f"  a step with each of {STEPS} growing rates; nothing is kept"
        self.query_one("#title", Static).update(title + Content.styled(about, "$foreground-muted"), layout=False)
        self.query_one("#words", Static).update(self._words(waiting), layout=False)
        found = waiting.result
        rows = {one.name: partial(_row, one) for one in found.suggestions} if found is not None else {}
        self.query_one("#suggestions", RowList).show(rows)
        self._draw()

    def _words(self, waiting: Waiting[RateRange]) -> Content:
        if waiting.error:
            return Content.styled(f"✗ {clean(waiting.error, 1000)}", "$text-error")
        found = waiting.result
        if found is None:
            return Content(clean(waiting.words))
        steps = (
            f"{len(found.rates)} steps of {found.batch_size} pictures with {clean(found.optimizer, 20)}: {found.ended}."
        )
        none = "" if found.suggestions else " The curve is too short or too flat to suggest a rate."
        now = f" The settings have {self._draft.settings.optimizer.learning_rate:g}."
        return Content.styled(f"{clean(steps, 200)}{none}{now}", "$foreground-muted")

    def _draw(self) -> None:
        found = self.found
        if found is None or not found.rates:
            return
        import numpy as np

        from tui.app.widgets.raster import Mark, Trace

        steps = np.arange(1, len(found.rates) + 1)
        losses, smooth = np.array(found.losses), np.array(found.smoothed)
        # Where it diverges it leaves the chart: what matters is the descent.
        top = float(smooth[0] + max(smooth[0] - smooth.min(), 0.2 * smooth[0]))
        losses, smooth = np.minimum(losses, top), np.minimum(smooth, top)
        chosen = self.chosen
        marks = [
            Mark("◆" if one == chosen else "◇", "mark" if one == chosen else "muted", _step(one.rate), one.loss)
            for one in sorted(found.suggestions, key=lambda one: one == chosen)
        ]
        self.query_one(Chart).show(
            Plot(
                first=1,
                last=len(found.rates),
                traces=[Trace("step", "raw", steps, losses, losses), Trace("smoothed", "line", steps, smooth, smooth)],
                marks=marks,
                value=f"{chosen.name} {LEARNING_RATE.format(chosen.rate)}" if chosen is not None else "",
                value_tone="mark",
                ticks=[(_step(10.0**power), f"1e{power:+d}") for power in range(-7, 2)],
            )
        )


def _step(rate: float) -> float:
    """Return at which step of the test, with fraction, a rate was tried."""
    return 1 + (STEPS - 1) * math.log(rate / LOWEST) / math.log(HIGHEST / LOWEST)


def _row(one: Suggestion, width: int) -> Content:
    return line(
        [
            Cell(one.name, 12, "bold"),
            Cell(LEARNING_RATE.format(one.rate), 9, right=True),
            Cell(f"loss {one.loss:.4g}", 11),
            Cell(one.why, max(8, width - 40), "$foreground-muted"),
        ]
    )
