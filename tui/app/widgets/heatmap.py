"""A map of heat: one row per layer, one column per stretch of steps, with a cursor that names layer and value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from tui.app.palette import heat_levels
from tui.app.widgets.axis import Scale, fitted, step_ticks, ticks
from tui.app.widgets.panel import Row, Run, ScrollPanel, cells, fit
from tui.core.metrics import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHADES = " .:-=+*#%@"
"""From nothing to the largest, where there are not the colours for it."""
_LONGEST_NAME = 28
_LEGEND = 2
"""Rows under the map: the axis of steps and the scale."""


@dataclass(frozen=True)
class Heat:
    """What a map shows."""

    metric: Metric
    names: Sequence[str]
    """Of the layers, sanitized."""
    values: NDArray[Any]
    """[layers, columns]; NaN where nothing was recorded."""
    first: int
    last: int
    """The steps at the ends."""
    cursor: int | None = None
    """A step whose column is marked."""
    log: bool = True
    """Else the scale goes from 0 to 1."""


class HeatMap(ScrollPanel):
    """Rows of heat with a chosen layer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose_layer(-1)", "Layer above", id="heat.up", show=False, tooltip="Choose the layer above."),
        Binding(
            "down,j", "choose_layer(1)", "Layer below", id="heat.down", show=False, tooltip="Choose the layer below."
        ),
        Binding("home", "choose_layer(-1000000)", "First layer", id="heat.first", show=False, tooltip="First layer."),
        Binding("end", "choose_layer(1000000)", "Last layer", id="heat.last", show=False, tooltip="The last layer."),
    ]

    FRAME = 1 + _LEGEND
    """Rows beside those of the layers."""

    class Chosen(Message):
        """Another layer was chosen."""

    def __init__(self, title: str, *, id: str | None = None, waiting: str = "") -> None:
        super().__init__(title, id=id)
        self.index = 0
        """The index of the chosen layer."""
        self.waiting = waiting
        self._heat: Heat | None = None
        self._scale: Scale | None = None

    @property
    def columns(self) -> int:
        """How many columns there is room for."""
        return max(1, self.size.width - self._name_width() - 1)

    def show(self, heat: Heat | None) -> None:
        """Show a map, or that there is nothing yet."""
        if heat is None or self._heat is None or heat.metric is not self._heat.metric:
            self._scale = None
        self._heat = heat
        if heat is not None:
            self.title = f"{heat.metric.label} by layer"
            self.index = min(self.index, max(0, len(heat.names) - 1))
            self._scale = self._fitted(heat)
        self.redraw()

    def _fitted(self, heat: Heat) -> Scale | None:
        import numpy as np

        if not heat.log:
            return Scale(0.0, 1.0)
        good = heat.values[np.isfinite(heat.values) & (heat.values > 0)]
        return fitted(float(good.min()), float(good.max()), log=True, before=self._scale) if len(good) else None

    def note(self) -> Row:
        """Return the layer, the step and the value under the cursor; the layer, marked in the map, if there is room."""
        heat = self._heat
        if heat is None or not len(heat.names) or not heat.values.shape[1]:
            return ()
        column = self._cursor_column(heat)
        at = heat.values.shape[1] - 1 if column is None else column
        if column is None:
            import numpy as np

            known = np.flatnonzero(~np.isnan(heat.values[self.index]))
            at = int(known[-1]) if len(known) else at
        width = (heat.last - heat.first + 1) / heat.values.shape[1]
        step = heat.first + int((at + 0.5) * width)
        value = heat.metric.format(_none_if_nan(float(heat.values[self.index, at])))
        said, name = f"step {step:,} · {value}", fit(heat.names[self.index], _LONGEST_NAME).rstrip()
        beside = len(self.title) + cells([*self.value()]) + 10  # as the heading spaces them
        return ((f"{name} · {said}" if len(name) + len(said) + beside <= self.size.width else said, "mark"),)

    def count(self, width: int) -> int:
        """Return how many layers there are."""
        return len(self._heat.names) if self._heat is not None else 0

    def body(self, width: int, height: int) -> list[Row]:
        """Return the rows that are scrolled to, the axis and the scale."""
        heat = self._heat
        if heat is None or not len(heat.names) or self._scale is None:
            return [(), ((f"  {self.waiting}", "muted"),)]
        rows = super().body(width, height - _LEGEND)
        rows += [()] * (min(height - _LEGEND, self._total) - len(rows))
        return [*rows, self._axis(heat), self._legend(heat)]

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return the rows of some layers."""
        assert self._heat is not None
        name, levels = self._name_width(), self._levels(first, last)
        marked = self._cursor_column(self._heat)
        rows: list[Row] = []
        for index in range(first, last):
            here = index == self.index
            label = fit(self._heat.names[index], name)
            row: list[Run] = [(label, "focus" if here else "text"), ("▸" if here else " ", "focus")]
            rows.append((*row, *self._strip(levels[index - first].tolist(), marked)))
        return rows

    def _strip(self, levels: list[int], marked: int | None) -> list[Run]:
        most = heat_levels(self.theme)
        runs: list[Run] = []
        for column, level in enumerate(levels):
            plain = SHADES[round(level * (len(SHADES) - 1) / most)] if self.shaded else " "
            if column == marked:
                runs.append(("│", "mark") if not self.shaded else (plain, "mark"))
                continue
            ink: Any = "line" if self.shaded else level
            if runs and runs[-1][1] == ink:
                runs[-1] = (runs[-1][0] + plain, ink)
            else:
                runs.append((plain, ink))
        return runs

    @property
    def shaded(self) -> bool:
        """Whether the values are told by characters instead of colours."""
        return bool(self.app.no_color)

    def _levels(self, first: int, last: int) -> NDArray[Any]:
        import numpy as np

        assert self._heat is not None
        assert self._scale is not None
        values = self._heat.values[first:last]
        share = self._scale.share(values)
        most = heat_levels(self.theme)
        levels = 1 + np.clip(np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=0.0) * most, 0, most - 1).astype(np.int64)
        return np.where(np.isnan(values), 0, levels)

    def _cursor_column(self, heat: Heat) -> int | None:
        if heat.cursor is None or not heat.first <= heat.cursor <= heat.last:
            return None
        columns = int(heat.values.shape[1])
        return min(columns - 1, int((heat.cursor - heat.first) / (heat.last - heat.first + 1) * columns))

    def _name_width(self) -> int:
        longest = max((len(name) for name in self._heat.names), default=8) if self._heat is not None else 8
        return max(4, min(longest, _LONGEST_NAME, self.size.width // 3))

    def _axis(self, heat: Heat) -> Row:
        columns = heat.values.shape[1]
        line, end = ["─"] * columns, -1
        for step, label in step_ticks(heat.first, heat.last, columns):
            at = int((step - heat.first) / (heat.last - heat.first + 1) * columns) - len(label) // 2
            at = min(at, columns - len(label))
            if at > end and at >= 0:
                line[at : at + len(label)] = label
                end = at + len(label)
        return ((" " * (self._name_width() + 1), "faint"), ("".join(line), "muted"))

    def _legend(self, heat: Heat) -> Row:
        assert self._scale is not None
        most = heat_levels(self.theme)
        marks = [(self._scale.low, ""), *ticks(self._scale, 4), (self._scale.high, "")]
        runs: list[Run] = [(" " * (self._name_width() + 1), "muted")]
        runs.append((heat.metric.format(marks[0][0]) + " ", "muted"))
        for level in range(1, most + 1):
            if self.shaded:
                runs.append((SHADES[round(level * (len(SHADES) - 1) / most)] * 2, "line"))
            else:
                runs.append(("   ", level))
        runs.append((" " + heat.metric.format(marks[-1][0]) + ("  log" if self._scale.log else ""), "muted"))
        return tuple(runs)

    def action_choose_layer(self, by: int) -> None:
        """Choose another layer, and scroll so that it can be seen."""
        if self._heat is None:
            return
        self.index = max(0, min(len(self._heat.names) - 1, self.index + by))
        self._show_layer()

    def action_scroll_page(self, pages: int) -> None:
        """Move the choice by a page."""
        self.action_choose_layer(pages * max(1, self._room - 1))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_choose_layer(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_choose_layer(3)

    def on_click(self, event: events.Click) -> None:
        """Choose the layer that was clicked."""
        row = self._first + event.y - 1
        if self._heat is not None and 0 <= row < len(self._heat.names) and event.y <= self._room:
            self.index = row
            self._show_layer()

    def step_at(self, column: int) -> int | None:
        """Return the step under a column of the widget's cells."""
        heat, at = self._heat, column - self._name_width() - 1
        if heat is None or not 0 <= at < heat.values.shape[1]:
            return None
        return heat.first + int((at + 0.5) / heat.values.shape[1] * (heat.last - heat.first + 1))

    def _show_layer(self) -> None:
        self.reveal(self.index)
        self.post_message(self.Chosen())


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value
