"""What is asked of a run that there is: to stop, to go on for longer, and all that a request can say."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.core import control
from tui.core.disk import trouble
from tui.core.errors import FailureError, UsageError
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path
from tui.runs.launch import resume
from tui.runs.liveness import look
from tui.runs.making import check_network

if TYPE_CHECKING:
    from tui.runs.state import RunState

_BETWEEN_SIGNALS = 0.3


def stop(run: RunDir, now: bool = False, *, after_epoch: bool = False) -> None:
    """Ask a run to stop: it finishes the step, saves and leaves.

    Args:
        run: the run.
        now: it leaves at once, without saving.
        after_epoch: it goes on to the end of the epoch first.

    Raises:
        UsageError: it is not running, or, for ``now``, runs on another machine.
        FailureError: the request cannot be written, or the process is another user's.
    """
    state, life = _state(run), look(run)
    if not state.live and not life.alive:
        raise UsageError("The run is not running", f"{clean(run.name, 100)} is {state.status}")
    if state.read_only:
        raise UsageError("The run can only be read", state.read_only, "Upgrade cnntrain.")
    action: control.Action = "stop_after_epoch" if after_epoch else "stop"
    if now:
        _stop_now(run)
    elif not any(request.action == action for request in control.pending(run)):
        _ask(run, action, "The run cannot be stopped")


def ask(run: RunDir, action: control.Action, value: float | None = None) -> None:
    """Ask something else of a run that trains: to pause or go on, to validate, to save, another learning rate.

    Raises:
        UsageError: it does not train, or can only be read.
        FailureError: the request cannot be written.
    """
    state = _state(run)
    if not state.live:
        raise UsageError("The run does not train", f"{clean(run.name, 100)} is {state.status}")
    if state.read_only:
        raise UsageError("The run can only be read", state.read_only, "Upgrade cnntrain.")
    _ask(run, action, "The run cannot be asked", value)


def extend(run: RunDir, epochs: int, *, supervisor: Sequence[str] = ()) -> bool:
    """Make a run longer: one that trains is asked to go on for more, one that is finished is started again.

    Returns:
        whether it was started again.

    Raises:
        UsageError: it has stopped before its end or is about to, was never started, or can only be read; or its
            network's package is missing or not allowed. Then nothing was changed.
        FailureError: it could not be written or started.
    """
    from tui.core.events import Extended
    from tui.core.extensions import extend as extend_files
    from tui.core.presets import read_settings
    from tui.runs.attempt import append_event
    from tui.runs.lock import take_lock

    if not run.exists:
        raise UsageError("No such run", clean_path(run.path), "`cnntrain runs` lists the runs.")
    state = _state(run)
    title = "The run cannot be extended"
    if state.read_only:
        raise UsageError(title, state.read_only, "Upgrade cnntrain.")
    if state.live:
        if state.stop_asked or any(request.action == "stop" for request in control.pending(run)):
            raise UsageError(title, f"{clean(run.name, 100)} is stopping", "Resume it, and extend it while it trains.")
        _ask(run, "extend", title, float(epochs))
        return False
    if state.status != "finished" or state.started is None:
        cause = f"{clean(run.name, 100)} is {state.status}, not finished"
        raise UsageError(title, cause, "Resume it, and extend it while it trains.")
    settings = read_settings(run.settings)
    check_network(settings)
    lock = take_lock(run)
    try:
        steps, training = state.started.steps_per_epoch, settings.training
        new = extend_files(run, training, epochs, step=state.step, epoch_steps=steps, ended=True)
        total = read_settings(run.settings).training.epochs
        event = Extended(step=state.step, epochs=epochs, total_epochs=total, total_steps=new.total)
        append_event(run, event)
    except OSError as error:
        raise FailureError(title, f"{clean_path(run.events)}: {trouble(error, run.events)}", "Is it yours?") from error
    finally:
        os.close(lock)
    resume(run, supervisor=supervisor)
    return True


def _state(run: RunDir) -> RunState:
    from tui.runs.follow import RunFollower

    follower = RunFollower(run, history=False)
    follower.poll()
    return follower.state


def _ask(run: RunDir, action: control.Action, title: str, value: float | None = None) -> None:
    try:
        control.ask(run, action, value)
    except OSError as error:
        cause = f"{clean_path(run.control)}: {trouble(error, run.control)}"
        raise FailureError(title, cause, "Is it yours?") from error


def _stop_now(run: RunDir) -> None:
    owner = look(run).owner
    if owner is None or not owner.process_lives or owner.pid == os.getpid():
        where = (
            f"it runs on {clean(owner.host, 80)}" if owner is not None and not owner.here else "its owner is unknown"
        )
        raise UsageError("The run cannot be stopped at once", where, "Stop it from there, or without --now.")
    try:
        os.kill(owner.pid, signal.SIGTERM)
        time.sleep(_BETWEEN_SIGNALS)  # two signals of a kind that wait together are one
        if owner.process_lives:
            os.kill(owner.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as error:
        cause = f"process {owner.pid} belongs to another user"
        raise FailureError("The run cannot be stopped", cause, "Ask them.") from error
