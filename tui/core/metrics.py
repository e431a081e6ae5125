"""ALL metrics: what each number in a record is called, in what unit, which way is better, how it is written.

A chart's title, a table's heading and a CSV's column come from here; which way is better is never
guessed from a name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Form = Literal["percent", "plain", "scientific", "rate"]


@dataclass(frozen=True)
class Metric:
    """One measured quantity."""

    name: str
    label: str
    unit: str = ""
    better: Literal["min", "max"] | None = None
    form: Form = "plain"
    help: str = ""

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
        if self.form == "scientific" or (value != 0 and not 1e-3 <= abs(value) < 1e5):
            return f"{value:.2e}"
        return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"

    def is_better(self, new: float, old: float | None) -> bool:
        """Whether ``new`` beats ``old``; a NaN never does, anything finite beats nothing."""
        if math.isnan(new) or self.better is None:
            return False
        if old is None or math.isnan(old):
            return True
        return new < old if self.better == "min" else new > old


LOSS = Metric("loss", "loss", better="min", help="Mean loss of the batch.")
ACCURACY = Metric("accuracy", "accuracy", better="max", form="percent", help="Share of pictures classified correctly.")
LEARNING_RATE = Metric(
    "learning_rate", "learning rate", form="scientific", help="The learning rate in force in this step."
)
GRADIENT_NORM = Metric(
    "gradient_norm",
    "gradient norm",
    form="scientific",
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

BATCH = (LOSS, ACCURACY, LEARNING_RATE, GRADIENT_NORM, IMAGES_PER_SECOND, DATA_WAIT, OVERHEAD)
"""The columns of a per-batch record, in this order."""

BALANCED_ACCURACY = Metric(
    "balanced_accuracy",
    "balanced accuracy",
    better="max",
    form="percent",
    help="Mean recall over the classes that have pictures.",
)
MACRO_F1 = Metric(
    "macro_f1", "macro F1", better="max", form="percent", help="Mean F1 over the classes that have pictures."
)

EVALUATION = (LOSS, ACCURACY, BALANCED_ACCURACY, MACRO_F1)
"""The numbers of an evaluation of a whole split."""

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

PER_CLASS = (RECALL, PRECISION, F1)

METRICS = {metric.name: metric for metric in (*BATCH, *EVALUATION, *PER_CLASS)}
