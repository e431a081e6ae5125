"""The detailed result of one evaluation, as its file in ``evaluations/`` has it, and what follows from it.

The engine writes the file (`tui.engine.evaluate`). It may come from someone else: names are cleaned, numbers
that point at classes must point at one, and paths must stay below the dataset's root.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, NonNegativeInt
from pydantic import model_validator as check

from tui.core.errors import FailureError
from tui.core.metrics import Task
from tui.core.text import clean

FORMAT = 2
"""1: pictures without their paths, and no thresholds; still read."""
MOST_BYTES = 64 << 20
"""A larger file is none of ours."""
TITLE = "The evaluation cannot be read"


def _inside(path: Any) -> str:
    # No `str`: a byte of a name that is not UTF-8 is a lone surrogate, which pydantic refuses.
    if not isinstance(path, str) or "\0" in path or ".." in (inner := PurePosixPath(path)).parts or inner.is_absolute():
        raise ValueError("a path leads out of the dataset")
    return path


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("no text")
    return text


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Pictured(_Part):
    """One picture, what it shows, and what was said of it."""

    path: Annotated[Any, AfterValidator(_inside)] = ""
    """Raw, relative to the dataset's root; empty in a file of format 1."""
    position: NonNegativeInt = 0
    """In the split's list in the manifest."""
    true: tuple[float, ...]
    """One class, several labels, or the numbers of a regression."""
    answer: tuple[float, ...]
    """Likewise."""
    confidence: float = math.nan
    loss: float = math.nan
    top: tuple[tuple[NonNegativeInt, float], ...] = ()
    """The likeliest classes or labels, each with its probability."""

    @check(mode="before")
    @classmethod
    def _one_class(cls, fields: Any) -> Any:
        if isinstance(fields, dict):
            single = {key: [fields[key]] for key in ("true", "answer") if isinstance(fields.get(key), int)}
            return {**fields, **single}
        return fields


class Bins(_Part):
    """What confidence is worth, in equal bins of it (Guo et al. 2017)."""

    counts: tuple[NonNegativeInt, ...]
    confidence: tuple[float, ...]
    """Mean of each bin."""
    accuracy: tuple[float, ...]


class Thresholds(_Part):
    """What is left when only answers of at least some confidence count."""

    at: tuple[float, ...]
    answered: tuple[Any, ...]
    """Pictures with at least this confidence; of labels a sequence for each."""
    right: tuple[Any, ...]


class Density(_Part):
    """How truths and predictions of one target go together."""

    low: float
    high: float
    cells: tuple[tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt], ...]
    """(part of the range of the truth, of the prediction, pictures)."""


class Residuals(_Part):
    """How far the predictions of one target are off (predicted - true)."""

    limit: float
    """The bins reach from minus this to this."""
    counts: tuple[NonNegativeInt, ...]


class Detail(_Part):
    """Everything about one evaluation of one split."""

    task: Task
    split: Literal["train", "validation", "test"]
    step: NonNegativeInt
    epoch: float
    root: Annotated[Any, AfterValidator(_text)] = ""
    """Of the dataset; empty in a file of format 1."""
    names: tuple[str, ...] = Field(validation_alias=AliasChoices("classes", "targets"))
    """Of the classes, labels or targets; sanitized."""
    images: NonNegativeInt
    metrics: dict[str, float]
    counts: tuple[NonNegativeInt, ...] = ()
    recall: tuple[float, ...] = ()
    precision: tuple[float, ...] = ()
    f1: tuple[float, ...] = ()
    average_precision: tuple[float, ...] = ()
    best_threshold: tuple[float, ...] = ()
    """Of each label: the probability from which on its F1 is best."""
    best_f1: tuple[float, ...] = ()
    mae: tuple[float, ...] = ()
    rmse: tuple[float, ...] = ()
    r2: tuple[float, ...] = ()
    confusion: tuple[tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt], ...] = ()
    """(true class, answer, pictures); of very many the most frequent."""
    calibration: Bins | None = None
    thresholds: Thresholds | None = None
    density: tuple[Density, ...] = ()
    residuals: tuple[Residuals, ...] = ()
    pictures: tuple[Pictured, ...] = ()

    @check(mode="before")
    @classmethod
    def _from_older_runs(cls, fields: Any) -> Any:
        """Bring format 1 to this one."""
        if not isinstance(fields, dict) or fields.get("format") != 1:
            return fields
        rows = fields.pop("mistakes", None) or fields.pop("residuals", ())
        pictures = [
            {"position": row[0], "true": row[1], "answer": row[2], "loss": row[-1]}
            | ({"confidence": row[3]} if len(row) == 5 else {})
            for row in rows
        ]
        return {**fields, "residuals": (), "pictures": pictures}

    @check(mode="after")
    def _consistent(self) -> Detail:
        many = len(self.names)
        each = (self.counts, self.recall, self.precision, self.f1, self.average_precision, self.best_threshold)
        if any(values and len(values) != many for values in (*each, self.best_f1, self.mae, self.rmse, self.r2)):
            raise ValueError("a list has another length than that of the names")
        if any(true >= many or answer >= many for true, answer, _ in self.confusion):
            raise ValueError("a class is not there")
        told = [index for one in self.pictures for index, _ in one.top]
        if self.task != "regression":
            told += [int(index) for one in self.pictures for index in (*one.true, *one.answer)]
        if any(not 0 <= index < many for index in told):
            raise ValueError("a class is not there")
        rows = self.calibration and (self.calibration.counts, self.calibration.confidence, self.calibration.accuracy)
        if rows and len(set(map(len, rows))) > 1:
            raise ValueError("the bins are not of one number")
        curve = self.thresholds
        if curve is not None and not _fits(curve, many if self.task == "multilabel" else 0):
            raise ValueError("the thresholds are not of one number")
        return self

    def each(self, name: str) -> Sequence[float]:
        """Return a metric of each class, label or target, by its name; empty when it was not measured."""
        values = getattr(self, name, ())
        return values if isinstance(values, tuple) else ()


