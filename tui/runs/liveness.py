"""Whether anybody runs a run: who holds its lock, and whether that is a living process of this boot.

The lock is the truth: while it is held, the run is alive, however silent. Only when the lock says nothing
(another machine, a file system without locks) does the process named in ``owner.json`` count.
Looking changes nothing in the run: the lock is tried as a shared one and let go at once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import Literal

from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.host import boot_id, host_name, start_time

HEARTBEAT = 10.0
"""Seconds between two touches of ``owner.json`` by the supervisor."""
FRESH = 60.0
"""A run on another machine that wrote anything within so many seconds counts as alive."""

Lock = Literal["held", "free", "unknown"]


@dataclass(frozen=True)
class Owner:
    """The supervisor that runs a run, or the last one that did."""

    host: str
    boot_id: str
    pid: int
    start_time: str
    uuid: str
    since: float
    """Seconds since 1970."""
    engine_pid: int = 0
    engine_start: str = ""
    """When that process was started, in the system's unit; empty: not known."""
    lock_inode: int = 0
    """Tells the run from a copy of it."""

    def encode(self) -> str:
        """Return the text of ``owner.json``."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        return f"{clean(self.host, 80)}, process {self.pid}, since {since}"

    @property
    def here(self) -> bool:
        """Whether it ran, or runs, on this machine, which may have another name by now."""
        return self.host == host_name() or (self.boot_id != "" and self.boot_id == boot_id())

    @property
    def this_boot(self) -> bool:
        """Whether it was started on this machine since the machine was."""
        return self.here and self.boot_id == boot_id()

    @property
    def process_lives(self) -> bool:
        """Whether its very process lives on this machine: same boot, same id, same start."""
        return self.this_boot and self.start_time != "" and start_time(self.pid) == self.start_time

    @property
    def engine_lives(self) -> bool:
        """Whether the very engine that it started lives on this machine."""
        return self.this_boot and self.engine_start != "" and start_time(self.engine_pid) == self.engine_start


@dataclass(frozen=True)
class Liveness:
    """What can be known about who runs a run."""

    lock: Lock
    owner: Owner | None
    heartbeat: float = 0.0
    """When the owner last showed itself (seconds since 1970), by its own clock or the file server's."""
    owner_lives: bool = False
    leaving: bool = False
    """Its supervisor is dead, and its engine is on the way out."""

    @property
    def alive(self) -> bool:
        """Whether somebody runs it, for certain."""
        return self.lock == "held" or self.owner_lives or self.leaving

    @property
    def elsewhere(self) -> bool:
        """Whether its owner is on another machine and cannot be judged from here."""
        return not self.alive and self.owner is not None and not self.owner.here


def look(run: RunDir) -> Liveness:
    """Return who runs ``run``; writes nothing and never waits."""
    lock, inode = _try_lock(run)
    owner, heartbeat = read_owner(run)
    lives = leaving = False
    # The inode differs in a copy: the original's processes say nothing about it.
    if owner is not None and lock != "held" and owner.lock_inode in (0, inode):
        lives = owner.process_lives
        leaving = not lives and owner.engine_lives
    return Liveness(lock, owner, heartbeat, lives, leaving)


def read_owner(run: RunDir) -> tuple[Owner | None, float]:
    """Return the owner that ``owner.json`` names and when the file was last touched."""
    try:
        with open(run.owner, encoding="utf-8", errors="replace") as file:
            touched = os.fstat(file.fileno()).st_mtime
            fields = json.loads(file.read(65536))
        owner = Owner(
            host=str(fields["host"]),
            boot_id=str(fields["boot_id"]),
            pid=int(fields["pid"]),
            start_time=str(fields["start_time"]),
            uuid=str(fields["uuid"]),
            since=float(fields["since"]),
            engine_pid=int(fields.get("engine_pid", 0)),
            engine_start=str(fields.get("engine_start", "")),
            lock_inode=int(fields.get("lock_inode", 0)),
        )
        time.gmtime(owner.since)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None, 0.0
    return owner, touched


def _try_lock(run: RunDir) -> tuple[Lock, int]:
    try:
        handle = os.open(run.lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return "free", 0
    except OSError:
        return "unknown", 0
    try:
        inode = os.fstat(handle).st_ino
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return ("held" if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else "unknown"), inode
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
        return "free", inode
    finally:
        os.close(handle)
