"""Making, starting, resuming and stopping runs: what the command line and the screens do to a run.

A run is started by a supervisor of its own (`tui.runs.supervisor`), in its own session: neither the end of
this process nor of its terminal reaches it.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core import control
from tui.core.architectures import check_installed
from tui.core.descriptors import readable
from tui.core.disk import trouble
from tui.core.errors import FailureError, UsageError
from tui.core.files import write_atomic
from tui.core.permission import check_allowed
from tui.core.rundir import FORMAT, RunDir, new_run
from tui.core.text import clean, clean_path
from tui.runs.attempt import check_can_start, open_log
from tui.runs.liveness import look
from tui.runs.lock import busy
from tui.runs.postmortem import last_words

if TYPE_CHECKING:
    from tui.core.dataset.manifest import Manifest
    from tui.core.dataset.scan import Scan
    from tui.core.settings import Settings
    from tui.runs.state import RunState

SUPERVISOR = (sys.executable, "-P", "-m", "tui.runs.supervisor")
READY_SECONDS = 60.0
"""On a busy machine a supervisor takes seconds to start; and it waits for the engine of one that was killed."""
_UNWRITABLE = "Mend that, or copy the run to a place that can be written and resume it there."
_BETWEEN_SIGNALS = 0.3
_VERSIONS = ("cnntrain", "torch", "torchvision")


def create(settings: Settings, *, root: Path, name: str, preset: str = "", scan: Scan | None = None) -> RunDir:
    """Make the directory of a new run, with its settings and its dataset; start nothing.

    Args:
        settings: all of them; ``data.directory`` is made absolute.
        root: the directory of runs, made if need be.
        name: what to call the run; its directory has the time in front.
        preset: the preset that the settings came from, for the record.
        scan: what is in ``data.directory``, if it was looked through already; made anew if it is out of date.

    Raises:
        UsageError: the pictures, the settings or the name cannot be used.
        FailureError: the directory cannot be written.
    """
    from tui.core.dataset.manifest import make_manifest
    from tui.core.dataset.scan import scan as look_through
    from tui.core.schema import with_changes

    directory = Path(settings.data.directory).expanduser().absolute()
    try:
        str(directory).encode()
    except UnicodeEncodeError:
        cause = f"{clean_path(directory)} is not valid UTF-8"
        raise UsageError("The folder's name cannot be kept in settings", cause, "Rename it, or link to it.") from None
    settings = with_changes(settings, {"data.directory": str(directory)}, source="this run")
    if scan is None or not scan.is_current():
        scan = look_through(directory, settings.data)
    manifest = make_manifest(scan, settings)
    return make(settings, manifest, root=root.expanduser().absolute(), name=name, info={"preset": preset})


def make(settings: Settings, manifest: Manifest, *, root: Path, name: str, info: Mapping[str, str]) -> RunDir:
    """Make the directory of a run whose pictures are known; ``info`` goes into the ``[run]`` table of its settings.

    Raises:
        UsageError: the name cannot be used, or the network's package is missing or not allowed.
        FailureError: the directory cannot be written.
    """
    _check_network(settings)
    run = _make(root, name)
    try:
        _write(run, settings, manifest, info)
    except BaseException as error:
        shutil.rmtree(run.path, ignore_errors=True)  # made a moment ago, by us
        if isinstance(error, OSError):
            raise _cannot_write(run.path, error) from error
        raise
    return run


def _check_network(settings: Settings) -> None:
    check_installed(settings.model.name)
    check_allowed(settings.model.name)


def _make(root: Path, name: str) -> RunDir:
    while True:
        run = new_run(root, name)
        try:
            run.make()
        except FileExistsError as error:
            if not os.path.isdir(run.path):
                raise _cannot_write(root, error) from error
        except OSError as error:
            raise _cannot_write(root, error) from error
        else:
            return run


def _cannot_write(path: Path, error: OSError) -> FailureError:
    cause = f"{clean_path(path)}: {trouble(error, path)}"
    return FailureError("The run directory cannot be made", cause, "Name another place with --runs DIR.")


def _write(run: RunDir, settings: Settings, manifest: Manifest, info: Mapping[str, str]) -> None:
    import tomli_w

    from tui.core.dataset.manifest import save_manifest
    from tui.core.schema import nested

    about: dict[str, Any] = {
        "format": FORMAT,
        "name": run.name,
        **{key: clean(value, 200) for key, value in info.items()},
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "python": platform.python_version(),
    }
    for package in _VERSIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            about[package] = metadata.version(package)
    save_manifest(manifest, run.dataset)
    # Last: with its settings the directory becomes a run.
    write_atomic(run.settings, tomli_w.dumps({"run": about, **nested(settings)}), durable=True)


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
    _check_network(check_can_start(run))
    if not os.path.isfile(run.dataset):
        cause = f"{clean_path(run.dataset)} is missing"
        raise FailureError("The run cannot be resumed", cause, "Start it again from its preset.")
    start(run, supervisor=supervisor)


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
    _check_network(settings)
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
