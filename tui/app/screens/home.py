"""Where one starts: presets for a new run, and the runs there are, with the numbers of those that train."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static

from tui.app import starts
from tui.app.screens.begin import begin, explain, show_run
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.preset_list import DEMO, DEMO_DESCRIPTION, PresetList
from tui.app.widgets.row_list import RowList
from tui.app.widgets.run_list import RunList, headings
from tui.core import presets
from tui.core.errors import CnntrainError
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path
from tui.runs.catalog import Summary, list_runs
from tui.runs.status import LIVE

_PERIOD = 1.0
_SHARE = 0.02
"""The greatest share of a processor core that listing runs may take: with very many runs the list is older."""


class HomeScreen(Screen[None]):
    """Presets above, runs below.

    Args:
        root: where runs are kept.
        root_typed: what ``--runs`` needs in a command line, if anything.
    """

    BINDINGS = [
        Binding("tab", "other", "Other list", id="home.other", show=False, tooltip="Go to the other list."),
        Binding(
            "d", "demo", "Demo", id="home.demo", show=False, tooltip="Train on pictures that are made on the spot."
        ),
    ]

    def __init__(self, root: Path, root_typed: str = "") -> None:
        super().__init__()
        self._root, self._root_typed = root, root_typed
        self._summaries: list[Summary] | None = None
        self._next_look = 0.0
        self._looking = False
        self._touched = False
        self._wanted: str | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Static(Content.styled("Start a new run", "bold $primary"), classes="heading")
        yield PresetList(id="presets")
        yield Static(Content.styled("Runs", "bold $primary"), id="runs-heading", classes="heading")
        yield RunList(id="runs")
        yield Static(id="empty")
        yield Static(id="detail")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(PresetList).focus()
        self._show_presets()
        self._show_title()
        self.set_interval(_PERIOD, self._look)
        self._look()

    def on_screen_resume(self) -> None:
        """Something may have changed while another screen was in front."""
        self._show_presets()
        self._next_look = 0.0
        self._look()

    def on_resize(self) -> None:
        self._show_title()

    def point_at(self, run: RunDir) -> None:
        """Put the cursor on a run as soon as it is in the list."""
        self._wanted = _absolute(run)

    def _look(self) -> None:
        """Read the runs anew in a thread, unless the last look was too dear to repeat already."""
        if self.is_current and not self._looking and time.monotonic() >= self._next_look:
            self._looking = True
            self._read()

    @work(thread=True, exit_on_error=False)
    def _read(self) -> None:
        started = time.monotonic()
        try:
            summaries = list_runs(self._root)
        except OSError:
            summaries = []
        finally:
            now = time.monotonic()
            self._next_look = now + (now - started) / _SHARE if now - started > _SHARE else 0.0
            self._looking = False
        self.app.call_from_thread(self._show_runs, summaries)

    def _show_runs(self, summaries: Sequence[Summary]) -> None:
        first = self._summaries is None and not self._touched
        changed = self._summaries != summaries
        self._summaries = list(summaries)
        runs = self.query_one(RunList)
        runs.show_runs(summaries)
        runs.display = bool(summaries)
        self.query_one("#empty").display = not summaries
        wanted = next((summary for summary in summaries if _absolute(summary.run) == self._wanted), None)
        if wanted is not None:
            runs.mark(str(wanted.run.path))
            self._wanted = None
        if summaries and (first or wanted is not None):
            runs.focus()
        if changed:
            self.call_after_refresh(self._show_title)
            self._show_detail()

    def _show_presets(self) -> None:
        self.query_one(PresetList).show_presets(presets.available())

    def _show_title(self) -> None:
        live = [s for s in self._summaries or () if s.status in LIVE]
        words = f"{len(live)} training" if live else ""
        left = Content.assemble(("cnntrain", "bold $accent"), "  ", (clean_path(self._root, 50), "$foreground-muted"))
        gap = self.size.width - 2 - left.cell_length - len(words)
        self.query_one("#title", Static).update(
            left.pad_right(max(1, gap)).append(Content.styled(words, "$success")), layout=False
        )
        if self._summaries is None:
            empty = "Looking for runs…"
        else:
            empty = "No runs yet. Choose a preset above, or try the demo: it needs no pictures."
        self.query_one("#empty", Static).update(Content(empty), layout=False)
        above = (
            headings(self.size.width - 2 - int(self.query_one(RunList).show_vertical_scrollbar))
            if self._summaries
            else Content.styled("Runs", "bold $primary")
        )
        self.query_one("#runs-heading", Static).update(above, layout=False)

    def _show_detail(self) -> None:
        """Tell more about what the cursor is on."""
        text = Content("")
        if self.query_one(RunList).has_focus:
            summary = self.query_one(RunList).summary
            text = _about(summary, self.size.width - 2) if summary is not None else text
        else:
            name = self.query_one(PresetList).row
            if name == DEMO:
                text = Content(DEMO_DESCRIPTION)
            elif name is not None:
                found = next((p for p in presets.available() if p.name == name), None)
                text = Content(found.description if found is not None else "")
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

    @on(RunList.Wanted)
    def wanted(self, event: RunList.Wanted) -> None:
        """Do with a run what is wanted."""
        summary = event.summary
        match event.what:
            case "watch":
                self.app.run_worker(show_run(self.app, summary.run), exclusive=True, group="show_run")
            case "again":
                self._again(summary)
            case "edit":
                self._edit(summary)
            case "resume":
                begin(self.app, starts.resumed(summary.run))
            case "stop":
                self._stop(summary)

    def _again(self, summary: Summary) -> None:
        from tui.app.screens.ask import Confirm

        def answer(yes: bool | None) -> None:
            if yes:
                begin(self.app, starts.again(summary.run, summary.preset, self._root))

        name = clean(summary.run.given_name, 40)
        detail = f"A new run with the same settings on {summary.dataset}."
        self.app.push_screen(Confirm(f'Train "{name}" again?', detail, yes="Train"), answer)

    def _edit(self, summary: Summary) -> None:
        """Take a run's settings into the form; what they are compared with is its preset, if that is still there."""
        from tui.app.draft import Draft
        from tui.app.screens.settings import SettingsScreen

        try:
            settings = presets.read_settings(summary.run.settings)
        except CnntrainError as error:
            explain(self.app, error)
            return
        try:
            preset = summary.preset or str(summary.run.settings)
            base = presets.load(presets.find(preset))
        except CnntrainError:
            preset, base = str(summary.run.settings), settings
        draft = Draft(
            preset,
            base,
            root=self._root,
            root_typed=self._root_typed,
            settings=settings,
            name=summary.run.given_name,
        )
        self.app.push_screen(SettingsScreen(draft))

    def _stop(self, summary: Summary) -> None:
        from tui.app.screens.ask import Confirm

        name = clean(summary.run.given_name, 40)
        detail = "It finishes its step and saves a checkpoint; it can be resumed."
        self.app.push_screen(
            Confirm(f'Stop "{name}"?', detail, yes="Stop", careful=True), partial(self._stop_now, summary)
        )

    def _stop_now(self, summary: Summary, yes: bool | None) -> None:
        if yes:
            self.run_worker(partial(self._stop_in_thread, summary), thread=True, exit_on_error=False)

    def _stop_in_thread(self, summary: Summary) -> None:
        from tui.runs import launch

        try:
            launch.stop(summary.run)
        except CnntrainError as error:
            self.app.call_from_thread(explain, self.app, error)
        self._next_look = 0.0


def _absolute(run: RunDir) -> str:
    return os.path.abspath(run.path)


def _about(summary: Summary, width: int) -> Content:
    """Return two lines about a run."""
    steps = f"step {summary.step:,} of {summary.total_steps:,}" if summary.total_steps else ""
    scores = [
        f"{words} {summary.scored(value, named=summary.task != 'classification')}"
        for words, value in (("test", summary.test_score), ("best validation", summary.best_score))
        if value is not None
    ]
    parts = (f"preset {clean(summary.preset, 40)}" if summary.preset else "", steps, *scores, summary.dataset)
    second = " · ".join(part for part in parts if part)
    lines = (Cell(summary.status_text or summary.status, width), Cell(second, width, "$foreground-muted"))
    return Content("\n").join(line([cell]) for cell in lines)
