"""A terminal at the end of a line, behind a pseudo-terminal: so many bytes a second, each so many seconds late.

It answers where its cursor is (ESC[6n) and whether it knows synchronised updates, when the question has arrived.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyte

_ANSWERS = ((b"\x1b[6n", b"\x1b[1;1R"), (b"\x1b[?2026$p", b"\x1b[?2026;2$y"))
_CHUNK = 0.02
"""Seconds of the line that are taken at once."""


class Terminal:
    """A process behind a terminal.

    Args:
        command: the process.
        size: columns and rows.
        rate: bytes a second that the line carries from the process; None for any number.
        delay: seconds that anything takes in each direction.
        emulate: whether to keep a picture of the screen (`screen`), which takes time.
        environment: changes to this process's.
    """

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int],
        *,
        rate: float | None = None,
        delay: float = 0.0,
        emulate: bool = False,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        variables = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})}
        variables.pop("NO_COLOR", None)
        self.screen = pyte.Screen(*size) if emulate else None
        self._stream = pyte.ByteStream(self.screen) if self.screen is not None else None
        self._rate, self._delay = rate, delay
        self._due: list[tuple[float, int, bool, bytes]] = []
        self._count = 0
        self._free = 0.0
        self._tail = b""
        self.received = 0
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=variables, start_new_session=True
        )
        os.close(slave)

    def press(self, keys: bytes) -> None:
        """Send keys."""
        self._later(time.monotonic() + self._delay, False, keys)

    def read(self, seconds: float, until: Callable[[bytes], bool] = lambda data: False) -> float | None:
        """Let time pass, or until what arrives makes ``until`` true; return when it did."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            while self._due and self._due[0][0] <= now:
                _, _, inwards, data = heapq.heappop(self._due)
                if not inwards:
                    with contextlib.suppress(OSError):
                        os.write(self.master, data)
                elif self._arrive(data) and until(data):
                    return now
            wait = min(end, self._due[0][0] if self._due else end, max(now, self._free) if self._free > now else end)
            ready = [self.master] if self._free <= now else []
            if not select.select(ready, [], [], max(0.0, wait - now))[0]:
                continue
            most = 1 << 16 if self._rate is None else max(16, int(self._rate * _CHUNK))
            try:
                data = os.read(self.master, most)
            except OSError:
                return None
            taken = len(data) / self._rate if self._rate else 0.0
            self._free = now + taken
            self._later(now + taken + self._delay, True, data)
        return None

    def _later(self, moment: float, inwards: bool, data: bytes) -> None:
        self._count += 1
        heapq.heappush(self._due, (moment, self._count, inwards, data))

    def _arrive(self, data: bytes) -> bool:
        self.received += len(data)
        window = self._tail + data
        for question, answer in _ANSWERS:
            for _ in range(window.count(question) - self._tail.count(question)):
                self._later(time.monotonic() + self._delay, False, answer)
        self._tail = window[-16:]
        if self._stream is not None:
            self._stream.feed(data)
        return True

    def cpu(self, pid: int = 0) -> float:
        """Return the processor seconds used so far by the process, or by another one."""
        fields = Path(f"/proc/{pid or self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, pid: int = 0) -> tuple[float, float]:
        """Return resident memory and what of it is nobody else's, in MB (10^6 bytes)."""
        place = f"/proc/{pid or self.process.pid}"
        private = sum(_kilobytes(f"{place}/smaps_rollup", label) for label in ("Private_Clean:", "Private_Dirty:"))
        return _kilobytes(f"{place}/status", "VmRSS:") * 1.024e-3, private * 1.024e-3

    def close(self, keys: bytes = b"q") -> None:
        """Leave as a person would."""
        self._rate = None
        self.press(keys)
        self.read(0.5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(3)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)


def _kilobytes(path: str, label: str) -> int:
    lines = Path(path).read_text().splitlines() if os.path.exists(path) else []
    return int(next((line.split()[1] for line in lines if line.startswith(label)), 0))
