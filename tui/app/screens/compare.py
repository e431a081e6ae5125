"""Several runs at once: one chart with a line for each, and in what they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual import events, on, work
from textual.app import ComposeResult
from textual.screen import Screen

from tui.app.screens.compare_keys import KEYS
from tui.app.screens.watch_view import View, Window
from tui.app.widgets.axis import PLACES, Unit, place_label, place_ticks
from tui.app.widgets.chart import BEYOND, Chart, Plot
from tui.app.widgets.comparison import ComparisonTable
from tui.app.widgets.keys import Keys
from tui.app.widgets.panel import Rows
from tui.app.widgets.run_search import RunSearch
from tui.core.text import clean
from tui.runs.catalog import Summary, summary_of
from tui.runs.comparison import compare
from tui.runs.filter import HELP, Filter, FilterError
from tui.runs.status import LIVE

if TYPE_CHECKING:
    from tui.app.screens.compare_view import Quantity, Track
    from tui.app.widgets.raster import Trace

_TICK = 0.25
_BUDGET = 0.1
"""Seconds of a look at the runs; long histories are read over several."""
_NEWS = 8
"""Looks after which those that train are read again."""
_UNITS: tuple[Unit, ...] = tuple(PLACES)


class CompareScreen(Screen[None]):
    """Shows runs beside each other.

    Args:
        runs: two or more.
        root_typed: what ``--runs`` needs in a command line, if anything.
    """

    CSS_PATH = "compare.tcss"
    BINDINGS = KEYS
    LEGEND = f"Each line has the letter of its run; * is the best value of a row. {BEYOND} {HELP}"

    def __init__(self, runs: Sequence[Summary], *, root_typed: str = "") -> None:
        super().__init__()
        self._root_typed = root_typed
        self._all = list(runs)
        self._shown = list(runs)
        self._tracks: dict[int, Track] = {}
        self._unread: list[int] = []
        self._quantities: list[Quantity] = []
        self._chosen = ""
        self._unit: Unit = "step"
        self._view = View()
        self._beat = 0
        self._at_work = False
        """Whether a thread is at one of the runs."""

    def compose(self) -> ComposeResult:
        yield Chart("reading the runs", id="chart", waiting="reading the runs…")
        yield RunSearch(id="search")
        yield ComparisonTable("runs", id="table")
        yield Keys()

    def on_mount(self) -> None:
        """Show the frame at once; the runs are read after it is seen."""
        self.query_one(Chart).focus()
        self.call_after_refresh(self._open)

    def _open(self) -> None:
        from tui.app.screens.compare_view import Track
        from tui.runs.follow import RunFollower

        if self.is_attached:
            self._tracks = {at: Track(RunFollower(one.run, history=False), at) for at, one in enumerate(self._all)}
            self._unread = list(self._tracks)
            self._tell()
            self._tick()
            self.set_interval(_TICK, self._tick)

    # --- reading ------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Now and then, read again what trains; go on with what is not read yet."""
        self._beat += 1
        if self.is_current and self._beat % _NEWS == 0:
            living = [at for at, one in enumerate(self._all) if one.status in LIVE]
            self._unread += [at for at in living if at not in self._unread]
        if self.is_current and self._unread and not self._at_work:
            self._at_work = True
            self._read(self._unread[0])

    @work(thread=True, group="read", exit_on_error=False)
    def _read(self, at: int) -> None:
        """Read one run, a long one in several looks: a disk that does not answer holds up only the lines."""
        follower = self._tracks[at].follower
        try:
            follower.poll(_BUDGET)
        finally:
            self._at_work = False
        now = summary_of(self._all[at].run) if self._all[at].status in LIVE and not follower.behind else None
        if self.is_attached:
            self.app.call_from_thread(self._came, at, follower.behind, now)

    def _came(self, at: int, behind: bool, now: Summary | None) -> None:
        if not behind and at in self._unread:
            self._unread.remove(at)
        if now is not None:
            self._renew(at, now)
        self.draw()
        self._tick()

    def _renew(self, at: int, now: Summary) -> None:
        """A run that trained when it was chosen may have other scores now, or be over."""
        before = self._all[at]
        if now != before:
            self._all[at] = now
            self._shown = [now if one is before else one for one in self._shown]
            self._tell()

    @property
    def _drawn(self) -> list[Track]:
        shown = {id(one) for one in self._shown}
        return [self._tracks[at] for at, one in enumerate(self._all) if id(one) in shown and at in self._tracks]

    def _tell(self) -> None:
        table = self.query_one(ComparisonTable)
        table.title = f"{len(self._shown)} runs"
        table.show(compare(self._shown), [self._all.index(one) for one in self._shown])
        table.styles.height = table.height_wanted

    # --- drawing ------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Draw the lines of all runs; while one is being read, that waits until it is read."""
        if self._at_work or not self.is_attached:
            return
        from tui.app.screens.compare_view import quantities, within

        tracks = self._drawn
        self._quantities = quantities(tracks)
        quantity = next((one for one in self._quantities if one.label == self._chosen), self._quantities[0])
        chart, window = self.query_one(Chart), self._window()
        unit, first, last = self._unit, window.first, window.last
        measured = [track.trace(quantity, unit, first, last, chart.points) for track in tracks]
        traces = [within(one, first, last, chart.points) for one in measured] if quantity.validated else measured
        lettered = [
            track.letters(trace, first, last, (at + 0.5) / len(tracks))
            for at, (track, trace) in enumerate(zip(tracks, traces, strict=True))
        ]
        chart.measure(quantity.metric, quantity.label, whole=False)
        chart.show(
            Plot(
                first=first,
                last=last,
                traces=[trace for trace in traces if len(trace.steps)],
                marks=[mark for marks in lettered for mark in marks],
                value=f"by {unit}" + (", reading" if self._unread else ""),
                value_tone="muted",
                reading=() if window.cursor is None else self._reading(quantity, tracks, measured, window.cursor),
                cursor=window.cursor,
                ticks=place_ticks(first, last, chart.points // 2, unit),
            )
        )

    def _reading(self, quantity: Quantity, tracks: list[Track], traces: list[Trace], cursor: int) -> tuple[str, ...]:
        """Return the values of all runs at the cursor, longest first; none of a run that had not begun or was over."""
        import numpy as np

        values = []
        for track, trace in zip(tracks, traces, strict=True):
            if len(trace.steps) and trace.steps[0] <= cursor <= track.end(self._unit):
                at = int(np.abs(trace.steps - cursor).argmin())
                values.append(f"{track.letter} {quantity.metric.format(float(trace.high[at]))}")
        where = f"{self._unit} {place_label(cursor, self._unit)}"
        return tuple(" ".join([f"{where}:", *(values or ["–"])[:count]]) for count in range(max(1, len(values)), 0, -1))

    def _window(self) -> Window:
        end = max((track.end(self._unit) for track in self._drawn), default=1)
        return self._view.window(end, 0, live=False)

    def on_rows_shown(self, event: Rows.Shown) -> None:
        """A widget appeared or changed its size."""
        event.stop()
        if isinstance(event.rows, Chart) and self._quantities:
            self.draw()
        else:
            event.rows.redraw()

    def on_screen_resume(self) -> None:
        """Something lay above this screen."""
        if self._quantities:
            self.call_after_refresh(self.draw)

    # --- what keys and the mouse do -----------------------------------------------------------------

    def action_back(self) -> None:
        """Take the cursor, the zoom or the filter back, or leave."""
        if self._view.undo():
            self.draw()
        elif self.query_one(RunSearch).close():
            self.query_one(Chart).focus()
        else:
            self.dismiss()

    def action_leave_search(self) -> None:
        """Show all runs again."""
        self.query_one(RunSearch).close()
        self.query_one(Chart).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a filter is typed, the other keys are letters of it."""
        return action == "leave_search" or not self.query("RunSearch:focus-within")

    def action_quantity(self, by: int) -> None:
        """Draw another number."""
        labels = [one.label for one in self._quantities]
        if labels:
            at = labels.index(self._chosen) if self._chosen in labels else 0
            self._choose(labels[(at + by) % len(labels)])

    def action_pick(self) -> None:
        """Choose what is drawn from a list."""
        from tui.app.screens.pick import Pick

        labels = [one.label for one in self._quantities]
        if labels:
            self.app.push_screen(Pick("What to draw", labels, chosen=self._chosen or labels[0]), self._choose)

    def action_answers(self) -> None:
        """Show the validations of a run in detail."""
        from tui.app.screens.validation import ValidationScreen

        self._ask("The answers of which run", lambda track: self.app.push_screen(ValidationScreen(track.follower)))

    def action_open(self) -> None:
        """Show the results of a run, or its live screen while it trains."""
        from tui.app.screens.begin import show_run
        from tui.app.screens.results import ResultsScreen

        def show(track: Track) -> None:
            run = track.follower.run
            if any(one.run == run and one.status in LIVE for one in self._all):
                self.app.run_worker(show_run(self.app, run), exclusive=True, group="show_run")
            else:
                self.app.push_screen(ResultsScreen(run, root_typed=self._root_typed))

        self._ask("Open which run", show)

    def _ask(self, title: str, then: Callable[[Track], object]) -> None:
        """Ask for a run, unless there is only one."""
        from tui.app.screens.pick import Pick

        tracks = {f"{one.letter} {clean(one.follower.run.given_name, 60)}": one for one in self._drawn}

        def take(name: str | None) -> None:
            if name is not None:
                then(tracks[name])

        if len(tracks) == 1:
            take(next(iter(tracks)))
        elif tracks:
            self.app.push_screen(Pick(title, list(tracks)), take)

    def _choose(self, label: str | None) -> None:
        if label:
            self._chosen = label
            self.draw()

    def action_unit(self) -> None:
        """Align the runs by something else."""
        self._unit = _UNITS[(_UNITS.index(self._unit) + 1) % len(_UNITS)]
        self._view = View()
        self.draw()

    def action_log(self) -> None:
        """Switch the vertical axis."""
        self.query_one(Chart).toggle_log()
        self.draw()

    def action_zoom(self, inwards: bool) -> None:
        """Show less or more."""
        self._change(lambda window: self._view.zoom(window, inwards))

    def action_whole(self) -> None:
        """Show all."""
        self._change(lambda window: self._view.show_all())

    def action_cursor(self, by: int) -> None:
        """Move the cursor by a column."""
        columns = max(1, self.query_one(Chart).points // 2)
        self._change(lambda window: self._view.move_cursor(window, by / columns))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where it was clicked."""
        if isinstance(event.widget, Chart):
            place = event.widget.step_at(event.screen_x - event.widget.region.x)
            if place is not None:
                self._change(lambda window: self._view.point(place))

    def _change(self, change: Callable[[Window], object]) -> None:
        if self._quantities:
            change(self._window())
            self.draw()

    def action_other(self) -> None:
        """Go to the table, or back."""
        chart = self.query_one(Chart)
        (self.query_one(ComparisonTable) if chart.has_focus else chart).focus()

    def action_search(self) -> None:
        """Say which of the runs to keep."""
        self.query_one(RunSearch).open()

    @on(RunSearch.Changed)
    def narrow(self, event: RunSearch.Changed) -> None:
        """Show the runs that fit."""
        search = self.query_one(RunSearch)
        try:
            fits = Filter(event.text).fits
            kept = [one for one in self._all if fits(one)]
        except FilterError as error:
            search.say_wrong(error)
            return
        search.say(f"{len(kept)} of {len(self._all)}" + ("" if kept else ", so all stay"))
        if kept and self._tracks:
            self._shown = kept
            self._tell()
            self.draw()

    @on(RunSearch.Entered)
    def narrowed(self) -> None:
        """Back to the chart."""
        self.query_one(Chart).focus()
