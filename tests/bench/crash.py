"""Kill what belongs to a run, at random instants, again and again, and see what is lost. Nothing may be.

    python tests/bench/crash.py [--kills 200] [--seed 0]

A tiny run is made once without a disturbance. Then the same run is made again and again while SIGKILL hits its
engine, its supervisor, a decoder of its pictures, a screen that watches it (by turns the real one in a
pseudo-terminal and a plain follower), or all of them at once. A kill falls into the start, into the training, or,
one time in three for the engine, into the middle of a save. After each kill:

- the run can be read: its state, its series without a gap, its line in the list;
- every record and event that was complete before the kill is still there, byte for byte;
- when engine or supervisor was hit, five seconds later no process of the run is left, and it is resumed;
- when a screen or decoder was hit, the training goes on.

And when it comes to its end: every record, validation and epoch, of every attempt, and the last and the best
weights equal those of the undisturbed run, bit for bit.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import pty
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tui.core import events
from tui.core.records import BATCHES, LAYERS, decode_header
from tui.core.rundir import RunDir
from tui.core.schema import with_changes
from tui.core.settings import Settings
from tui.runs import launch
from tui.runs.catalog import list_runs
from tui.runs.follow import RunFollower
from tui.runs.liveness import look, read_owner
from tui.runs.tail import RecordTail

VICTIMS = ("screen", "decoder", "engine", "supervisor", "everything")
MARK = "CNNTRAIN_CRASH"
"""An environment variable that everything which is started for a run inherits: so its orphans are found."""
PATIENCE = 5.0
"""Seconds after which nothing of a killed run may be left."""
TIMINGS = ("images_per_second", "data_wait", "overhead")

SETTINGS = {
    "data.image_size": 16,
    "data.crop_padding": 2,
    "data.workers": 2,
    "data.cache_gib": 0,  # streamed: the decoders live as long as the training
    "model.width": 4,
    "model.blocks": 2,
    "model.dropout": 0.3,
    "optimizer.name": "sgd",
    "optimizer.momentum": 0.9,
    "schedule.name": "plateau",
    "schedule.patience": 1,
    "training.batch_size": 8,
    "training.device": "cpu",
    "training.threads": 1,
    "training.validate_unit": "steps",
    "training.validate_every": 20,
}
SCREEN = "from tui.cli.main import main; main()"
FOLLOWER = """
import sys, time
from pathlib import Path
from tui.core.rundir import RunDir
from tui.runs.follow import RunFollower
follower = RunFollower(RunDir(Path(sys.argv[1])))
while True:
    follower.poll()
    time.sleep(0.05)
"""


def make_pictures(directory: Path, per_class: int = 50) -> Path:
    """Draw three classes of noisy 16x16 pictures."""
    noise = np.random.default_rng(0)
    for number, name in enumerate(("red", "green", "blue")):
        (directory / name).mkdir(parents=True)
        for index in range(per_class):
            pixels = noise.integers(0, 160, (16, 16, 3))
            pixels[:, :, number] += 60
            Image.fromarray(pixels.astype(np.uint8)).save(directory / name / f"{index:03d}.png")
    return directory


def processes() -> dict[int, str]:
    """Return the living processes that carry this process's mark, without itself: id and command line."""
    mark = f"{MARK}={os.environ[MARK]}".encode()
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            place = Path("/proc", entry)
            if mark in place.joinpath("environ").read_bytes().split(b"\0"):
                found[int(entry)] = (
                    place.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                )
    return found


def told(run: RunDir) -> dict[str, Any]:
    """Return everything in a finished run that must not depend on what happened to it on its way."""
    steps: dict[str, dict[int, set[bytes]]] = {}
    for kind in (BATCHES, LAYERS):
        steps[kind] = {}
        for path in run.segments(kind):
            for step, values in records(path):
                steps[kind].setdefault(step, set()).add(values)
    kept = []
    for line in run.events.read_bytes().splitlines():
        match events.decode(line):
            case events.EpochEnded() as event:
                kept.append(("epoch", event.step, repr((event.epoch, event.loss, event.score))))
            case events.Evaluated() as event:
                kept.append((event.split, event.step, repr((event.metrics, event.recall, event.counts))))
    weights = {}
    for kind in ("last", "best"):
        name = json.loads(run.pointer(kind).read_bytes())["directory"]
        content = (run.checkpoints / name / "model.safetensors").read_bytes()
        weights[kind] = (name, hashlib.sha256(content).hexdigest())
    return {**steps, "events": sorted(set(kept)), "weights": weights}


