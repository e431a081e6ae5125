"""What the mouse means on a chart: which step it points at, and how far it has dragged the steps."""

from __future__ import annotations

from textual import events

from tui.app.widgets.chart import Chart


def step_under(event: events.MouseEvent) -> int | None:
    """Return the step under the pointer, if it is on a chart's plane."""
    chart = event.widget
    return chart.step_at(event.screen_x - chart.region.x) if isinstance(chart, Chart) else None


class Drag:
    """The steps of a chart while a button of the mouse holds them."""

    def __init__(self) -> None:
        self._chart: Chart | None = None
        self._column = 0
        self.moved = False
        """Whether it was more than a click."""

    def begin(self, event: events.MouseDown) -> None:
        """Take hold of what is under the pointer."""
        here = event.button == 1 and step_under(event) is not None
        self._chart = event.widget if here and isinstance(event.widget, Chart) else None
        self._column, self.moved = event.screen_x, False

    def by(self, event: events.MouseMove) -> float:
        """Return by which share of the chart's width the pointer went since the last time, to the right if positive."""
        if event.button != 1:
            self._chart = None
        if self._chart is None or event.screen_x == self._column:
            return 0.0
        columns, self._column, self.moved = event.screen_x - self._column, event.screen_x, True
        return columns / max(1, self._chart.points // 2)
