"""The watch screen: everything about one run, live or over, on one page or on several small ones.

Twice a second the tail of the run is read and the numbers are drawn, each panel every second or two, in turn,
and only when something came. Nothing is kept here that is not in the run's
directory: leaving the screen, or losing it, costs nothing.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.timer import Timer

from tui.app.display import CellExactApp
from tui.app.notices import Alarm
from tui.app.preferences import Preferences
from tui.app.reader import Reader
from tui.app.screens import asking
from tui.app.screens.dashboard import Dashboard
from tui.app.screens.watch_keys import KEYS, offered
from tui.app.screens.watch_pace import Pace
from tui.app.widgets.chart import BEYOND
from tui.app.widgets.findings import FindingLine
from tui.app.widgets.keys import Keys
from tui.app.widgets.pages import Pages
from tui.app.widgets.panel import Rows
from tui.app.widgets.status import ODD, Outcome, StatusBar
from tui.core.metrics import of_task
from tui.core.rundir import RunDir

if TYPE_CHECKING:
    from tui.runs.follow import RunFollower

_BUDGET = 0.15
"""Seconds of one look; a long history is read over several."""
_GO_ON = 0.2
"""Seconds until the next look where one is not over, or has left something unread."""
_FIRST_LOOK, _FIRST_BUDGET = 0.25, 0.01
"""Seconds that the screen waits for the first look, and that it has: for the batches of a long run, not its layers."""
_STALE = 1.0
"""Seconds after which a look that is not over is told."""


class WatchScreen(Screen[None]):
    """Shows one run.

    Args:
        run: any run, in whatever state.
    """

    CSS_PATH = "watch.tcss"
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    LEGEND = (
        "On the charts ◆ is a validation, ▴ a checkpoint, ▲ the best one, ✗ a finding, ◇ what you asked for, ┴ the end "
        f"of an epoch; ! stands where numbers are none (NaN or infinite), ≈ ends the smoothed line. {BEYOND} "
        "The left arrow or a click shows the values at a step, + and - or the wheel zoom around it, Escape takes both "
        "back; a drag, or the wheel with Shift, moves a zoom. "
        "Beside a class's recall stands its change since the validation before; the key a shows all of each validation."
    )

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run
        self.follower: RunFollower | None = None
        """None until the first paint, which would have to wait for the import of numpy and pydantic."""
        self.dashboard = Dashboard(id="panels")
        self._bar, self._finding = StatusBar(id="status"), FindingLine(id="finding")
        self._reader: Reader | None = None
        self._alarm = Alarm()
        self._status: tuple[object, ...] = ()
        """What the screen has shown of the run's status."""
        self._stale = False
        """Whether the head has not shown what came."""
        self._pace = Pace()
        self._ticks: Timer | None = None
        self._hurry: Timer | None = None
        """For a look before the next tick."""

    # --- layout -------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Lay out the head, the panels and the footer."""
        yield self._bar
        yield Outcome(id="outcome")
        yield self._finding
        yield Pages(id="pages")
        yield self.dashboard
        yield Keys()

    def on_mount(self) -> None:
        """Show the empty panels; what is in them follows."""
        liked: Preferences = getattr(self.app, "preferences", Preferences())
        self.dashboard.order, self.dashboard.hidden = liked.panels, liked.hidden
        self.query_one(Pages).numbers = {str(panel.id): panel.number for panel in self.dashboard.panels}
        self.dashboard.fit_panels()
        self._bar.announce(self.run.name)
        if isinstance(self.app, CellExactApp):
            self.app.after_paint(self._open)
        else:
            self.call_after_refresh(self._open)

    def _open(self) -> None:
        """Read the run and start to look at it."""
        if not self.is_attached:
            return
        from tui.runs.follow import RunFollower

        self.follower = self.dashboard.follower = RunFollower(self.run, patient=True)
        self._reader = Reader(self.follower, _BUDGET)
        self._look_every(self._pace.period)
        self.tick(_FIRST_LOOK, _FIRST_BUDGET)

    def _look_every(self, seconds: float) -> None:
        if self._ticks is not None:
            self._ticks.stop()
        self._ticks = self.set_interval(seconds, self.tick, name="tick")

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        if self._reader is not None:
            self._reader.close()

    def on_resize(self) -> None:
        """Choose between one page and several."""
        self.dashboard.fit_panels()

    def on_dashboard_arranged(self, event: Dashboard.Arranged) -> None:
        """Name the pages where there are any."""
        event.stop()
        pages = self.query_one(Pages)
        pages.display, pages.pages = bool(event.shown.pages), event.shown.pages
        pages.show(event.shown.page)

    def on_dashboard_placed(self, event: Dashboard.Placed) -> None:
        """Show notices below all that is above the panels."""
        event.stop()
        self.query("ToastRack").set_styles(margin=(self.dashboard.region.y, 0, 0, 0))

    # --- looking at the run -------------------------------------------------------------------------

    def tick(self, patience: float = 0.0, budget: float | None = None) -> None:
        """Read what is new; draw the head, and the panels whose turn it is.

        Args:
            patience: seconds to wait for what is read; 0 for a moment.
            budget: seconds that reading may take; None for the usual.
        """
        if not self.is_attached or self.follower is None or self._reader is None:
            return
        changed = self._reader.look(patience, budget) if patience else self._reader.look()
        self._tell_of_silence(self._reader.since)
        if self._hurry is None and (changed is None or self.follower.behind):
            self._hurry = self.set_timer(_GO_ON, self._go_on)
        if changed is None:
            return
        if changed:
            self._stale = True
            self.dashboard.came()
            self._alarm.look(self.app, self.follower.state)
        state = self.follower.state
        untouched = self.app.untouched if isinstance(self.app, CellExactApp) else 0.0
        before = self._pace.period
        if self._pace.looked(changed=changed, live=state.live, untouched=untouched) != before:
            self._look_every(self._pace.period)
        if not self.is_current:
            return
        odd = state.status_text if state.status in ODD else ""
        status = (state.status, odd, state.ended, state.read_only, self.follower.behind)
        if status != self._status:
            if not self._status:
                with self._together():  # the chart that is looked at first does not wait for what is laid out anew
                    self.dashboard.draw()
            self._status = status
            self.query_one(Outcome).show(state)
            self.query_one(Pages).rename({"classes": "errors"} if state.metrics is of_task("regression") else {})
            self.refresh_bindings()
            self.draw()
            return
        eco = isinstance(self.app, CellExactApp) and self.app.eco
        if due := self._pace.due(eco=eco):
            with self._together():
                if self._stale:
                    self._show_status()
                self.dashboard.draw_turns(due, seldom=eco)

    def _together(self) -> AbstractContextManager[None]:
        return self.app.together() if isinstance(self.app, CellExactApp) else nullcontext()

    def _go_on(self) -> None:
        self._hurry = None
        self.tick()

    def on_dashboard_wanting(self, event: Dashboard.Wanting) -> None:
        """Look at once: a key has asked for more than is in memory."""
        event.stop()
        self.tick()
        self.dashboard.draw_stale()

    def on_pages_chosen(self, event: Pages.Chosen) -> None:
        """Show the page that was clicked."""
        event.stop()
        self.dashboard.show_panel(event.panels[0])

    def on_finding_line_opened(self) -> None:
        """Show what the doctor says."""
        self.action_doctor()

    def on_dashboard_opened(self, event: Dashboard.Opened) -> None:
        """Show all about the layers, or about the classes."""
        event.stop()
        if event.panel == "layers":
            self.action_layers()
        else:
            self.action_answers()

    def _tell_of_silence(self, since: float | None) -> None:
        """Say since when the disk does not answer, or that it does again."""
        silent = since is not None and time.time() - since >= _STALE
        self._bar.stale = since if silent else None

    def draw(self) -> None:
        """Draw everything that can be seen."""
        if self.follower is None or self.follower.busy:
            return
        self._show_status()
        self.dashboard.draw()

    def _show_status(self) -> None:
        assert self.follower is not None
        from tui.runs.trial import trial

        self._stale = False
        state = self.follower.state
        self._bar.show(state, reading=self.follower.behind)
        self._finding.show(list(state.findings.values()), trial(state))

    def on_rows_shown(self, event: Rows.Shown) -> None:
        """A widget appeared or changed its size: it wants its content again."""
        event.stop()
        match event.rows:
            case StatusBar() if self.follower is not None and not self.follower.busy:
                self._show_status()
            case other:
                other.redraw()

    def on_screen_resume(self) -> None:
        """Something lay above this screen, and the run may have ended meanwhile."""
        self.call_after_refresh(self._come_back)

    def _come_back(self) -> None:
        self.tick()
        self.draw()

    # --- what keys do -------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done with the run as it is."""
        return offered(action, self.follower.state if self.follower is not None else None)

    def action_back(self) -> None:
        """Take the cursor away, undo the zoom or the enlargement, or leave."""
        if self.dashboard.undo():
            return
        if len(self.app.screen_stack) > 1:
            self.dismiss()
        else:
            self.app.exit()

    def action_stop(self) -> None:
        """Ask, then ask the run to stop."""
        asking.ask_to_stop(self.app, self.run)

    def action_stop_after_epoch(self) -> None:
        """Ask, then ask the run to stop at the end of the epoch."""
        asking.ask_to_stop(self.app, self.run, after_epoch=True)

    def action_pause(self) -> None:
        """Let the run wait."""
        asking.ask_run(self.app, self.run, "pause", "Pausing after this step.")

    def action_continue(self) -> None:
        """Let the run go on."""
        asking.ask_run(self.app, self.run, "continue", "Going on.")

    def action_validate(self) -> None:
        """Validate now."""
        asking.ask_run(self.app, self.run, "validate", "Validating after this step.")

    def action_save(self) -> None:
        """Save a checkpoint now."""
        asking.ask_run(self.app, self.run, "save", "Saving a checkpoint after this step.")

    def action_rate(self) -> None:
        """Change the learning rate from the next step on."""
        if self.follower is not None:
            asking.ask_for_rate(self.app, self.follower.state)

    def action_extend(self) -> None:
        """Train for longer than planned."""
        if self.follower is not None:
            asking.ask_for_epochs(self.app, self.follower.state)

    def action_resume(self) -> None:
        """Start the run again where it was."""
        from tui.app import starts
        from tui.app.screens.begin import begin

        begin(self.app, starts.resumed(self.run))

    def action_results(self) -> None:
        """Show what became of the run."""
        from tui.app.screens.begin import show_results

        self.app.run_worker(show_results(self.app, self.run), exclusive=True, group="show_run")

    def action_doctor(self) -> None:
        """Show what the doctor found."""
        if self.follower is not None:
            from tui.app.screens.doctor import DoctorScreen

            self.app.push_screen(DoctorScreen(self.follower, self.tick))

    def action_layers(self) -> None:
        """Show what was recorded of each layer."""
        if self.follower is not None:
            from tui.app.screens.layers import LayersScreen

            self.app.push_screen(LayersScreen(self.follower, look=self.tick))

    def action_answers(self) -> None:
        """Show each validation in detail."""
        if self.follower is not None:
            from tui.app.screens.validation import ValidationScreen

            self.app.push_screen(ValidationScreen(self.follower))
