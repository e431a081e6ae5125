"""The runs of a directory, one line each: how it stands, its name, when it started, how far and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from textual.binding import Binding
from textual.content import Content
from textual.message import Message

from tui.app.widgets.columns import Cell, line
from tui.app.widgets.row_list import RowList
from tui.core.metrics import LOSS
from tui.core.text import clean
from tui.runs import status
from tui.runs.catalog import Summary
from tui.runs.status import LIVE, Status

SIGNS: dict[Status, tuple[str, str]] = {
    "preparing": ("◌", "$primary"),
    "running": ("●", "$success"),
    "paused": ("‖", "$warning"),
    "stopping": ("◍", "$warning"),
    "silent": ("?", "$warning"),
    "finished": ("✓", "$success"),
    "stopped": ("■", "$foreground-muted"),
    "failed": ("✗", "$error"),
    "crashed": ("✗", "$error"),
    "interrupted": ("!", "$warning"),
}
"""A sign and a colour for each status: told apart without colours too."""

RESUMABLE: frozenset[Status] = frozenset({"stopped", "failed", "crashed", "interrupted"})
_WIDE, _NARROW = 96, 72
_BAR = 10


class RunList(RowList):
    """The list; it posts `Wanted` for what a person wants of a run."""

    BINDINGS = [
        Binding(
            "enter",
            "want('watch')",
            "Watch",
            id="runs.watch",
            key_display="enter",
            tooltip="Open the run's live screen.",
        ),
        Binding(
            "a",
            "want('again')",
            "Again",
            id="runs.again",
            tooltip="Train again with the same settings on the same pictures, as a new run.",
        ),
        Binding("e", "want('edit')", "Edit", id="runs.edit", tooltip="Take the run's settings into the form."),
        Binding(
            "r",
            "want('resume')",
            "Resume",
            id="runs.resume",
            tooltip="Let a stopped or crashed run go on from its last checkpoint.",
        ),
        Binding(
            "s", "want('stop')", "Stop", id="runs.stop", tooltip="Stop the run after this step, with a checkpoint."
        ),
    ]

    wraps = False

    @dataclass
    class Wanted(Message):
        """Something is wanted of a run."""

        what: str
        """watch, again, edit, resume or stop."""
        summary: Summary

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._summaries: dict[str, Summary] = {}

    @property
    def summary(self) -> Summary | None:
        """The run under the cursor."""
        return self._summaries.get(self.row or "")

    def show_runs(self, summaries: Sequence[Summary]) -> None:
        """Show these runs, in this order."""
        before = self.summary
        self._summaries = {str(summary.run.path): summary for summary in summaries}
        self.show({key: partial(_line_now, summary) for key, summary in self._summaries.items()})
        if before is None or self.summary is None or before.status != self.summary.status:
            self.refresh_bindings()

    def watch_highlighted(self, highlighted: int | None) -> None:
        """What can be done depends on the run."""
        super().watch_highlighted(highlighted)
        self.refresh_bindings()

    def action_want(self, what: str) -> None:
        """Tell what is wanted of the run under the cursor."""
        if self.summary is not None:
            self.post_message(self.Wanted(what, self.summary))

    def action_select(self) -> None:
        """A click on a run is as good as Enter."""
        self.action_want("watch")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Resume only what can be resumed, stop only what lives."""
        if action != "want":
            return True
        summary = self.summary
        if summary is None:
            return None
        if parameters == ("resume",):
            return True if summary.status in RESUMABLE else None
        if parameters == ("stop",):
            return True if summary.status in LIVE else None
        return True


def headings(width: int) -> Content:
    """Return the line above the list."""
    names = _layout(width, "state", "name", "started", "epochs", "best val", "loss", "pictures")
    return line(cell for cell in names)


def _line_now(summary: Summary, width: int) -> Content:
    return _run_line(summary, ago(status.now() - summary.created), width)


@lru_cache(maxsize=1024)
def _run_line(summary: Summary, started_ago: str, width: int) -> Content:
    sign, style = SIGNS[summary.status]
    cells = _layout(
        width,
        f"{sign} {summary.status}",
        clean(summary.run.given_name),
        started_ago,
        _epochs(summary, width),
        summary.scored(best_known(summary)),
        LOSS.format(summary.loss),
        summary.dataset,
    )
    state, name, started, epochs, score, loss, pictures = cells
    return line(
        [
            Cell(state.text, state.width, style),
            Cell(name.text, name.width, "bold" if summary.status in LIVE else ""),
            Cell(started.text, started.width, "$foreground-muted"),
            Cell(epochs.text, epochs.width, right=True),
            Cell(score.text, score.width, right=True),
            Cell(loss.text, loss.width, right=True),
            Cell(pictures.text, pictures.width, "$foreground-muted"),
        ]
    )


def _layout(width: int, *texts: str) -> list[Cell]:
    """Return the columns for a width: the progress bar, the pictures and the start only where there is room."""
    wide = width >= _WIDE
    started = 10 if width >= _NARROW else 0
    epochs = 9 + (_BAR + 1 if wide else 0)
    left = width - (13 + started + epochs + 8 + 7) - 2 * (4 + wide + (started > 0))
    pictures = max(0, left - 24) if wide else 0
    widths = (13, max(8, left - pictures), started, epochs, 8, 7, pictures)
    return [
        Cell(text, size, "$foreground-muted", right=index in (3, 4, 5))
        for index, (text, size) in enumerate(zip(texts, widths, strict=True))
    ]


def _epochs(summary: Summary, width: int) -> str:
    if not summary.total_steps:
        return "–"
    done = min(1.0, summary.step / summary.total_steps)
    at = f"{summary.epoch:.1f}" if done < 1 else f"{summary.epoch:.0f}"
    words = f"{at}/{summary.epochs}" if summary.epochs else f"{100 * done:.0f} %"
    if width < _WIDE:
        return words
    filled = round(_BAR * done)
    return f"{'━' * filled}{'╌' * (_BAR - filled)} {words:>9}"


def best_known(summary: Summary) -> float | None:
    """Return the score of the best validation: the one number that running and finished runs have in common."""
    return summary.score if summary.best_score is None else summary.best_score


def ago(seconds: float) -> str:
    """Return how long ago something was: ``just now``, ``12 min ago``, ``3 h ago``, ``5 d ago``."""
    if seconds < 60:
        return "just now"
    for size, unit in ((86_400 * 365, "y"), (86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    raise AssertionError
