"""The engine's side of a command: takes a job from standard input, answers on standard output (`tui.core.talk`)."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from tui.core import talk
from tui.core.errors import CnntrainError, UsageError
from tui.core.text import clean, clean_path

_BETWEEN = 0.1


class Listener:
    """Who gave the job."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._told = ("", 0.0)

    def send(self, kind: str, value: Any) -> None:
        """Write one line; nobody there any more is the end of this process."""
        data = memoryview(talk.encode(kind, value))
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._handle, data) :]
            except OSError:
                os._exit(1)

    def progress(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Say how far it has come; repeated calls are thinned out."""
        last, moment = self._told
        now = time.monotonic()
        if stage != last or now - moment >= _BETWEEN:
            self._told = (stage, now)
            self.send(talk.PROGRESS, [clean(stage, 80), done, total])

    def item(self, value: Any) -> None:
        """Give one of many results."""
        self.send(talk.ITEM, value)

    def warn(self, text: str) -> None:
        """Tell the person something in one sentence."""
        self.send(talk.WARNING, text)


def never() -> bool:
    """Whether to stop: a command that is left takes its process with it."""
    return False


def serve(work: Callable[[dict[str, Any], Listener], dict[str, Any]]) -> NoReturn:
    """Do one job and leave; call it from ``__main__``."""
    for name in (signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # before torch, and not in the way of a training: see tui.engine.waiting
    listener = Listener(os.dup(1))
    os.dup2(2, 1)  # what a library prints must not get between the answers
    job = talk.decode(sys.stdin.buffer.readline())
    if job is None:
        os._exit(1)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    code = 0
    try:
        listener.send(talk.DONE, work(job[1], listener))
    except CnntrainError as error:
        code = error.exit_code
        listener.send(talk.ERROR, _fields(error))
    except OSError as error:
        code = 1
        where = f" ({clean_path(error.filename, 200)})" if isinstance(error.filename, str) else ""
        cause = f"{error.strerror or type(error).__name__}{where}"
        listener.send(talk.ERROR, {"title": "The work cannot go on", "cause": cause, "next": "", "usage": False})
    except BaseException as error:
        code = 1
        traceback.print_exc()
        cause = f"this is a defect ({clean(f'{type(error).__name__}: {error}', 200)})"
        listener.send(talk.ERROR, {"title": "The work cannot go on", "cause": cause, "next": "", "usage": False})
    sys.stderr.flush()
    os._exit(code)  # threads of libraries must not keep it alive


def _fields(error: CnntrainError) -> dict[str, Any]:
    usage = isinstance(error, UsageError)
    return {"title": error.title, "cause": error.cause, "next": error.next_step, "usage": usage}


def _leave_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(1)
