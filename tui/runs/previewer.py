"""The training code seen from who wants to know what it makes of a picture: a process that is asked and ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading

from tui.core.descriptors import readable
from tui.core.errors import FailureError
from tui.core.preview import MODULE, READY, AnswerHead, PreviewRequest, decode_head
from tui.core.text import clean

_TITLE = "What the network sees cannot be shown"
_MOST_LINE = 1 << 16
_SLICE = 0.2


class Previewer:
    """One process, started with the first question.

    Args:
        timeout: seconds that an answer may take; the first waits for torch.
    """

    def __init__(self, *, timeout: float = 60.0) -> None:
        self._timeout = timeout
        self._child: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()
        self._ready = False
        self._closed = False
        self._lock = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether the training code is there."""
        return self._ready

    def ask(self, request: PreviewRequest) -> tuple[AnswerHead, list[bytes]]:
        """Return the answer and the pixels of each picture; one question at a time, from any thread.

        Raises:
            FailureError: the process died, does not answer, or `close` was called.
        """
        child = self._started()
        try:
            assert child.stdin is not None
            child.stdin.write(request.encode())
            child.stdin.flush()
            if not self._ready:
                if self._line(child) != READY:
                    raise ValueError
                self._ready = True
            head = decode_head(self._line(child))
            pixels = self._take(child, head.length)
        except (OSError, ValueError) as error:
            self._end()
            raise FailureError(_TITLE, "the process that makes it ended unexpectedly", "Try again.") from error
        step = head.size * head.size * head.channels
        return head, [pixels[start : start + step] for start in range(0, head.length, step)] if step else []

    def close(self) -> None:
        """End the process now."""
        self._closed = True
        self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise FailureError(_TITLE, "it is no longer wanted")
            if self._child is None:
                self._buffer.clear()
                self._ready = False
                try:
                    self._child = subprocess.Popen(
                        [sys.executable, "-m", MODULE],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        env={**os.environ, "OMP_NUM_THREADS": "1"},
                    )
                except OSError as error:
                    cause = clean(error.strerror or str(error), 200)
                    raise FailureError(_TITLE, f"no process can be started: {cause}") from error
            return self._child

    def _end(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5)
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
                raise FailureError(_TITLE, "it is no longer wanted")
            if waited >= self._timeout:
                self._end()
                raise FailureError(_TITLE, f"there was no answer in {self._timeout:g} s", "Try again.")
        data = os.read(child.stdout.fileno(), 1 << 20)
        if not data:
            raise ValueError
        self._buffer += data
