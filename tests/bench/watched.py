"""How much an open screen slows the training that it shows: windows with and without a screen, in turn.

    python -m tests.bench.watched [--data PICTURES] [--preset demo] [--rounds 12] [--seconds 10]

Trains on every core, opens the screen at 120x40 behind a pseudo-terminal in every other window, and compares how long
a step takes (the slowest twentieth is left out: validations and saves lie between some). ``beyond`` is what training
loses beyond the screen's own processor time, which is spread over the machine's cores: the goal is under 1 %.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.bench.screen import ours
from tests.bench.slow_line import Terminal
from tui.core.dataset.demo import make_demo
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.runs.tail import RecordTail

_WARM = 4.0
"""Seconds that a screen is open before its window begins."""


def trained(data: Path, preset: str, runs: Path) -> RunDir:
    """Start a training that goes on for longer than this takes, and return its run once it makes steps."""
    command = [sys.executable, "-m", "tui.cli.main", "train", preset, "--data", str(data), "--runs", str(runs)]
    subprocess.run([*command, "--detach", "--set", "training.epochs=5000"], check=True, stdout=subprocess.DEVNULL)
    run = RunDir(next(path for path in runs.iterdir() if path.is_dir()))
    for _ in range(600):
        if run.segment(BATCHES, 1).exists() and RecordTail(run.segment(BATCHES, 1)).whole_records() > 50:
            return run
        time.sleep(0.1)
    raise SystemExit(f"No steps in a minute; see {run.path}/engine.log")


def window(tail: RecordTail, seconds: float, terminal: Terminal | None) -> tuple[float, float]:
    """Return the mean seconds of a step, and the screen's share of a core, over a window."""
    cpu, began = terminal.cpu() if terminal else 0.0, time.time()
    if terminal:
        terminal.read(seconds)
    else:
        time.sleep(seconds)
    ended = time.time()
    share = (terminal.cpu() - cpu) / (ended - began) if terminal else 0.0
    times = np.concatenate([np.zeros(0), *(block.times for block in iter(tail.poll, None))])
    steps = np.sort(np.diff(times[(times >= began) & (times <= ended)]))
    return float(steps[: len(steps) * 19 // 20].mean()), share


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of pictures; the demo's otherwise")
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the run ends with this, too
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or make_demo(Path(folder) / "pictures")
        run = trained(data, arguments.preset, Path(folder) / "runs")
        try:
            tail = RecordTail(run.segment(BATCHES, 1))
            slower, shares = [], []
            for number in range(arguments.rounds):
                took = {}
                for watched in (True, False) if number % 2 else (False, True):
                    terminal = Terminal(ours(run.path), (120, 40)) if watched else None
                    if terminal:
                        terminal.read(_WARM)
                    took[watched], share = window(tail, arguments.seconds, terminal)
                    if terminal:
                        shares.append(share)
                        terminal.close()
                slower.append(took[True] / took[False] - 1)
                print(f"{1000 * took[False]:.2f} ms a step alone, {1000 * took[True]:.2f} watched", flush=True)
        finally:
            command = [sys.executable, "-m", "tui.cli.main", "stop", str(run.path)]
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
            time.sleep(5)
    cores, share = len(os.sched_getaffinity(0)), statistics.mean(shares)
    lost, error = statistics.mean(slower), statistics.stdev(slower) / len(slower) ** 0.5
    print(f"the screen took {100 * share:.2f} % of one of {cores} cores")
    print(f"a step takes {100 * lost:.2f} % longer (± {100 * error:.2f}), {100 * (lost - share / cores):.2f} % beyond")
    print(f"load over the last minute: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
