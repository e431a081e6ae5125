"""ALL metrics: what each number in a record is called, in what unit, which way is better, how it is written.

A chart's title, a table's heading and a CSV's column come from here; which way is better is never
guessed from a name. Which metrics a run has follows from its task: `of_task`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from tui.core.errors import did_you_mean
from tui.core.text import clean

Task = Literal["classification", "regression", "multilabel"]
"""What is learned: one class of several, one or several numbers, or any number of labels per picture."""
TASKS: tuple[Task, ...] = get_args(Task)

Form = Literal["percent", "plain", "significant", "rate"]
"""How numbers are written; ``significant``: with three digits that count, as suits what spans powers of ten."""


@dataclass(frozen=True)
class Metric:
    """One measured quantity."""

    name: str
    label: str
    unit: str = ""
    better: Literal["min", "max"] | None = None
    form: Form = "plain"
    help: str = ""
    short: str = ""
    """The label where there is little room; the label itself when empty."""

    @property
    def brief(self) -> str:
        """The label where there is little room."""
        return self.short or self.label

    def format_measured(self, value: float | None) -> str:
        """Return the value as `format` does, but a dash for NaN: a class that was never answered has no precision."""
        return self.format(None if value is not None and math.isnan(value) else value)

    def format(self, value: float | None) -> str:
        """Return the value as a person reads it; at most nine characters."""
        if value is None:
            return "–"
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        if self.form == "percent":
            return f"{100 * value:.1f} %"
        if self.form == "rate" and abs(value) < 1e6:
            return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
        if value != 0 and not 1e-3 <= abs(value) < 1e5:
            mantissa, _, exponent = f"{value:.2e}".partition("e")
            return f"{mantissa}e{int(exponent)}"
        if self.form == "significant":
            return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"
        return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"

    def is_better(self, new: float, old: float | None) -> bool:
        """Whether ``new`` beats ``old``; a NaN never does, anything finite beats nothing."""
        if math.isnan(new) or self.better is None:
            return False
        if old is None or math.isnan(old):
            return True
        return new < old if self.better == "min" else new > old


LOSS = Metric("loss", "loss", better="min", help="Mean loss of the batch.")
ACCURACY = Metric(
    "accuracy",
    "accuracy",
    better="max",
    form="percent",
    help="Share of pictures classified correctly; of a picture mixed from two (MixUp, CutMix) the larger part counts.",
    short="acc",
)
LEARNING_RATE = Metric(
    "learning_rate", "learning rate", form="significant", help="The learning rate in force in this step."
)
GRADIENT_NORM = Metric(
    "gradient_norm",
    "gradient norm",
    form="significant",
    help="L2 norm of the whole gradient, before clipping.",
)
IMAGES_PER_SECOND = Metric(
    "images_per_second",
    "throughput",
    unit="images/s",
    better="max",
    form="rate",
    help="Pictures trained per second, measured from step to step.",
)
DATA_WAIT = Metric(
    "data_wait",
    "data wait",
    better="min",
    form="percent",
    help="Share of the step spent waiting for the next batch.",
)
OVERHEAD = Metric(
    "overhead",
    "diagnostics",
    better="min",
    form="percent",
    help="Share of the step spent on gradient norms, records and requests.",
)

LOGGING = Metric(
    "logging",
    "logging",
    better="min",
    form="percent",
    help="Share of the step spent writing records: a part of the diagnostics.",
)

SKIPPED = Metric(
    "skipped",
    "skipped steps",
    better="min",
    help="1 where the step was left out because its float16 gradient overflowed; only with compute.precision=float16.",
)

TOP = 5
"""Answers among which top-5 accuracy looks for the class; with no more classes it is not measured."""

BALANCED_ACCURACY = Metric(
    "balanced_accuracy",
    "balanced accuracy",
    better="max",
    form="percent",
    help="Mean recall over the classes that have pictures (macro recall).",
)
TOP5_ACCURACY = Metric(
    "top5_accuracy",
    "top-5 accuracy",
    better="max",
    form="percent",
    help="Share of pictures whose class is among the five highest answers; only with more than five classes.",
)
MACRO_PRECISION = Metric(
    "macro_precision",
    "macro precision",
    better="max",
    form="percent",
    help="Mean precision over the classes that have pictures; 0 for one that was never the answer.",
)
MACRO_F1 = Metric(
    "macro_f1", "macro F1", better="max", form="percent", help="Mean F1 over the classes that have pictures."
)
CALIBRATION_ERROR = Metric(
    "calibration_error",
    "calibration error",
    better="min",
    form="percent",
    help="Mean distance between confidence and accuracy over 15 equal bins of confidence (ECE, Guo et al. 2017).",
)

MAE = Metric("mae", "MAE", better="min", help="Mean absolute error in the targets' units, mean over the targets.")
RMSE = Metric(
    "rmse", "RMSE", better="min", help="Root of the mean squared error in the targets' units, mean over the targets."
)
R2 = Metric(
    "r2",
    "R²",
    better="max",
    help="Share of the targets' variance that is explained, mean over the targets; 0 is as good as always answering the mean.",
)

MEAN_AVERAGE_PRECISION = Metric(
    "mean_average_precision",
    "mAP",
    better="max",
    form="percent",
    help="Mean over the labels of the area under precision against recall; labels that no picture has are left out.",
)
MICRO_F1 = Metric(
    "micro_f1",
    "micro F1",
    better="max",
    form="percent",
    help="F1 over all pairs of picture and label, at probability 0.5.",
    short="F1",
)
EXACT_MATCH = Metric(
    "exact_match",
    "exact match",
    better="max",
    form="percent",
    help="Share of pictures with all labels right and none too many, at probability 0.5.",
)

RECALL = Metric(
    "recall", "recall", better="max", form="percent", help="Share of a class's pictures that were recognised."
)
PRECISION = Metric(
    "precision",
    "precision",
    better="max",
    form="percent",
    help="Share of the pictures called this class that are of it.",
)
F1 = Metric("f1", "F1", better="max", form="percent", help="Harmonic mean of precision and recall.")
AVERAGE_PRECISION = Metric(
    "average_precision",
    "AP",
    better="max",
    form="percent",
    help="Area under a label's precision against recall: the mean precision at each picture that has it.",
)

WEIGHT_NORM = Metric("weight_norm", "weight norm", form="significant", help="L2 norm of a layer's weight.")
UPDATE_RATIO = Metric(
    "update_ratio",
    "update ratio",
    form="significant",
    help="How far a step moved a layer's weight, as a share of the weight.",
)
DEAD_CHANNELS = Metric(
    "dead_channels",
    "dead channels",
    better="min",
    form="percent",
    help="Share of a layer's channels whose activation was zero for every picture of a sampled batch.",
)
SATURATED_UNITS = Metric(
    "saturated_units",
    "saturated units",
    better="min",
    form="percent",
    help="Share of a layer's units at the end of the range of tanh or sigmoid.",
)

LARGEST_ANSWER = Metric(
    "largest_answer",
    "most common answer",
    form="percent",
    help="Share of the pictures that got the most common answer.",
)


def sampled(metric: Metric) -> Metric:
    """Return the metric as measured on a sample of training pictures, in evaluation mode and not augmented."""
    return replace(
        metric,
        name=f"train_{metric.name}",
        label=f"training {metric.label}",
        help=f"On a sample of training pictures, evaluated like validation pictures: {metric.help}",
    )


@dataclass(frozen=True)
class TaskMetrics:
    """Which metrics a run has."""

    score: Metric
    """Of a batch beside its loss: cheap, and drawn with the validations' in one chart."""
    headline: Metric
    """The one number of a run: what best means, what lists and sentences show."""
    evaluation: tuple[Metric, ...]
    """The numbers of an evaluation of a whole split, as far as they are defined."""
    told: tuple[Metric, ...]
    """Of these, what one line about an evaluation says."""
    each: tuple[Metric, ...]
    """Likewise per class, label or target."""

    @property
    def batch(self) -> tuple[Metric, ...]:
        """The columns of a per-batch record, in this order."""
        return (LOSS, self.score, LEARNING_RATE, GRADIENT_NORM, IMAGES_PER_SECOND, DATA_WAIT, OVERHEAD)

    @property
    def sampled(self) -> tuple[Metric, ...]:
        """What is measured on training pictures beside each validation: `sampled` of the loss and the headline."""
        return (sampled(LOSS), sampled(self.headline))


