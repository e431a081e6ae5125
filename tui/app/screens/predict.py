"""What a run's network sees in pictures that are named here."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tui.app.widgets.job import JobLine
from tui.app.widgets.keys import Keys
from tui.app.widgets.panel import Row, Rows, Run, ScrollPanel, fit
from tui.app.widgets.path_input import PathInput
from tui.core.metrics import ACCURACY
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.state import RunState
from tui.runs.trained import Weights, predicting_job

_TOP = 3
_TICK = 0.25
_VALUE = 9
"""Cells of a probability or number with the blanks around it."""
_LEAST, _MOST = 12, 23
"""Cells of an answer: rather fewer of them than names that cannot be told apart."""


class Answers(ScrollPanel):
    """One row for each picture: its name, and the likeliest classes."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("pictures", id=id)
        self.answers: list[dict[str, Any]] = []
        self.numbers = False
        """Whether the answers are numbers and no probabilities."""

    def count(self, width: int) -> int:
        """Return how many pictures have an answer."""
        return len(self.answers)

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return some of them."""
        name = max(16, width * 2 // 5)
        labels = [cell_len(str(label)) for one in self.answers for label, _ in one.get("answers", ())]
        each = max(_LEAST, min(_MOST, max(labels, default=0) + _VALUE))
        return [self._row(one, name, width - name - 2, each) for one in self.answers[first:last]]

    def _row(self, one: dict[str, Any], name: int, room: int, each: int) -> Row:
        runs: list[Run] = [(fit(os.path.basename(str(one["path"])), name) + "  ", "text")]
        if "error" in one:
            return (*runs, (fit(f"cannot be read: {one['error']}", room), "bad"))
        for place, (label, value) in enumerate(one["answers"]):
            if (place + 1) * each > max(each, room):
                break
            number = f"{value:.6g}" if self.numbers else ACCURACY.format(value)
            runs.append((fit(str(label), each - _VALUE) + f" {number:>7} ", "strong" if place == 0 else "muted"))
        return (*runs, ("no label", "muted")) if not one["answers"] else tuple(runs)


class PicturePath(PathInput):
    """The path of pictures: Enter does not choose a folder here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "submit",
            "Ask",
            id="predict.ask",
            tooltip="Ask the network what it sees in the pictures.",
        ),
    ]


class PredictScreen(Screen[None]):
    """A path above, answers below.

    Args:
        run: the run.
        state: what is known of it.
    """

    CSS_PATH = "jobs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", id="predict.leave", tooltip="Give the work up, or go back."),
        Binding("ctrl+b", "weights", "Best/last", id="predict.weights", tooltip="The best weights, or the last."),
        Binding("tab", "other", "Answers", id="predict.other", show=False, tooltip="Go to the answers, or the path."),
    ]

    def __init__(self, run: RunDir, state: RunState) -> None:
        super().__init__()
        self._run = run
        self._best = True
        self._learns = state.started.task if state.started else "classification"
        self._shown = 0

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield PicturePath(
            id="path", placeholder="a picture, a folder of them, or a glob: ~/new/*.jpg (Tab completes)", files=True
        )
        yield JobLine(id="job")
        yield Answers(id="answers")
        yield Keys()

    def on_mount(self) -> None:
        """Wait for a path."""
        self._tell()
        self.query_one(Answers).numbers = self._learns == "regression"
        self.query_one(JobLine).say("Enter asks the network.")
        self.query_one(PathInput).focus()
        self.set_interval(_TICK, self._draw)

    def _tell(self) -> None:
        words = f"What does {clean(self._run.given_name, 60)} see? ({'best' if self._best else 'last'} weights)"
        self.query_one("#title", Static).update(Content.styled(words, "bold $primary"))

    def on_rows_shown(self, event: Rows.Shown) -> None:
        """The answers have another size."""
        event.rows.redraw()

    @on(PathInput.Submitted)
    def begin(self) -> None:
        """Ask the network."""
        field = self.query_one(PathInput)
        if not field.value.strip():
            return
        answers: list[dict[str, Any]] = []
        panel = self.query_one(Answers)
        panel.answers = answers
        panel.action_scroll_rows(-1_000_000)
        names = _names(field)
        weights: Weights = "best" if self._best else "last"
        top = None if self._learns != "classification" else _TOP
        make = partial(predicting_job, self._run, names, weights=weights, top=top)
        self.query_one(JobLine).start("predicting", make, answers.append)

    def _draw(self) -> None:
        """Show the answers that came."""
        panel = self.query_one(Answers)
        if len(panel.answers) != self._shown:
            self._shown = len(panel.answers)
            panel.redraw()

    @on(JobLine.Done)
    def done(self, event: JobLine.Done) -> None:
        """Say how many there were."""
        many, lost = event.result["pictures"], event.result["unreadable"]
        words = f"{many:,} picture{'s' if many != 1 else ''}" + (f", {lost:,} cannot be read" if lost else "")
        event.line.say(f"{words}. Tab goes to the answers.")
        self._draw()

    def action_weights(self) -> None:
        """Choose the other weights."""
        self._best = not self._best
        self._tell()

    def action_other(self) -> None:
        """Go between the path and the answers; in the path Tab completes first."""
        field = self.query_one(PathInput)
        (self.query_one(Answers) if field.has_focus else field).focus()

    def action_leave(self) -> None:
        """Give up what goes on; else leave."""
        if not self.query_one(JobLine).give_up():
            self.dismiss()


def _names(field: PathInput) -> Sequence[str]:
    """Return what was typed: one path, however many blanks are in it, or several as a shell takes them."""
    typed = field.value.strip()
    if os.path.lexists(os.path.expanduser(typed)):
        return [typed]
    try:
        return shlex.split(typed) or [typed]
    except ValueError:
        return [typed]
