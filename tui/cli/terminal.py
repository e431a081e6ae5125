"""The one door to the terminal: every line the command line writes is sanitized here.

Nobody reading any more (``cnntrain metrics RUN | head``) is an end, not an error: the process leaves
without a word, with the exit code a shell gives to a command that a closed pipe has stopped.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TextIO

from tui.core.errors import FailureError
from tui.core.text import clean

PIPE_CLOSED = 128 + 13
"""The exit code when the reader of the output has gone: 128 + SIGPIPE, as in a shell."""


class Tick(Protocol):
    """Shows how far a long job has come; ``total`` 0 means unknown."""

    def __call__(self, done: int, total: int = 0, /) -> None:
        """Show it, if it is time to."""


def say(text: str = "") -> None:
    """Write one line of anything to stdout, sanitized."""
    emit(clean(text) + "\n")


def complain(text: str, below: Iterable[str] = ()) -> None:
    """Write one sentence to stderr, sanitized, under the program's name; nobody there to read it is no error.

    Args:
        text: the sentence.
        below: what belongs to it, a line each.
    """
    with suppress(OSError):
        _write(sys.stderr, "".join([f"cnntrain: {clean(text)}\n", *(f"  {clean(line)}\n" for line in below)]))


def emit(text: str) -> None:
    """Write text that is already safe to stdout, as it is.

    Raises:
        SystemExit: the reader has gone.
        FailureError: the output cannot be written (a full disk).
    """
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        _silence(sys.stdout)
        raise SystemExit(PIPE_CLOSED) from None
    except OSError as error:
        _silence(sys.stdout)
        raise FailureError("The output cannot be written", error.strerror or "") from error


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:  # None: the stream was closed before the start (>&-)
        stream.write(text)
        stream.flush()


def _silence(stream: TextIO) -> None:
    """Send what is still buffered nowhere, so that the interpreter's own flush at exit says nothing."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def accept_any_text() -> None:
    """Write what the terminal's encoding lacks as an escape, instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees this stream on a terminal that understands control sequences."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def can_show_screen() -> bool:
    """Whether the live screen can open: it reads keys, and draws on stderr."""
    return all(is_terminal(stream) for stream in (sys.stdin, sys.stdout, sys.stderr))


def width() -> int | None:
    """Columns of the terminal on stdout; None when stdout is no terminal and lines may have any length."""
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None


def wrapped(text: str, indent: str, *, first: str = "", piped: int = 100) -> str:
    """Return ``text`` sanitized and broken into indented lines that fit the terminal, or ``piped`` columns.

    Args:
        text: anything, on one line.
        indent: stands before each line.
        first: stands before the first line instead; already sanitized.
        piped: columns when stdout is no terminal.
    """
    return textwrap.fill(
        clean(text),
        max(width() or piped, len(indent) + 20),
        initial_indent=first or indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


class StageLine:
    """One line on stderr, if that is a terminal, that says what a long job is at."""

    def __init__(self) -> None:
        self._shown = 0.0

    def show(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Show it, if it is time to."""
        now = time.monotonic()
        if is_terminal(sys.stderr) and now - self._shown > 0.1:
            self._shown = now
            amount = f": {done:,} of {total:,}" if total else f": {done:,}" if done else ""
            room = max(shutil.get_terminal_size().columns - 1, 10)
            _write(sys.stderr, f"\r\x1b[K{clean(f'{stage}{amount}', room)}")

    def wipe(self) -> None:
        """Take the line away; something else is to be written."""
        if self._shown:
            self._shown = 0.0
            _write(sys.stderr, "\r\x1b[K")


@contextmanager
def ticking(what: str) -> Iterator[Tick]:
    """Show on stderr, if that is a terminal, how far ``what`` has come; the line is wiped at the end."""
    shown = 0.0

    def tick(done: int, total: int = 0, /) -> None:
        nonlocal shown
        now = time.monotonic()
        if is_terminal(sys.stderr) and now - shown > 0.1:
            shown = now
            amount = f"{done:,} of {total:,}" if total else f"{done:,}"
            room = max(shutil.get_terminal_size().columns - 1, 10)
            _write(sys.stderr, f"\r\x1b[K{clean(f'{what}: {amount}', room)}")

    try:
        yield tick
    finally:
        if shown:
            _write(sys.stderr, "\r\x1b[K")
