"""The engine's only door to the outside: events and records go out, requests and signals come in.

No torch here, so that the door is open before torch's three-second import. Two threads use it: the
training thread, and a watcher that leaves the process when the supervisor has died or a second SIGTERM
came, even while the training thread is deep inside a library.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from tui.core import control
from tui.core.descriptors import readable
from tui.core.disk import trouble
from tui.core.events import Controlled, Ended, Event, Exit, Level, Message, Preparing
from tui.core.records import Encoder, Header
from tui.core.rundir import KNOWN, RunDir
from tui.core.text import clean
from tui.engine.mirror import Mirror

if TYPE_CHECKING:
    from tui.engine.pyramid import Pyramid

PREPARING_SECONDS = 0.5
"""At most one `Preparing` event of a stage in this time."""
POLL_SECONDS = 0.2
"""How often the requests and the run directory are looked at."""
LEAVE_SECONDS = 4.0
"""How long after the supervisor's death the process may still need; the promise is five seconds."""


def say(text: str) -> None:
    """Print a line to the engine's log; a log on a full disk is no reason to fail."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class Stopped(Exception):  # noqa: N818  a planned end
    """The attempt ends here and can be resumed; the text is for the person."""


class Vanished(Exception):  # noqa: N818  not an error: someone took the run away
    """The run directory was deleted or moved while training."""


def supervised() -> bool:
    """Whether the other end of standard input is a supervisor; a terminal or /dev/null is none."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def wait_until_known() -> None:
    """Touch nothing of the run before the supervisor has noted who this process is; leave when it died before.

    An engine that nobody knows of could not be waited for by the supervisor after that one.
    """
    if supervised() and not os.read(0, len(KNOWN)):
        os._exit(Exit.STOPPED)


