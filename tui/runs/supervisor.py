"""The process that owns a run while it trains: ``python -m tui.runs.supervisor RUN``. No torch.

    take the lock ── owner.json ── Launched ── engine ──┬── SIGTERM: passed on; a second one means now
                                                        ├── every 10 s: a sign of life in owner.json
                                                        └── it ends: the rest of its processes too, then
                                                            Ended, if it could not say so itself, or another
                                                            engine, as often as `training.restarts` allows

The lock is held for the life of this process and never inherited. The engine's stdin is a pipe that this
process holds: when it dies, however it dies, the engine sees the end of it and leaves; until the engine can see
anything, the kernel ends it (`tui.core.leash`). The engine begins when the pipe says that ``owner.json`` names it:
none is ever at work that a later supervisor would not know of.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tui.core import control
from tui.core.descriptors import readable
from tui.core.disk import trouble
from tui.core.errors import CnntrainError, UsageError
from tui.core.events import Ended, Exit, Launched, Message, decode
from tui.core.files import remove_temporaries, write_atomic
from tui.core.leash import Leash
from tui.core.memory import with_large_pages
from tui.core.rundir import KNOWN, RunDir
from tui.core.text import clean
from tui.runs.attempt import append_event, cannot_start, check_can_start, next_attempt, open_log, own_control
from tui.runs.event_tail import lines_backwards
from tui.runs.host import boot_id, host_name, kept_at_logout_by, start_time
from tui.runs.launched import keep_settings
from tui.runs.liveness import HEARTBEAT, Owner
from tui.runs.lock import outlast_engine, take_lock
from tui.runs.notices import Notifier
from tui.runs.postmortem import Circumstances, ending
from tui.runs.scratch import clear_forsaken

ENGINE = (sys.executable, "-P", "-m", "tui.engine")
KILL_SECONDS = 5.0
"""How long an engine that was told to leave now may take."""
RESTART_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long to wait before each restart; the last one counts for all after it."""
_TICK = 1.0
_NOT_AGAIN = "It was not started again by itself: it had saved nothing new since the last start."


