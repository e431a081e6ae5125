"""A process with the training code that answers question after question for a screen, and is ended with it.

It writes `READY` when the training code is there, and answers each line with a line of its own, the head, and
as many bytes as that says. For one job with progress there is `tui.runs.service`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from tui.core.descriptors import readable
from tui.core.errors import FailureError
from tui.core.leash import Leash
from tui.core.talk import READY
from tui.core.text import clean

_MOST_LINE = 1 << 16
_SLICE = 0.2


class Head(Protocol):
    """What stands before the bytes of an answer."""

    @property
    def length(self) -> int:
        """How many bytes follow."""


_H = TypeVar("_H", bound=Head)


class Companion(Generic[_H]):
    """One process, started with the first question.

    Args:
        module: what it runs.
        head: reads the line before the bytes of an answer; raises ValueError for what is none.
        title: of errors: what cannot be done without it.
        timeout: seconds that an answer may take; the first waits for torch.
    """

    def __init__(self, module: str, head: Callable[[bytes], _H], title: str, *, timeout: float = 60.0) -> None:
        self._module, self._head, self._title = module, head, title
        self._timeout = timeout
        self._child: subprocess.Popen[bytes] | None = None
        self._leash: Leash | None = None
        self._buffer = bytearray()
        self._ready = False
        self._closed = False
        self._lock = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether the training code is there."""
        return self._ready

    def exchange(self, line: bytes) -> tuple[_H, bytes]:
        """Return the answer to a line; one at a time, from any thread.

        Raises:
            FailureError: the process died, does not answer, or `close` was called.
        """
        child = self._started()
        try:
            assert child.stdin is not None
            child.stdin.write(line)
            child.stdin.flush()
            if not self._ready:
                if self._line(child) != READY:
                    raise ValueError
                self._ready = True
            head = self._head(self._line(child))
            return head, self._take(child, head.length)
        except (OSError, ValueError) as error:
            self._end()
            raise FailureError(self._title, "the process that makes it ended unexpectedly", "Try again.") from error

    def close(self) -> None:
        """End the process now."""
        self._closed = True
        self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise FailureError(self._title, "it is no longer wanted")
            if self._child is None:
                self._buffer.clear()
                self._ready = False
                self._leash = Leash()
                try:
                    self._child = self._leash.start(
                        [sys.executable, "-m", self._module],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        env={**os.environ, "OMP_NUM_THREADS": "1"},
                    )
                except OSError as error:
                    cause = clean(error.strerror or str(error), 200)
                    raise FailureError(self._title, f"no process can be started: {cause}") from error
            return self._child

    def _end(self) -> None:
        with self._lock:
            child, self._child, leash = self._child, None, self._leash
        if child is None or leash is None:
            return
        child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5)
        leash.drop()
        for stream in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()

    def _line(self, child: subprocess.Popen[bytes]) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _MOST_LINE:
                raise ValueError
            self._read(child)
        at = self._buffer.index(b"\n") + 1
        line = bytes(self._buffer[:at])
        del self._buffer[:at]
        return line

    def _take(self, child: subprocess.Popen[bytes], length: int) -> bytes:
        while len(self._buffer) < length:
            self._read(child)
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        waited = 0.0
        while not readable([child.stdout.fileno()], _SLICE):
            waited += _SLICE
            if self._closed:
                raise FailureError(self._title, "it is no longer wanted")
            if waited >= self._timeout:
                self._end()
                raise FailureError(self._title, f"there was no answer in {self._timeout:g} s", "Try again.")
        data = os.read(child.stdout.fileno(), 1 << 20)
        if not data:
            raise ValueError
        self._buffer += data
