"""A watch over the terminal: an app whose window was closed ends, even where SIGHUP is ignored."""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Callable, Sequence


def watch_hangup(files: Sequence[int], hung_up: Callable[[], None]) -> threading.Thread | None:
    """Call ``hung_up`` from a thread as soon as one of the terminals is gone; None where that cannot be watched."""
    if not files or not hasattr(select, "poll"):
        return None

    def watch() -> None:
        poll = select.poll()
        for file in files:
            poll.register(file, 0)  # hang-ups are reported without being asked for
        try:
            poll.poll()
        except OSError:
            return
        hung_up()

    thread = threading.Thread(target=watch, name="terminal-watch", daemon=True)
    thread.start()
    return thread


def terminals() -> list[int]:
    """Return the descriptors of this process's terminal, if it has one."""
    found = []
    for stream in (sys.__stdin__, sys.__stderr__):
        try:
            if stream is not None and stream.isatty():
                found.append(stream.fileno())
        except (OSError, ValueError):
            continue
    return found