class _Log:
    """An append-only file that is whole lines or whole records even when the disk fills in the middle of one."""

    def __init__(self, path: str | os.PathLike[str], *, fresh: bool = False) -> None:
        self.handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if fresh else 0))
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Append ``data`` with one write.

        Raises:
            OSError: nothing of ``data`` will ever be written.
        """
        if self._rest:
            done = os.write(self.handle, self._rest)
            self._rest = self._rest[done:]
            if self._rest:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = os.write(self.handle, data)
        self._rest = data[done:]  # finished first as soon as there is room again

    def ends_with_newline(self) -> bool:
        """Whether the file is empty or its last line is complete."""
        size = os.fstat(self.handle).st_size
        return size == 0 or os.pread(self.handle, 1, size - 1) == b"\n"

    def close(self) -> None:
        os.close(self.handle)


class Link:
    """One attempt's connection to its run directory.

    Args:
        run: the run; its directory exists.
        attempt: counted from 1; no attempt of this number has recorded yet.

    Raises:
        OSError: the events cannot be opened.
    """

    def __init__(self, run: RunDir, attempt: int) -> None:
        self.run = run
        self.attempt = attempt
        self.step = 0
        """Steps done; stamped on events."""
        self._events = _Log(run.events)
        if not self._events.ends_with_newline():
            self._events.write(b"\n")  # a line that a power cut tore stays alone
        self._unwritten: deque[bytes] = deque(maxlen=1000)
        self._lock = threading.Lock()
        self.mirror: Mirror | None = None
        """Told all records and events too, if there is one."""
        self.columns: dict[str, tuple[str, ...]] = {}
        """Of the records that are open, by kind."""
        self._segments: dict[str, tuple[_Log, Encoder, Pyramid]] = {}
        self._lost: dict[str, tuple[int, int, str]] = {}
        self._last_preparing = ("", 0.0)
        self._last_poll = 0.0
        self._terminations = 0
        self._orphaned = False
        self._ended = False

    # -- out -----------------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        """Append an event; when the disk is full it is kept and written later."""
        if event.step == 0 and self.step:
            event = event.but(step=self.step)
        with self._lock:
            if self._ended:
                return  # the other thread has said the last word
            self._ended = isinstance(event, Ended)
            self._unwritten.append(event.encode())
            with contextlib.suppress(OSError):
                while self._unwritten:
                    self._events.write(self._unwritten[0])
                    self._unwritten.popleft()
        if self.mirror is not None:
            self.mirror.event(event)

    def message(self, level: Level, text: str) -> None:
        """Tell the person something in one sentence; also printed to the engine's log."""
        say(text)
        self.event(Message(level=level, text=text))

    def preparing(self, stage: str, done: int = 0, total: int = 0, *, every: float = PREPARING_SECONDS) -> None:
        """Say what the engine is busy with beside the steps; repeated calls are thinned out to one in ``every`` s."""
        last, moment = self._last_preparing
        now = time.monotonic()
        if stage == last and now - moment < every:
            return
        self._last_preparing = (stage, now)
        self.event(Preparing(stage=clean(stage, 80), done=done, total=total))

    def open_records(self, kind: str, columns: tuple[str, ...]) -> None:
        """Start this attempt's segment of one kind.

        Raises:
            FileExistsError: this attempt has recorded before.
            OSError: the segment cannot be made.
        """
        from tui.engine.pyramid import Pyramid  # numpy would hold the door shut for a tenth of a second

        header = Header(kind=kind, columns=columns, attempt=self.attempt, run=self.run.name)
        log = _Log(self.run.segment(kind, self.attempt), fresh=True)
        log.write(header.encode())
        self._segments[kind] = (log, Encoder(header), Pyramid(self.run, header))
        self.columns[kind] = columns

    def record(self, kind: str, step: int, moment: float, values: list[float]) -> None:
        """Append one record. A full disk costs records, never the training; the gap is reported."""
        log, encoder, pyramid = self._segments[kind]
        if self.mirror is not None:
            self.mirror.record(kind, self.columns[kind], step, moment, values)
        record = encoder.encode(step, moment, values)
        try:
            log.write(record)
        except OSError as error:
            self._lose(kind, step, error)
            return
        pyramid.add(record)
        if kind in self._lost:
            self._tell_lost(kind)

    def _lose(self, kind: str, step: int, error: OSError) -> None:
        if kind not in self._lost:
            why = trouble(error, self.run.path)
            self._lost[kind] = (step, step, why)
            self.message("warning", f"Records ({kind}) cannot be written from step {step} on: {why}. Training goes on.")
        else:
            first, _, why = self._lost[kind]
            self._lost[kind] = (first, step, why)

    def tell_lost(self) -> None:
        """Report the records that were lost and will not be followed by others."""
        for kind in list(self._lost):
            self._tell_lost(kind)

    def _tell_lost(self, kind: str) -> None:
        first, last, why = self._lost.pop(kind)
        self.message("warning", f"Records ({kind}) of the steps {first} to {last} were lost: {why}.")

    def sync(self) -> None:
        """Bring the records of the steps so far to the disk, so that a checkpoint is never newer than they are."""
        for log, *_ in self._segments.values():
            with contextlib.suppress(OSError):
                os.fsync(log.handle)

    def close(self) -> None:
        """Give the files back; nothing is recorded or told after that."""
        with self._lock:
            self._ended = True
            for log, _, pyramid in self._segments.values():
                log.close()
                pyramid.close()
            self._events.close()
            self._segments.clear()

    # -- in ------------------------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether SIGTERM came or the supervisor died: stop at the next step boundary."""
        return self._terminations > 0 or self._orphaned

    @property
    def orphaned(self) -> bool:
        """Whether the supervisor died."""
        return self._orphaned

    def requests(self, *, at_once: bool = False) -> list[control.Request]:
        """Return the requests that wait, oldest first; looks at the disk at most five times a second.

        Args:
            at_once: look now.

        Raises:
            Vanished: the run directory is no longer where it was.
        """
        now = time.monotonic()
        if now - self._last_poll < POLL_SECONDS and not at_once:
            return []
        self._last_poll = now
        try:
            os.stat(self.run.path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Vanished from error
        except OSError:
            return []  # a network file system that does not answer now has not lost the run
        return control.pending(self.run)

    def stop_wanted(self) -> bool:
        """Whether to give up what takes long for the sake of a stop; a request for it is left where it is.

        Raises:
            Vanished: the run directory is no longer where it was.
        """
        return self.stopping or any(request.action == "stop" for request in self.requests())

    def answer(self, request: control.Request) -> None:
        """Say that a request was acted on, and take it away."""
        self.event(Controlled(action=request.action, value=request.value))
        control.answered(request)

    def answer_stop(self) -> None:
        """Answer the requests to stop, when the attempt ends for them before or after the loop."""
        for request in self.requests(at_once=True):
            if request.action == "stop":
                self.answer(request)

    def watch(self) -> None:
        """Take over the signals and start the watcher; call once, from the main thread."""
        inbox, outbox = os.pipe()
        for end in (inbox, outbox):
            os.set_blocking(end, False)
            os.set_inheritable(end, False)
        for ignored in (signal.SIGINT, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        signal.set_wakeup_fd(outbox, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_terminate)
        sources = [inbox, 0] if supervised() else [inbox]
        threading.Thread(target=self._watch, args=(inbox, sources), name="watcher", daemon=True).start()

    def _on_terminate(self, *_: object) -> None:
        self._terminations = max(self._terminations, 1)

    def _watch(self, inbox: int, sources: list[int]) -> None:
        terminations = 0
        deadline: float | None = None
        while True:
            timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = readable(sources, timeout)
            if not ready and deadline is not None:
                self.leave("Its supervisor was killed, and the step did not end in time.")
            if inbox in ready:
                terminations += os.read(inbox, 4096).count(signal.SIGTERM)
                self._terminations = max(self._terminations, terminations)
                if terminations > 1:
                    self.leave("Stopped at once, without saving.")
            if 0 in ready and not os.read(0, 4096):
                sources.remove(0)
                self._orphaned = True
                deadline = time.monotonic() + LEAVE_SECONDS

    def leave(self, text: str) -> None:
        """Write the last event and leave the process now, whatever the training thread does."""
        # The training thread may hang in a write and hold the lock, and the disk may not answer.
        last_word = Ended(reason="stopped", exit_code=Exit.STOPPED, text=f"{text} Resume it to go on.")
        writing = threading.Thread(target=self.event, args=(last_word,), daemon=True)
        writing.start()
        writing.join(0.5)
        os._exit(Exit.STOPPED)
