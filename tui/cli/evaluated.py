"""``cnntrain mistakes`` and ``cnntrain confusion``: what a run gets wrong, for people and for programs."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tui.cli.states import folded
from tui.cli.table import aligned
from tui.cli.terminal import emit, say, width
from tui.core.errors import UsageError
from tui.core.metrics import ACCURACY, LOSS, of_task
from tui.core.rundir import RunDir
from tui.core.sentences import sentence
from tui.core.text import clean_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.core.evaluations import Detail, Order, Pictured
    from tui.core.events import Evaluated

_MATRIX = 24
"""Classes up to which the whole matrix is written."""


def tell_mistakes(
    run: RunDir, *, at: str, by: Order, most: int, true: str | None, answer: str | None, as_json: bool
) -> None:
    """Write the pictures of an evaluation that the network gets most wrong, the worst first.

    Raises:
        UsageError: there is no such evaluation or class.
        FailureError: its file cannot be read.
    """
    from tui.core.evaluations import worst
    from tui.runs.validations import choose, read

    event = choose(folded(run), at)
    detail = read(run, event)
    wanted = [(_index(detail, name), side) for name, side in ((true, "true"), (answer, "answer")) if name is not None]
    fitting = [one for one in worst(detail, by) if all(index in getattr(one, side) for index, side in wanted)]
    shown = fitting[:most]
    if as_json:
        _emit(detail, {"pictures": [_plain(detail, one) for one in shown]})
        return
    say(_heading(detail, event))
    if not shown:
        say("No picture that was kept is wrong in this way." if wanted else "No picture is wrong.")
        return
    numbers = detail.task == "regression"
    head = ("TRUE", "ANSWER", *(() if numbers else ("CONFIDENCE",)), "LOSS", "PATH")
    rows = [head]
    for one in shown:
        sure = () if numbers else (ACCURACY.format(one.confidence),)
        rows.append((*_words(detail, one), *sure, LOSS.format(one.loss), one.path))
    right = (2,) if numbers else (2, 3)
    for line in aligned(rows, room=width(), shrink=(len(head) - 1, 0, 1), right=right):
        say(line)
    say(f"Paths are below {clean_path(detail.root, 200)}.")


def tell_confusion(run: RunDir, *, at: str, most: int, as_json: bool) -> None:
    """Write which classes are taken for which: the matrix of few classes, and the most frequent pairs.

    Raises:
        UsageError: there is no such evaluation, or its task has no classes of which one is the answer.
        FailureError: its file cannot be read.
    """
    from tui.core.evaluations import pairs
    from tui.runs.validations import choose, read

    event = choose(folded(run), at)
    detail = read(run, event)
    if detail.task != "classification":
        cause = "several labels can be right at once" if detail.task == "multilabel" else "it learns numbers"
        raise UsageError("This run has no confusion", cause, "`cnntrain mistakes` names its worst pictures.")
    found = pairs(detail)
    if as_json:
        table = [
            {"true": detail.names[p.true], "answer": detail.names[p.answer], "pictures": p.pictures, "share": p.share}
            for p in found[:most]
        ]
        each = {metric.name: detail.each(metric.name) for metric in of_task(detail.task).each}
        left_out = detail.images - sum(n for _, _, n in detail.confusion)
        rest = {"counts": detail.counts, **each, "confusion": detail.confusion, "left_out": left_out}
        _emit(detail, {"classes": detail.names, **rest, "pairs": table})
        return
    say(_heading(detail, event))
    if len(detail.names) <= _MATRIX:
        say()
        for line in aligned(_matrix(detail), room=width(), right=tuple(range(1, len(detail.names) + 1))):
            say(line)
    say()
    if not found:
        say("Nothing is confused.")
        return
    rows = [("TRUE", "ANSWER", "PICTURES", "OF ITS CLASS")]
    rows += [
        (detail.names[p.true], detail.names[p.answer], f"{p.pictures:,}", ACCURACY.format(p.share))
        for p in found[:most]
    ]
    for line in aligned(rows, room=width(), shrink=(0, 1), right=(2, 3)):
        say(line)


def _matrix(detail: Detail) -> list[tuple[str, ...]]:
    """Return a row per true class, a column per answer."""
    counts = {(true, answer): n for true, answer, n in detail.confusion}
    every = range(len(detail.names))
    head = ("true \\ answer", *(name if len(name) <= 10 else f"{name[:9]}…" for name in detail.names))
    return [head, *((detail.names[true], *(f"{counts.get((true, a), 0):,}" for a in every)) for true in every)]


def _index(detail: Detail, name: str) -> int:
    from tui.core.errors import did_you_mean

    if detail.task == "regression" or name not in detail.names:
        hint = did_you_mean(name, detail.names) or "`cnntrain status` and the run's dataset.json name them."
        raise UsageError("There is no such class", f'"{name}"', hint[:1].upper() + hint[1:])
    return detail.names.index(name)


def _words(detail: Detail, one: Pictured) -> tuple[str, str]:
    """Return what a picture is and what was said, as a person reads it."""
    if detail.task == "regression":
        return ", ".join(f"{value:.6g}" for value in one.true), ", ".join(f"{value:.6g}" for value in one.answer)
    return _labels(detail, one.true) or "no label", _labels(detail, one.answer) or "no label"


def _labels(detail: Detail, indices: Sequence[float]) -> str:
    return ", ".join(detail.names[int(index)] for index in indices)


def _plain(detail: Detail, one: Pictured) -> dict[str, Any]:
    """Return a picture as a program wants it."""
    if detail.task == "regression":
        return {"path": one.path, "true": one.true, "answer": one.answer, "loss": one.loss}
    true, answer = ([detail.names[int(index)] for index in side] for side in (one.true, one.answer))
    single = detail.task == "classification"
    return {
        "path": one.path,
        "true": true[0] if single else true,
        "answer": answer[0] if single else answer,
        "confidence": one.confidence,
        "loss": one.loss,
        "top": [[detail.names[index], share] for index, share in one.top],
    }


def _emit(detail: Detail, more: dict[str, Any]) -> None:
    head = {"split": detail.split, "step": detail.step, "epoch": detail.epoch, "task": detail.task}
    table = {**head, "root": os.fspath(detail.root), "images": detail.images, "metrics": detail.metrics, **more}
    emit(json.dumps(table, indent=2, ensure_ascii=True) + "\n")


def _heading(detail: Detail, event: Evaluated) -> str:
    return f"{sentence(event)}; {detail.images:,} pictures, step {detail.step:,}"
