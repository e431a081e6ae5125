"""Work that needs torch, done for a command or a screen by an engine process of its own.

The process is asked through `tui.core.talk` and never outlives who asked: it leaves when its standard
input ends, and is killed when the question is given up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import IO, Any

from tui.core import talk
from tui.core.errors import CnntrainError, FailureError, UsageError
from tui.core.leash import Leash
from tui.core.text import clean

ENGINE = (sys.executable, "-P", "-m")
_LAST = 4096


def ask(
    module: str,
    job: dict[str, Any],
    *,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
    item: Callable[[Any], None] = lambda value: None,
    warn: Callable[[str], None] = lambda text: None,
    begun: Callable[[Callable[[], None]], None] = lambda end: None,
) -> dict[str, Any]:
    """Let ``python -m tui.engine.MODULE`` do a job, and return its result.

    Args:
        module: its name in ``tui.engine``.
        job: plain values, as JSON has them.
        progress: told (stage, done, total).
        item: given each of many results as it comes.
        warn: told sentences for the person.
        begun: given a function that ends the process, for who no longer wants the answer.

    Raises:
        CnntrainError: as the engine raised it.
        FailureError: the process cannot be started, or died.
    """
    with tempfile.TemporaryFile() as log:
        leash = Leash()
        try:
            process = leash.start(
                [*ENGINE, f"tui.engine.{module}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                process_group=0,  # Ctrl-C is for us; we end it
                env={"PYTHONFAULTHANDLER": "1", **os.environ},
            )
        except OSError as error:
            raise FailureError("The engine cannot be started", error.strerror or "") from error
        begun(process.kill)
        told = {talk.ITEM: item, talk.WARNING: warn, talk.PROGRESS: lambda value: progress(*value)}
        try:
            return _listen(process, job, told, log)
        finally:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            leash.drop()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError, AttributeError):
                    pipe.close()  # type: ignore[union-attr]


def _listen(
    process: subprocess.Popen[bytes], job: dict[str, Any], told: dict[str, Callable[[Any], None]], log: IO[bytes]
) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(talk.encode(talk.JOB, job))
        process.stdin.flush()
    for line in process.stdout:
        answer = talk.decode(line)
        if answer is None:
            continue
        kind, value = answer
        if kind == talk.DONE:
            return dict(value)
        if kind == talk.ERROR:
            raise _error(value)
        told[kind](value)
    raise _death(process.wait(), log)


def _error(fields: dict[str, Any]) -> CnntrainError:
    kind = UsageError if fields.get("usage") else FailureError
    return kind(str(fields["title"]), str(fields["cause"]), str(fields["next"]))


def _death(code: int, log: IO[bytes]) -> FailureError:
    log.seek(max(0, log.seek(0, os.SEEK_END) - _LAST))
    lines = log.read().decode("utf-8", "replace").splitlines()
    last = clean(next((line for line in reversed(lines) if line.strip()), ""), 200)
    if code == -signal.SIGKILL:
        cause, step = "it was killed, perhaps because memory ran out", "Try a smaller batch or picture size."
    else:
        cause, step = f'it ended with code {code} ("{last}")' if last else f"it ended with code {code}", ""
    return FailureError("The engine died", cause, step)
