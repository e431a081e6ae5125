"""The engine's side of a process that answers question after question (`tui.runs.companion`)."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO, NoReturn

from tui.core.talk import READY


def answer(prepare: Callable[[], Callable[[bytes], bytes]]) -> NoReturn:
    """Answer each line of standard input on standard output, and leave at its end; call it from ``__main__``.

    Args:
        prepare: imports what takes seconds, and returns what makes the answer to a line.
    """
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: see tui.engine.__main__
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines, sys.stdin.buffer), daemon=True).start()
    reply = prepare()
    try:
        answers.write(READY)
        answers.flush()
        while True:
            answers.write(reply(lines.get()))
            answers.flush()
    except BrokenPipeError:
        os._exit(0)


def _listen(lines: queue.SimpleQueue[bytes], source: BinaryIO) -> None:
    for line in source:
        lines.put(line)
    os._exit(0)
