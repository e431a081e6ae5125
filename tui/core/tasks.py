"""What fits a task: settings that contradict the dataset's task are refused before anything starts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from tui.core.dataset.problems import Problem, many, names_of
from tui.core.errors import UsageError
from tui.core.groups.data import DataSettings
from tui.core.metrics import AVERAGED, Task, measured
from tui.core.settings import Settings, TrainingSettings

Loss = Literal["cross_entropy", "focal", "bce", "mse", "l1", "smooth_l1"]

LOSSES: dict[Task, tuple[Loss, ...]] = {
    "classification": ("cross_entropy", "focal"),
    "multilabel": ("bce", "focal"),
    "regression": ("mse", "l1", "smooth_l1"),
}
"""The losses that a task can have, the one that ``auto`` takes first."""

_HAS: dict[Task, str] = {
    "classification": "one class per picture",
    "multilabel": "several labels per picture",
    "regression": "numbers to learn",
}


_PLACE = re.compile(
    r"(.*[\W_])?(c?[xy]|[xy](min|max|center)|left|right|top|bottom|width|height|angle|yaw|pitch|roll|steering)[\W_]?\d*"
)


def moved_targets(data: DataSettings, names: Sequence[str]) -> list[Problem]:
    """Return a warning where the numbers of a regression seem to be places, and pictures are moved without them.

    Args:
        data: says how training pictures are changed.
        names: what the numbers are called, raw.
    """
    places = [name for name in names if _PLACE.fullmatch(name.strip().casefold())]
    changes = {
        "data.flip": data.flip,
        "data.vertical_flip": data.vertical_flip,
        "data.rotation": data.rotation > 0,
        "data.crop": data.crop != "none",
        "data.auto_augment": data.auto_augment != "none",
    }
    moving = [key for key, on in changes.items() if on]
    if not places or not moving:
        return []
    seem = "seems" if len(places) == 1 else "seem"
    moves = "moves" if len(moving) == 1 else "move"
    text = f"{names_of(places)} {seem} to say where or how large something is, and {' and '.join(moving)} {moves} what "
    text += "is seen without changing that: switch off what does not fit."
    return [Problem("moved_targets", "warning", text)]


def loss_of(settings: Settings, task: Task) -> Loss:
    """Return the loss in force: of the settings, or the task's own for ``auto``."""
    return LOSSES[task][0] if settings.loss.name == "auto" else settings.loss.name


def check_fits(settings: Settings, task: Task, classes: int) -> None:
    """Refuse settings that contradict the dataset.

    Args:
        settings: of the run.
        task: of the dataset.
        classes: how many there are; not looked at for regression.

    Raises:
        UsageError: names the settings and what to set instead.
    """
    found = list(_contradictions(settings, task, classes))
    if found:
        causes, steps = zip(*found, strict=True)
        raise UsageError(
            "The settings do not fit the pictures",
            f"the data has {_HAS[task]}, but " + "; ".join(causes),
            " ".join(dict.fromkeys(steps)),
        )
    check_measured(settings.training, task, classes)


def check_measured(training: TrainingSettings, task: Task, classes: int | None = None) -> None:
    """Refuse to choose by a metric that the validations of a task do not measure.

    Args:
        training: of the run.
        task: of the dataset.
        classes: how many there are, where it is known.

    Raises:
        UsageError: names the setting and the metrics that there are.
    """
    wanted = {} if training.best_by == "auto" else {"training.best_by": training.best_by}
    if training.stop_patience:
        wanted["training.stop_metric"] = training.stop_metric
    known, every = ([metric.name for metric in measured(task, number)] for number in (classes, None))
    for setting, metric in wanted.items():
        name = metric.removeprefix(AVERAGED)
        if name not in known:
            few = f" of {many(classes or 0, 'class')}" if name in every else ""
            cause = f"{setting} is {metric}, which is not measured for {task}{few}"
            raise UsageError("The run cannot start", cause, f"Choose one of {', '.join(known)}.")


def _contradictions(settings: Settings, task: Task, classes: int) -> Iterator[tuple[str, str]]:
    """Yield (what contradicts, what to do)."""
    loss = settings.loss
    if loss.name != "auto" and loss.name not in LOSSES[task]:
        *others, last = LOSSES[task]
        yield f"loss.name is {loss.name}", f"Set loss.name to {', '.join(['auto', *others])} or {last}."
    if task == "regression":
        if loss.class_weights != "none":
            yield f"loss.class_weights is {loss.class_weights}", "Set loss.class_weights to none."
        if settings.data.cutmix:
            yield f"data.cutmix is {settings.data.cutmix:g}", "Set data.cutmix to 0; data.mixup can be used."
    elif loss.class_weights == "given" and len(loss.weights) != classes:
        there = f"there {'is' if classes == 1 else 'are'} {many(classes, 'class')}"
        yield f"loss.weights lists {many(len(loss.weights), 'weight')} and {there}", "List one weight per class."
    if task != "classification" and settings.data.sampler == "balanced":
        yield "data.sampler is balanced", "Set data.sampler to shuffled."
