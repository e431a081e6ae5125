"""What happened in a run, in words: one line for each event that a person wants to know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.core.metrics import ACCURACY, LOSS, METRICS, OVERHEAD, Metric, averaged, of_task, task_of

if TYPE_CHECKING:
    from tui.core import events

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def duration(seconds: float) -> str:
    """Return ``0:07``, ``12:34``, ``3:02:11`` or ``2d 03:02``."""
    whole = max(0, round(seconds)) if math.isfinite(seconds) else 0
    hours, minutes = divmod(whole // 60, 60)
    if hours >= 24:
        return f"{hours // 24}d {hours % 24:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def size(count: float) -> str:
    """Return a number of bytes: ``512 B``, ``1.4 MiB``."""
    value, unit = float(count), 0
    while value >= 1023.5 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 99.5 else f"{value:.1f} {_UNITS[unit]}"


def epochs(count: float) -> str:
    """Return how many epochs were gone through, or after which one something was: ``0.632``, ``3``, ``1,234``."""
    return f"{count:.3g}" if count < 999.5 else f"{count:,.0f}"


def planned_epochs(planned: int, steps: int, per_epoch: int) -> float:
    """Return how many epochs a run is to make: as set, or as many as its steps are, where these are fewer.

    Args:
        planned: ``training.epochs``.
        steps: of the whole run, which training.max_steps may limit; 0 where it is not known.
        per_epoch: steps of one epoch; 0 where it is not known.
    """
    return steps / per_epoch if 0 < steps < planned * per_epoch else planned


def sentence(event: events.Event) -> str:
    """Return the line for an event, not yet sanitized; empty for what is not worth one."""
    from tui.core import events  # pydantic, which not everyone who wants a duration has to wait for

    match event:
        case events.Preparing():
            return f"preparing: {event.stage}"
        case events.Started():
            start = f"continuing after step {event.step:,}: " if event.step else ""
            steps = "1 step" if event.steps_per_epoch == 1 else f"{event.steps_per_epoch:,} steps"
            return (
                f"{start}{event.model} with {event.parameters:,} weights on {event.device}, "
                f"{_learned(event)}, {event.images.get('train', 0):,} training pictures, "
                f"{steps} of {event.batch_size} an epoch"
            )
        case events.EpochEnded():
            metric = METRICS.get(event.metric, ACCURACY)
            numbers = f"training loss {LOSS.format(event.loss)}, {metric.label} {metric.format(event.score)}"
            return f"epoch {event.epoch}: {numbers}, took {duration(event.seconds)}"
        case events.Evaluated():
            where = f"after epoch {epochs(event.epoch)}" if event.split == "validation" else f"at step {event.step:,}"
            return f"{event.split} {where}: {scores(event)}{' (best)' if event.best else ''}"
        case events.Rewound():
            return f"going back to {event.checkpoint}, step {event.step:,}"
        case events.Controlled():
            return f"as asked: {asked(event.action, event.value)}"
        case events.Found():
            return f"{event.severity}: {event.message}"
        case events.Cleared():
            return f"no longer so: {event.title or event.code}"
        case events.Nonfinite():
            detail = f" ({event.found.detail})" if event.found.detail else ""
            return f"the first value that is not finite is in: {event.found.where}{detail}"
        case events.Governed():
            share = OVERHEAD.format(event.share)
            return f"the diagnostics took {share} of the time and look {event.factor} times as rarely from now on"
        case events.Extended():
            return f"extended by {event.epochs} epochs after step {event.step:,}: {event.total_epochs} epochs in all"
        case events.Message():
            return event.text if event.level == "info" else f"{event.level}: {event.text}"
        case events.Ended():
            return f"{event.reason}: {event.text}" if event.text else event.reason
    return ""


def asked(action: str, value: float | None = None) -> str:
    """Return what was asked of a run, in words."""
    match action:
        case "rate" if value is not None:
            return f"the learning rate times {value:g}"
        case "extend" if value is not None:
            return f"{value:g} more epochs"
        case "stop_after_epoch":
            return "stop after this epoch"
    return action


def _learned(event: events.Started) -> str:
    if event.task == "regression":
        return "1 number to learn" if len(event.targets) == 1 else f"{len(event.targets)} numbers to learn"
    return f"{len(event.classes)} {'labels' if event.task == 'multilabel' else 'classes'}"


def scores(event: events.Evaluated, metrics: Sequence[Metric] = ()) -> str:
    """Return ``loss 0.5, accuracy 81.2 %, ...`` of an evaluation; by default what its task tells."""
    task = of_task(task_of(event.metrics))
    told = metrics or (*task.told, averaged(task.headline))
    known = [metric for metric in told if metric.name in event.metrics]
    return ", ".join(f"{metric.label} {metric.format(event.metrics[metric.name])}" for metric in known)
