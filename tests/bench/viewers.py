"""What eight screens that watch a run cost its training, beyond the processor time that they take.

    python -m tests.bench.viewers [--viewers 8] [--rounds 12] [--seconds 10] [--threads 1] [--apart]

One run trains on made-up pictures. Real screens in pseudo-terminals watch it, stopped (SIGSTOP) and continued by turns,
so that both halves of a comparison meet the same machine: off on on off off on on off ... For each turn the steps that
were made are counted in the run's own records, without its first second, in which stopped screens catch up.

It prints the steps a second with and without the screens, the slowdown, the share of the machine that the screens took
meanwhile, and what is left of the slowdown when that share is subtracted, with its standard error. Other programs blur
that; they do not blur the processor time that the engine itself needs for a step, with and without the screens, which
is what watching costs a training that has a core to itself. With `--apart` it has: the engine keeps to one core, the
screens to another, and what is left of the slowdown is the price of watching as such. The goal: below 0.5 %.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench.crash_scene import MARK, SETTINGS, Screen, make_pictures, processes
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.core.schema import with_changes
from tui.core.settings import Settings
from tui.runs import launch, making
from tui.runs.liveness import read_owner
from tui.runs.tail import RecordTail

SETTLE = 1.0
"""Seconds of each turn that are not counted."""
_TICKS = os.sysconf("SC_CLK_TCK")
_CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Turn:
    """Some seconds with the screens on, or off."""

    on: bool
    begin: float
    """Seconds since 1970, as the records have them."""
    end: float
    share: float
    """Of the machine, that the screens took."""
    work: float
    """Processor seconds of the engine."""


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=12, help="pairs of turns")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each turn")
    parser.add_argument("--threads", type=int, default=1, help="of the training")
    parser.add_argument("--apart", action="store_true", help="keep the engine and the screens on cores of their own")
    chosen = parser.parse_args()
    os.environ[MARK] = str(uuid.uuid4())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CNNTRAIN_CACHE"] = str(Path(folder) / "cache")
        run = _started(Path(folder), chosen.threads)
        screens = [Screen(run, real=True) for _ in range(chosen.viewers)]
        try:
            _until(lambda: _newest(run) > 50)
            if chosen.apart:
                _keep_apart(run, screens)
            time.sleep(5)  # until all of them have painted
            turns = _turns(run, screens, chosen.rounds, chosen.seconds)
            moments = _moments(run)
        finally:
            for screen in screens:
                screen.end()
            for pid in processes():
                os.kill(pid, signal.SIGKILL)
    return _tell(turns, moments)


def _started(place: Path, threads: int) -> RunDir:
    pictures = make_pictures(place / "pictures")
    changes = {
        **SETTINGS,
        "data.directory": str(pictures),
        "data.cache_gib": 1,
        "data.image_size": 32,
        "model.width": 16,
        "training.epochs": 100_000,
        "training.batch_size": 32,
        "training.validate_every": 10_000,
        "training.threads": threads,
    }
    settings = with_changes(Settings(), changes, source="the benchmark")
    run = making.create(settings, root=place / "runs", name="viewers")
    launch.start(run)
    return run


def _turns(run: RunDir, screens: list[Screen], rounds: int, seconds: float) -> list[Turn]:
    turns = []
    owner, _ = read_owner(run)
    assert owner is not None
    watching, engine = [screen.process.pid for screen in screens], [owner.engine_pid]
    for number in range(rounds):
        for on in (False, True) if number % 2 == 0 else (True, False):
            for screen in screens:
                screen.process.send_signal(signal.SIGCONT if on else signal.SIGSTOP)
            time.sleep(SETTLE)
            begin, before = time.time(), (_processor_seconds(watching), _processor_seconds(engine))
            time.sleep(seconds)
            end = time.time()
            took = _processor_seconds(watching) - before[0]
            turns.append(Turn(on, begin, end, took / (end - begin) / _CORES, _processor_seconds(engine) - before[1]))
    return turns


def _keep_apart(run: RunDir, screens: list[Screen]) -> None:
    first, second, *_ = sorted(os.sched_getaffinity(0))
    owner, _ = read_owner(run)
    assert owner is not None
    for pid, core in ((owner.engine_pid, first), *((screen.process.pid, second) for screen in screens)):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {core})


def _processor_seconds(pids: list[int]) -> float:
    """Return what processes have used so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / _TICKS


def _moments(run: RunDir) -> np.ndarray:
    """Return when each step was made."""
    tail, moments = RecordTail(run.segment(BATCHES, 1)), []
    while (block := tail.poll()) is not None:
        moments.append(block.times)
    return np.concatenate(moments)


def _newest(run: RunDir) -> int:
    record = RecordTail(run.segment(BATCHES, 1)).last()
    return record.step if record is not None else 0


def _until(condition: object) -> None:
    deadline = time.monotonic() + 600
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.1)


def _tell(turns: list[Turn], moments: np.ndarray) -> int:
    steps = [int(np.searchsorted(moments, turn.end) - np.searchsorted(moments, turn.begin)) for turn in turns]
    pace = [count / (turn.end - turn.begin) for count, turn in zip(steps, turns, strict=True)]
    work = [1000 * turn.work / count for count, turn in zip(steps, turns, strict=True)]
    beyond, slower, dearer = [], [], []
    for first in range(0, len(turns), 2):
        pair = {turns[at].on: at for at in (first, first + 1)}
        slower.append(1 - pace[pair[True]] / pace[pair[False]])
        beyond.append(slower[-1] - turns[pair[True]].share)
        dearer.append(work[pair[True]] / work[pair[False]] - 1)
    on, off = ([at for at, turn in enumerate(turns) if turn.on is wanted] for wanted in (True, False))
    median = statistics.median
    share = statistics.mean(turn.share for turn in turns if turn.on)
    print(f"steps a second  without {median(pace[at] for at in off):.1f}  with {median(pace[at] for at in on):.1f}")
    print(f"slowdown        {100 * statistics.mean(slower):.2f} %")
    print(f"their share     {100 * share:.2f} % of {_CORES} cores")
    print(f"beyond it       {_mean(beyond)}, {len(beyond)} pairs of turns")
    print(f"ms of a step    without {median(work[at] for at in off):.3f}  with {median(work[at] for at in on):.3f}")
    print(f"dearer          {_mean(dearer)} of the engine's processor time")
    print(f"load            {os.getloadavg()[0]:.1f} (with what is measured)")
    return 0


def _mean(shares: list[float]) -> str:
    """Return the mean and its standard error, in percent."""
    error = statistics.stdev(shares) / len(shares) ** 0.5 if len(shares) > 1 else float("nan")
    return f"{100 * statistics.mean(shares):.2f} % ± {100 * error:.2f}"


if __name__ == "__main__":
    sys.exit(main())
