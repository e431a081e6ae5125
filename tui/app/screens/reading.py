"""How the pictures' folder is read: layout, task, list files and columns, with what comes of it shown at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from tui.app.draft import Draft, problem_words
from tui.app.outline import SIGNS, summary
from tui.app.survey import Survey
from tui.app.widgets.form import Form
from tui.app.widgets.keys import Keys
from tui.core.schema import Setting
from tui.core.text import clean, clean_path

KEYS = (
    "data.layout",
    "data.task",
    "data.list",
    "data.list_root",
    "data.path_column",
    "data.label_columns",
    "data.split_column",
    "data.group_column",
    "data.empty_classes",
    "data.follow_links",
    "data.validation_fraction",
    "data.test_fraction",
)
_TYPING = 0.4
"""Seconds without a key after which the folder is read anew."""


class ReadingScreen(Screen[None]):
    """Changes in a `Draft` how its pictures are read.

    Args:
        draft: its settings are changed as they are typed.
        path: the folder or list file.
    """

    CSS_PATH = "reading.tcss"
    BINDINGS = [Binding("escape", "app.pop_screen", "Back", id="reading.back", tooltip="Back; what was set is kept.")]

    def __init__(self, draft: Draft, path: Path) -> None:
        super().__init__()
        self._draft, self._path = draft, path
        self._survey: Survey | None = None
        self._setting: Setting | None = None
        self._wait: Timer | None = None

    def compose(self) -> ComposeResult:
        about = f"  {clean_path(self._path, 200)}"
        yield Static(Content.assemble(("How it is read", "bold"), (about, "$foreground-muted")), id="title")
        yield Form(self._draft, KEYS, id="form")
        with Vertical(id="about"):
            yield Static(id="help")
            yield Static(id="limits")
        yield Static(id="found")
        yield Keys()

    def on_mount(self) -> None:
        self.call_after_refresh(self.query_one(Form).enter, KEYS[0])
        self._look()

    def on_unmount(self) -> None:
        if self._survey is not None:
            self._survey.cancelled = True

    @property
    def complete(self) -> bool:
        """Whether what is shown is what comes of the settings."""
        survey = self._survey
        return survey is not None and survey.done and survey.settings is self._draft.settings

    @on(Form.Changed)
    def typed(self, event: Form.Changed) -> None:
        """Check it, and read the folder anew as soon as the typing rests."""
        self._draft.write(event.key, event.text)
        self.query_one(Form).show(self._draft)
        self._show_help()
        if self._wait is not None:
            self._wait.stop()
        self._wait = self.set_timer(_TYPING, self._look)

    @on(Form.Entered)
    def entered(self, event: Form.Entered) -> None:
        """Explain the field that has the focus."""
        self._setting = event.setting
        self._show_help()

    def _look(self) -> None:
        if self._survey is not None:
            self._survey.cancelled = True
        survey = self._survey = Survey(self._path, self._draft.settings, measured=False)
        changed = partial(self.app.call_from_thread, self._changed, survey)
        self.run_worker(partial(survey.look, changed), thread=True, exit_on_error=False)
        self._show(survey)

    def _changed(self, survey: Survey) -> None:
        if survey is self._survey and self.is_attached:
            self._show(survey)

    def _show(self, survey: Survey) -> None:
        lines = [summary(survey)]
        for problem in survey.scan.problems if survey.scan is not None else ():
            sign, style = SIGNS[problem.severity]
            step = f" {problem.step}" if problem.step else ""
            lines.append(Content.assemble((f"{sign} ", style), clean(f"{problem.text}{step}", 400)))
        self.query_one("#found", Static).update(Content("\n").join(lines))

    def _show_help(self) -> None:
        if self._setting is None:
            return
        wrong = problem_words(self._draft, self._setting.key)
        below = Content.styled(f"✗ {wrong}", "$text-error") if wrong else Content("")
        if not wrong and not self._draft.in_effect(self._setting.key):
            below = Content.styled(f"{self._setting.key} has no effect with these settings", "$text-warning")
        self.query_one("#help", Static).update(Content(self._setting.help), layout=False)
        self.query_one("#limits", Static).update(below, layout=False)
