"""A run's network for other programs: in which format, where to, and whether it was reproduced."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.app.widgets.columns import Cell, line
from tui.app.widgets.job import JobLine
from tui.app.widgets.path_input import PathInput
from tui.app.widgets.row_list import RowList
from tui.core.rundir import RunDir
from tui.core.sentences import size
from tui.core.text import clean, clean_path
from tui.runs.trained import FORMATS, Weights, compared, exporting_job, target

_HINT = "Arrows choose the format, Enter exports, ^b other weights, Escape leaves."


class ExportDialog(ModalScreen[None]):
    """Asks, shows how far it is, and then where the file is."""

    CSS_PATH = "jobs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="export.leave", tooltip="Give the export up, or leave."),
        Binding("ctrl+b", "weights", "Best/last", id="export.weights", tooltip="The best weights, or the last."),
        Binding("ctrl+o", "replace", "Replace", id="export.replace", tooltip="Replace a file that exists, or not."),
        Binding("up", "move('cursor_up')", "Up", show=False),
        Binding("down", "move('cursor_down')", "Down", show=False),
    ]

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self._run = run
        self._weights: Weights = "best"
        self._replace = False
        self._offered = ""
        """The path that stands in the field as long as nobody has typed another one."""

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content.styled("Export the network", "bold"))
            yield RowList(id="formats")
            yield Static(id="options", classes="label")
            yield PathInput(id="path", placeholder="file or folder to write to")
            yield JobLine(id="job")

    def on_mount(self) -> None:
        """Offer the usual file in the present directory."""
        formats = self.query_one(RowList)
        formats.can_focus = False
        formats.show({form: partial(_row, form, words) for form, words in FORMATS.items()})
        formats.mark(next(iter(FORMATS)))
        self._show()
        self.query_one(PathInput).focus()
        self.query_one(JobLine).say(_HINT)

    @property
    def _form(self) -> str:
        return self.query_one(RowList).row or next(iter(FORMATS))

    def _show(self) -> None:
        replace = "; an older file is replaced" if self._replace else ""
        words = f"The {self._weights} weights{replace}, written to:"
        self.query_one("#options", Static).update(Content(words))
        field = self.query_one(PathInput)
        if field.value == self._offered:
            field.show(target(self._run, self._form, "", self._weights))
            self._offered = field.value

    @on(RowList.Marked)
    def chosen(self) -> None:
        self._show()

    def action_move(self, how: str) -> None:
        """Choose another format while the path keeps the focus."""
        getattr(self.query_one(RowList), f"action_{how}")()

    def action_weights(self) -> None:
        """Choose the other weights."""
        self._weights = "last" if self._weights == "best" else "best"
        self._show()

    def action_replace(self) -> None:
        """Replace what exists, or not."""
        self._replace = not self._replace
        self._show()

    @on(PathInput.Submitted)
    def export(self) -> None:
        """Begin."""
        job = self.query_one(JobLine)
        if job.busy:
            return
        path = self.query_one(PathInput).path
        output = str(path) if path is not None else ""
        make = partial(exporting_job, self._run, self._form, output, weights=self._weights, replace=self._replace)
        job.start("exporting", make)

    @on(PathInput.Changed)
    def typed(self) -> None:
        """What was wrong with another path says nothing of this one."""
        job = self.query_one(JobLine)
        if not job.busy:
            job.say(_HINT)

    @on(JobLine.Failed)
    def failed(self, event: JobLine.Failed) -> None:
        """What the command calls --force has a key here."""
        if "--force" in event.error.next_step:
            event.line.say(f"{event.error.title}: {event.error.cause}. Press ^o to replace it.", "$text-error")

    @on(JobLine.Done)
    def done(self, event: JobLine.Done) -> None:
        """Say where it is and how good."""
        event.line.say(f"{_told(event.result)} Escape leaves.", "$text-success")

    def action_leave(self) -> None:
        """Give up what goes on; else leave."""
        if not self.query_one(JobLine).give_up():
            self.dismiss()


def _row(form: str, words: str, width: int) -> Content:
    return line([Cell(form, 12, "bold"), Cell(words, max(10, width - 14), "$foreground-muted")])


def _told(done: dict[str, Any]) -> str:
    beside = clean(Path(done["beside"]).name, 100)
    return (
        f"Written: {clean_path(done['path'])}, {size(done['bytes'])}, with class map and preprocessing in {beside}. "
        f"Read back and compared: {compared(done)}."
    )
