"""Runs as columns of a table: who they are, in which settings they differ, how good each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType

from tui.app.palette import SERIES, Tone
from tui.app.widgets.columns import within
from tui.app.widgets.panel import Row, Run, ScrollPanel, fit
from tui.core.sentences import epochs
from tui.core.text import clean
from tui.runs.comparison import Comparison, Score, letter
from tui.runs.status import Status

_LABEL, _COLUMN, _GAP = 26, 10, 2
_LONGEST = 200
"""Characters of a value that are looked at."""
_SIGNS: dict[Status, str] = {"finished": "✓", "running": "●", "failed": "✗", "crashed": "✗", "stopped": "■"}


class ComparisonTable(ScrollPanel):
    """The runs, one line each; below them a line for each setting that differs and for each score."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("shift+left", "aside(-1)", "Runs before", id="table.left", show=False, tooltip="Show earlier columns."),
        Binding("shift+right", "aside(1)", "More runs", id="table.right", show=False, tooltip="Show later columns."),
    ]

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(title, id=id)
        self._rows: list[Row] = []
        self._found: Comparison | None = None
        self._column = 0
        self._drawn_width = -1
        self._head = 0
        """Which row names the columns."""
        self._places: Sequence[int] = ()

    def show(self, found: Comparison, places: Sequence[int]) -> None:
        """Show a comparison; ``places`` are those of its runs among all, which give them letters and colours."""
        self._found, self._places = found, places
        self._column = min(self._column, max(0, len(found.runs) - 1))
        self._rows = []
        self.redraw()

    @property
    def height_wanted(self) -> int:
        """Rows that all of it would need, the heading with them."""
        found = self._found
        return 1 if found is None else len(found.runs) + len(found.settings) + len(found.scores) + 3

    def action_aside(self, by: int) -> None:
        """Show other columns where not all have room."""
        if self._found is not None:
            self._column = max(0, min(len(self._found.runs) - 1, self._column + by))
            self._rows = []
            self.redraw()

    def count(self, width: int) -> int:
        """Return how many rows there are."""
        if self._found is not None and (not self._rows or self._drawn_width != width):
            self._rows, self._drawn_width = self._lines(self._found, width), width
        return len(self._rows)

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return some of them."""
        return self._rows[first:last]

    def body(self, width: int, height: int) -> list[Row]:
        """Return the rows that are scrolled to; the letters of the columns stay above them."""
        rows = super().body(width, height)
        if len(rows) > 1 and self._first > self._head:
            rows[0] = self._rows[self._head]
        return rows

    def _lines(self, found: Comparison, width: int) -> list[Row]:
        lines = _told(found)
        label = min(max(_LABEL, 1 + max(cell_len(line.label) for line in lines)), max(12, width // 3))
        longest = max(cell_len(word) for line in lines for word in line.words) if found.runs else 0
        each = max(_COLUMN, min(longest, (width - label) // max(1, len(found.runs)) - _GAP))
        room = max(1, (width - label) // (each + _GAP))
        if len(found.runs) <= room:
            self._column = 0
        columns = range(self._column, min(len(found.runs), self._column + room))
        tones: list[Tone] = [SERIES[place % len(SERIES)] for place in self._places]
        names = [letter(place) for place in self._places]
        rows: list[Row] = []
        for place, one in enumerate(found.runs):
            sign = _SIGNS.get(one.status, "·")
            words = f"{clean(one.run.given_name, 60)}  {one.status}, epoch {epochs(one.epoch)}"
            words += f"  “{one.note}”" if one.note else ""
            name: list[Run] = [(f"{names[place]:>2} ", tones[place]), (f"{sign} ", "muted")]
            rows.append((*name, (fit(words, width - 5).rstrip(), "text")))
        self._head = len(rows)
        head: list[Run] = [(" " * label, "muted")]
        head += [(f"{names[place]:>{each + _GAP}}", tones[place]) for place in columns]
        if columns.stop < len(found.runs) or columns.start:
            head.append((" ↔", "muted"))
        return [*rows, tuple(head), *(line.row(label, each, columns) for line in lines)]


@dataclass(frozen=True)
class _Line:
    """A number or setting of all runs."""

    label: str
    words: tuple[str, ...]
    """Sanitized, one for each run; none where there is nothing to compare."""
    won: tuple[int, ...] = ()
    """The places of the best."""

    def row(self, label: int, each: int, columns: range) -> Row:
        """Return it as a row, with so many cells for its label and for each run."""
        runs: list[Run] = [(fit(self.label, label) if self.words else self.label, "muted")]
        for place in columns if self.words else ():
            text = within(self.words[place], each)
            text = f"* {text}" if place in self.won else text
            runs.append((" " * (each + _GAP - cell_len(text)) + text, "good" if place in self.won else "text"))
        return tuple(runs)


def _told(found: Comparison) -> list[_Line]:
    """Return what is told of runs: the most important scores, in which settings they differ, the other scores."""
    headlines = {one.metrics.headline.name for one in found.runs}
    first = [score for score in found.scores if score.metric.name in headlines]
    settings = [_Line(key, tuple(map(_in_words, values))) for key, values in found.settings.items()]
    others = [score for score in found.scores if score not in first]
    nothing = [] if settings else [_Line("all settings are equal", ())]
    return [*map(_of_score, first), *settings, *nothing, *map(_of_score, others)]


def _of_score(score: Score) -> _Line:
    words = tuple(score.metric.format(value) for value in score.values)
    return _Line(score.label.replace("best validation", "best"), words, score.winners)


def _in_words(value: Any) -> str:
    from tui.core.schema import in_words

    return "–" if value is None else clean(in_words(value), _LONGEST) or '""'