_OF_TASK: dict[Task, TaskMetrics] = {
    "classification": TaskMetrics(
        score=ACCURACY,
        headline=ACCURACY,
        evaluation=(LOSS, ACCURACY, TOP5_ACCURACY, BALANCED_ACCURACY, MACRO_PRECISION, MACRO_F1, CALIBRATION_ERROR),
        told=(LOSS, ACCURACY, TOP5_ACCURACY, BALANCED_ACCURACY, MACRO_F1),
        each=(RECALL, PRECISION, F1),
    ),
    "regression": TaskMetrics(
        score=MAE,
        headline=MAE,
        evaluation=(LOSS, MAE, RMSE, R2),
        told=(LOSS, MAE, RMSE, R2),
        each=(MAE, RMSE, R2),
    ),
    "multilabel": TaskMetrics(
        score=MICRO_F1,
        headline=MEAN_AVERAGE_PRECISION,
        evaluation=(LOSS, MEAN_AVERAGE_PRECISION, MICRO_F1, MACRO_F1, EXACT_MATCH),
        told=(LOSS, MEAN_AVERAGE_PRECISION, MICRO_F1, EXACT_MATCH),
        each=(AVERAGE_PRECISION, RECALL, PRECISION, F1),
    ),
}


def measured(task: Task, classes: int | None = None) -> tuple[Metric, ...]:
    """Return what the evaluations of a task measure.

    Args:
        task: of the run.
        classes: how many there are, where it is known.
    """
    few = task == "classification" and classes is not None and classes <= TOP
    return tuple(metric for metric in _OF_TASK[task].evaluation if not (few and metric is TOP5_ACCURACY))


