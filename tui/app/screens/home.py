"""Where one starts: presets for a new run, and the runs there are, with the numbers of those that train."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static

from tui.app import starts
from tui.app.listing import Listing
from tui.app.notices import call_back
from tui.app.screens import errands
from tui.app.screens.begin import begin, explain, show_run
from tui.app.screens.home_words import about_preset, title, why_empty
from tui.app.widgets.keys import Keys
from tui.app.widgets.preset_list import DEMO, PresetList
from tui.app.widgets.row_list import RowList
from tui.app.widgets.run_list import RunList, about, headings
from tui.app.widgets.run_search import RunSearch
from tui.core import presets
from tui.core.errors import CnntrainError
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.catalog import Summary
from tui.runs.comparison import ORDERS, sorted_runs
from tui.runs.fields import settings_of
from tui.runs.filter import HELP, Filter, FilterError

_PERIOD = 1.0
_WIDE = 100
"""From so many columns on there is room for all keys in the footer."""
ORDER_WORDS = {"newest": "date", "name": "name", "state": "state", "best": "best score"}


class HomeScreen(Screen[None]):
    """Presets above, runs below.

    Args:
        root: where runs are kept.
        root_typed: what ``--runs`` needs in a command line, if anything.
        behind: another screen will be above it at once: it reads nothing until that is left.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]
    BINDINGS = [
        Binding("tab", "other", "Other list", id="home.other", show=False, tooltip="Go to the other list."),
        Binding(
            "d", "demo", "Demo", id="home.demo", show=False, tooltip="Train on pictures that are made on the spot."
        ),
        Binding(
            "c",
            "compare",
            "Compare",
            id="home.compare",
            show=False,
            tooltip="Compare the marked runs, or all shown.",
        ),
        Binding(
            "slash",
            "search",
            "Search",
            id="home.search",
            key_display="/",
            tooltip="Show only some runs: words of their names, or a filter like best.accuracy>70% and lr<0.1.",
        ),
        Binding("o", "order", "Order", id="home.order", show=False, tooltip="Sort the runs by another column."),
        Binding(
            "escape",
            "clear",
            "All runs",
            id="home.clear",
            show=False,
            tooltip="Show all runs again; where all are shown, clear the marks.",
        ),
    ]
    LEGEND = HELP

    def __init__(self, root: Path, root_typed: str = "") -> None:
        super().__init__()
        self._root, self._root_typed = root, root_typed
        self._listing = Listing(root)
        self._touched = False
        self._wanted: str | None = None
        self._order = 0
        self._listed = 0
        """How many runs are shown."""

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Static(Content.styled("Start a new run", "bold $primary"), classes="heading")
        yield PresetList(id="presets")
        yield Static(Content.styled("Runs", "bold $primary"), id="runs-heading", classes="heading")
        yield RunList(id="runs")
        yield Static(id="empty")
        yield RunSearch(id="search")
        yield Static(id="detail")
        yield Keys()

    def on_mount(self) -> None:
        self.query_one(PresetList).focus()
        self._show_title()
        self.set_interval(_PERIOD, self._look)

    def on_screen_resume(self) -> None:
        """It is in front: something may have changed meanwhile, and at first nothing is known."""
        self._show_presets()
        self._look_now()

    def on_resize(self) -> None:
        self._show_title()
        self._show_detail()

    def point_at(self, run: RunDir) -> None:
        """Put the cursor on a run as soon as it is in the list."""
        self._wanted = _absolute(run)

    def _look(self) -> None:
        """Read the runs anew in a thread, unless the last look was too dear to repeat already."""
        if self.is_current and self._listing.begin():
            self._read()

    @work(thread=True, exit_on_error=False)
    def _read(self) -> None:
        self._listing.read(partial(self.app.call_from_thread, self._take))

    def _take(self, summaries: list[Summary], trouble: str, whole: bool) -> None:
        """Take what is known of the runs, and show those that are wanted; ring for what is over, if that is wanted."""
        first = self._listing.summaries is None and not self._touched
        changed, over = self._listing.take(summaries, trouble, whole)
        for one in over:
            wanted = str(settings_of(one.run).get("notices.screen", "off"))
            call_back(self.app, wanted, f"{clean(one.run.given_name, 60)}: {one.status}. {one.status_text}")
        if changed or first:
            self._select(first)
        else:
            self.query_one(RunList).show_runs(list(self.query_one(RunList).listed))  # "3 min ago" goes on

    @work(thread=True, exclusive=True, group="select", exit_on_error=False)
    def _select(self, first: bool = False) -> None:
        """Find the runs that fit the filter, in their order: a filter may have to read all their settings."""
        typed, known = self.query_one(RunSearch).text, self._listing.summaries or []
        try:
            fits = Filter(typed).fits
            summaries, wrong = [one for one in known if fits(one)], None
        except FilterError as error:
            summaries, wrong = [], error
        summaries = sorted_runs(summaries, list(ORDERS)[self._order])
        self.app.call_from_thread(self._show_runs, summaries, wrong, first)

    def _show_runs(self, summaries: Sequence[Summary], wrong: FilterError | None, first: bool) -> None:
        self._listed = len(summaries)
        runs = self.query_one(RunList)
        if wrong is not None:  # what was shown stays while a filter is being typed
            self.query_one(RunSearch).say_wrong(wrong)
            return
        self.query_one(RunSearch).say(f"{len(summaries):,} of {len(self._listing.summaries or ()):,}")
        runs.show_runs(summaries)
        runs.display = bool(summaries)
        self.query_one("#empty").display = not summaries
        wanted = next((summary for summary in summaries if _absolute(summary.run) == self._wanted), None)
        if wanted is not None:
            runs.mark(str(wanted.run.path))
            self._wanted = None
        if summaries and (first or wanted is not None):
            runs.focus()
        self.call_after_refresh(self._show_title)
        self._show_detail()

    def _show_presets(self) -> None:
        self.query_one(PresetList).show_presets(presets.available())

    def _show_title(self) -> None:
        width = self.size.width - 2
        self.query_one("#title", Static).update(title(self._root, self._listing, width), layout=False)
        self.query_one("#empty", Static).update(Content(why_empty(self._listing)), layout=False)
        above = Content.styled("Runs", "bold $primary")
        if self._listed:
            bar = int(self.query_one(RunList).show_vertical_scrollbar)
            above = headings(width - bar, list(ORDERS)[self._order])
        self.query_one("#runs-heading", Static).update(above, layout=False)

    def _show_detail(self) -> None:
        """Tell more about what the cursor is on."""
        if self.query_one(PresetList).has_focus:
            text = Content(about_preset(self.query_one(PresetList).row))
        else:
            summary = self.query_one(RunList).summary
            height = self.query_one("#detail").content_size.height
            text = about(summary, self.size.width - 2, height) if summary is not None else Content("")
        self.query_one("#detail", Static).update(text, layout=False)

    @on(RowList.Marked)
    def marked(self) -> None:
        self._show_detail()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._show_detail()

    def on_key(self) -> None:
        self._touched = True

    @on(RowList.Edge)
    def beyond(self, event: RowList.Edge) -> None:
        """Beyond the last preset come the runs."""
        other = self.query_one(RunList if event.direction > 0 else PresetList)
        if other is event.rows or not other.option_count:
            return
        other.focus()
        if event.direction > 0:
            other.action_first()
        else:
            other.action_last()

    def action_other(self) -> None:
        """Go to the other list."""
        runs = self.query_one(RunList)
        (self.query_one(PresetList) if runs.has_focus or not runs.option_count else runs).focus()

    def action_demo(self) -> None:
        """Train on pictures that are made on the spot."""
        begin(self.app, starts.demo(self._root))

    @on(OptionList.OptionSelected, "#presets")
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Choose pictures for a preset."""
        if event.option_id == DEMO:
            self.action_demo()
        elif event.option_id is not None:
            self._set_up(event.option_id)

    def _set_up(self, name: str) -> None:
        from tui.app.draft import Draft
        from tui.app.screens.dataset import DatasetScreen

        try:
            base = presets.load(presets.find(name))
        except CnntrainError as error:
            explain(self.app, error)
            return
        draft = Draft(name, base, root=self._root, root_typed=self._root_typed)
        self.app.push_screen(DatasetScreen(draft))

    # --- which runs, in which order -----------------------------------------------------------------

    def action_search(self) -> None:
        """Let a person type which runs to show."""
        self.query_one(RunSearch).open()

    @on(RunSearch.Changed)
    def typed(self) -> None:
        self._select()

    @on(RunSearch.Entered)
    def searched(self) -> None:
        """Go to the runs that were found."""
        if not self.query_one(RunSearch).text:
            self.action_clear()
        elif self._listed:
            self.query_one(RunList).focus()

    def action_clear(self) -> None:
        """Show all runs again; marks go last."""
        runs = self.query_one(RunList)
        if self.query_one(RunSearch).close():
            if self._listing.summaries:
                runs.focus()
        elif runs.ticked:
            runs.ticked.clear()
            self._select()

    def action_leave_search(self) -> None:
        """Show all runs again."""
        self.action_clear()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a filter is typed, the other keys are letters of it."""
        return action == "leave_search" or not self.query("RunSearch:focus-within")

    def action_order(self) -> None:
        """Sort by the next column."""
        self._order = (self._order + 1) % len(ORDERS)
        self.app.notify(f"Sorted by {ORDER_WORDS[list(ORDERS)[self._order]]}.", timeout=2, markup=False)
        self._select()

    def action_compare(self) -> None:
        """Compare the marked runs, or all that are shown."""
        from tui.app.screens.compare import CompareScreen

        chosen = self.query_one(RunList).chosen
        if len(chosen) < 2:
            self.app.notify("Mark two or more runs with the space bar.", timeout=4, markup=False)
        else:
            self.app.push_screen(CompareScreen(chosen, root_typed=self._root_typed))

    # --- what is done with a run --------------------------------------------------------------------

    @on(RunList.Wanted)
    def wanted(self, event: RunList.Wanted) -> None:
        """Do with a run what is wanted."""
        app, summary = self.app, event.summary
        run = summary.run
        match event.what:
            case "open" if summary.status == "finished":
                self._show_results(run)
            case "results":
                self._show_results(run)
            case "open" | "watch":
                app.run_worker(show_run(app, run), exclusive=True, group="show_run")
            case "again":
                errands.train_again(app, summary, self._root)
            case "edit":
                errands.edit(app, run, summary.preset, root=self._root, root_typed=self._root_typed)
            case "resume":
                begin(app, starts.resumed(run))
            case "stop":
                errands.stop(app, run, self._look_now)
            case "pin":
                errands.pin(app, run, not summary.pinned, self._look_now)
            case "note":
                errands.write_note(app, run, summary.note, self._look_now)
            case "rename":
                errands.rename(app, run, self._renamed)
            case "delete":
                errands.delete(app, self.query_one(RunList).doomed, self._look_now)

    def _show_results(self, run: RunDir) -> None:
        from tui.app.screens.results import ResultsScreen

        self.point_at(run)
        self.app.push_screen(ResultsScreen(run, root_typed=self._root_typed))

    def _renamed(self, run: RunDir) -> None:
        self.point_at(run)
        self._look_now()

    def _look_now(self) -> None:
        self._listing.hurry()
        self._look()


def _absolute(run: RunDir) -> str:
    return os.path.abspath(run.path)
