"""From a report on a run to the lines of its results screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tui.app.widgets.panel import Row, fit
from tui.app.widgets.sheet import paragraph, table
from tui.core.metrics import Metric, of_task
from tui.core.sentences import size
from tui.core.text import clean, clean_path
from tui.runs.report import Report

if TYPE_CHECKING:
    from tui.core.evaluations import Detail
    from tui.runs.state import RunState


def summary(report: Report, width: int) -> list[Row]:
    """Return the report in words, and what was changed from the preset."""
    rows: list[Row] = []
    for number, sentence in enumerate(report.words):
        rows += paragraph(sentence, width, "strong" if number == 0 else "text")
    for sentence in report.trouble:
        rows += paragraph(sentence, width, "warn")
    if report.preset:
        rows.append(())
        many = f"{len(report.changed)} settings differ" if len(report.changed) != 1 else "One setting differs"
        head = (
            f"{many} from the preset {report.preset}:" if report.changed else f"All as in the preset {report.preset}."
        )
        rows += paragraph(head, width, "muted")
        changed = [(f"  {key}", f"{old or '–'} → {new or '–'}") for key, old, new in report.changed]
        rows += table(changed, width, heading=False)
    return rows


def numbers(state: RunState, report: Report, other: dict[str, Any] | None, width: int) -> list[Row]:
    """Return the evaluations beside each other, then each class of the last of them."""
    sides: dict[str, dict[str, float]] = {}
    if state.best is not None:
        sides["best validation"] = state.best.metrics
    if state.test is not None:
        sides["test"] = state.test.metrics
    if other is not None:
        sides["test again" if other.get("own") else "other data"] = other["metrics"]
    if not sides:
        return paragraph("It was never evaluated.", width, "muted")
    rows = [("", *sides)]
    for metric in state.metrics.evaluation:
        if any(metric.name in side for side in sides.values()):
            rows.append((metric.label, *(metric.format(side.get(metric.name)) for side in sides.values())))
    lines = table(rows, width)
    return [*lines, (), *_classes(state, report, other, width)]


def shown_side(report: Report, other: dict[str, Any] | None) -> str:
    """Return whose classes are told."""
    if other is not None:
        return "of the test again" if other.get("own") else f"of {clean_path(other['root'], 60)}"
    return "of the test" if report.test else "of the best validation" if report.validation else ""


def _classes(state: RunState, report: Report, other: dict[str, Any] | None, width: int) -> list[Row]:
    detail = report.test or report.validation
    if other is not None:
        each = [(metric, other[metric.name]) for metric in of_task(other["task"]).each if other.get(metric.name)]
        return _each([clean(str(name), 80) for name in other["classes"]], each, other.get("counts") or (), width)
    if detail is None:
        shown = state.test or state.best
        if shown is None or state.started is None or not shown.recall:
            return []
        recall = next(metric for metric in state.metrics.each if metric.name == "recall")
        return _each(state.started.classes, [(recall, shown.recall)], shown.counts, width)
    return _each(detail.names, _of_detail(detail), detail.counts, width)


def _of_detail(detail: Detail) -> list[tuple[Metric, Sequence[float]]]:
    found = [(metric, getattr(detail, metric.name, ())) for metric in of_task(detail.task).each]
    return [(metric, values) for metric, values in found if values]


def _each(
    names: Sequence[str], each: Sequence[tuple[Metric, Sequence[float]]], counts: Sequence[int], width: int
) -> list[Row]:
    rows = [("class" if counts else "", *(metric.label for metric, _ in each), *(("pictures",) if counts else ()))]
    for place, name in enumerate(names):
        values = [metric.format(_known(values, place)) for metric, values in each]
        count = (f"{counts[place]:,}" if place < len(counts) else "–",) if counts else ()
        rows.append((name, *values, *count))
    return table(rows, width)


def _known(values: Sequence[float], place: int) -> float | None:
    """Return a class's value; None where it has none: the precision of a class that was never said."""
    value = values[place] if place < len(values) else None
    return None if value is None or value != value else value


def files(state: RunState, report: Report, width: int) -> list[Row]:
    """Return what is kept of the run, with sizes."""
    rows = [(one.name, size(one.bytes), one.what) for one in report.stored]
    total = sum(one.bytes for one in report.stored)
    lines = paragraph(clean_path(state.run.path.absolute()), width, "muted")
    room = max((len(name) for name, _, _ in rows), default=0)
    for name, amount, what in rows:
        wide = min(room, max(12, width - 12 - 24))
        lines.append(((fit(name, wide), "text"), (f"  {amount:>9}", "strong"), (f"  {what}", "muted")))
    return [*lines, ((f"{size(total)} in all", "muted"),)]
