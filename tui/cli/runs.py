"""``cnntrain runs`` and ``cnntrain status``: what there is and how it stands, for people and for programs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.cli.lines import progress
from tui.cli.states import EXIT_CODES, folded
from tui.cli.table import aligned
from tui.cli.terminal import complain, emit, say, width
from tui.core.errors import UsageError
from tui.core.metrics import LOSS
from tui.core.rundir import RunDir
from tui.core.sentences import asked, epochs, scores
from tui.core.text import clean_path

if TYPE_CHECKING:
    from tui.core.control import Action
    from tui.runs.catalog import Summary
    from tui.runs.state import RunState

_HEADING = ("RUN", "STATUS", "PRESET", "EPOCH", "VAL LOSS")


def list_runs(root: Path, *, as_json: bool, filter: str = "", order: str = "newest") -> None:
    """Write the runs under ``root`` as a table or as a JSON list.

    Args:
        root: the directory of runs.
        as_json: for programs.
        filter: only the runs that it is true of (`tui.runs.filter`).
        order: one of `tui.runs.comparison.ORDERS`.

    Raises:
        UsageError: the filter cannot be read.
        FailureError: ``root`` is there and cannot be read.
    """
    from tui.runs import catalog
    from tui.runs.comparison import sorted_runs

    found = catalog.list_runs(root)
    none = not found
    if filter:
        from tui.runs.filter import Filter

        fits = Filter(filter).fits
        found = [one for one in found if fits(one)]
    found = sorted_runs(found, order)
    if as_json:
        _emit_json([_plain(summary) for summary in found])
    elif not found and not none:
        complain("no run fits the filter.")
    elif not found:
        complain(f"there are no runs in {clean_path(root)}; `cnntrain train PRESET --data DIR` makes one.")
    else:
        headlines = {run.metrics.headline for run in found}
        score = headlines.pop().label.upper() if len(headlines) == 1 else "SCORE"
        rows = [(*_HEADING, score, "BEST", "TEST"), *(_row(run, named=score == "SCORE") for run in found)]
        for line in aligned(rows, room=width(), shrink=(0, 2), right=(4, 5, 6, 7)):
            say(line)


def _row(run: Summary, *, named: bool) -> tuple[str, ...]:
    """Return the cells of a run; ``named``: the runs do not all have the same metric."""
    epoch = f"{run.epoch:.1f}/{epochs(run.planned)}" if run.planned else "–"
    scored = (run.scored(run.score, named=named), run.scored(run.best_score), run.scored(run.test_score))
    return (
        f"* {run.name}" if run.pinned else run.name,
        run.status,
        run.preset or "–",
        epoch,
        LOSS.format(run.last.get(LOSS.name)),
        *scored,
    )


def _plain(summary: Summary) -> dict[str, Any]:
    fields = {field.name: getattr(summary, field.name) for field in dataclasses.fields(summary)}
    run = fields.pop("run")
    return {"path": str(run.path), **fields, "metric": summary.metrics.headline.name}


def tell_status(run: RunDir, *, as_json: bool) -> int:
    """Write how one run stands, on one line or as a JSON object; return the exit code of its state."""
    state = folded(run)
    if as_json:
        _emit_json(_as_object(state))
    else:
        say(_answer(state))
    return EXIT_CODES[state.status]


def _answer(state: RunState) -> str:
    parts = [f"{state.run.name}: {state.status}"]
    parts += [state.status_text] if state.status_text else []
    # While it prepares, its status text says how far.
    parts += [progress(state)] if state.status != "preparing" and progress(state) else []
    if state.best is not None:
        parts.append(f"best validation {scores(state.best, (state.metrics.headline,))} at step {state.best.step:,}")
    if state.test is not None:
        parts.append(f"test {scores(state.test, (state.metrics.headline,))}")
    return "; ".join(part.rstrip(".") for part in parts)


def ask(run: RunDir, action: Action, factor: float | None) -> None:
    """Ask something of a run that trains, and say so.

    Raises:
        UsageError: the factor is wrong or missing, or the run does not train.
        FailureError: the request cannot be written.
    """
    from tui.core.rates import wrong_with
    from tui.runs import controls

    if action == "rate" and (wrong := wrong_with(factor)):
        raise UsageError("The learning rate cannot be changed so", wrong, "`rate 0.5` halves it, `rate 2` doubles it.")
    if action != "rate" and factor is not None:
        raise UsageError(f"{action} takes no number", f"{factor:g} was given", "Leave it out.")
    controls.ask(run, action, factor)
    say(f"{run.name} was asked: {asked(action, factor)}")


def _as_object(state: RunState) -> dict[str, Any]:
    def scored(event: Any) -> dict[str, Any] | None:
        return None if event is None else {"step": event.step, "epoch": event.epoch, **event.metrics}

    ended = state.ended
    return {
        "path": str(state.run.path),
        "name": state.run.name,
        "preset": state.info.get("preset", ""),
        "task": state.started.task if state.started else None,
        "metric": state.metrics.headline.name,
        "status": state.status,
        "status_text": state.status_text,
        "exit_code": EXIT_CODES[state.status],
        "attempt": state.attempt,
        "step": state.step,
        "total_steps": state.total_steps,
        "epoch": state.epoch,
        "epochs": state.setting("training.epochs"),
        "eta_seconds": state.eta_seconds,
        "last_time": state.last_time,
        "latest": state.latest,
        "best_validation": scored(state.best),
        "test": scored(state.test),
        "ended": {"reason": ended.reason, "exit_code": ended.exit_code, "text": ended.text} if ended else None,
    }


def _emit_json(value: Any) -> None:
    """NaN and infinities stay what they are, as Python's JSON writes them; names are escaped to ASCII."""
    emit(json.dumps(value, indent=2, ensure_ascii=True, default=str) + "\n")
