"""``cnntrain test``, ``predict`` and ``export``: what a trained run is good for."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tui.cli.table import aligned
from tui.cli.terminal import StageLine, complain, emit, say, width
from tui.core.errors import UsageError
from tui.core.metrics import ACCURACY, of_task
from tui.core.rundir import RunDir
from tui.core.sentences import size
from tui.core.text import clean, clean_path
from tui.runs.trained import Weights, compared, evaluation_job, exporting_job, predicting_job

UNREADABLE = 3
"""The exit code when some pictures could not be read."""
_SHOWN = 10


def evaluate(run: RunDir, *, weights: Weights, split: str, data: str | None, set_: Sequence[str], as_json: bool) -> int:
    """Evaluate a run's network, write the result and return the exit code.

    Raises:
        UsageError: there is nothing to test on, or the pictures do not fit the run.
        FailureError: the run or the pictures cannot be read.
    """
    if set_ and data is None:
        raise UsageError("--set says how to read another folder", "no folder is named", "Add --data DIR.")
    table = _ask("testing", evaluation_job(run, data or "", weights=weights, split=split, set_=set_))
    if as_json:
        emit(json.dumps(table, indent=2, ensure_ascii=True) + "\n")
    else:
        _tell_test(table)
    unreadable = table["unreadable"]
    if not as_json:
        for one in unreadable[:_SHOWN]:
            complain(f"{clean(one['path'], 300)} cannot be read: {clean(one['error'], 200)}")
        if len(unreadable) > _SHOWN:
            complain(f"{len(unreadable) - _SHOWN:,} more pictures cannot be read; --json names them.")
    return UNREADABLE if unreadable else 0


def _tell_test(table: dict[str, Any]) -> None:
    metrics = of_task(table["task"])
    where = "" if table["split"] == "all" else f", {table['split']}"
    say(f"{clean_path(table['root'], 200)}{where}: {table['images']:,} pictures, {table['weights']} weights, "
        f"step {table['step']:,}")  # fmt: skip
    for metric in metrics.evaluation:
        if metric.name in table["metrics"]:
            say(f"  {metric.label:<22} {metric.format(table['metrics'][metric.name])}")
    each = [metric for metric in metrics.each if isinstance(table.get(metric.name), list)]
    if not each:
        return
    counts = table.get("counts") or [None] * len(table["classes"])
    rows = [("", *(metric.label for metric in each), *(("pictures",) if counts[0] is not None else ()))]
    for index, name in enumerate(table["classes"]):
        numbers = [metric.format_measured(table[metric.name][index]) for metric in each]
        rows.append((str(name), *numbers, *((f"{counts[index]:,}",) if counts[index] is not None else ())))
    say()
    for line in aligned(rows, room=width(), right=tuple(range(1, len(rows[0])))):
        say(line)


def predict(run: RunDir, names: Sequence[str], *, weights: Weights, top: int | None, as_json: bool) -> int:
    """Write what a run's network says about pictures, a line for each, and return the exit code.

    Raises:
        UsageError: no pictures were named.
        FailureError: the run cannot be used.
    """
    from tui.core.dataset.manifest import load_manifest

    job = predicting_job(run, names, weights=weights, top=top, listed=_lines)
    task = load_manifest(run.dataset).task

    def tell(answer: dict[str, Any]) -> None:
        if as_json:
            emit(json.dumps(_plain(answer, task), ensure_ascii=True) + "\n")
        elif "error" in answer:
            complain(f"{clean(answer['path'], 500)} cannot be read: {clean(answer['error'], 200)}")
        else:
            said = ", ".join(f"{clean(name, 120)} {_number(value, task)}" for name, value in answer["answers"])
            say(f"{clean(answer['path'], 500)}: {said or 'no label'}")

    done = _ask("predicting", job, item=tell)
    if done["unreadable"]:
        complain(f"{done['unreadable']:,} of {done['pictures']:,} pictures cannot be read.")
    return UNREADABLE if done["unreadable"] else 0


def _number(value: float, task: str) -> str:
    return f"{value:.6g}" if task == "regression" else ACCURACY.format(value)


def _plain(answer: dict[str, Any], task: str) -> dict[str, Any]:
    """Return an answer as a program wants it."""
    if "error" in answer:
        return answer
    path, answers = answer["path"], answer["answers"]
    if task == "regression":
        return {"path": path, "values": dict(answers)}
    if task == "multilabel":
        return {"path": path, "labels": [name for name, _ in answers], "answers": answers}
    return {"path": path, "class": answers[0][0], "probability": answers[0][1], "answers": answers}


def _lines() -> list[str]:
    """Return the lines of stdin; names in any bytes, separated by line feeds or, as from find -print0, zero bytes."""
    data = sys.stdin.buffer.read()
    parts = data.split(b"\0" if b"\0" in data else b"\n")
    return [os.fsdecode(part.rstrip(b"\r")) for part in parts if part.strip()]


def export(run: RunDir, *, form: str, output: str | None, weights: Weights, force: bool, as_json: bool) -> None:
    """Write a run's network for other programs, and say how closely it was reproduced.

    Raises:
        UsageError: the file exists, or packages are missing.
        FailureError: it cannot be written, or does not give the same outputs.
    """
    done = _ask("exporting", exporting_job(run, form, output or "", weights=weights, replace=force))
    if as_json:
        emit(json.dumps(done, indent=2, ensure_ascii=True) + "\n")
        return
    say(f"{clean_path(done['path'])}: {size(done['bytes'])}, the {done['weights']} weights of step "
        f"{done['step']:,}; preprocessing and class map in {clean(Path(done['beside']).name, 200)}")  # fmt: skip
    largest = f"largest output {done['largest']:.3g}"
    say(f"read back and compared: {compared(done)} ({largest})")


def _ask(module: str, job: dict[str, Any], item: Callable[[Any], None] = lambda value: None) -> dict[str, Any]:
    """Let the engine work, showing on a terminal how far it is."""
    from tui.runs.service import ask

    line = StageLine()

    def tell(value: Any) -> None:
        line.wipe()
        item(value)

    def warn(text: str) -> None:
        line.wipe()
        complain(f"warning: {text}")

    try:
        return ask(module, job, progress=line.show, item=tell, warn=warn)
    finally:
        line.wipe()
