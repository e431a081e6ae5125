"""Why an engine ended that could not say so itself: killed, out of memory, crashed, or gone without a word."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass

from tui.core.events import Ended, Exit, Reason
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.host import memory_kills
from tui.runs.tail import RecordTail

_LAST_WORDS = 3
_LOG_BYTES = 8192


@dataclass(frozen=True)
class Circumstances:
    """What was so when the engine was started; compared with what is so at its end."""

    group_kills: int
    machine_kills: int
    log_size: int

    @staticmethod
    def now(run: RunDir) -> Circumstances:
        """Note them."""
        group, machine = memory_kills()
        try:
            size = run.log.stat().st_size
        except OSError:
            size = 0
        return Circumstances(group, machine, size)

    def memory_ran_out(self, code: int) -> bool:
        """Whether an engine that ended with this code was killed because the memory that it may use ran out."""
        return code == -signal.SIGKILL and memory_kills()[0] > self.group_kills


def ending(
    run: RunDir, attempt: int, code: int, before: Circumstances, *, forced: bool = False, then: str = ""
) -> Ended:
    """Return the event for an engine that wrote none.

    Args:
        run: its run.
        attempt: the attempt that ended.
        code: as `subprocess` gives it: the exit code, or minus the signal's number.
        before: the circumstances at its start.
        forced: the supervisor has killed it, because it did not leave when it was told to.
        then: what happens next; empty: a person may resume it.
    """
    words = last_words(run, before.log_size)
    said = f' Its last words: "{words}".' if words else ""
    resume = f" {then}" if then else f" `cnntrain resume {clean(run.name, 100)}` continues from the newest checkpoint."
    record = RecordTail(run.segment("batches", attempt)).last()
    step = record.step if record is not None else 0
    if code < 0:
        why = "It was told to stop at once and was killed." if forced else _signal_in_words(-code, before)
        if code == -signal.SIGKILL:
            said = ""  # it could not say anything: what it printed before was about something else
        reason: Reason = "stopped" if forced else "killed"
        return Ended(step=step, reason=reason, exit_code=128 - code, text=why + said + resume)
    if code == Exit.STOPPED:
        return Ended(step=step, reason="stopped", exit_code=code, text=f"The engine stopped.{resume}")
    if code == Exit.KILLED:
        return Ended(step=step, reason="killed", exit_code=code, text=f"The engine was killed.{said}{resume}")
    why = f"The engine ended with exit code {code} and did not say why."
    return Ended(
        step=step, reason="failed", exit_code=code or Exit.FAILED, text=f"{why}{said} {then or 'The log: engine.log.'}"
    )


def _signal_in_words(number: int, before: Circumstances) -> str:
    try:
        name = f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        name = f"signal {number}"
    if number == signal.SIGKILL:
        group, machine = memory_kills()
        lower = "Lower training.batch_size or data.workers."
        if group > before.group_kills:
            return f"The engine was killed because the memory that it may use ran out ({name}). {lower}"
        if machine > before.machine_kills:
            return f"The engine was killed, most likely because the machine ran out of memory ({name}). {lower}"
        return f"The engine was killed from outside by {name}."
    if number == signal.SIGBUS:
        return f"The engine crashed with {name}, which is often a full disk or a full /dev/shm."
    if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE):
        return f"The engine crashed with {name}, inside a library."
    return f"The engine was ended by {name}."


def last_words(run: RunDir, since: int = 0) -> str:
    """Return the last lines of ``engine.log`` after byte ``since``, sanitized, on one line."""
    data = b""
    with contextlib.suppress(OSError), open(run.log, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(since, size - _LOG_BYTES))
        data = file.read(_LOG_BYTES)
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    return clean(" / ".join([line for line in lines if line][-_LAST_WORDS:]), 400)