def _fits(curve: Thresholds, labels: int) -> bool:
    if not labels:
        return len(curve.at) == len(curve.answered) == len(curve.right) and _whole([curve.answered, curve.right])
    rows = [*curve.answered, *curve.right]
    return (
        len(curve.answered) == len(curve.right) == labels
        and all(isinstance(row, (list, tuple)) and len(row) == len(curve.at) for row in rows)
        and _whole(rows)
    )


def _whole(rows: Sequence[Sequence[Any]]) -> bool:
    return all(type(n) is int and n >= 0 for row in rows for n in row)


def decode(data: bytes, name: str) -> Detail:
    """Return what a file of ``evaluations/`` holds.

    Args:
        data: its content.
        name: of the file, for messages.

    Raises:
        FailureError: it is damaged, or from a newer version.
    """
    cause = f"{clean(name, 100)} is damaged"
    try:
        table = json.loads(data)
        written = table["format"]
        if type(written) is int and written > FORMAT:
            cause = f"{clean(name, 100)} was written by a newer version of cnntrain"
            raise FailureError(TITLE, cause, "Upgrade cnntrain.")
        if written not in range(1, FORMAT + 1):
            raise ValueError
        found = Detail.model_validate(table)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise FailureError(TITLE, cause, "Another validation may be whole.") from error
    return found.model_copy(update={"names": tuple(clean(name, 120) for name in found.names)})


Order = Literal["confidence", "loss"]


def worst(detail: Detail, by: Order) -> list[Pictured]:
    """Return the pictures by falling confidence in a wrong answer or by falling loss; a NaN loss is the highest."""
    if by == "loss" or detail.task == "regression":
        return sorted(detail.pictures, key=lambda one: -math.inf if math.isnan(one.loss) else -one.loss)
    return sorted(detail.pictures, key=lambda one: math.inf if math.isnan(one.confidence) else -one.confidence)


@dataclass(frozen=True)
class Pair:
    """Two classes of which one was taken for the other."""

    true: int
    answer: int
    pictures: int
    share: float
    """Of the pictures of the true class."""


def pairs(detail: Detail) -> list[Pair]:
    """Return what is taken for what, the most pictures first."""
    found = [
        Pair(true, answer, n, n / detail.counts[true] if detail.counts and detail.counts[true] else math.nan)
        for true, answer, n in detail.confusion
        if true != answer and n
    ]
    return sorted(found, key=lambda pair: (-pair.pictures, pair.true, pair.answer))


@dataclass(frozen=True)
class Level:
    """What is left at one threshold of confidence."""

    at: float
    coverage: float
    """Share of all pictures that get an answer, or of which the label is said."""
    precision: float
    """Share of the answers that are right."""
    recall: float
    """Share of all pictures, or of those that have the label, that get the right answer."""


def levels(detail: Detail, label: int | None = None) -> list[Level]:
    """Return precision, recall and coverage at each threshold; of one label where there are several.

    Precision is NaN where nothing is answered.
    """
    curve = detail.thresholds
    if curve is None:
        return []
    answered, right = curve.answered, curve.right
    there = detail.images
    if label is not None:
        answered, right, there = answered[label], right[label], detail.counts[label]
    return [
        Level(at, _share(n, detail.images), _share(hits, n), _share(hits, there))
        for at, n, hits in zip(curve.at, answered, right, strict=True)
    ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
