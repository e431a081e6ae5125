"""Requests to a running engine: small files in ``control/``, written whole, answered by an event.

A request is never lost by a screen that dies after writing it, and never read half. The engine takes
them in the order they were made, acts at a step boundary, writes a `Controlled` event and removes the file. What is
to be done later (`keep`) stays until then, so that an engine which is started again after a crash knows of it too.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from tui.core.files import write_atomic
from tui.core.rundir import RunDir

Action = Literal["stop", "stop_after_epoch", "pause", "continue", "save", "validate", "rate", "extend"]
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True)
class Request:
    """Something a person asked of a run."""

    action: Action
    path: Path
    value: float | None = None
    """What goes with it: how many epochs more, a factor for the learning rate, or the step at which to stop."""


def ask(run: RunDir, action: Action, value: float | None = None) -> None:
    """Leave a request for the engine; ``value`` goes with some actions.

    Raises:
        OSError: the run directory cannot be written.
    """
    # Named first: requests keep their order on a disk that takes its time.
    request = Request(action, run.control / f"{time.time_ns():020d}-{action}.json", value)
    run.control.mkdir(mode=0o700, exist_ok=True)
    _write(request)


def _write(request: Request) -> None:
    fields = {"action": request.action, "value": request.value}
    if request.value is None:
        del fields["value"]
    write_atomic(request.path, json.dumps(fields))


def pending(run: RunDir) -> list[Request]:
    """Return the requests that wait, oldest first; what is no known request is left alone."""
    requests = []
    try:
        names = sorted(name for name in os.listdir(run.control) if name.endswith(".json"))
    except OSError:
        return []
    for path in map(run.control.joinpath, names):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            fields = json.loads(path.read_text("utf-8"))
            value = float(fields["value"]) if "value" in fields else None
            if fields["action"] in ACTIONS and not path.name.startswith("."):
                requests.append(Request(fields["action"], path, value))
    return requests


def keep(request: Request, value: float) -> None:
    """Let a request wait for its time, with what has been made of it; a disk that cannot keep it is no reason to fail.

    Args:
        request: what was asked.
        value: goes with it from now on.
    """
    with contextlib.suppress(OSError):
        _write(replace(request, value=value))


def answered(request: Request) -> None:
    """Take a request away once it has been acted on."""
    with contextlib.suppress(OSError):
        request.path.unlink()
