"""Keys without a clock: the thread that reads the terminal sleeps until something is typed.

Textual's own wakes ten times a second, to tell a lone Escape from the start of a sequence and to learn that the app
ends. On the screen of a quiet run that is a third of the processor time.
"""

from __future__ import annotations

import os
import select
import threading
from codecs import getincrementaldecoder
from typing import Any

from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

_READ = 4096
"""Bytes that are read at once."""


class Gate(threading.Event):
    """An event that can be waited for together with a descriptor."""

    def __init__(self) -> None:
        super().__init__()
        self.woken, self._waking = os.pipe()

    def __del__(self) -> None:
        os.close(self.woken)
        os.close(self._waking)

    def set(self) -> None:
        """Make ``woken`` readable."""
        super().set()
        os.write(self._waking, b"\0")

    def clear(self) -> None:
        """Make it unreadable again."""
        super().clear()
        if select.select([self.woken], [], [], 0)[0]:
            os.read(self.woken, _READ)


class GatedDriver(LinuxDriver):
    """Textual's driver for terminals, whose reading thread waits for input and for nothing else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gate = self.exit_event = Gate()
        self._pieces: list[str] | None = None
        """What has been written of an update that is not whole yet; None between two."""

    def write(self, data: str) -> None:
        """Hand an update to the thread that writes in one piece: each would wake it."""
        if self._pieces is None and data != SYNC_START:
            super().write(data)
            return
        self._pieces = [*(self._pieces or ()), data]
        if data == SYNC_END:
            pieces, self._pieces = self._pieces, None
            super().write("".join(pieces))

    def stop_application_mode(self) -> None:
        """Leave the screen empty: tmux shows what is on it above the shell's lines, if the window changed its size."""
        self.write("\x1b[H\x1b[2J")
        super().stop_application_mode()

    def run_input_thread(self) -> None:
        """Read until the app ends, or the terminal."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        files = [self.fileno, self._gate.woken]
        while not self._gate.is_set():
            due = parser._timeout_time  # of an Escape after which nothing has come yet
            ready = select.select(files, [], [], None if due is None else max(0.0, due - get_time()))[0]
            if self.fileno in ready:
                try:
                    data = os.read(self.fileno, _READ)
                except OSError:
                    data = b""
                if not data:
                    files = files[1:]  # it is over: whoever watches the terminal ends the app
                for event in parser.feed(text) if (text := decode(data)) else ():
                    self.process_message(event)
            for event in parser.tick():
                self.process_message(event)
