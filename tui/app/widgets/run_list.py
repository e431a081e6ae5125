"""The runs of a directory, one line each: how it stands, its name, when it started, how far and how good it is."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from textual.binding import Binding
from textual.content import Content
from textual.message import Message

from tui.app.widgets.columns import Cell, line
from tui.app.widgets.row_list import Draw, RowList
from tui.core.metrics import LOSS
from tui.core.rundir import RunDir
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
OVER: frozenset[Status] = RESUMABLE | {"finished"}
_WIDE, _NARROW = 96, 72
_BAR = 10


def _quiet(key: str, what: str, title: str, tooltip: str) -> Binding:
    """Return a key that is in the help and the palette, and not in the footer."""
    return Binding(key, f"want('{what}')", title, id=f"runs.{what}", show=False, tooltip=tooltip)


class RunList(RowList):
    """The list; it posts `Wanted` for what a person wants of a run."""

    BINDINGS = [
        Binding(
            "enter",
            "want('open')",
            "Open",
            id="runs.open",
            tooltip="Open the results of a finished run, the live screen of any other.",
        ),
        Binding("a", "want('again')", "Again", id="runs.again", tooltip="Train anew with the same settings."),
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
        Binding("space", "tick", "Mark", id="runs.mark", key_display="space", tooltip="Mark the run, to compare it."),
        _quiet("w", "watch", "Watch", "Open the run's live screen, with all curves."),
        _quiet("f", "results", "Results", "Open the run's results, as far as there are any."),
        _quiet("p", "pin", "Pin", "Keep the run above the others, or no longer."),
        _quiet("n", "note", "Note", "Write a note on the run."),
        _quiet("m", "rename", "Rename", "Give the run another name."),
        _quiet("x,delete", "delete", "Delete", "Delete the run, or all marked ones if it is marked; asks first."),
    ]

    wraps = False

    @dataclass
    class Wanted(Message):
        """Something is wanted of a run."""

        what: str
        """open, watch, results, again, edit, resume, stop, pin, note, rename or delete."""
        summary: Summary

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._summaries: dict[str, Summary] = {}
        self._ways: dict[str, tuple[Summary, str, bool, Draw]] = {}
        """How each row is drawn, and of what that was made."""
        self.ticked: set[str] = set()
        """The ids of the runs that are marked, on the list or not."""

    @property
    def summary(self) -> Summary | None:
        """The run under the cursor."""
        return self._summaries.get(self.row or "")

    @property
    def listed(self) -> list[Summary]:
        """The runs that are shown, in their order."""
        return list(self._summaries.values())

    @property
    def chosen(self) -> list[Summary]:
        """The marked runs that are listed, in their order; without any mark all that are listed."""
        marked = [summary for key, summary in self._summaries.items() if key in self.ticked]
        return marked or self.listed

    @property
    def doomed(self) -> list[RunDir]:
        """What is to be deleted: the run under the cursor; if it is marked, all that are marked and not at work."""
        if self.row not in self.ticked:
            return [] if self.summary is None else [self.summary.run]
        return [one.run for key, one in self._summaries.items() if key in self.ticked and one.status in OVER]

    def show_runs(self, summaries: Sequence[Summary]) -> None:
        """Show these runs, in this order."""
        before = self.summary
        self._summaries = {str(summary.run.path): summary for summary in summaries}
        moment = status.now()
        self._ways = {key: self._way(key, summary, moment) for key, summary in self._summaries.items()}
        self.show({key: way[3] for key, way in self._ways.items()})
        if before is None or self.summary is None or before.status != self.summary.status:
            self.refresh_bindings()

    def _way(self, key: str, summary: Summary, moment: float) -> tuple[Summary, str, bool, Draw]:
        """Return how a row is drawn: what did not change since is the same object."""
        began, ticked = ago(moment - summary.created), key in self.ticked
        known = self._ways.get(key)
        if known is not None and (known[0] is summary or known[0] == summary) and known[1:3] == (began, ticked):
            return known
        return summary, began, ticked, partial(_run_line, summary, began, ticked)

    def action_tick(self) -> None:
        """Mark the run under the cursor or take its mark away, and go to the next one."""
        if self.row is not None:
            self.ticked ^= {self.row}
            if len(self.ticked) == 1:
                self.app.notify("c compares the marked runs, x deletes them.", timeout=3, markup=False)
            self.show_runs(self.listed)
            if self.highlighted is not None and self.highlighted < self.option_count - 1:
                self.action_cursor_down()
            self.post_message(self.Marked(self, self.row))

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
        self.action_want("open")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Resume only what can be resumed, stop only what lives, rename and delete only what does not."""
        if action not in ("want", "tick"):
            return True
        summary = self.summary
        if summary is None:
            return None
        match parameters:
            case ("resume",):
                return summary.status in RESUMABLE
            case ("stop",):
                return summary.status in LIVE
            case ("rename",) | ("delete",) | ("results",):
                return summary.status in OVER
        return True


