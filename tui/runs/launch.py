"""Starting runs, and starting them again (`tui.runs.making` makes them, `tui.runs.controls` asks things of them).

A run is started by a supervisor of its own (`tui.runs.supervisor`), in its own session: neither the end of
this process nor of its terminal reaches it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.core.descriptors import readable
from tui.core.disk import trouble
from tui.core.errors import FailureError, UsageError
from tui.core.rundir import RunDir
from tui.core.text import clean_path
from tui.runs.attempt import check_can_start, open_log
from tui.runs.liveness import look
from tui.runs.lock import busy
from tui.runs.making import check_network
from tui.runs.postmortem import last_words

if TYPE_CHECKING:
    pass

SUPERVISOR = (sys.executable, "-P", "-m", "tui.runs.supervisor")
READY_SECONDS = 60.0
"""On a busy machine a supervisor takes seconds to start; and it waits for the engine of one that was killed."""
_UNWRITABLE = "Mend that, or copy the run to a place that can be written and resume it there."


def start(run: RunDir, *, supervisor: Sequence[str] = ()) -> None:
    """Start a run's supervisor and engine, which outlive this process; return once they are started.

    Raises:
        UsageError: the run is running already, or finished.
        FailureError: it could not be started; the reason is told.
    """
    inbox, outbox = os.pipe()
    path = run.path.resolve()
    try:
        try:
            log = open_log(run)
        except OSError as error:
            raise _failed(f"{clean_path(run.log)}: {trouble(error, run.log)}", _UNWRITABLE) from error
        try:
            process = subprocess.Popen(
                [*(supervisor or SUPERVISOR), str(path), "--ready", str(outbox)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                pass_fds=[outbox],
                env=_environment(),
            )
        except OSError as error:
            raise _failed(f"no new process can be started: {trouble(error)}") from error
        finally:
            os.close(log)
            os.close(outbox)
        answer = _answer(inbox)
        if answer is None:
            # The process that was started is not collected yet, so that its group's number is still its own.
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finally:
        os.close(inbox)
    if answer is None:
        raise _failed(f"the supervisor was not ready within {READY_SECONDS:.0f} seconds")
    _raise_refusal(run, answer)


def _answer(inbox: int) -> bytes | None:
    """Return the supervisor's line, what there was of it when it died, or None when the time is over."""
    deadline = time.monotonic() + READY_SECONDS
    data = b""
    while not data.endswith(b"\n"):
        if not readable([inbox], max(0.0, deadline - time.monotonic())):
            return None
        more = os.read(inbox, 65536)
        if not more:
            break
        data += more
    return data


def _raise_refusal(run: RunDir, answer: bytes) -> None:
    try:
        fields = json.loads(answer)
    except ValueError:
        words = last_words(run)
        raise _failed(f'its supervisor died: "{words}"' if words else "its supervisor died") from None
    if fields:
        kind = UsageError if fields.get("usage") else FailureError
        raise kind(fields["title"], fields["cause"], fields["next"])


def _failed(cause: str, next_step: str = "Its engine.log may say more.") -> FailureError:
    return FailureError("The run could not be started", cause, next_step)


def _environment() -> dict[str, str]:
    """Return the environment with relative module paths made absolute: the supervisor works in ``/``."""
    environment = dict(os.environ)
    if path := environment.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(part or ".") for part in path.split(os.pathsep))
    return environment


def resume(run: RunDir, *, supervisor: Sequence[str] = ()) -> None:
    """Start a run again that was stopped or has crashed: it continues from its newest checkpoint.

    Raises:
        UsageError: it is no run, is finished, is running (the owner is named), or is from a newer version; or its
            network's package is missing or not allowed.
        FailureError: it could not be started.
    """
    if not run.exists:
        raise UsageError("No such run", clean_path(run.path), "`cnntrain runs` lists the runs.")
    if look(run).lock == "held":
        raise busy(run)
    check_network(check_can_start(run))
    if not os.path.isfile(run.dataset):
        cause = f"{clean_path(run.dataset)} is missing"
        raise FailureError("The run cannot be resumed", cause, "Start it again from its preset.")
    start(run, supervisor=supervisor)