def of_task(task: str) -> TaskMetrics:
    """Return the metrics of a task; those of classification for a run that does not say (an older one)."""
    return _OF_TASK.get(task, _OF_TASK["classification"])  # type: ignore[call-overload, no-any-return]


def task_of(metrics: Mapping[str, float]) -> Task:
    """Return the task that an evaluation with these metrics, by name, belongs to."""
    return next((task for task, known in _OF_TASK.items() if known.headline.name in metrics), "classification")


AVERAGED = "ema_"
"""What the name of a metric begins with when the averaged weights (EMA) were measured."""


def averaged(metric: Metric) -> Metric:
    """Return the same metric of the averaged weights."""
    help = f"Of the moving average of the weights. {metric.help}"
    return replace(metric, name=f"{AVERAGED}{metric.name}", label=f"{metric.label} (EMA)", help=help)


def known_evaluation(setting: str, name: str) -> Metric:
    """Return the metric of this name if evaluations of some task measure it.

    Args:
        setting: which setting asks, for the message.

    Raises:
        ValueError: there is none; the closest is suggested.
    """
    measured = {metric.name: metric for task in _OF_TASK.values() for metric in task.evaluation}
    known = measured | {beside.name: beside for beside in map(averaged, measured.values())}
    if name not in known:
        plain = name.casefold().removeprefix("validation_").removeprefix("val_")
        pool = known if plain.startswith(AVERAGED) else measured
        brief = next((metric.name for metric in measured.values() if metric.short.casefold() == plain), plain)
        hint = did_you_mean(brief, pool) or f"there are {', '.join(measured)}"
        raise ValueError(f'{setting} is "{clean(name, 60)}", which no evaluation measures; {hint}')
    return known[name]


def _all() -> dict[str, Metric]:
    tasks = _OF_TASK.values()
    found = [m for task in tasks for m in (*task.batch, *task.evaluation, *task.each, *task.sampled)]
    beside = [averaged(metric) for task in tasks for metric in task.evaluation]
    return {metric.name: metric for metric in (*found, *beside, LARGEST_ANSWER, LOGGING, SKIPPED)}


METRICS = _all()
"""Every metric by its name."""
BATCH = _OF_TASK["classification"].batch
