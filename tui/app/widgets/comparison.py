"""Runs as columns of a table: who they are, in which settings they differ, how good each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from tui.app.palette import SERIES, Tone
from tui.app.widgets.panel import Row, Run, ScrollPanel, fit
from tui.core.text import clean
from tui.runs.comparison import Comparison, Score, letter
from tui.runs.status import Status

_LABEL, _COLUMN, _GAP = 26, 10, 2
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

    def _lines(self, found: Comparison, width: int) -> list[Row]:
        label = min(_LABEL, max(12, width // 3))
        room = max(1, (width - label) // (_COLUMN + _GAP))
        if len(found.runs) <= room:
            self._column = 0
        columns = range(self._column, min(len(found.runs), self._column + room))
        tones: list[Tone] = [SERIES[place % len(SERIES)] for place in self._places]
        names = [letter(place) for place in self._places]
        rows: list[Row] = []
        for place, one in enumerate(found.runs):
            sign = _SIGNS.get(one.status, "·")
            words = f"{clean(one.run.given_name, 60)}  {one.status}, epoch {one.epoch:.3g}"
            words += f"  “{one.note}”" if one.note else ""
            name: list[Run] = [(f"{names[place]:>2} ", tones[place]), (f"{sign} ", "muted")]
            rows.append((*name, (fit(words, width - 5).rstrip(), "text")))
        head: list[Run] = [(" " * label, "muted")]
        for place in columns:
            head.append((f"{'':{_GAP}}{names[place]:>{_COLUMN}}", tones[place]))
        if columns.stop < len(found.runs) or columns.start:
            head.append((" ↔", "muted"))
        rows.append(tuple(head))
        headlines = {one.metrics.headline.name for one in found.runs}
        first = [score for score in found.scores if score.metric.name in headlines]
        rows += [_score_line(score, label, columns) for score in first]
        rows += [_setting_line(key, values, label, columns) for key, values in found.settings.items()]
        if not found.settings:
            rows.append((("all settings are equal", "muted"),))
        rows += [_score_line(score, label, columns) for score in found.scores if score not in first]
        return rows


def _score_line(score: Score, label: int, columns: range) -> Row:
    cells = [score.metric.format(score.values[place]) for place in columns]
    return _line(score.label.replace("best validation", "best"), label, cells, [at in score.winners for at in columns])


def _setting_line(key: str, values: Sequence[Any], label: int, columns: range) -> Row:
    from tui.core.schema import in_words

    cells = ["–" if values[place] is None else in_words(values[place]) or '""' for place in columns]
    return _line(key, label, cells, [False] * len(cells))


def _line(label: str, width: int, cells: list[str], won: list[bool]) -> Row:
    runs: list[Run] = [(fit(label, width), "muted")]
    for cell, best in zip(cells, won, strict=True):
        text = fit(cell, _COLUMN).strip() if len(cell) > _COLUMN else clean(cell)
        runs.append((f"{('* ' if best else '') + text:>{_COLUMN + _GAP}}", "good" if best else "text"))
    return tuple(runs)
