"""The layers of a run, one below the other: gradients, updates, weights and activations over the steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui.app.screens.pointing import step_under
from tui.app.screens.watch_view import View, Window
from tui.app.widgets.chart import Chart, Plot
from tui.app.widgets.heatmap import Heat, HeatMap
from tui.app.widgets.keys import Keys
from tui.app.widgets.layers import shortened
from tui.app.widgets.pages import Pages
from tui.app.widgets.panel import Rows
from tui.core.diagnosis import limits
from tui.core.metrics import DEAD_CHANNELS, GRADIENT_NORM, SATURATED_UNITS, UPDATE_RATIO, WEIGHT_NORM, Metric
from tui.core.records import DEAD, LAYERS, SATURATED, UPDATES, WEIGHTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tui.runs.follow import RunFollower
    from tui.runs.history import History

_TICK = 1.0
_SOON = 0.1
_FIRST_STEPS = 64
"""Every one of these is recorded for ever, whatever the intervals."""


@dataclass(frozen=True)
class Quantity:
    """Something that is recorded of each layer."""

    kind: str
    metric: Metric
    log: bool = True
    healthy: tuple[float, ...] = ()
    """The edges of what is healthy."""
    needs: str = ""
    """The activations that it is measured of, where a network may have none of them."""


QUANTITIES = (
    Quantity(LAYERS, GRADIENT_NORM),
    Quantity(UPDATES, UPDATE_RATIO, healthy=(limits.LOW_UPDATE, limits.HIGH_UPDATE)),
    Quantity(WEIGHTS, WEIGHT_NORM),
    Quantity(DEAD, DEAD_CHANNELS, log=False, needs="ReLU or another activation that can be zero"),
    Quantity(SATURATED, SATURATED_UNITS, log=False, needs="sigmoid or tanh"),
)


class LayersScreen(Screen[None]):
    """Shows what was recorded of each layer.

    Args:
        follower: of the run; the screen below goes on polling it.
        kind: of the records to show first.
        layer: the name of the layer to choose, if there is one of that name.
        look: has the screen below look at the run now.
    """

    CSS_PATH = "layers.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="layers.back", tooltip="Back to the run."),
        Binding("f", "first_steps", "First steps", id="layers.first", tooltip="The first 64 steps, each recorded."),
        Binding("0", "show_all", "Whole run", id="layers.whole", tooltip="Show the whole run again."),
        Binding("plus,equals_sign", "zoom(True)", "Zoom", id="layers.in", key_display="+", tooltip="Zoom in."),
        Binding("minus", "zoom(False)", "Out", id="layers.out", key_display="-", show=False, tooltip="Zoom out."),
        Binding(
            "left",
            "cursor(-1)",
            "Cursor left",
            id="layers.left",
            show=False,
            tooltip="Cursor: earlier.",
        ),
        Binding(
            "right",
            "cursor(1)",
            "Cursor right",
            id="layers.right",
            show=False,
            tooltip="Cursor: later.",
        ),
        Binding("shift+left", "pan(-1)", "Earlier", id="layers.earlier", show=False, tooltip="Earlier in a zoom."),
        Binding("shift+right", "pan(1)", "Later", id="layers.later", show=False, tooltip="Later in a zoom."),
        *(
            Binding(
                str(number),
                f"choose({number - 1})",
                "Quantity",
                id="layers.choose",
                show=False,
                key_display=f"1-{len(QUANTITIES)}",
                tooltip="Gradient norms, update ratios, weight norms, dead channels, saturated units.",
            )
            for number in range(1, len(QUANTITIES) + 1)
        ),
    ]
    LEGEND = (
        "Each row is a layer, each column a stretch of steps. Between the dotted lines under an update ratio is what "
        "healthy networks show; layers in front of a norm layer may lie above."
    )

    def __init__(
        self, follower: RunFollower, *, kind: str = LAYERS, layer: str = "", look: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__()
        self._follower, self._look = follower, look
        self._asked: object = None
        """For what a look was asked."""
        self._wanted = layer
        self._quantity = self.quantity(kind)
        self._view = View()
        self._first_steps = False

    def compose(self) -> ComposeResult:
        yield Pages(id="pages")
        yield HeatMap("gradient norm by layer", id="map", waiting="nothing recorded yet")
        yield Chart("layer", id="layer", log=True)
        yield Keys()

    def on_mount(self) -> None:
        """Show what is there, and look again now and then."""
        pages = self.query_one(Pages)
        pages.pages = tuple((quantity.metric.label, (quantity.kind,)) for quantity in QUANTITIES)
        pages.show(self._quantity.metric.label)
        self.query_one(HeatMap).focus()
        self.set_interval(_TICK, self.draw)
        self.call_after_refresh(self.draw)

    @staticmethod
    def quantity(kind: str) -> Quantity:
        """Return what records of a kind tell; gradient norms for an unknown one."""
        return next((quantity for quantity in QUANTITIES if quantity.kind == kind), QUANTITIES[0])

    @property
    def _history(self) -> History:
        return self._follower.history(self._quantity.kind)

    def on_rows_shown(self, event: Rows.Shown) -> None:
        """A widget has another size."""
        event.stop()
        if isinstance(event.rows, (HeatMap, Chart)):
            self.draw()
        else:
            event.rows.redraw()

    def draw(self) -> None:
        """Draw the map and the chosen layer."""
        if not self.is_current:
            return
        if not self._follower.busy and self._follower.wanting:  # the screen below reads it
            wanted = self._quantity.kind, self._window()
            if wanted != self._asked:
                self._asked = wanted
                self._look()
            self.set_timer(_SOON, self.draw)
        if self._follower.busy:
            return
        history, window, quantity = self._history, self._window(), self._quantity
        heat_map, chart = self.query_one(HeatMap), self.query_one(Chart)
        if not history.polled:
            return
        if not history.count:
            heat_map.waiting = f"no {quantity.metric.label} recorded in this run"
            heat_map.show(None)
            chart.show(Plot(1, 1))
            return
        if self._wanted in history.columns:
            heat_map.index, self._wanted = history.columns.index(self._wanted), ""
        # A map that is not full leaves its room to the chart.
        fits = len(history.columns) + HeatMap.FRAME <= self.size.height // 2
        heat_map.styles.height = len(history.columns) + HeatMap.FRAME if fits else "2fr"
        _, values = history.matrix(heat_map.columns, window.first, window.last)
        if quantity.needs and not self._view.zoomed and not self._first_steps and _nothing(values):
            heat_map.title = f"{quantity.metric.label} by layer"
            heat_map.waiting = f"none of these layers has {quantity.needs}"
            heat_map.show(None)
            chart.title = quantity.metric.label
            chart.show(Plot(1, 1))
            return
        heat_map.show(
            Heat(
                metric=quantity.metric,
                names=shortened(history.columns),
                values=_held(values),
                first=window.first,
                last=window.last,
                cursor=window.cursor,
                log=quantity.log,
            )
        )
        self._draw_layer(history, window, chart, heat_map.index)

    def _draw_layer(self, history: History, window: Window, chart: Chart, layer: int) -> None:
        from tui.app.widgets.raster import Trace

        name = history.columns[layer]
        chart.measure(self._quantity.metric, shortened(history.columns)[layer])
        if chart.log_axis != self._quantity.log:
            chart.toggle_log()
        series = history.series(name, window.first, window.last, chart.points)
        trace = Trace("", "line", series.steps, series.low, series.high, series.nonfinite)
        at = self._follower.state.step
        per_epoch = self._follower.state.started.steps_per_epoch if self._follower.state.started else 0
        few = per_epoch > 0 and (window.last - window.first) / per_epoch <= chart.points / 6
        chart.show(
            Plot(
                first=window.first,
                last=window.last,
                traces=(trace,) if len(series.steps) else (),
                borders=range(-(-window.first // per_epoch) * per_epoch, at + 1, per_epoch) if few else (),
                cursor=window.cursor,
                levels=self._quantity.healthy,
            )
        )

    def _window(self) -> Window:
        state = self._follower.state
        if self._first_steps:
            last = min(_FIRST_STEPS, max(1, state.step))
            window = self._view.window(last, last, live=False)
            return Window(window.first, window.last, window.cursor)
        return self._view.window(state.step, state.total_steps, state.live)

    # --- what keys and the mouse do -----------------------------------------------------------------

    def action_back(self) -> None:
        """Take the cursor or the zoom back, or leave."""
        if self._first_steps or self._view.undo():
            self._first_steps = False
            self.draw()
        else:
            self.dismiss()

    def on_pages_chosen(self, event: Pages.Chosen) -> None:
        """Show the quantity that was clicked."""
        event.stop()
        self.action_choose(event.place)

    def action_choose(self, number: int) -> None:
        """Show another quantity of the layers, with the same layer chosen."""
        heat_map = self.query_one(HeatMap)
        names = self._history.columns
        chosen = names[heat_map.index] if heat_map.index < len(names) else ""
        self._quantity = QUANTITIES[number]
        self.query_one(Pages).show(self._quantity.metric.label)
        names = self._history.columns
        heat_map.index = names.index(chosen) if chosen in names else 0
        self.draw()

    def action_first_steps(self) -> None:
        """Show the first steps, or the whole run again."""
        self._first_steps = not self._first_steps
        self._view.show_all()
        self.draw()

    def action_show_all(self) -> None:
        """Show the whole run."""
        self._first_steps = False
        self._view.show_all()
        self.draw()

    def action_zoom(self, inwards: bool) -> None:
        """Show fewer or more steps."""
        self._change(lambda window: self._view.zoom(window, inwards))

    def action_cursor(self, by: int) -> None:
        """Move the cursor by a column of the map."""
        columns = self.query_one(HeatMap).columns
        self._change(lambda window: self._view.move_cursor(window, by / columns))

    def action_pan(self, by: int) -> None:
        """Show earlier or later steps."""
        self._change(lambda window: self._view.pan(window, by / 4))

    def on_heat_map_chosen(self, event: HeatMap.Chosen) -> None:
        """Another layer was chosen."""
        event.stop()
        self.draw()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in on the step of the chart under the pointer."""
        self._scroll(event, True)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out."""
        self._scroll(event, False)

    def _scroll(self, event: events.MouseEvent, inwards: bool) -> None:
        step = step_under(self, event)
        if step is not None:
            self._change(lambda window: self._view.zoom(window, inwards, at=step))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the step that was clicked."""
        widget = event.widget
        if isinstance(widget, (HeatMap, Chart)):
            step = widget.step_at(event.screen_x - widget.region.x)
            if step is not None:
                self._change(lambda window: self._view.point(step))

    def _change(self, change: Callable[[Window], object]) -> None:
        change(self._window())
        self.draw()


def _nothing(values: NDArray[Any]) -> bool:
    """Whether values were looked for, and there were none."""
    import numpy as np

    return values.size > 0 and bool(np.isnan(values).all())


def _held(values: NDArray[Any]) -> NDArray[Any]:
    """Let each value hold until the next one that was recorded; nothing after the last column with any."""
    import numpy as np

    known = ~np.isnan(values)
    columns = np.arange(values.shape[1])
    last = np.flatnonzero(known.any(axis=0))
    at = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    held = np.where(at >= 0, np.take_along_axis(values, np.maximum(at, 0), axis=1), np.nan)
    if len(last):
        held[:, last[-1] + 1 :] = np.nan
    return held
