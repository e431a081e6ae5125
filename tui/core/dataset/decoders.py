"""The processes that decode pictures, seen from who needs pictures: jobs go in, futures come out.

A decoder that dies or hangs costs one picture and not the run: the picture it was at is tried once more, then
named and left out. One that was killed from outside proves little against a picture, so that one is tried oftener:
a picture that is left out changes what the run trains on.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace

from tui.core.dataset.decoder import ANSWER, DECODED, NOT_STORED, UNREADABLE, Job
from tui.core.errors import FailureError
from tui.core.leash import Leash

_MOST_DEATHS = 24
_MOST_KILLS = 3
"""How often a decoder that does nothing else may be killed at a picture."""


def worker_count(wanted: int) -> int:
    """Return how many decoders to run: as wanted, or one per core that this process may use."""
    if wanted > 0:
        return wanted
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Answer:
    """What became of one picture."""

    reason: str = ""
    """Why it could not be decoded; empty: it was."""
    digest: int = 0
    """Of the file's content, 64 bits."""
    pixels: bytes = b""
    """``size * size * channels`` bytes, unless they went to the job's output; or the encoded `Facts` asked for."""


class _Lost(Exception):  # noqa: N818 (handled here)
    """A decoder died or hung; the text is a clause for a person."""

    killed = False
    """By SIGKILL: from outside, or because memory ran out."""


def _cancel(future: Future[list[Answer]]) -> None:
    """Cancel what nobody will work on, and tell those that wait for it."""
    future.cancel()
    future.set_running_or_notify_cancel()


class Decoders:
    """A pool of decoding processes, each started when it gets its first job.

    Args:
        count: how many processes.
        timeout: seconds without an answer after which a decoder is taken for stuck.
        niceness: how far they stand back where others need the processor.
    """

    def __init__(self, count: int, *, timeout: float = 120.0, niceness: int = 0) -> None:
        self._jobs: queue.SimpleQueue[tuple[Job, Future[list[Answer]]] | None] = queue.SimpleQueue()
        self.count = count
        self._timeout, self._niceness = timeout, niceness
        self._closed = False
        self._deaths = 0
        self._lock = threading.Lock()
        self._processes: list[_Process] = []
        self._threads = [threading.Thread(target=self._work, name="decoder", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> Future[list[Answer]]:
        """Queue a job; the future gives one answer per path, or raises.

        Its exceptions: OSError when the output cannot be written (disk full), FailureError when decoders
        keep dying. After `close` it is cancelled.
        """
        future: Future[list[Answer]] = Future()
        with self._lock:
            if self._closed:
                _cancel(future)
            else:
                self._jobs.put((job, future))
        return future

    def close(self) -> None:
        """End all processes now; jobs that wait are cancelled."""
        with self._lock:
            self._closed = True
            processes = list(self._processes)
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self._jobs.get_nowait()
                if waiting is not None:
                    _cancel(waiting[1])
        for process in processes:
            process.kill()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(timeout=5)

    def _work(self) -> None:
        process: _Process | None = None
        while (item := self._jobs.get()) is not None:
            job, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                answers: list[Answer] = []
                step, kills = len(job.paths), 0
                while len(answers) < len(job.paths):
                    done = len(answers)
                    part = replace(job, paths=job.paths[done : done + step], rows=job.rows[done : done + step])
                    process = process or self._start()
                    try:
                        process.run(part, answers, self._timeout)
                    except _Lost as lost:
                        self._forget(process)
                        process = None
                        self._count_death(str(lost))
                        # Answers come in bundles: only alone can a picture be told to be the one.
                        kills += step == 1
                        if step == 1 and (not lost.killed or kills == _MOST_KILLS):
                            answers.append(Answer(reason=str(lost)))
                            kills = 0
                        step = 1
                    else:
                        kills = 0
                future.set_result(answers)
            except BaseException as error:
                if process is not None:
                    self._forget(process)
                    process = None
                future.set_exception(error)
        if process is not None:
            self._forget(process)

    def _start(self) -> _Process:
        with self._lock:
            if self._closed:
                raise FailureError("The pictures cannot be decoded", "the decoders were closed")
            process = _Process(self._niceness)
            self._processes.append(process)
            return process

    def _forget(self, process: _Process) -> None:
        process.kill()
        with self._lock, contextlib.suppress(ValueError):
            self._processes.remove(process)

    def _count_death(self, how: str) -> None:
        with self._lock:
            self._deaths += 1
            if self._deaths > _MOST_DEATHS and not self._closed:
                raise FailureError(
                    "The pictures cannot be decoded",
                    f"decoding processes were lost {self._deaths} times, at last because {how}",
                    "If memory is short, use fewer workers: set data.workers=1.",
                )


class _Process:
    """One decoding process."""

    def __init__(self, niceness: int = 0) -> None:
        self._leash = Leash()
        self._child = self._leash.start(
            [sys.executable, "-m", "tui.core.dataset.decoder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        if niceness:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._child.pid, niceness)
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._in, self._out = self._child.stdin, self._child.stdout
        self._ready = select.poll()
        self._ready.register(self._out, select.POLLIN | select.POLLHUP)
        self._buffer = bytearray()

    def run(self, job: Job, answers: list[Answer], timeout: float) -> None:
        """Append an answer for each picture of the job.

        Raises:
            _Lost: the process died or hung at the picture after the last answer.
            OSError: the output cannot be written.
        """
        try:
            line = job.encode()
            while line:
                line = line[self._in.write(line) or 0 :]
        except OSError as error:
            raise self._lost() from error
        for _ in job.paths:
            status, digest, length = ANSWER.unpack(self._take(ANSWER.size, timeout))
            content = self._take(length, timeout)
            if status == DECODED:
                answers.append(Answer(digest=digest, pixels=content))
            elif status == UNREADABLE:
                answers.append(Answer(reason=content.decode("ascii")))
            elif status == NOT_STORED:
                raise OSError(int(content), os.strerror(int(content)))

    def _take(self, length: int, timeout: float) -> bytes:
        while len(self._buffer) < length:
            self._wait(timeout)
            data = os.read(self._out.fileno(), 1 << 20)
            if not data:
                raise self._lost()
            self._buffer += data
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    def _wait(self, timeout: float) -> None:
        # Counted in slices, so that a machine that was suspended does not look like a stuck decoder.
        waited = 0.0
        while not self._ready.poll(min(1.0, timeout) * 1000):
            waited += min(1.0, timeout)
            if waited >= timeout:
                raise _Lost(f"reading it took more than {timeout:g} s")

    def _lost(self) -> _Lost:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(5)
        code = self._child.returncode
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            if name == "SIGKILL":
                lost = _Lost("its decoder was killed (SIGKILL), perhaps because memory ran out")
                lost.killed = True
                return lost
            return _Lost(f"its decoder crashed ({name})")
        return _Lost("its decoder ended unexpectedly")

    def kill(self) -> None:
        """End the process and wait for it."""
        self._child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(5)
        self._leash.drop()
        for stream in (self._in, self._out):
            with contextlib.suppress(OSError):
                stream.close()
