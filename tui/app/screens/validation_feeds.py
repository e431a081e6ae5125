"""What the panels of the validation screen show: from an evaluation's file, or its event, to rows, cells and plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.content import Content

from tui.app.widgets.chart import Plot
from tui.app.widgets.class_table import ClassRow
from tui.app.widgets.columns import Cell, line
from tui.core.evaluations import Detail, Level, Pair, levels, pairs
from tui.core.metrics import ACCURACY, RECALL, Metric, of_task

if TYPE_CHECKING:
    from tui.app.widgets.row_list import Draw
    from tui.core.events import Evaluated

NOTHING = Plot(0, 100)
_ENOUGH = 0.95
"""The share of right answers from which on they are good enough."""


def table(
    detail: Detail | None, before: Detail | None, event: Evaluated, names: Sequence[str]
) -> tuple[Sequence[Metric], list[ClassRow]]:
    """Return the metrics and the rows of the table; without the file what the event tells.

    Args:
        detail: of the evaluation, if its file can be read.
        before: of the one before it.
        event: of the evaluation.
        names: of the classes, sanitized.
    """
    if detail is None:
        known = zip(names, event.recall, event.counts, strict=False)
        return (RECALL,), [ClassRow(name, (recall,), math.nan, n) for name, recall, n in known]
    metrics = [metric for metric in of_task(detail.task).each if detail.each(metric.name)]
    if not metrics:
        return (), []
    earlier = before.each(metrics[0].name) if before is not None and before.names == detail.names else ()
    rivals: dict[int, Pair] = {}
    for pair in pairs(detail):
        rivals.setdefault(pair.true, pair)
    rows = []
    for index, name in enumerate(detail.names):
        values = tuple(detail.each(metric.name)[index] for metric in metrics)
        rival = rivals.get(index)
        words = f"{detail.names[rival.answer]} {rival.pictures:,}" if rival is not None else ""
        pictures = detail.counts[index] if detail.counts else 0
        rows.append(ClassRow(name, values, earlier[index] if earlier else math.nan, pictures, words))
    return metrics, rows


def cells(detail: Detail) -> Mapping[tuple[int, int], int]:
    """Return the entries of the confusion matrix."""
    return {(true, answer): n for true, answer, n in detail.confusion}


def pair_rows(detail: Detail, found: Sequence[Pair]) -> dict[str, Draw]:
    """Return a row for each pair of classes, by its place."""
    return {str(place): partial(_pair_line, detail, pair) for place, pair in enumerate(found)}


def _pair_line(detail: Detail, pair: Pair, width: int) -> Content:
    share, count = ACCURACY.format(pair.share), f"{pair.pictures:,}"
    names = f"{detail.names[pair.true]} → {detail.names[pair.answer]}"
    numbers = (Cell(count, 6, "$foreground-muted", right=True), Cell(share, 7, right=True))
    return line([Cell(names, max(6, width - 15)), *numbers], gap=1)


def label_rows(detail: Detail) -> dict[str, Draw]:
    """Return a row for each label: the threshold at which its F1 is best, and how good it is there."""
    return {str(index): partial(_label_line, detail, index) for index in range(len(detail.names))}


def _label_line(detail: Detail, index: int, width: int) -> Content:
    at, f1 = (detail.each(name)[index] if detail.each(name) else math.nan for name in ("best_threshold", "best_f1"))
    words = "no picture" if math.isnan(at) else f"F1 {ACCURACY.format(f1)} at {ACCURACY.format(at)}"
    name = Cell(detail.names[index], max(6, width - 21))
    return line([name, Cell(words, 20, "$foreground-muted", right=True)], gap=1)


def thresholds(detail: Detail, label: int | None, cursor: int | None) -> Plot:
    """Return precision, recall and coverage against the threshold of confidence, in percent.

    Args:
        detail: of an evaluation.
        label: which one's, where there are several.
        cursor: a threshold in percent to read the values at.
    """
    import numpy as np

    from tui.app.widgets.raster import Mark, Trace

    found = levels(detail, label)
    if not found:
        return NOTHING
    steps = np.array([100 * level.at for level in found])

    def trace(name: str, tone: str, values: list[float]) -> Trace:
        drawn = np.array(values)
        return Trace(name, tone, steps, drawn, drawn)  # type: ignore[arg-type]

    right = trace("right", "line", [level.precision for level in found])
    if label is None:
        other = [trace("answered", "second", [level.coverage for level in found])]
        good = next((level.at for level in found if level.precision >= _ENOUGH and level.coverage), None)
        marks = [] if good is None else [Mark("▲", "good", 100 * good, None, f"{_ENOUGH:.0%} right")]
    else:
        other = [trace("found", "second", [level.recall for level in found])]
        best = detail.best_threshold[label] if detail.best_threshold else math.nan
        marks = [] if math.isnan(best) else [Mark("▲", "good", 100 * best, None, "best F1")]
    at = min(range(len(found)), key=lambda i: abs(steps[i] - cursor)) if cursor is not None else None
    return Plot(
        first=0,
        last=100,
        traces=[*other, right],
        marks=marks,
        reading=() if at is None else _reading(found[at], label),
        cursor=cursor,
    )


def _reading(level: Level, label: int | None) -> tuple[str, ...]:
    right = ACCURACY.format(level.precision) if not math.isnan(level.precision) else "–"
    at = f"{100 * level.at:g} %"
    if label is not None:
        return (f"from {at} on: {right} right, {ACCURACY.format(level.recall)} found", f"{right} right")
    long = f"{at} sure: {ACCURACY.format(level.coverage)} answered, {right} right"
    short = f"{at}: {100 * level.coverage:.0f} % answered, {_rounded(level.precision)} right"
    return (long, short, f"{at}: {right} right", right)


def _rounded(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.0f} %"


def history(events: Sequence[Evaluated], shown: Evaluated, index: int) -> Plot:
    """Return the recall of one class over the validations, with the one that is shown as its cursor."""
    import numpy as np

    from tui.app.widgets.raster import Mark, Trace

    known = [(event.step, event.recall[index]) for event in events if index < len(event.recall)]
    if not known:
        return NOTHING
    steps, values = np.array(known, np.float64).T
    now = next((value for step, value in known if step == shown.step), None)
    return Plot(
        first=1,
        last=max(2, known[-1][0]),
        traces=[Trace("", "line", steps, values, values)],
        marks=[Mark("◆", "mark", step, value, "validation") for step, value in known[-100:]],
        value="" if now is None or shown.split == "test" else RECALL.format(now),
        cursor=shown.step if shown.split == "validation" else None,
    )
