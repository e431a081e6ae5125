"""A child that the kernel ends together with this process, whatever either of them is doing just then.

A child that waits for the end of its standard input needs a thread that runs. It has none while a library holds the
interpreter, as torch's does for the seconds of its import, or a decoder's that works at a picture. So there is
a pipe beside it that nobody ever writes to: the child holds one end and this process the other, and the kernel
sends SIGKILL to the child when this one's end is closed, however that comes about. Unlike ``PR_SET_PDEATHSIG`` it
does not depend on the thread that started the child, and the child takes no part in it.

Only Linux has it. Elsewhere the children do what they can themselves.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any


class Leash:
    """What ties one child to this process."""

    def __init__(self) -> None:
        self.end, held = os.pipe()
        self._open = [held, self.end]
        """What this process has to close; taken out before, so that no thread closes a number twice."""

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start the child, with options as `subprocess.Popen` has them.

        Raises:
            OSError: it cannot be started.
        """
        try:
            child: subprocess.Popen[bytes] = subprocess.Popen(command, pass_fds=[self.end], **options)
        except BaseException:
            self.drop()
            raise
        if hasattr(fcntl, "F_SETSIG"):
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.end, fcntl.F_SETOWN, child.pid)
                fcntl.fcntl(self.end, fcntl.F_SETSIG, signal.SIGKILL)
                fcntl.fcntl(self.end, fcntl.F_SETFL, fcntl.fcntl(self.end, fcntl.F_GETFL) | os.O_ASYNC)
        self._close()  # the child has this end, and what was set here belongs to the pipe
        return child

    def drop(self) -> None:
        """Give the files back, once the child is over; one that is not is killed by this."""
        while self._open:
            self._close()

    def _close(self) -> None:
        with contextlib.suppress(IndexError):  # another thread was quicker
            os.close(self._open.pop())


def slip(end: int) -> None:
    """Take off the leash that this process was given, if it was: from now on it leaves by itself, in its own time."""
    if end < 0:
        return
    with contextlib.suppress(OSError):
        fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) & ~os.O_ASYNC)
        os.close(end)
