"""The terminal for the screen alone: what a library prints past Python would be written over it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator


class _Sized(io.TextIOBase):
    """Has the terminal's size, which Textual asks of `sys.__stdout__`; what is written to it goes nowhere."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor that the terminal has now."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Forget it."""
        return len(text)


@contextlib.contextmanager
def terminal_alone() -> Iterator[None]:
    """Send what is written to the descriptors 1 and 2 nowhere; Textual draws on another one.

    Python's own prints are caught by Textual. Without a terminal nothing is changed.
    """
    before, printed = sys.__stderr__, sys.__stdout__
    try:
        drawn_on = os.dup(2) if before is not None and before.isatty() and before.fileno() == 2 else -1
    except (OSError, ValueError):
        drawn_on = -1
    if drawn_on < 0:
        yield
        return
    output = os.dup(1) if _is_terminal(1) else -1
    nowhere = os.open(os.devnull, os.O_WRONLY)
    stream = os.fdopen(drawn_on, "w", encoding="utf-8", errors="replace", closefd=False)
    sys.__stderr__ = stream  # type: ignore[misc]
    if output >= 0:
        sys.__stdout__ = _Sized(drawn_on)  # type: ignore[misc, assignment]
    try:
        os.dup2(nowhere, 2)
        if output >= 0:
            os.dup2(nowhere, 1)
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
        sys.__stderr__, sys.__stdout__ = before, printed  # type: ignore[misc]
        os.dup2(drawn_on, 2)
        if output >= 0:
            os.dup2(output, 1)
        for descriptor in (nowhere, drawn_on, output):
            if descriptor >= 0:
                os.close(descriptor)


def use_utf8() -> None:
    """Braille and lines need UTF-8 whatever PYTHONIOENCODING says; Textual draws on the error output."""
    for stream in (sys.__stderr__, sys.__stdout__):
        if stream is not None and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(encoding="utf-8", errors="replace")


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