class Supervisor:
    """Runs one attempt of a run, from the lock to the last event."""

    def __init__(self, run: RunDir, engine: Sequence[str] = ENGINE) -> None:
        self._run = run
        self._command = engine
        self._attempt = 0
        self._owner: Owner | None = None
        self._terminations = 0
        self._kill_at = float("inf")
        self._forced = False
        self._no_use = False
        """To start the engine again, though the budget allows it."""
        self._notifier: Notifier | None = None
        self._leash: Leash | None = None

    def run(self, announce: Callable[[], None]) -> int:
        """Run the engine to its end and return its exit code; ``announce`` is called once, when it is started.

        Raises:
            UsageError: the run is running, finished, or of a newer version.
            FailureError: the run cannot be written, or the engine not be started.
        """
        try:
            return self._run_locked(announce)
        finally:
            if self._notifier is not None:
                self._notifier.close()  # the run is over and let go: nobody waits for this

    def _run_locked(self, announce: Callable[[], None]) -> int:
        run = self._run
        signals = _Signals()
        lock = take_lock(run)
        try:
            settings = check_can_start(run)
            keep_settings(run)
            own_control(run)
            outlast_engine(run, lock)
            for folder in (run.path, run.evaluations):
                remove_temporaries(folder)
            clear_forsaken()
            for request in control.pending(run):
                control.answered(request)  # asked of an attempt that is over
            engine, before = self._launch(lock)
            announce()
            self._notifier = Notifier(run, settings.notices, self._tell)
            for restart in range(1, settings.training.restarts + 1):
                code = self._watch(engine, signals)
                if not self._waited_for_restart(code, before, signals, restart, settings.training.restarts):
                    return self._close(code, before)
                try:
                    engine, before = self._launch(lock)
                except CnntrainError as error:  # too late to be announced
                    sys.stderr.write(f"cnntrain: {error}\n")
                    return self._close(code, before)
            return self._close(self._watch(engine, signals), before)
        finally:
            os.close(lock)

    def _launch(self, lock: int) -> tuple[subprocess.Popen[bytes], Circumstances]:
        run = self._run
        self._attempt = next_attempt(run)
        before = Circumstances.now(run)
        pid = os.getpid()
        owner = Owner(
            host=host_name(),
            boot_id=boot_id(),
            pid=pid,
            start_time=start_time(pid),
            uuid=str(uuid.uuid4()),
            since=time.time(),
            lock_inode=os.fstat(lock).st_ino,
        )
        try:
            write_atomic(run.owner, owner.encode())
            append_event(run, Launched(attempt=self._attempt, host=owner.host, pid=pid))
            if keeper := kept_at_logout_by(f"cnntrain resume {clean(run.name, 100)}"):
                text = f"This machine ends your processes when you log out, this training too. What keeps it: {keeper}."
                append_event(run, Message(level="warning", text=text))
        except OSError as error:
            raise cannot_start(run, error) from error
        try:
            engine = self._spawn()
        except OSError as error:
            failure = cannot_start(run, error)
            append_event(run, Ended(reason="failed", exit_code=1, text=str(failure)))
            raise failure from error
        with contextlib.suppress(OSError):
            owner = replace(owner, engine_pid=engine.pid, engine_start=start_time(engine.pid))
            write_atomic(run.owner, owner.encode())
        with contextlib.suppress(OSError):
            assert engine.stdin is not None
            os.write(engine.stdin.fileno(), KNOWN)
        return engine, before

    def _spawn(self) -> subprocess.Popen[bytes]:
        log = open_log(self._run)
        leash = self._leash = Leash()
        try:
            return leash.start(
                [*self._command, str(self._run.path), "--attempt", str(self._attempt), "--leash", str(leash.end)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                process_group=0,
                env=with_large_pages({"PYTHONFAULTHANDLER": "1", **os.environ}),
            )
        finally:
            os.close(log)

    def _watch(self, engine: subprocess.Popen[bytes], signals: _Signals) -> int:
        """Wait for the engine's end; return its code as `subprocess` gives it."""
        beat = time.monotonic()
        while not _has_ended(engine):
            moment = time.monotonic()
            if self._notifier is not None:
                self._notifier.look()
            for _ in range(signals.terminations(min(_TICK, max(0.0, self._kill_at - moment)))):
                self._terminate(engine)
            if not os.path.isdir(self._run.path) and self._kill_at == float("inf"):
                self._terminate(engine)  # deleted: there is nothing left to train for
                self._kill_at = time.monotonic() + 2 * KILL_SECONDS
            if time.monotonic() > self._kill_at:
                self._forced = True
                _kill_group(engine.pid)
            if moment - beat >= HEARTBEAT:
                beat = moment
                with contextlib.suppress(OSError):
                    os.utime(self._run.owner)
        _kill_group(engine.pid)  # before the id is given back: nothing else can have this group's number
        code = engine.wait()
        if self._leash is not None:
            self._leash.drop()
        return code

    def _terminate(self, engine: subprocess.Popen[bytes]) -> None:
        self._terminations += 1
        with contextlib.suppress(OSError):
            os.kill(engine.pid, signal.SIGTERM)
        if self._terminations > 1:
            self._kill_at = min(self._kill_at, time.monotonic() + KILL_SECONDS)

    def _waited_for_restart(
        self, code: int, before: Circumstances, signals: _Signals, number: int, budget: int
    ) -> bool:
        """Tell why the engine ended and wait a moment; False: it is not to be started again."""
        if not self._may_restart(code, before):
            return False
        then = f"It goes on from its newest checkpoint (restart {number} of {budget})."
        event = ending(self._run, self._attempt, code, before, then=then)
        with contextlib.suppress(OSError):
            append_event(self._run, Message(step=event.step, level="error", text=event.text))
        if self._notifier is not None:
            self._notifier.crashed(event, event.text)
        deadline = time.monotonic() + RESTART_SECONDS[min(number, len(RESTART_SECONDS)) - 1]
        while (left := deadline - time.monotonic()) > 0:
            self._terminations += signals.terminations(min(_TICK, left))
            if not self._may_restart(code, before):
                return False
        return True

    def _may_restart(self, code: int, before: Circumstances) -> bool:
        """Whether an engine's end was an accident, and nobody wants the run to stop."""
        if self._terminations or code in (Exit.FINISHED, Exit.USAGE, Exit.STOPPED) or not self._run.exists:
            return False
        if self._last_word() == "ended":  # it knew why, so the next one would meet the same
            return False
        if before.memory_ran_out(code) and not self._has_saved():
            self._no_use = True  # it would come as far again, and no further
            return False
        return not any(request.action == "stop" for request in control.pending(self._run))

    def _tell(self, sentence: str) -> None:
        """Put a warning where the screen shows it."""
        append_event(self._run, Message(level="warning", text=sentence))

    def _end(self) -> Ended | None:
        """Return how the newest attempt ended, as its event says."""
        line = next((line for kind, line in lines_backwards(self._run.events) if kind == "ended"), b"")
        event = decode(line)
        return event if isinstance(event, Ended) else None

    def _last_word(self) -> str:
        """Return whether the newest attempt has ``ended`` or only ``launched``."""
        return next((kind for kind, _ in lines_backwards(self._run.events) if kind in ("ended", "launched")), "")

    def _has_saved(self) -> bool:
        """Whether the newest attempt has come further than the one before: it has published a checkpoint."""
        kinds = (kind for kind, _ in lines_backwards(self._run.events))
        return next((kind for kind in kinds if kind in ("checkpoint", "launched")), "") == "checkpoint"

    def _close(self, code: int, before: Circumstances) -> int:
        """Note why the engine ended, if it did not itself."""
        if code == -signal.SIGTERM and self._terminations:
            code = Exit.STOPPED  # it was told to stop before it could listen
        event = ending(self._run, self._attempt, code, before, forced=self._forced)
        if self._no_use:
            event = event.but(text=f"{event.text} {_NOT_AGAIN}")
        if self._last_word() != "ended":
            try:
                append_event(self._run, event)
            except OSError as error:
                sys.stderr.write(f"{event.text} (events.jsonl: {trouble(error, self._run.path)})\n")
        if self._notifier is not None:
            self._notifier.ended(self._end() or event)
        return event.exit_code if code < 0 else code


class _Signals:
    """Signals as something to wait for: the handlers do nothing, a pipe tells which came and how often."""

    def __init__(self) -> None:
        self._inbox, outbox = os.pipe()
        for end in (self._inbox, outbox):
            os.set_blocking(end, False)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(outbox, warn_on_full_buffer=False)

    def terminations(self, seconds: float) -> int:
        """Wait until a signal comes, at most so long; return how many of them were SIGTERM."""
        if not readable([self._inbox], seconds):
            return 0
        return os.read(self._inbox, 4096).count(signal.SIGTERM)


def _has_ended(engine: subprocess.Popen[bytes]) -> bool:
    """Whether the engine is over, without giving its id back to the system where that can be avoided."""
    if not hasattr(os, "waitid"):
        return engine.poll() is not None
    try:
        return os.waitid(os.P_PID, engine.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _kill_group(group: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def main(arguments: Sequence[str] | None = None, engine: Sequence[str] = ENGINE) -> int:
    """Supervise the run that the command line names; return the engine's exit code.

    With ``--ready FD`` the process leaves its parent for good and writes one line of JSON there: empty
    braces once the engine is started, or the error that prevented it.
    """
    parser = argparse.ArgumentParser(prog="tui.runs.supervisor")
    parser.add_argument("run", type=Path)
    parser.add_argument("--ready", type=int, default=-1)
    chosen = parser.parse_args(arguments)
    if chosen.ready >= 0 and os.fork():
        os._exit(0)  # the caller collects this half; the other belongs to nobody

    def announce(error: CnntrainError | None = None) -> None:
        if chosen.ready >= 0:
            answer: dict[str, object] = {}
            if error is not None:
                usage = isinstance(error, UsageError)
                answer = {"title": error.title, "cause": error.cause, "next": error.next_step, "usage": usage}
            with contextlib.suppress(OSError):
                os.write(chosen.ready, json.dumps(answer).encode() + b"\n")
            os.close(chosen.ready)

    try:
        return Supervisor(RunDir(chosen.run.absolute()), engine).run(announce)
    except CnntrainError as error:
        announce(error)
        sys.stderr.write(f"cnntrain: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
