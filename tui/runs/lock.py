"""Owning a run: one process at a time, and whoever comes second is told who the first one is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import time
from pathlib import Path

from tui.core.disk import trouble
from tui.core.errors import FailureError, UsageError
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path
from tui.runs.event_tail import lines_backwards
from tui.runs.liveness import FRESH, Owner, read_owner

ENGINE_SECONDS = 8.0
"""How long an engine without a supervisor may take to leave; it promises five seconds."""
LOCK_SECONDS = 1.0
"""How long to try for the lock: somebody who only looks holds it for an instant."""


def take_lock(run: RunDir) -> int:
    """Take the run's lock and return the open file that holds it.

    Raises:
        UsageError: another process runs it; the owner is named.
        FailureError: the lock cannot be made.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            handle = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError as error:
            cause = f"{clean_path(run.lock)}: {trouble(error, run.lock)}"
            raise FailureError("The run cannot be started", cause, "Check the directory's permissions.") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_ino == os.stat(run.lock).st_ino:
                break
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.ENOENT):
                break  # a file system without locks: the owner's process decides
        os.close(handle)
        if time.monotonic() > deadline:
            raise busy(run)
        time.sleep(0.02)
    owner, heartbeat = read_owner(run)
    if owner is not None and (_runs_here(owner, run) or _runs_elsewhere(owner, run, heartbeat, handle)):
        os.close(handle)
        raise busy(run)
    return handle


def outlast_engine(run: RunDir, lock: int) -> None:
    """Wait for the engine of a supervisor that was killed: two engines of one run must never write at a time.

    It leaves by itself within five seconds; one that hangs is killed, which is what its supervisor would have done.

    Args:
        run: the run.
        lock: its lock, held by this process.
    """
    owner, _ = read_owner(run)
    if owner is None or owner.lock_inode != os.fstat(lock).st_ino:
        return  # the engine of another run, of which this is a copy
    deadline = time.monotonic() + ENGINE_SECONDS
    while owner.engine_lives:
        if time.monotonic() > deadline:
            with contextlib.suppress(OSError):
                os.killpg(owner.engine_pid, signal.SIGKILL)
        time.sleep(0.05)


def busy(run: RunDir) -> UsageError:
    """Return the refusal of a second start, with the owner's name."""
    owner, _ = read_owner(run)
    known = owner is not None and (not owner.this_boot or owner.process_lives)
    who = f"it is run by {owner}" if known else "another process has just begun to run it"
    return UsageError("The run is already running", who, f"Watch it with `cnntrain watch {clean(run.name, 100)}`.")


def _runs_here(owner: Owner, run: RunDir) -> bool:
    """Whether the owner lives although the lock is free: it was deleted, or there are none here."""
    if not owner.process_lives or owner.pid == os.getpid():
        return False
    try:
        return os.fsencode(run.path) in Path(f"/proc/{owner.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return owner.lock_inode == run.lock.stat().st_ino


def _runs_elsewhere(owner: Owner, run: RunDir, heartbeat: float, lock: int) -> bool:
    """Whether the owner is on another machine whose locks cannot be seen, and shows signs of life."""
    if owner.here or _disk_time(lock) - heartbeat > FRESH:
        return False
    return next((kind for kind, _ in lines_backwards(run.events) if kind in ("ended", "launched")), "") == "launched"


def _disk_time(handle: int) -> float:
    """Return the time by the clock that stamps files there: a file server's, which need not agree with this machine's.

    A heartbeat has been stamped by the same one.
    """
    try:
        os.utime(handle)
        return os.fstat(handle).st_mtime
    except OSError:
        return time.time()
