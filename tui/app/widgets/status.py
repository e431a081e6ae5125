"""The head of the watch screen: what run this is, how far it is, its newest numbers, and how it ended."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from textual.geometry import Size

from tui.app.format import duration, size
from tui.app.palette import Tone
from tui.app.starts import run_typed
from tui.app.widgets.columns import wrapped
from tui.app.widgets.panel import Row, Rows, Run, cells, fit
from tui.core.metrics import (
    DATA_WAIT,
    GRADIENT_NORM,
    IMAGES_PER_SECOND,
    LEARNING_RATE,
    LOSS,
    Metric,
)
from tui.core.sentences import epochs
from tui.core.text import clean, clean_path

if TYPE_CHECKING:
    from tui.runs.state import RunState

BADGES: dict[str, tuple[str, Tone]] = {
    "preparing": ("○ preparing", "warn"),
    "running": ("● running", "good"),
    "paused": ("‖ paused", "warn"),
    "stopping": ("◌ stopping", "warn"),
    "silent": ("? silent", "bad"),
    "finished": ("✓ finished", "good"),
    "stopped": ("■ stopped", "warn"),
    "failed": ("✗ failed", "bad"),
    "crashed": ("✗ crashed", "bad"),
    "interrupted": ("✗ interrupted", "bad"),
}
_NUMBERS: tuple[tuple[Metric, str, str, int], ...] = (
    (IMAGES_PER_SECOND, "img/s", "img/s", 6),
    (GRADIENT_NORM, "gradient", "grad", 8),
    (LEARNING_RATE, "rate", "rate", 8),
    (DATA_WAIT, "wait", "wait", 6),
)
"""Metric, long label, short label, cells of the value; loss and score come before."""

_STAGES = {
    "importing": "importing PyTorch, which takes some seconds",
    "model": "building the network",
    "checkpoint": "loading the checkpoint",
}
"""What the engine's shortest words for its stages mean."""


