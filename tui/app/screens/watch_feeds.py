"""Where each panel of the watch screen gets its content: from a run's state and series to plots and rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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
    LOSS,
    Metric,
)
from tui.runs.follow import RunFollower
from tui.runs.state import RunState

if TYPE_CHECKING:
    from tui.app.widgets.raster import Mark, Trace
    from tui.runs.history import Series

_P = TypeVar("_P", bound=Panel)
TURNS = 4
"""Half seconds after which every panel has been drawn; the work is spread over them."""
_RECENT = 50
"""Steps over which the bars of the layers are averaged."""


@dataclass(frozen=True)
class Feed(Generic[_P]):
    """How a panel is filled."""

    turns: tuple[int, ...]
    """In which half seconds out of `TURNS` it is drawn."""
    show: Callable[[_P, RunFollower, int], None]
    """Takes the panel, the run, and the last step of the horizontal axes."""


def _curve(metric: Metric, *, raw: bool = True, validated: bool = False) -> Callable[[Chart, RunFollower, int], None]:
    def show(chart: Chart, follower: RunFollower, last: int) -> None:
        state, batches = follower.state, follower.batches
        plain = batches.series(metric.name, 1, last, chart.points)
        traces = [_trace("batch" if raw else "", "raw" if raw else "line", plain)]
        if raw:
            traces.append(_trace("smoothed", "line", batches.smoothed(metric.name, None, 1, last, chart.points // 2)))
        newest = state.latest.get(metric.name)
        bad = newest is not None and not math.isfinite(newest)
        # The head of the screen has the newest batch; here stands where the smoothed line ends.
        end = next((v for v in traces[-1].high[::-1].tolist() if math.isfinite(v)), newest) if raw else newest
        smooth = raw and not bad and end is not None
        value = f"≈ {metric.format(end)}" if smooth else metric.format(newest)
        text = value + (f" {metric.unit}" if metric.unit and newest is not None else "")
        chart.show(
            Plot(
                first=1,
                last=last,
                traces=traces if len(plain.steps) else (),
                marks=[
                    *_checkpoints(state),
                    *(_validations(state, metric, last, chart.points // 2) if validated else ()),
                ],
                borders=_epochs(state, last, chart.points // 2),
                value=text if newest is not None else "",
                value_tone="bad" if bad else "line",
            )
        )

    return show


def _score(chart: Chart, follower: RunFollower, last: int) -> None:
    """Draw the score of the run's task; which one it is is known once the run has started."""
    metric = follower.state.metrics.score
    chart.measure(metric)
    _curve(metric, validated=True)(chart, follower, last)


def _trace(label: str, tone: Any, series: Series) -> Trace:
    from tui.app.widgets.raster import Trace

    return Trace(label, tone, series.steps, series.low, series.high, series.nonfinite)


def _validations(state: RunState, metric: Metric, last: int, cells: int) -> list[Mark]:
    """Return a mark for each validation, of those in one cell the newest."""
    from tui.app.widgets.raster import Mark

    places: dict[int, Evaluated] = {event.step * cells // max(1, last): event for event in state.evaluations}
    return [Mark("◆", "mark", event.step, event.metrics.get(metric.name), "validation") for event in places.values()]


def _checkpoints(state: RunState) -> list[Mark]:
    from tui.app.widgets.raster import Mark

    marks = [Mark("▴", "muted", event.step) for event in state.checkpoints[-200:]]
    if state.best is not None:
        marks.append(Mark("▲", "good", state.best.step))
    return marks


def _epochs(state: RunState, last: int, cells: int) -> Sequence[float]:
    """Return the last step of each epoch, unless they are too many to tell apart."""
    per_epoch = state.started.steps_per_epoch if state.started else 0
    if per_epoch <= 0 or last / per_epoch > cells / 3:
        return ()
    return range(per_epoch, last + 1, per_epoch)


def _layers(panel: LayerNorms, follower: RunFollower, last: int) -> None:
    layers = follower.layers
    if not layers.count:
        panel.show((), ())
        return
    newest = layers.last_step
    _, recent = layers.matrix(1, max(1, newest - _RECENT + 1), newest)
    heat = layers.matrix(panel.points, 1, last)[1] if panel.points else None
    panel.show(layers.columns, recent[:, 0].tolist() if recent.shape[1] else [math.nan] * len(recent), heat)


def _classes(panel: ClassRecall, follower: RunFollower, last: int) -> None:
    state = follower.state
    shown = state.test or (state.evaluations[-1] if state.evaluations else None)
    if shown is None or state.started is None:
        return
    before: Sequence[float] = ()
    if shown is not state.test and len(state.evaluations) > 1:
        before = state.evaluations[-2].recall
    when = "test" if shown is state.test else f"epoch {shown.epoch:.3g}"
    panel.show(state.started.classes, shown.recall, shown.counts, before, when)


def _messages(panel: Messages, follower: RunFollower, last: int) -> None:
    state = follower.state
    tests = [state.test] if state.test is not None else []
    panel.show(
        sorted(
            [*state.log, *state.evaluations[-200:], *tests], key=lambda event: (event.time, isinstance(event, Ended))
        )
    )


FEEDS: dict[str, Feed[Any]] = {
    "loss": Feed((0, 2), _curve(LOSS, validated=True)),
    "score": Feed((1,), _score),
    "gradient": Feed((3,), _curve(GRADIENT_NORM)),
    "layers": Feed((1, 3), _layers),
    "classes": Feed((2,), _classes),
    "rate": Feed((0,), _curve(LEARNING_RATE, raw=False)),
    "throughput": Feed((2,), _curve(IMAGES_PER_SECOND)),
    "wait": Feed((0,), _curve(DATA_WAIT)),
    "messages": Feed((0, 2), _messages),
}