def headings(width: int, order: str = "newest") -> Content:
    """Return the line above the list; the column that it is sorted by (`tui.runs.comparison.ORDERS`) stands out."""
    names = _layout(width, "state", "name", "started", "epochs", "best val", "val loss", "pictures")
    places = {"state": 0, "name": 1, "newest": 2, "best": 4}
    return line(
        Cell(
            cell.text, cell.width, "$accent" if place == places[order] and order != "newest" else cell.style, cell.right
        )
        for place, cell in enumerate(names)
    )


def _run_line(summary: Summary, started_ago: str, ticked: bool, width: int) -> Content:
    sign, style = SIGNS[summary.status]
    cells = _layout(
        width,
        f"{sign} {summary.status}",
        ("◆ " if ticked else "") + ("↑ " if summary.pinned else "") + clean(summary.run.given_name, 300),
        started_ago,
        _epochs(summary, width),
        summary.scored(best_known(summary)),
        LOSS.format(summary.last.get(LOSS.name)),
        summary.dataset,
    )
    state, name, started, epochs, score, loss, pictures = cells
    return line(
        [
            Cell(state.text, state.width, style),
            Cell(
                name.text,
                name.width,
                "bold $accent" if ticked else "bold" if summary.status in LIVE else "",
                middle=True,
            ),
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
    left = width - (13 + started + epochs + 8 + 8) - 2 * (4 + wide + (started > 0))
    pictures = left - max(24, 2 * left // 5) if wide else 0
    widths = (13, max(8, left - pictures), started, epochs, 8, 8, pictures)
    return [
        Cell(text, size, "$foreground-muted", right=index in (3, 4, 5))
        for index, (text, size) in enumerate(zip(texts, widths, strict=True))
    ]


def _epochs(summary: Summary, width: int) -> str:
    if not summary.total_steps:
        return "–"
    done = min(1.0, summary.step / summary.total_steps)
    whole = done == 1 and abs(summary.epoch - round(summary.epoch)) < 0.05  # training.max_steps may end within one
    at = f"{summary.epoch:.0f}" if whole else f"{summary.epoch:.1f}"
    planned = f"{summary.planned:.0f}"
    if summary.planned % 1:
        digits = 2 if summary.planned < 10 else int(summary.planned < 100)
        at, planned = f"{summary.epoch:.{digits}f}", f"{summary.planned:.{digits}f}"
    words = f"{at}/{planned}" if summary.planned else f"{100 * done:.0f} %"
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


def about(summary: Summary, width: int, height: int = 2) -> Content:
    """Return what is to be told of a run in ``height`` lines, two or more: how it stands, then its facts in one."""
    steps = f"step {summary.step:,} of {summary.total_steps:,}" if summary.total_steps else ""
    scores = [
        f"{words} {summary.scored(value, named=summary.task != 'classification')}"
        for words, value in (("test", summary.test_score), ("best validation", summary.best_score))
        if value is not None
    ]
    note = f"“{summary.note}”" if summary.note else ""
    preset = f"preset {clean(summary.preset, 40)}" if summary.preset else ""
    parts = (summary.origin, *scores, note, preset, steps, summary.dataset)  # the line may be cut
    second = " · ".join(part for part in parts if part)
    state = textwrap.wrap(
        summary.newer or summary.status_text or summary.status, width, max_lines=max(1, height - 1), placeholder="…"
    )
    cells = (*(Cell(words, width) for words in state), Cell(second, width, "$foreground-muted"))
    return Content("\n").join(line([cell]) for cell in cells)
