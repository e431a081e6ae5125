"""Where each panel of the watch screen gets its content: from a run's state and series to plots and rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tui.app.palette import Tone
from tui.app.screens.watch_view import Window
from tui.app.widgets.bars import Host, Spending
from tui.app.widgets.chart import Chart, Plot
from tui.app.widgets.layers import LayerNorms
from tui.app.widgets.messages import Messages
from tui.app.widgets.panel import Panel
from tui.app.widgets.recall import ClassRecall
from tui.core.events import Ended, Evaluated
from tui.core.metrics import (
    DATA_WAIT,
    GRADIENT_NORM,
    IMAGES_PER_SECOND,
    LEARNING_RATE,
    LOGGING,
    LOSS,
    OVERHEAD,
    Metric,
    of_task,
)
from tui.core.sentences import epochs
from tui.runs.follow import RunFollower
from tui.runs.state import RunState

if TYPE_CHECKING:
    from tui.app.widgets.raster import Mark, Trace
    from tui.runs.series import Series

_P = TypeVar("_P", bound=Panel)
TURNS = 4
"""Half seconds after which every panel has been drawn; the work is spread over them."""
_RECENT = 50
"""Steps over which the bars of the layers are averaged."""
_SMOOTHED = {"strong": "strongly smoothed", "light": "lightly smoothed"}
"""What a line is called that is not as smooth as usual."""


@dataclass(frozen=True)
class Feed(Generic[_P]):
    """How a panel is filled."""

    turns: tuple[int, ...]
    """In which half seconds out of `TURNS` it is drawn."""
    show: Callable[[_P, RunFollower, Window], None]
    """Takes the panel, the run, and which steps to show."""


def _curve(
    metric: Metric, *, raw: bool = True, validated: bool = False
) -> Callable[[Chart, RunFollower, Window], None]:
    def show(chart: Chart, follower: RunFollower, window: Window) -> None:
        state, batches = follower.state, follower.batches
        first, last, cells = window.first, window.last, chart.points // 2
        plain = batches.series(metric.name, first, last, chart.points)
        smooth = raw and window.span != 0
        traces = [_trace("batch" if smooth else "", "raw" if smooth else "line", plain)]
        if smooth:
            traces.append(
                _trace(
                    _SMOOTHED.get(window.smoothing, "smoothed"),
                    "line",
                    batches.smoothed(metric.name, window.span, first, last, cells),
                )
            )
        value, tone = _newest(metric, state, traces[-1] if smooth else None)
        chart.show(
            Plot(
                first=first,
                last=last,
                traces=traces if len(plain.steps) else (),
                marks=[
                    *_checkpoints(state),
                    *_controls(state),
                    *_best(state),
                    *_findings(state),
                    *(_validations(state, metric, window, cells) if validated else ()),
                ],
                borders=_epochs(state, window, cells),
                value=value,
                value_tone=tone,
                reading=() if window.cursor is None else _reading(metric, plain, window.cursor),
                cursor=window.cursor,
            )
        )

    return show


def _score(chart: Chart, follower: RunFollower, window: Window) -> None:
    """Draw the score of the run's task; which one it is is known once the run has started."""
    metric = follower.state.metrics.score
    chart.measure(metric)
    _curve(metric, validated=True)(chart, follower, window)


def _newest(metric: Metric, state: RunState, smoothed: Trace | None) -> tuple[str, Tone]:
    """Return where the smoothed line ends, or the newest batch where there is none; the head has the newest batch."""
    newest = state.latest.get(metric.name)
    if newest is None:
        return "", "line"
    unit = f" {metric.unit}" if metric.unit else ""
    if not math.isfinite(newest):
        return metric.format(newest) + unit, "bad"
    if smoothed is None:
        return metric.format(newest) + unit, "line"
    end = next((v for v in smoothed.high[::-1].tolist() if math.isfinite(v)), newest)
    return f"≈ {metric.format(end)}{unit}", "line"


def _reading(metric: Metric, series: Series, cursor: int) -> tuple[str, ...]:
    """Return what the chart says at the cursor, longest first: the mean and the range of the steps in its bin."""
    import numpy as np

    where = f"step {cursor:,}: "
    if not len(series.steps):
        return (f"{where}–", "–")
    at = int(np.abs(series.steps - cursor).argmin())
    low, high, mean = (float(part[at]) for part in (series.low, series.high, series.mean))
    if math.isnan(mean):
        value = metric.format(low) if series.nonfinite[at] else metric.format(None)
    else:
        value = metric.format(mean)
    shortened = (where + value, value)
    if low == high or math.isnan(mean):
        return shortened
    return (f"{where}{value} ({metric.format(low)} to {metric.format(high)})", *shortened)


def _trace(label: str, tone: Any, series: Series) -> Trace:
    from tui.app.widgets.raster import Trace

    return Trace(label, tone, series.steps, series.low, series.high, series.nonfinite)


