"""A run's network on other pictures: which ones, how far it is."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.app.widgets.job import JobLine
from tui.app.widgets.path_input import PathInput
from tui.core.rundir import RunDir
from tui.runs.trained import evaluation_job

Table = dict[str, Any]


class TestDialog(ModalScreen[Table | None]):
    """Asks for pictures; the answer is the evaluation, or None."""

    __test__ = False  # for pytest: it only has such a name
    CSS_PATH = "jobs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="test.leave", tooltip="Give the test up, or leave."),
    ]

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self._run = run
        self._own = False
        """Whether the run's own test pictures are evaluated."""

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content.styled("Test the best weights on other pictures", "bold"))
            yield Static(Content("In any layout that trains, with classes of this run."), classes="label")
            yield PathInput(
                id="path", placeholder="folder or list file; nothing: the run's own test pictures", files=True
            )
            yield JobLine(id="job")

    def on_mount(self) -> None:
        """Wait for a path."""
        self.query_one(PathInput).focus()
        self.query_one(JobLine).say("Enter tests, Escape leaves.")

    @on(PathInput.Submitted)
    def begin(self) -> None:
        """Begin."""
        job = self.query_one(JobLine)
        if not job.busy:
            path = self.query_one(PathInput).path
            self._own = path is None
            data = str(path) if path is not None else ""
            job.start("testing", partial(evaluation_job, self._run, data, weights="best"))

    @on(JobLine.Done)
    def done(self, event: JobLine.Done) -> None:
        """Hand the numbers over."""
        unreadable = len(event.result.get("unreadable", ()))
        if unreadable:
            self.app.notify(
                f"{unreadable:,} pictures cannot be read and were left out.", severity="warning", markup=False
            )
        self.dismiss({**event.result, "own": self._own})

    def action_leave(self) -> None:
        """Give up what goes on; else leave."""
        if not self.query_one(JobLine).give_up():
            self.dismiss(None)
