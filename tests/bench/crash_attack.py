"""The attack: makes runs, strikes at random instants, and checks after each strike what must hold."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.crash_ledger import (
    difference,
    forgotten,
    is_saving,
    newest_attempt,
    records,
    state_of,
    steps_of,
    told,
    written,
)
from tests.bench.crash_report import PATIENCE, Report
from tests.bench.crash_scene import SETTINGS, Screen, make_pictures, processes
from tui.core.errors import UsageError
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.core.schema import with_changes
from tui.core.settings import Settings
from tui.runs import launch, making
from tui.runs.catalog import list_runs
from tui.runs.follow import RunFollower
from tui.runs.liveness import look, read_owner
from tui.runs.tail import RecordTail

LONG = 1800.0
"""Seconds after which something that must happen counts as not happening, on however busy a machine."""


POLL = 0.02


class Attack:
    """Makes runs under fire until there were so many kills, and says what came of it.

    Args:
        place: where pictures and runs are made.
        plan: whom to kill, one after the other.
        seed: of the instants.
        epochs: of each run.
        tell: is told what is done, in a line each time.
        report: what has happened before.
        keep: where to write down what has happened, after each kill.
    """

    def __init__(
        self,
        place: Path,
        plan: list[str],
        *,
        seed: int,
        epochs: int = 60,
        tell: Callable[[str], None] = lambda _: None,
        report: Report | None = None,
        keep: Path | None = None,
    ) -> None:
        self._place, self._plan, self._tell = place, plan, tell
        launch.READY_SECONDS = LONG
        self._random = random.Random(seed)
        pictures = make_pictures(place / "pictures")
        changes = {**SETTINGS, "data.directory": str(pictures), "training.epochs": epochs}
        self._settings = with_changes(Settings(), changes, source="the crash test")
        self._numbers = itertools.count(1)
        self._screen: Screen | None = None
        self._real_screen = False
        self._start_seconds = self._train_seconds = 1.0
        self._keep = keep
        self.report = report or Report()

    def carry_out(self) -> Report:
        """Do it."""
        try:
            whole = self._undisturbed()
            waiting = iter(self._plan)
            victim = next(waiting, None)
            while victim is not None:
                run = self._make()
                launch.start(run)
                self.report.attempts += 1
                while victim is not None and self._strike(run, victim):
                    self._note()
                    victim = next(waiting, None)
                self._let_finish(run)
                self._compare(run, whole)
                self._note()
            return self.report
        finally:
            if self._screen is not None:
                self._screen.end()
            for pid in processes():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def _note(self) -> None:
        if self._keep is not None:
            self.report.save(self._keep)

    def _make(self) -> RunDir:
        return making.create(self._settings, root=self._place / "runs", name=f"crash-{next(self._numbers)}")

    def _undisturbed(self) -> dict[str, Any]:
        run = self._make()
        began = time.monotonic()
        launch.start(run)
        self._until(lambda: steps_of(run) > 0 or not look(run).alive, LONG)
        self._start_seconds = time.monotonic() - began
        self._until(lambda: not look(run).alive, LONG)
        self._train_seconds = time.monotonic() - began - self._start_seconds
        whole = told(run)
        steps = [step for step, _ in records(run.segment(BATCHES, 1))]
        assert steps == list(range(1, len(steps) + 1)), run.log.read_text("utf-8", "replace")
        start, train = self._start_seconds, self._train_seconds
        self._tell(f"undisturbed: {len(steps)} steps in {train:.1f} s after a start of {start:.1f} s")
        assert steps
        return whole

    # -- one kill ------------------------------------------------------------------------------------

    def _strike(self, run: RunDir, victim: str) -> bool:
        """Kill; False if the run was over before. Afterwards the run goes on."""
        self._watch(run)
        if not self._wait_for_instant(run, victim):
            return False
        targets = self._targets(run, victim)
        owner, _ = read_owner(run)
        before = written(run)
        if not targets:
            return False
        for pid in targets:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        moment = time.monotonic()
        self.report.kills[victim] += 1
        what = f"kill {self.report.kills.total()} ({victim}) at step {steps_of(run)} of {run.name}"
        self._tell(what)
        if victim == "screen":
            assert self._screen is not None
            self._screen.end()
            self._screen = None
        if victim in ("screen", "data worker"):
            self._check_goes_on(run, what)
        elif victim == "supervisor" and self._random.random() < 0.5:
            # SIGKILL takes a moment: until the process is gone the run is rightly refused to anybody else.
            self._until(lambda: owner is None or not owner.process_lives, LONG)
            self._resume(run, f"{what}, at once")  # while its engine still leaves
            if owner is not None and owner.engine_lives:
                self.report.orphans.append(f"{what}: its engine lives beside the new one")
            return True
        else:
            self._check_gone(run, what, moment)
        self._check_written(run, before, what)
        self._check_readable(run, victim, what)
        if victim not in ("screen", "data worker") and state_of(run).status != "finished":
            self._resume(run, what)
        return True

    def _resume(self, run: RunDir, what: str) -> None:
        try:
            launch.resume(run)
            self.report.attempts += 1
        except UsageError as error:
            if state_of(run).status != "finished":
                self.report.stalled.append(f"{what}: not resumed: {error}")
        except Exception as error:
            self.report.stalled.append(f"{what}: not resumed: {error}")

    def _watch(self, run: RunDir) -> None:
        if self._screen is None or self._screen.process.poll() is not None:
            if self._screen is not None:
                self._screen.end()
            self._real_screen = not self._real_screen
            self._screen = Screen(run, real=self._real_screen)

    def _wait_for_instant(self, run: RunDir, victim: str) -> bool:
        """Wait for a random instant in the life of the victim; False when the run is over before."""
        draw = self._random.random
        if victim == "engine" and draw() < 1 / 3:
            self._until(lambda: is_saving(run) or self._over(run), LONG)
            time.sleep(0.02 * draw())
            self.report.in_saves += 1
        elif draw() < 0.25:
            time.sleep(min(5.0, self._start_seconds) * draw())
        else:
            attempt = max(1, newest_attempt(run))
            first = run.segment(BATCHES, attempt)
            self._until(lambda: RecordTail(first).last() is not None or self._over(run), LONG)
            time.sleep(0.6 * min(5.0, self._train_seconds) * draw())
        if victim == "data worker":
            self._until(lambda: self._targets(run, victim) or self._over(run), LONG)
        return not self._over(run)

    def _targets(self, run: RunDir, victim: str) -> list[int]:
        owner, _ = read_owner(run)
        if owner is None or not owner.process_lives:
            return []
        decoders = [pid for pid, line in processes().items() if "dataset.decoder" in line]
        self._random.shuffle(decoders)
        screen = [self._screen.process.pid] if self._screen is not None else []
        return {
            "engine": [owner.engine_pid],
            "supervisor": [owner.pid],
            "screen": screen,
            "data worker": decoders[:1],
            "everything": [owner.pid, owner.engine_pid, *decoders],
        }[victim]

    # -- what must hold --------------------------------------------------------------------------------

    def _check_gone(self, run: RunDir, what: str, moment: float) -> None:
        mine = {self._screen.process.pid} if self._screen is not None else set()
        starved, polled = 0.0, time.monotonic()
        while left := {pid: line for pid, line in processes().items() if pid not in mine}:
            if time.monotonic() - moment > PATIENCE + starved:
                self.report.orphans.append(f"{what}: {left}")
                for pid in left:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                break
            time.sleep(POLL)
            # What this process did not get of the processor, the others did not get either.
            starved, polled = starved + max(0.0, time.monotonic() - polled - 2 * POLL), time.monotonic()
        # A process that is ending has no environment any more, but for a moment still its files and its lock.
        with contextlib.suppress(TimeoutError):
            self._until(lambda: self._over(run), PATIENCE + starved)
        took = time.monotonic() - moment
        self.report.slowest_leave = max(self.report.slowest_leave, took)
        self.report.late += took > PATIENCE

    def _check_goes_on(self, run: RunDir, what: str) -> None:
        before = steps_of(run)
        with contextlib.suppress(TimeoutError):
            self._until(lambda: steps_of(run) > before or self._over(run), LONG)
            state = state_of(run)
            if state.status in ("running", "preparing", "finished", "stopping"):
                return
        self.report.stalled.append(f"{what}: {state_of(run).status}: {state_of(run).status_text}")

    def _check_written(self, run: RunDir, before: dict[Path, bytes], what: str) -> None:
        for path, content in before.items():
            with path.open("rb") as file:
                if file.read(len(content)) != content:
                    self.report.lost.append(f"{what}: {path.name} is not what it was")
        for path in run.segments(BATCHES):
            steps = [step for step, _ in records(path)]
            if steps != list(range(steps[0], steps[0] + len(steps)) if steps else ()):
                self.report.lost.append(f"{what}: {path.name} has a hole")

    def _check_readable(self, run: RunDir, victim: str, what: str) -> None:
        try:
            follower = RunFollower(run)
            while follower.poll():
                pass
            state = follower.state
            wrong = [*state.problems]
            if follower.batches.gaps or follower.layers.gaps:
                wrong.append("there are gaps")
            if victim in ("engine", "supervisor", "everything") and state.status not in (
                "crashed",
                "stopped",
                "finished",
            ):
                wrong.append(f"it is {state.status}: {state.status_text}")
            if not any(summary.run.name == run.name for summary in list_runs(run.path.parent)):
                wrong.append("it is not in the list")
        except Exception as error:
            wrong = [f"{type(error).__name__}: {error}"]
        if wrong:
            self.report.unreadable.append(f"{what}: {'; '.join(wrong)}")

    def _let_finish(self, run: RunDir) -> None:
        for _ in range(3):
            self._until(lambda: self._over(run), LONG)
            if state_of(run).status == "finished":
                return
            launch.resume(run)
            self.report.attempts += 1

    def _over(self, run: RunDir) -> bool:
        """Whether nobody runs it any more."""
        return not look(run).alive

    def _compare(self, run: RunDir, whole: dict[str, Any]) -> None:
        self.report.runs += 1
        state = state_of(run)
        if state.status != "finished":
            self.report.different.append(f"{run.name} did not finish: {state.status}: {state.status_text}")
            return
        self.report.forgotten += [f"{run.name}: {what}" for what in forgotten(run)]
        for part, there in told(run).items():
            if there != whole[part]:
                self.report.different.append(f"{run.name}: {part} differ: {difference(there, whole[part])}")

    def _until(self, condition: Callable[[], object], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("waited in vain")
            time.sleep(0.005)