def _validations(state: RunState, metric: Metric, window: Window, cells: int) -> list[Mark]:
    """Return a mark for each validation, of those in one cell the newest."""
    from tui.app.widgets.raster import Mark

    width = window.last - window.first + 1
    places: dict[int, Evaluated] = {
        (event.step - window.first) * cells // width: event
        for event in state.evaluations
        if window.first <= event.step <= window.last
    }
    return [Mark("◆", "mark", event.step, event.metrics.get(metric.name), "validation") for event in places.values()]


def _checkpoints(state: RunState) -> list[Mark]:
    from tui.app.widgets.raster import Mark

    return [Mark("▴", "muted", event.step) for event in state.checkpoints[-200:]]


def _best(state: RunState) -> list[Mark]:
    from tui.app.widgets.raster import Mark

    return [Mark("▲", "good", state.best.step)] if state.best is not None else []


def _controls(state: RunState) -> list[Mark]:
    """Return a mark for each thing that was asked of the run; above checkpoints, of which there are many."""
    from tui.app.widgets.raster import Mark

    return [Mark("◇", "mark", event.step) for event in state.controls[-200:]]


def _findings(state: RunState) -> list[Mark]:
    from tui.app.widgets.findings import sign
    from tui.app.widgets.raster import Mark

    return [Mark("✗", sign(found.severity)[1], found.step) for found in state.found if found.severity != "info"]


def _epochs(state: RunState, window: Window, cells: int) -> Sequence[float]:
    """Return the last step of each epoch, unless they are too many to tell apart."""
    per_epoch = state.started.steps_per_epoch if state.started else 0
    if per_epoch <= 0 or (window.last - window.first + 1) / per_epoch > cells / 3:
        return ()
    return range(-(-window.first // per_epoch) * per_epoch, window.last + 1, per_epoch)


def _layers(panel: LayerNorms, follower: RunFollower, window: Window) -> None:
    layers = follower.layers
    if not layers.count:
        panel.show((), ())
        return
    newest = layers.last_step if window.cursor is None else min(window.cursor, layers.last_step)
    _, recent = layers.matrix(1, max(1, newest - _RECENT + 1), newest)
    panel.name_layers(layers.columns)
    heat = layers.matrix(panel.points, window.first, window.last)[1] if panel.points else None
    whole = window.first <= 1 and window.last >= layers.last_step
    over = "over the whole run" if whole else f"steps {window.first:,} to {window.last:,}"
    norms = recent[:, 0].tolist() if recent.shape[1] else [math.nan] * len(recent)
    panel.show(layers.columns, norms, heat, over, None if window.cursor is None else newest)


def _classes(panel: ClassRecall, follower: RunFollower, window: Window) -> None:
    state = follower.state
    shown = state.test or (state.evaluations[-1] if state.evaluations else None)
    if shown is None or state.started is None:
        return
    last = state.evaluations[-2] if shown is not state.test and len(state.evaluations) > 1 else None
    when = "test" if shown is state.test else f"epoch {epochs(shown.epoch)}"
    if state.started.task == "regression":
        earlier = last.metrics if last is not None else {}
        told = [metric for metric in of_task("regression").told if metric.name in shown.metrics]
        panel.show_errors(
            [(metric, shown.metrics[metric.name], earlier.get(metric.name, math.nan)) for metric in told], when
        )
        return
    before = last.recall if last is not None else ()
    panel.show(state.started.classes, shown.recall, shown.counts, before, when)


def _messages(panel: Messages, follower: RunFollower, window: Window) -> None:
    state = follower.state
    tests = [state.test] if state.test is not None else []
    panel.show(
        sorted(
            [*state.log, *state.evaluations[-200:], *tests], key=lambda event: (event.time, isinstance(event, Ended))
        )
    )


def _time(panel: Spending, follower: RunFollower, window: Window) -> None:
    """Show where the time of the last steps went, or of those around the cursor."""
    batches = follower.batches
    last = batches.last_step if window.cursor is None else min(batches.last_step, window.cursor + _RECENT // 2)

    def share(metric: Metric) -> float | None:
        mean = batches.series(metric.name, max(1, last - _RECENT + 1), last, 1).mean
        return float(mean[0]) if len(mean) and math.isfinite(mean[0]) else None

    panel.show(share(DATA_WAIT), share(OVERHEAD), share(LOGGING), window.cursor)


def _host(panel: Host, follower: RunFollower, window: Window) -> None:
    panel.show(follower.run, live=follower.state.live)


FEEDS: dict[str, Feed[Any]] = {
    "loss": Feed((0, 2), _curve(LOSS, validated=True)),
    "score": Feed((1,), _score),
    "gradient": Feed((3,), _curve(GRADIENT_NORM)),
    "layers": Feed((1, 3), _layers),
    "classes": Feed((2,), _classes),
    "rate": Feed((0,), _curve(LEARNING_RATE, raw=False)),
    "throughput": Feed((2,), _curve(IMAGES_PER_SECOND)),
    "wait": Feed((0,), _curve(DATA_WAIT)),
    "time": Feed((1,), _time),
    "host": Feed((3,), _host),
    "messages": Feed((0, 2), _messages),
}
