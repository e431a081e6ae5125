"""How far a run is, in words on one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.core.metrics import IMAGES_PER_SECOND, LOSS
from tui.core.sentences import duration

if TYPE_CHECKING:
    from tui.runs.state import RunState


def progress(state: RunState) -> str:
    """Return how far a run is and its newest numbers, or what it prepares, on one line; may be empty."""
    if state.status == "preparing":
        if state.preparing is None:
            return "preparing"
        done, total = state.preparing.done, state.preparing.total
        return f"preparing: {state.preparing.stage}" + (f", {done:,} of {total:,}" if total else "")
    if not state.total_steps:
        return ""
    parts = [
        f"epoch {state.epoch:.2f}{state.of_epochs}",
        f"step {state.step:,} of {state.total_steps:,}",
        *numbers(state),
    ]
    return ", ".join(parts + ([f"{duration(state.eta_seconds)} left"] if state.eta_seconds is not None else []))


def numbers(state: RunState) -> list[str]:
    """Return the newest loss, score and speed, as far as they are known."""
    shown = [metric for metric in (LOSS, state.metrics.score) if metric.name in state.latest]
    words = [f"{metric.label} {metric.format(state.latest[metric.name])}" for metric in shown]
    speed = IMAGES_PER_SECOND
    if speed.name in state.latest:
        words.append(f"{speed.format(state.latest[speed.name])} {speed.unit}")
    return words
