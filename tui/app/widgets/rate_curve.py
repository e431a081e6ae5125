"""The learning rate over the run that the settings give, drawn while they are edited."""

from __future__ import annotations

from tui.app.format import compact
from tui.app.palette import Tone
from tui.app.widgets.axis import Scale
from tui.app.widgets.panel import Row, Rows, Run
from tui.core import sentences
from tui.core.extensions import planned_steps
from tui.core.schedule import Curve
from tui.core.schema import in_words
from tui.core.settings import Settings

_NOMINAL = 1000
"""Steps of an epoch while nobody has counted the pictures: the shape does not depend on them."""
_MARGIN = 8
_PER_DOT = 4


class RateCurve(Rows):
    """A curve with its peak, its end and the epochs below it."""

    DEFAULT_CSS = "RateCurve { height: 10; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._settings: Settings | None = None
        self._epoch_steps: int | None = None

    def show(self, settings: Settings, epoch_steps: int | None) -> None:
        """Show the learning rate of a run.

        Args:
            settings: of the run.
            epoch_steps: steps of an epoch, if they are known.
        """
        if (settings.schedule, settings.optimizer.learning_rate, settings.training, epoch_steps) != self._drawn():
            self._settings, self._epoch_steps = settings, epoch_steps
            self.redraw()

    def _drawn(self) -> tuple[object, ...] | None:
        known = self._settings
        if known is None:
            return None
        return known.schedule, known.optimizer.learning_rate, known.training, self._epoch_steps

    def on_rows_shown(self, event: Rows.Shown) -> None:
        """Draw when there is room."""
        event.stop()
        self.redraw()

    def lines(self, width: int, height: int) -> list[Row]:
        """Return heading, curve and axis."""
        settings = self._settings
        if settings is None or width < _MARGIN + 8 or height < 3:
            return []
        import numpy as np

        from tui.app.widgets.raster import Plane, Trace, draw

        epoch = self._epoch_steps or _NOMINAL
        total = max(1, planned_steps(settings.training, epoch))
        curve = Curve(settings, epoch, total)
        inner, rows = width - _MARGIN, height - 2
        steps = np.unique(np.linspace(1, total, min(total, 2 * inner * _PER_DOT)).astype(np.int64))
        rates = np.array([curve.rate(int(step)) for step in steps])
        peak = float(rates.max())
        plane = Plane(inner, rows, 1, total, Scale(0.0, peak * 1.02))
        body = draw(plane, [Trace("", "line", steps, rates, rates)])
        labels = {0: f"{peak:.3g}", rows - 1: "0"}
        last = float(rates[-1]) if rates[-1] > 1e-4 * peak else 0.0
        known = bool(self._epoch_steps) or not settings.training.max_steps
        drawn: list[Row] = [_heading(settings, last, width, in_warmup=known and curve.warmup >= total)]
        for y, row in enumerate(body):
            label = labels.get(y, "")
            drawn.append(((f"{label:>{_MARGIN - 2}} ", "muted"), ("┤" if label else "│", "faint"), *row))
        drawn.append(_axis(inner, total / epoch, curve.warmup / epoch, self._epoch_steps and total))
        return drawn


def _heading(settings: Settings, last: float, width: int, *, in_warmup: bool) -> Row:
    schedule = settings.schedule
    tone: Tone = "muted"
    room = width - len("Learning rate ") - len(schedule.name) - 3
    words = f"falls to {last:.3g}"
    words = words if len(words) <= room else f"to {last:.2g}"
    if in_warmup:
        words, tone = f"ends in its warm-up, at {last:.3g} of {settings.optimizer.learning_rate:g}", "warn"
        words = words if len(words) <= room else "ends in warm-up"
    elif schedule.name == "plateau":
        words = f"×{in_words(schedule.factor)} after {schedule.patience + 1} validations without a better loss"
    elif schedule.name == "constant":
        words = "the same to the end"
    runs: list[Run] = [("Learning rate ", "strong"), (schedule.name, "line")]
    if room < 8:
        return tuple(runs)[-1:]
    return (*runs, ("   " + (words if len(words) <= room else words[: room - 1] + "…"), tone))


def _axis(width: int, epochs: float, warmup: float, steps: int | None) -> Row:
    """Return the line below: where the warm-up ends, and how long the run is."""
    line = ["─"] * width
    if warmup:
        line[min(width - 1, int(warmup / epochs * width))] = "┴"
    words = f" {sentences.epochs(epochs)} epochs" + (f", {compact(steps)} steps" if steps else "")
    words = words[-width:]
    line[-len(words) :] = words
    start = f"└{'warm-up' if warmup / epochs * width >= 9 else ''}"
    return ((" " * (_MARGIN - 1), "faint"), (start, "faint"), ("".join(line[len(start) - 1 :]), "faint"))
