"""Before and around an attempt: whether it may begin, its number, and the few lines that are not the engine's."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import TYPE_CHECKING

from tui.core.disk import trouble
from tui.core.errors import FailureError, UsageError
from tui.core.events import Event
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path
from tui.runs.event_tail import lines_backwards
from tui.runs.tail import attempt_of

if TYPE_CHECKING:
    from tui.core.settings import Settings


def check_can_start(run: RunDir) -> Settings:
    """Return the settings of a run that may be started.

    Raises:
        UsageError: it is finished or was made by a newer version, or its settings cannot be used.
    """
    from tui.core.presets import read_settings, read_toml
    from tui.runs.launched import check_whole, with_the_copy
    from tui.runs.status import newer

    name = clean(run.name, 100)
    try:
        table = read_toml(run.settings)
        info = table.get("run")
        reason = newer(str(info.get("format", ""))) if isinstance(info, dict) else ""
        settings = None if reason else read_settings(run.settings)
        if not reason:
            check_whole(run, table)
    except UsageError as error:
        raise with_the_copy(run, error) from error
    if settings is None:
        raise UsageError("The run can only be read", reason, "Upgrade cnntrain.")
    for kind, line in lines_backwards(run.events):
        if kind == "extended":
            break
        if kind == "ended":
            if b'"reason":"finished"' in line:
                raise UsageError(
                    "The run is finished", f'"{name}" has come to its end', "`cnntrain extend` makes it longer."
                )
            break
    return settings


def own_control(run: RunDir) -> None:
    """See to it that nobody else can ask anything of the run.

    Raises:
        FailureError: the folder of requests is another user's, or no folder.
    """
    title = "The run cannot be started"
    try:
        run.control.mkdir(mode=0o700, exist_ok=True)
        found = run.control.stat(follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            cause = f"{clean_path(run.control)} is not a folder of yours"
            raise FailureError(title, cause, "Copy the run and resume the copy.")
        if found.st_mode & 0o077:
            run.control.chmod(0o700)
    except OSError as error:
        raise cannot_start(run, error) from error


def next_attempt(run: RunDir) -> int:
    """Return the number of the attempt to come: one more than the highest that left a trace."""
    highest = max(map(attempt_of, run.segments(BATCHES)), default=0)
    for kind, line in lines_backwards(run.events):
        if kind == "launched":
            with contextlib.suppress(ValueError, KeyError, TypeError):
                highest = max(highest, int(json.loads(line)["attempt"]))
                break
    return highest + 1


def append_event(run: RunDir, event: Event) -> None:
    """Append an event on a line of its own, also after a line that a crash tore.

    Raises:
        OSError: it cannot be written.
    """
    handle = os.open(run.events, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, b"\n" * torn + event.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def open_log(run: RunDir) -> int:
    """Open ``engine.log`` for appending.

    Raises:
        OSError: it cannot be written.
    """
    return os.open(run.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def cannot_start(run: RunDir, error: OSError) -> FailureError:
    """Return the failure that says which file could not be written, and why."""
    cause = f"{clean_path(error.filename or run.path)}: {trouble(error, run.path)}"
    return FailureError("The run cannot be started", cause, "Check the directory's permissions and the disk.")