class StatusBar(Rows):
    """Three rows: the run, its progress, its numbers."""

    DEFAULT_CSS = "StatusBar { height: 3; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._state: RunState | None = None
        self._reading = False
        self._run_name = ""
        self._stale: float | None = None

    @property
    def stale(self) -> float | None:
        """Since when, in seconds since 1970, the disk does not answer; None while it does."""
        return self._stale

    @stale.setter
    def stale(self, since: float | None) -> None:
        if since != self._stale:
            self._stale = since
            self.redraw()

    def announce(self, name: str) -> None:
        """Show the run's name, before anything else is known of it."""
        self._run_name = name
        self.redraw()

    def show(self, state: RunState, *, reading: bool = False) -> None:
        """Show a run; ``reading`` while its history is not all read."""
        self._state = state
        self._reading = reading
        self.redraw()

    def lines(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        if self._state is None:
            return [(("○ opening  ", "muted"), (fit(self._run_name, width - 11), "strong"))]
        first = run_line(self._state, width) if self._stale is None else stale_line(self._state, self._stale, width)
        return [first, progress_line(self._state, width, self._reading), self._numbers(width)]

    def _numbers(self, width: int) -> Row:
        assert self._state is not None
        runs: list[Run] = []
        used = 0
        for label, value, tone, room in _tiles(self._state, short=width < 110):
            taken = len(label) + 1 + max(room, len(value))
            if used + taken > width:
                break
            runs += [(f"{label} ", "muted"), (f"{value:<{room}}  ", tone)]
            used += taken + 2
        return tuple(runs)


def _tiles(state: RunState, short: bool) -> list[tuple[str, str, Tone, int]]:
    """Return label, value, tone and room of each number, the most important first."""
    tiles: list[tuple[str, str, Tone, int]] = []
    metrics = state.metrics
    first = tuple((metric, metric.label, metric.brief, 7) for metric in (LOSS, metrics.score))
    for metric, label, brief, room in (*first, *_NUMBERS):
        value = state.latest.get(metric.name)
        bad = value is not None and not math.isfinite(value)
        tiles.append((brief if short else label, metric.format(value), "bad" if bad else "strong", room))
    if state.best is not None:
        headline = metrics.headline
        best = headline.format(state.best.metrics.get(headline.name))
        words = ("best" if short else "best validation") + ("" if headline is metrics.score else f" {headline.label}")
        tiles.insert(2, (words, best, "mark", 7))
    return tiles


def stale_line(state: RunState, since: float, width: int) -> Row:
    """Return since when nothing could be read of the run, and why."""
    said = f"? stale since {time.strftime('%H:%M:%S', time.localtime(since))}  "
    why = "the file system of the run does not answer"
    return ((said, "bad"), (fit(f"{state.run.name}  {why}", width - len(said)), "text"))


def run_line(state: RunState, width: int) -> Row:
    """Return status and name of the run, and what is trained on what."""
    badge, tone = BADGES[state.status]
    started, model = state.started, state.setting("model.name")
    details = [state.info.get("preset", "")]
    if started is not None:
        details += [started.model, f"{started.parameters:,} weights", started.device]
        details.append(f"{started.images.get('train', 0):,} pictures")
    elif model:
        details += [str(model)]
    if state.attempt > 1:
        details.append(f"attempt {state.attempt}")
    left: list[Run] = [(f"{badge}  ", tone), (clean(state.run.name, max(10, width - 20)), "strong")]
    room = width - cells(left) - 2
    words = [word for word in details if word]
    while words and len(" · ".join(words)) > room:
        words.pop()
    text = " · ".join(words)
    return (*left, (f"{text:>{width - cells(left)}}", "muted")) if text else tuple(left)


def progress_line(state: RunState, width: int, reading: bool = False) -> Row:
    """Return how far the run is: a bar, epochs, steps, the time that is left; or what it prepares."""
    left: list[Run]
    if state.status in ("preparing", "stopping") and not state.running_attempt_started:
        stage = state.preparing
        if stage is None:
            return (("starting the engine", "text"),)
        doing = _STAGES.get(stage.stage, stage.stage)
        if not stage.total:
            return ((fit(doing, width), "text"),)
        words, share = f"{stage.done:,} of {stage.total:,}", stage.done / stage.total
        left = [(f"{clean(doing, max(8, width // 2))}  ", "text")]
        return _with_bar(left, share, words, width)
    if not state.total_steps:
        return ((fit(state.status_text if state.live else "no step was made", width), "muted"),)
    left = [("epoch ", "muted"), (f"{state.epoch:.2f}{state.of_epochs}  ", "text")]
    words = f"step {state.step:,} of {state.total_steps:,}"
    if width < 100:
        words = f"{state.step:,}/{state.total_steps:,}"
    if reading:
        words = f"reading the history  {words}"
    elif state.status == "running" and state.step >= state.total_steps:
        words += f"  {_last_work(state)}"
    elif state.eta_seconds is not None and state.live:
        words += f"  {duration(state.eta_seconds):>7} left"
    return _with_bar(left, state.step / state.total_steps, words, width)


def _last_work(state: RunState) -> str:
    """Return what a run does behind its last step."""
    pictures = state.started.images.get("validation") if state.started else 0
    validated = state.evaluations[-1].step if state.evaluations else 0
    return "validating" if pictures and validated < state.step else "finishing"


def _with_bar(left: list[Run], share: float, words: str, width: int) -> Row:
    share = min(1.0, max(0.0, share))
    percent = f"{100 * share:3.0f} %"
    room = width - cells(left) - len(words) - len(percent) - 4
    if room < 6:
        return (*left, (words, "text"))
    halves = int(share * 2 * room)
    bar = "━" * (halves // 2) + "╸" * (halves % 2)
    rest = "─" * (room - len(bar))
    return (*left, (bar, "line"), (rest, "faint"), (f"  {percent}  ", "strong"), (words, "text"))


ODD = ("running", "silent", "stopping")
"""A run that lives in one of these may have a sentence about it that a person should read."""


_ROWS_EACH = 8


class Outcome(Rows):
    """How a run ended, and what to do next."""

    DEFAULT_CSS = "Outcome { height: auto; display: none; }"
    _MOST = 3
    """Rows for one sentence, where the screen has `_ROWS_EACH` for each."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._sentences: list[tuple[str, Tone]] = []

    def show(self, state: RunState) -> None:
        """Show the end of a run that is over, and what is odd about one that lives."""
        self._sentences = _oddness(state) if state.live else outcome(state)
        self.display = bool(self._sentences)
        self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return how many rows the sentences take."""
        return len(self._wrapped(width))

    def lines(self, width: int, height: int) -> list[Row]:
        """Return the sentences, wrapped."""
        return self._wrapped(width)

    def _wrapped(self, width: int) -> list[Row]:
        rows: list[Row] = []
        most = max(1, min(self._MOST, self.app.size.height // _ROWS_EACH))
        for text, tone in self._sentences:
            lines = wrapped(text, max(10, width))
            if len(lines) > most:
                lines[most - 1 :] = [" ".join(lines[most - 1 :])]
            rows += [((fit(line, width), tone),) for line in lines]
        return rows


def _oddness(state: RunState) -> list[tuple[str, Tone]]:
    """Return what a person should know of a run that lives but does not train, and could do."""
    if state.status not in ODD or not state.status_text:
        return []
    said: list[tuple[str, Tone]] = [
        (state.status_text, "muted" if state.status == "running" else BADGES[state.status][1])
    ]
    if state.status == "silent" and state.owner is not None and state.owner.engine_lives:
        wake = f"`kill -CONT {state.owner.engine_pid}` lets one that was suspended go on"
        said.append((f"{wake}; `cnntrain stop --now {clean(run_typed(state.run))}` ends it, to be resumed.", "text"))
    return said


def outcome(state: RunState) -> list[tuple[str, Tone]]:
    """Return how the run ended and what to do next, as sentences with their tones."""
    tone = BADGES[state.status][1]
    said = [state.status_text] if state.status_text else []
    headline = state.metrics.headline
    if headline.label in state.status_text:  # the engine's own sentence says how good it is
        return [(state.status_text, tone), (_next_step(state), "text")]
    if state.test is not None:
        said.insert(0, f"Test {headline.label} {headline.format(state.test.metrics.get(headline.name))}.")
    if state.best is not None:
        best = headline.format(state.best.metrics.get(headline.name))
        said.append(f"Best validation {headline.label} {best} after epoch {epochs(state.best.epoch)}.")
    return [(" ".join(said), tone), (_next_step(state), "text")]


def _next_step(state: RunState) -> str:
    name = clean(run_typed(state.run))
    if state.read_only:
        return state.read_only
    last = state.checkpoints[-1] if state.checkpoints else None
    if state.status == "finished":
        best = next((event for event in reversed(state.checkpoints) if event.best), last)
        if best is None:
            return "Press escape for the list of runs."
        where = clean_path(state.run.checkpoints / best.directory)
        return f"The best weights ({size(best.bytes)}): {where}"
    log = clean_path(state.run.log)
    if last is None and state.status == "failed":
        return f"Correct what its output says and start a new run. Its output: {log}"
    if state.status == "stopped" and not state.step and state.findings:  # by the preflight
        return f"Press d for what would mend it, r to train it as it is, or `cnntrain resume {name}`."
    step = last.step if last else 0
    if state.status in ("failed", "crashed"):
        return f"Press r to go on from step {step:,}; its output: {log}"
    return f"Press r to go on from step {step:,}, or `cnntrain resume {name}`."
