"""How a run was made longer after it had been planned: ``extensions.json``, written once per extension.

``settings.toml`` says how many epochs, and at most how many steps, the run has now; this file says from which step
on, so that the learning rate of every step, before and after, stays a pure function of what is in the run directory.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tui.core.errors import FailureError, UsageError
from tui.core.files import write_atomic
from tui.core.rows import read_rows
from tui.core.rundir import RunDir
from tui.core.settings import TrainingSettings
from tui.core.text import clean_path

FORMAT = 2
_MOST_EPOCHS = 100_000
_MOST_STEPS = 1_000_000_000
"""That a limit of steps may be; none is set beyond."""


@dataclass(frozen=True)
class Extension:
    """From ``step`` on, a run that was planned for ``before`` steps has ``total``."""

    step: int
    before: int
    total: int
    request: str = ""
    """The request that asked for it; one that is found again after a crash does not count twice."""


def planned_steps(training: TrainingSettings, epoch_steps: int, extensions: Sequence[Extension] = ()) -> int:
    """Return how many steps a run is to make: its epochs, ``training.max_steps``, or its last extension."""
    if extensions:
        return extensions[-1].total
    steps = training.epochs * epoch_steps
    return min(steps, training.max_steps) if training.max_steps else steps


def read_extensions(run: RunDir) -> tuple[Extension, ...]:
    """Return the extensions of a run, oldest first; none for most runs.

    Raises:
        FailureError: the file is damaged or from a newer version.
    """
    title = "The run's extensions cannot be read"
    return read_rows(run.extensions, "extensions", _extension, title=title, format=FORMAT)


def _extension(row: dict[str, Any]) -> Extension:
    made = Extension(int(row["step"]), int(row["before"]), int(row["total"]), str(row.get("request", "")))
    if made.step < 0 or made.before < made.step or made.total <= made.step:
        raise ValueError("no such extension")
    return made


def extend(
    run: RunDir,
    settings: TrainingSettings,
    epochs: int,
    *,
    step: int,
    epoch_steps: int,
    ended: bool,
    request: str = "",
) -> Extension:
    """Note that a run goes on for ``epochs`` more, and put the new length into its settings.

    Args:
        run: the run.
        settings: what the run has now.
        epochs: at least 1.
        step: from which on the new plan counts: the last one of a run that has ended, else the present one.
        epoch_steps: steps of one epoch.
        ended: the run goes on for so long from ``step``; else from where it was to end.
        request: what asked for it; one that has been noted before only has its settings put right.

    Raises:
        UsageError: ``epochs`` is not possible.
        FailureError: the run cannot be read or written.
    """
    earlier = read_extensions(run)
    noted = next((one for one in earlier if request and one.request == request), None)
    if noted is not None:
        _write(run, earlier, epoch_steps)
        return noted
    before = max(step, planned_steps(settings, epoch_steps, earlier))
    total = (step if ended else before) + epochs * epoch_steps
    now = math.ceil(total / max(1, epoch_steps))
    if epochs < 1 or epoch_steps < 1 or now > _MOST_EPOCHS:
        cause = f"{epochs:,} more epochs were asked for"
        raise UsageError("The run cannot be extended", cause, f"A run has 1 to {_MOST_EPOCHS:,} epochs.")
    new = Extension(step=step, before=before, total=total, request=request)
    _write(run, (*earlier, new), epoch_steps)
    return new


def _write(run: RunDir, extensions: tuple[Extension, ...], epoch_steps: int) -> None:
    table = {"format": FORMAT, "extensions": [asdict(one) for one in extensions]}
    try:
        text = _longer(run, extensions[-1].total, epoch_steps)
        write_atomic(run.extensions, json.dumps(table), durable=True)
        write_atomic(run.settings, text, durable=True)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else "settings.toml is no TOML"
        raise FailureError("The run cannot be extended", f"{clean_path(run.path)}: {what}", "Is it yours?") from error


def _longer(run: RunDir, total: int, epoch_steps: int) -> str:
    """Return the run's settings with its new length, so that a run with the same settings trains as long."""
    import tomli_w

    table = tomllib.loads(run.settings.read_text("utf-8"))
    training = table.setdefault("training", {})
    training["epochs"] = math.ceil(total / max(1, epoch_steps))
    if training.get("max_steps"):
        training["max_steps"] = total if total <= _MOST_STEPS else 0
    return tomli_w.dumps(table)
