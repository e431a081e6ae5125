"""What the mouse means on a chart: which step it points at, and how far it has dragged the steps."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.errors import NoWidget
from textual.screen import Screen

from tui.app.widgets.chart import Chart


def chart_under(screen: Screen[Any], event: events.MouseEvent) -> Chart | None:
    """Return the chart under the pointer; only clicks say themselves which widget that is."""
    try:
        widget, _ = screen.get_widget_at(int(event.screen_x), int(event.screen_y))
    except NoWidget:
        return None
    return widget if isinstance(widget, Chart) else None


def step_under(screen: Screen[Any], event: events.MouseEvent) -> int | None:
    """Return the step under the pointer, if it is on a chart's plane."""
    chart = chart_under(screen, event)
    return chart.step_at(int(event.screen_x) - chart.region.x) if chart is not None else None


class Drag:
    """The steps of a chart while a button of the mouse holds them."""

    def __init__(self) -> None:
        self._chart: Chart | None = None
        self._column = 0
        self.moved = False
        """Whether it was more than a click."""

    def begin(self, screen: Screen[Any], event: events.MouseDown) -> None:
        """Take hold of what is under the pointer."""
        held = event.button == 1 and step_under(screen, event) is not None
        self._chart = chart_under(screen, event) if held else None
        self._column, self.moved = int(event.screen_x), False

    def by(self, event: events.MouseMove) -> float:
        """Return by which share of the chart's width the pointer went since the last time, to the right if positive."""
        if event.button != 1:
            self._chart = None
        column = int(event.screen_x)
        if self._chart is None or column == self._column:
            return 0.0
        columns, self._column, self.moved = column - self._column, column, True
        return columns / max(1, self._chart.points // 2)