def records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (step, the values that are not timings, as they lie in the file) of a segment."""
    tail = RecordTail(path)
    while (block := tail.poll()) is not None:
        assert tail.header is not None
        exact = [place for place, name in enumerate(tail.header.columns) if name not in TIMINGS]
        for step, values in zip(block.steps.tolist(), block.values[exact].T, strict=True):
            yield step, values.tobytes()


@dataclass
class Report:
    """What happened."""

    kills: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    stalled: list[str] = field(default_factory=list)
    """Trainings that did not go on, or runs that could not be resumed."""
    different: list[str] = field(default_factory=list)
    runs: int = 0
    attempts: int = 0
    in_saves: int = 0
    slowest_leave: float = 0.0

    @property
    def problems(self) -> list[str]:
        """All of them, in one list."""
        return [*self.unreadable, *self.lost, *self.orphans, *self.stalled, *self.different]

    def __str__(self) -> str:
        lines = ["victim        kills"]
        lines += [f"{victim:<12} {self.kills[victim]:>6}" for victim in VICTIMS if self.kills[victim]]
        lines += [
            f"{'all':<12} {self.kills.total():>6}  ({self.in_saves} of them aimed into a save)",
            "",
            f"unreadable runs          {len(self.unreadable)}",
            f"lost records or events   {len(self.lost)}",
            f"orphans after {PATIENCE:g} s       {len(self.orphans)}  (the slowest left in {self.slowest_leave:.1f} s)",
            f"not resumed or stalled   {len(self.stalled)}",
            f"finished runs            {self.runs}, after {self.attempts} attempts",
            f"different from the undisturbed run  {len(self.different)}",
            *self.problems,
        ]
        return "\n".join(lines)


class Screen:
    """Something that watches a run: the real screen in a pseudo-terminal, or a follower."""

    def __init__(self, run: RunDir, *, real: bool) -> None:
        self._master = -1
        if not real:
            self.process = subprocess.Popen([sys.executable, "-c", FOLLOWER, str(run.path)], stdin=subprocess.DEVNULL)
            return
        self._master, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCREEN, "watch", str(run.path)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
        )
        os.close(terminal)
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(self._master, 65536):
                pass

    def end(self) -> None:
        """Kill it, if nobody has."""
        self.process.kill()
        self.process.wait()
        if self._master >= 0:
            with contextlib.suppress(OSError):
                os.close(self._master)
            self._master = -1


class Attack:
    """Makes runs under fire until there were so many kills, and says what came of it.

    Args:
        place: where pictures and runs are made.
        plan: whom to kill, one after the other.
        seed: of the instants.
        epochs: of each run.
        tell: is told what is done, in a line each time.
    """

    def __init__(
        self, place: Path, plan: list[str], *, seed: int, epochs: int = 60, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._place, self._plan, self._tell = place, plan, tell
        self._random = random.Random(seed)
        pictures = make_pictures(place / "pictures")
        changes = {**SETTINGS, "data.directory": str(pictures), "training.epochs": epochs}
        self._settings = with_changes(Settings(), changes, source="the crash test")
        self._numbers = itertools.count(1)
        self._screen: Screen | None = None
        self._real_screen = False
        self._start_seconds = self._train_seconds = 1.0
        self.report = Report()

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
                    victim = next(waiting, None)
                self._let_finish(run)
                self._compare(run, whole)
            return self.report
        finally:
            if self._screen is not None:
                self._screen.end()
            for pid in processes():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def _make(self) -> RunDir:
        return launch.create(self._settings, root=self._place / "runs", name=f"crash-{next(self._numbers)}")

    def _undisturbed(self) -> dict[str, Any]:
        run = self._make()
        began = time.monotonic()
        launch.start(run)
        self._until(lambda: _steps(run) > 0 or not look(run).alive, 60)
        self._start_seconds = time.monotonic() - began
        self._until(lambda: not look(run).alive, 120)
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
        before = _written(run)
        if not targets:
            return False
        for pid in targets:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        moment = time.monotonic()
        self.report.kills[victim] += 1
        what = f"kill {self.report.kills.total()} ({victim}) at step {_steps(run)} of {run.name}"
        self._tell(what)
        if victim == "screen":
            assert self._screen is not None
            self._screen.end()
            self._screen = None
        if victim in ("screen", "decoder"):
            self._check_goes_on(run, what)
        else:
            self._check_gone(run, what, moment)
        self._check_written(run, before, what)
        self._check_readable(run, victim, what)
        if victim not in ("screen", "decoder") and _state(run).status != "finished":
            try:
                launch.resume(run)
                self.report.attempts += 1
            except Exception as error:
                self.report.stalled.append(f"{what}: not resumed: {error}")
        return True

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
            self._until(lambda: _saving(run) or self._over(run), 60)
            time.sleep(0.02 * draw())
            self.report.in_saves += 1
        elif draw() < 0.25:
            time.sleep(min(5.0, self._start_seconds) * draw())
        else:
            attempt = max(1, _newest_attempt(run))
            first = run.segment(BATCHES, attempt)
            self._until(lambda: RecordTail(first).last() is not None or self._over(run), 60)
            time.sleep(0.6 * min(5.0, self._train_seconds) * draw())
        if victim == "decoder":
            self._until(lambda: self._targets(run, victim) or self._over(run), 60)
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
            "decoder": decoders[:1],
            "everything": [owner.pid, owner.engine_pid, *decoders],
        }[victim]

    # -- what must hold --------------------------------------------------------------------------------

    def _check_gone(self, run: RunDir, what: str, moment: float) -> None:
        mine = {self._screen.process.pid} if self._screen is not None else set()
        while left := {pid: line for pid, line in processes().items() if pid not in mine}:
            if time.monotonic() - moment > PATIENCE:
                self.report.orphans.append(f"{what}: {left}")
                for pid in left:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.02)
        # A process that is ending has no environment any more, but for a moment still its files and its lock.
        with contextlib.suppress(TimeoutError):
            self._until(lambda: self._over(run), PATIENCE)
        self.report.slowest_leave = max(self.report.slowest_leave, time.monotonic() - moment)

    def _check_goes_on(self, run: RunDir, what: str) -> None:
        before = _steps(run)
        with contextlib.suppress(TimeoutError):
            self._until(lambda: _steps(run) > before or self._over(run), 60)
            state = _state(run)
            if state.status in ("running", "preparing", "finished", "stopping"):
                return
        self.report.stalled.append(f"{what}: {_state(run).status}: {_state(run).status_text}")

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
            self._until(lambda: self._over(run), 120)
            if _state(run).status == "finished":
                return
            launch.resume(run)
            self.report.attempts += 1

    def _over(self, run: RunDir) -> bool:
        """Whether nobody runs it any more."""
        return not look(run).alive

    def _compare(self, run: RunDir, whole: dict[str, Any]) -> None:
        self.report.runs += 1
        state = _state(run)
        if state.status != "finished":
            self.report.different.append(f"{run.name} did not finish: {state.status}: {state.status_text}")
            return
        for part, there in told(run).items():
            if there != whole[part]:
                self.report.different.append(f"{run.name}: {part} differ: {_difference(there, whole[part])}")

    def _until(self, condition: Callable[[], object], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("waited in vain")
            time.sleep(0.005)


def _state(run: RunDir) -> Any:
    follower = RunFollower(run, history=False)
    follower.poll()
    return follower.state


def _steps(run: RunDir) -> int:
    """Return the newest recorded step of any attempt."""
    newest = [record.step for path in run.segments(BATCHES) if (record := RecordTail(path).last()) is not None]
    return newest[-1] if newest else 0


def _newest_attempt(run: RunDir) -> int:
    """Return the number of the newest attempt that was launched."""
    with contextlib.suppress(OSError):
        for line in reversed(run.events.read_bytes().splitlines()):
            if isinstance(event := events.decode(line), events.Launched):
                return event.attempt
    return 0


def _saving(run: RunDir) -> bool:
    with contextlib.suppress(OSError):
        return any(name.startswith(".new-") for name in os.listdir(run.checkpoints))
    return False


def _written(run: RunDir) -> dict[Path, bytes]:
    """Return what of the records and events is complete now."""
    found = {}
    for path in (*run.segments(BATCHES), *run.segments(LAYERS)):
        content = path.read_bytes()
        if (decoded := decode_header(content)) is not None:
            header, start = decoded
            found[path] = content[: start + (len(content) - start) // header.width * header.width]
    content = run.events.read_bytes()
    found[run.events] = content[: content.rfind(b"\n") + 1]
    return found


def _difference(there: Any, expected: Any) -> str:
    """Say where two things that were told differ, at most a few places."""
    if isinstance(there, dict):
        places = [key for key in {**there, **expected} if there.get(key) != expected.get(key)]
        return f"{len(places)} of {len(expected)}: {sorted(map(str, places))[:5]}"
    return str(
        [item for item in there if item not in expected][:3] + [item for item in expected if item not in there][:3]
    )


def plan_of(kills: int, seed: int = 0) -> list[str]:
    """Return whom to kill: each as often as any other, in a random order."""
    victims = list(itertools.islice(itertools.cycle(VICTIMS), kills))
    random.Random(seed).shuffle(victims)
    return victims


def main() -> int:
    """Attack, and print the table; the exit code is 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60, help="of each run")
    parser.add_argument("--keep", type=Path, help="a directory to make the runs in and leave them there")
    chosen = parser.parse_args()
    os.environ[MARK] = str(uuid.uuid4())
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CNNTRAIN_CACHE"] = str(Path(folder) / "cache")
        place = chosen.keep or Path(folder)
        plan = plan_of(chosen.kills, chosen.seed)
        began = time.monotonic()
        attack = Attack(place, plan, seed=chosen.seed, epochs=chosen.epochs, tell=_say)
        try:
            attack.carry_out()
        except KeyboardInterrupt:
            print("interrupted; so far:")
    print(f"{attack.report}\n{time.monotonic() - began:.0f} s")
    return 1 if attack.report.problems else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
