"""Which pictures to train on: choose a folder or list file, and see at once what is in it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import OptionList, Static

from tui.app.draft import Draft
from tui.app.screens.dataset_findings import DatasetFindings
from tui.app.screens.dataset_found import DatasetFound
from tui.app.survey import Survey
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.folder_tree import FolderTree
from tui.app.widgets.keys import Keys
from tui.app.widgets.path_input import PathInput
from tui.app.widgets.row_list import RowList
from tui.core import recent
from tui.core.dataset.scan import reading_of
from tui.core.dataset.table import SUFFIXES
from tui.core.text import clean, clean_path

_TYPING = 0.4
"""Seconds without a key after which a typed path is looked at."""
_MOST_RECENT = 5


class DatasetScreen(Screen[None]):
    """Choose the pictures of a `Draft`."""

    CSS_PATH = "dataset.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    BINDINGS = [
        Binding("ctrl+n", "proceed", "Next", id="dataset.use", tooltip="Go on to the settings."),
        Binding("ctrl+g", "gallery", "Pictures", id="dataset.gallery", tooltip="Look at the pictures of each class."),
        Binding(
            "ctrl+r",
            "check",
            "Check",
            id="dataset.check",
            show=False,
            tooltip="Decode every picture: finds damage, copies in other files and pictures that look alike.",
        ),
        Binding(
            "f5",
            "read",
            "Read as",
            id="dataset.read",
            key_display="F5",
            tooltip="Say how it is read: layout, task, list file, columns, shares.",
        ),
        Binding(
            "ctrl+o",
            "leave_out",
            "Leave out",
            id="dataset.leave_out",
            show=False,
            tooltip="Leave out what cannot be used and copies but one: writes a list for the run, not into the folder.",
        ),
        Binding("escape", "back", "Back", id="dataset.back", tooltip="Stop looking or checking, or go back."),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._found = DatasetFound(draft, id="found")
        self._findings = self._found.findings
        self._survey: Survey | None = None
        self._wait: Timer | None = None
        self._proceeding = False

    def compose(self) -> ComposeResult:
        title = Content.assemble(("Pictures", "bold"), (f"  for {clean(self._draft.preset, 40)}", "$foreground-muted"))
        yield Static(title, id="title")
        with Horizontal(id="folder"):
            yield Static(Content("Folder"), id="label")
            yield PathInput(id="path")
        with Horizontal(id="body"):
            with Vertical(id="choose"):
                yield Static(Content.styled("Recent", "bold $primary"), id="recent-heading")
                yield RowList(id="recent")
                yield Static(Content.styled("Folders", "bold $primary"), id="tree-heading")
                yield FolderTree(id="tree")
            yield self._found
        yield Keys()

    def on_mount(self) -> None:
        known = [path for path in recent.directories() if path.exists()][:_MOST_RECENT]
        rows = {os.fspath(path): partial(_path_line, path) for path in known}
        self.query_one("#recent", RowList).show(rows)
        self.set_class(not known, "-no-recent")
        start = Path(self._draft.directory) if self._draft.directory else (known[0] if known else None)
        self.query_one(PathInput).focus()
        self.set_interval(0.25, self._show_progress)
        if start is not None:
            self.query_one(FolderTree).start_at(start.parent, start)
            self.choose(start)
        else:
            self.query_one(FolderTree).start_at(Path.cwd())
            self._show()

    def on_unmount(self) -> None:
        self._cancel()

    @property
    def ready(self) -> bool:
        """Whether the chosen folder can be used."""
        survey = self._survey
        return survey is not None and survey.scan is not None and survey.path == self.query_one(PathInput).path

    def on_descendant_focus(self) -> None:
        """Where there is little room, what was found gets all of it while it is looked at."""
        self.set_class(self.focused is not None and self._found in self.focused.ancestors, "-looking")

    def choose(self, path: Path) -> None:
        """Look through a folder."""
        self.query_one(PathInput).show(path)
        self._look()

    @on(FolderTree.Chosen)
    def chosen_in_tree(self, event: FolderTree.Chosen) -> None:
        """The first Enter looks, the second goes on."""
        if event.path == self.query_one(PathInput).path and self.ready:
            self.action_proceed()
        else:
            self.choose(event.path)

    @on(OptionList.OptionSelected, "#recent")
    def chosen_again(self, event: OptionList.OptionSelected) -> None:
        path = Path(event.option_id or ".")
        if path == self.query_one(PathInput).path and self.ready:
            self.action_proceed()
        else:
            self.choose(path)

    @on(PathInput.Changed)
    def typed(self) -> None:
        """Look at what is typed as soon as it is there and the typing rests."""
        self._cancel()
        self._survey = None
        self._findings.forget()
        self._proceeding = False
        self._show()
        if self._wait is not None:
            self._wait.stop()
        self._wait = self.set_timer(_TYPING, self._look_if_there)

    @on(PathInput.Submitted)
    def entered(self) -> None:
        """Go on if the folder is known by now, else look at it."""
        if self.ready:
            self.action_proceed()
        elif self._survey is None or self._survey.done:
            self._look()
        else:
            self._proceeding = True

    @on(RowList.Edge)
    def beyond(self, event: RowList.Edge) -> None:
        if event.direction > 0:
            self.query_one(FolderTree).focus()
        else:
            self.query_one(PathInput).focus()

    def action_proceed(self) -> None:
        """Go on to the settings with this folder; while it is looked through, as soon as that is done."""
        survey = self._survey
        if survey is None or (not survey.done and survey.scan is None):
            self._proceeding = True
            if survey is None:
                self._look()
            return
        if survey.scan is None:
            if not survey.error:  # else it stands beside the folders
                self.notify("Choose a folder first.", severity="error")
            return
        from tui.app.screens.settings import SettingsScreen

        self._draft.use_directory(survey.path, survey.scan)
        self.app.push_screen(SettingsScreen(self._draft))

    def action_gallery(self) -> None:
        """Look at the pictures of each class."""
        from tui.app.screens.gallery import GalleryScreen

        survey = self._survey
        if survey is None or survey.scan is None:
            self._say_missing("a folder of pictures")
            return
        self.app.push_screen(GalleryScreen(self._draft, survey.scan))

    def action_read(self) -> None:
        """Say how the folder is read."""
        from tui.app.screens.reading import ReadingScreen

        survey = self._survey
        if survey is None or (survey.scan is None and not survey.done):
            self._say_missing("a folder or a list file")
            return
        self._draft.use_directory(survey.path, survey.scan)
        self.app.push_screen(ReadingScreen(self._draft, survey.path))

    def action_check(self) -> None:
        """Decode every picture."""
        if self._survey is None or self._survey.scan is None:
            self._say_missing("a folder of pictures")
        elif self._findings.decoding:
            self.notify("Every picture is being decoded already; Escape stops it.")
        else:
            self._findings.check(self._survey, deep=True)

    def _say_missing(self, what: str) -> None:
        """Say why there is nothing yet to work on."""
        if self._survey is not None and not self._survey.done:
            self.notify("It is still being looked through.")
        else:
            self.notify(f"Choose {what} first.", severity="error")

    def action_leave_out(self) -> None:
        """Leave out of the run what the check says; a second time takes it back."""
        self._findings.leave_out()

    def on_screen_resume(self) -> None:
        """On the screen that was above, pictures may have been left out, or what is read may be another."""
        survey = self._survey
        if survey is None:
            return
        if reading_of(survey.settings.data) != reading_of(self._draft.settings.data):
            self._look()
        elif survey.scan is not None:
            self._divide_again()

    @on(DatasetFindings.Changed)
    def _divide_again(self) -> None:
        survey = self._survey
        if survey is not None and survey.scan is not None and survey.settings is not self._draft.settings:
            survey.settings = self._draft.settings
            self._findings.read_exclusion()
            changed = partial(self.app.call_from_thread, self._changed, survey)
            self.run_worker(partial(survey.divide, changed), thread=True, exit_on_error=False)
        self._show()

    def action_back(self) -> None:
        """Stop looking or checking, or go back."""
        if self._survey is not None and not self._survey.done and self._survey.scan is None:
            self._cancel()
        elif self._findings.decoding:
            self._findings.cancel()
        else:
            self.app.pop_screen()

    def _cancel(self) -> None:
        if self._survey is not None:
            self._survey.cancelled = True
        self._findings.cancel()

    def _look_if_there(self) -> None:
        path = self.query_one(PathInput).path
        if path is not None and self._survey is None:
            self.run_worker(partial(self._ask, path), thread=True, exit_on_error=False)

    def _ask(self, path: Path) -> None:
        if path.is_dir() or (path.suffix.casefold() in SUFFIXES and path.is_file()):
            self.app.call_from_thread(self._look_at, path)

    def _look_at(self, path: Path) -> None:
        if self._survey is None and self.query_one(PathInput).path == path:
            self._look()

    def _look(self) -> None:
        """Begin to look through the folder that is named; whatever was looked through before is given up."""
        self._cancel()
        path = self.query_one(PathInput).path
        self._findings.forget()
        if path is None:
            self._survey = None
            self._show()
            return
        survey = self._survey = Survey(path, self._draft.settings)
        changed = partial(self.app.call_from_thread, self._changed, survey)
        self.run_worker(partial(survey.look, changed), thread=True, exit_on_error=False)
        self._show()

    def _changed(self, survey: Survey) -> None:
        if survey is not self._survey or not self.is_attached:
            return
        if survey.scan is not None and not self._findings.begun:
            self._findings.check(survey)
        self._show()
        if self._proceeding and (survey.scan is not None or survey.done):
            self._proceeding = False
            self.action_proceed()

    def _show_progress(self) -> None:
        self._found.show_progress(self._survey)

    def _show(self) -> None:
        self._found.show(self._survey)


def _path_line(path: Path, width: int) -> Content:
    return line([Cell(clean_path(path, max(8, width)), width)])
