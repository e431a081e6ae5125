"""What became of a run: in words, curves and numbers, with its files, and what can be done with it now."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.geometry import Size
from textual.screen import Screen

from tui.app.screens.results_keys import KEYS, offered
from tui.app.screens.watch_view import View
from tui.app.widgets.chart import Chart
from tui.app.widgets.keys import Keys
from tui.app.widgets.pages import Pages
from tui.app.widgets.panel import Panel, Row, Rows
from tui.app.widgets.sheet import Sheet
from tui.app.widgets.status import run_line
from tui.core.rundir import RunDir

if TYPE_CHECKING:
    from tui.app.reader import Reader
    from tui.runs.follow import RunFollower
    from tui.runs.report import Report

_WIDE = Size(110, 34)
_PAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("summary", ("summary",)),
    ("curves", ("loss", "score")),
    ("numbers", ("numbers",)),
    ("files", ("files",)),
)
_LOOK = 0.2
_BUDGET = 0.5
"""Seconds of one look at the records."""


class _Head(Rows):
    """Which run it is."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.row: Row = ()

    def lines(self, width: int, height: int) -> list[Row]:
        """Return the one row."""
        return [self.row]


class ResultsScreen(Screen[None]):
    """Shows a run that is over.

    Args:
        run: the run.
        root_typed: what ``--runs`` needs in a command line, if anything.
    """

    CSS_PATH = "results.tcss"
    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(self, run: RunDir, *, root_typed: str = "") -> None:
        super().__init__()
        self.run = run
        self._root_typed = root_typed
        self.follower: RunFollower | None = None
        self._report: Report | None = None
        self._reader: Reader | None = None
        """Of the follower, for screens above this one."""
        self._other: dict[str, Any] | None = None
        """What an evaluation on other pictures gave."""
        self._view = View()
        self._chosen = "summary"
        self._maximised = False

    def compose(self) -> ComposeResult:
        yield _Head(id="head")
        yield Pages(id="pages")
        with Container(id="body"):
            yield Sheet("summary", 1, id="summary", waiting="reading the run…")
            yield Chart("loss", 2, id="loss", waiting="no records")
            yield Sheet("numbers", 4, id="numbers")
            yield Chart("accuracy", 3, id="score", floor=0.0, ceiling=1.0, percent=True, waiting="no records")
            yield Sheet("files", 5, id="files")
        yield Keys()

    def on_mount(self) -> None:
        """Show the frame at once; the run is read in a thread."""
        self.query_one(Pages).pages = _PAGES
        self._fit()
        self._read()
        self.set_interval(_LOOK, self._look)

    def on_unmount(self) -> None:
        """Let the reader end."""
        self._close_reader()

    @work(thread=True, exclusive=True, group="report", exit_on_error=False)
    def _read(self) -> None:
        from tui.runs.follow import RunFollower
        from tui.runs.report import report

        follower = RunFollower(self.run)
        follower.poll()
        found = report(follower)
        if self.is_attached:
            self.app.call_from_thread(self._show, follower, found)

    def _show(self, follower: RunFollower, found: Report) -> None:
        self._close_reader()
        self.follower, self._report = follower, found
        self.refresh_bindings()
        self.draw()

    # --- layout and drawing -------------------------------------------------------------------------

    @property
    def _panels(self) -> list[Panel]:
        return sorted(self.query(Panel), key=lambda panel: panel.number)

    def on_resize(self) -> None:
        """Choose between one page and several."""
        self._fit()

    def _fit(self) -> None:
        size = self.app.size
        wide = size.width >= _WIDE.width and size.height >= _WIDE.height
        page, members = next((name, ids) for name, ids in _PAGES if self._chosen in ids)
        shown = (self._chosen,) if self._maximised else tuple(str(p.id) for p in self._panels) if wide else members
        with self.app.batch_update():
            for panel in self._panels:
                panel.display = panel.id in shown
            self.query_one("#body").set_class(wide and not self._maximised, "-wide")
            pages = self.query_one(Pages)
            pages.display = not wide
            pages.show(page)
        self.set_focus(self.query_one(f"#{self._chosen}"), scroll_visible=False)  # at once: the next key is for it

    def draw(self) -> None:
        """Draw everything that can be seen."""
        for panel in self._panels:
            self._feed(panel)
        head = self.query_one("#head", _Head)
        if self.follower is not None:
            head.row = run_line(self.follower.state, max(20, head.size.width))
        head.redraw()

    def _feed(self, panel: Panel) -> None:
        if self.follower is None or self._report is None or panel.parked:
            panel.redraw()
            return
        from tui.app.screens import results_view as view
        from tui.app.screens.watch_feeds import FEEDS

        state, report = self.follower.state, self._report
        match panel.id:
            case "loss" | "score":
                window = self._view.window(state.step, state.total_steps, live=False)
                FEEDS[panel.id].show(panel, self.follower, window)
            case "summary" if isinstance(panel, Sheet):
                panel.show(partial(view.summary, report))
            case "numbers" if isinstance(panel, Sheet):
                panel.show(partial(view.numbers, state, report, self._other), view.shown_side(report, self._other))
            case "files" if isinstance(panel, Sheet):
                panel.show(partial(view.files, state, report))

    def on_rows_shown(self, event: Rows.Shown) -> None:
        """A widget appeared or has another size."""
        event.stop()
        if isinstance(event.rows, Panel):
            self._feed(event.rows)
        elif isinstance(event.rows, _Head):
            self.draw()
        else:
            event.rows.redraw()

    def on_screen_resume(self) -> None:
        """Something lay above this screen, and may have changed the run."""
        if self.follower is not None:
            self._read()

    def on_descendant_focus(self) -> None:
        """A click chooses, too."""
        focused = self.focused
        if isinstance(focused, Panel) and focused.id and focused.id != self._chosen:
            self._chosen = focused.id
            self._fit()

    # --- what keys do -------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done with the run as it is."""
        return offered(action, self.follower.state if self.follower is not None else None)

    def action_back(self) -> None:
        """Make the panel small again, or leave."""
        if self._maximised:
            self.action_maximise()
        else:
            self.dismiss()

    def action_maximise(self) -> None:
        """Give the chosen panel all the room, or give it back."""
        self._maximised = not self._maximised
        self._fit()

    def on_pages_chosen(self, event: Pages.Chosen) -> None:
        """Show the page that was clicked."""
        event.stop()
        self._chosen = event.panels[0]
        self._fit()

    def action_choose(self, number: int) -> None:
        """Choose the panel with this number."""
        self._chosen = str(next(panel for panel in self._panels if panel.number == number).id)
        self._fit()

    def action_next(self, by: int) -> None:
        """Choose the next panel."""
        panels = self._panels
        at = next(place for place, panel in enumerate(panels) if panel.id == self._chosen)
        self.action_choose(panels[(at + by) % len(panels)].number)

    def action_log(self) -> None:
        """Switch the vertical axis of the chosen curve, or of the loss."""
        chosen = self.query_one(f"#{self._chosen}")
        chart = chosen if isinstance(chosen, Chart) else self.query_one("#loss", Chart)
        chart.toggle_log()
        self._feed(chart)

    def action_export(self) -> None:
        """Write the network for other programs."""
        from tui.app.screens.export import ExportDialog

        self.app.push_screen(ExportDialog(self.run))

    def action_predict(self) -> None:
        """Say what the network sees in pictures."""
        from tui.app.screens.predict import PredictScreen

        assert self.follower is not None
        self.app.push_screen(PredictScreen(self.run, self.follower.state))

    def action_test(self) -> None:
        """Ask for other pictures and evaluate on them."""
        from tui.app.screens.tested import TestDialog

        self.app.push_screen(TestDialog(self.run), self._tested)

    def _tested(self, table: dict[str, Any] | None) -> None:
        if table is not None:
            self._other = table
            self.action_choose(4)
            self.draw()

    def action_extend(self) -> None:
        """Train for more epochs."""
        from tui.app.screens.asking import ask_for_epochs

        assert self.follower is not None
        ask_for_epochs(self.app, self.follower.state)

    def action_resume(self) -> None:
        """Let it go on."""
        from tui.app import starts
        from tui.app.screens.begin import begin

        begin(self.app, starts.resumed(self.run))

    def action_derive(self) -> None:
        """Set up a new run from its settings."""
        from tui.app.screens.errands import edit

        assert self.follower is not None
        preset = self.follower.state.info.get("preset", "")
        edit(self.app, self.run, preset, root=self.run.path.parent, root_typed=self._root_typed)

    def action_answers(self) -> None:
        """Show each validation in detail."""
        from tui.app.screens.validation import ValidationScreen

        assert self.follower is not None
        self.app.push_screen(ValidationScreen(self.follower))

    def action_doctor(self) -> None:
        """Show what the doctor found."""
        from tui.app.reader import Reader
        from tui.app.screens.doctor import DoctorScreen

        assert self.follower is not None
        if self._reader is None:
            self._reader = Reader(self.follower, _BUDGET)
        self.app.push_screen(DoctorScreen(self.follower))

    def _look(self) -> None:
        """Read those records that a screen above this one wants to show."""
        follower = self.follower
        if self._reader is not None and follower and (follower.wanting or follower.busy or follower.behind):
            self._reader.look()

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def action_watch(self) -> None:
        """Show all curves."""
        from tui.app.screens.begin import show_run

        self.app.run_worker(show_run(self.app, self.run), exclusive=True, group="show_run")
