"""How much an open screen slows the training that it shows: windows in which it runs, and is frozen, in turn.

    python -m tests.bench.watched [--data PICTURES] [--preset demo] [--rounds 50] [--seconds 2]

Trains on every core, opens the screen at 120x40 behind a pseudo-terminal, stops and continues it (SIGSTOP) in turn, and
compares how long a step takes (the slowest twentieth is left out: validations and saves lie between some). Many short
windows tell more than few long ones, as a machine drifts. ``beyond`` is what training loses beyond the screen's own
processor time, which is spread over the machine's cores: the goal is under 1 %.
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

from tests.bench import screen
from tests.bench.slow_line import Terminal
from tui.core.dataset.demo import make_demo
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.runs.tail import RecordTail

_WARM = 20.0
"""Seconds that the screen is open before the first window: 15 s after the last key it looks half as often."""
_SETTLE = 0.7
"""Seconds before each window: a screen that goes on catches up with what it missed."""
_STEPS, _TRIES = 8, 10
"""Steps that a window must have: one that a validation fills has none, and is taken again."""
_UNMOVED = """
from textual.drivers.linux_driver import LinuxDriver
LinuxDriver._sigcont_application = lambda *_: None
"""
"""So that a screen that was stopped takes no notice of it: Textual's starts its terminal anew."""


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


def window(tail: RecordTail, seconds: float, terminal: Terminal) -> tuple[float, float]:
    """Return the mean seconds of a step, and the screen's share of a core, over a window with steps in it."""
    for _ in range(_TRIES):
        terminal.read(_SETTLE)
        cpu, began = terminal.cpu(), time.time()
        terminal.read(seconds)
        ended = time.time()
        share = (terminal.cpu() - cpu) / (ended - began)
        times = np.concatenate([np.zeros(0), *(block.times for block in iter(tail.poll, None))])
        steps = np.sort(np.diff(times[(times >= began) & (times <= ended)]))
        if len(steps) >= _STEPS:
            return float(steps[: len(steps) * 19 // 20].mean()), share
    raise SystemExit(f"Fewer than {_STEPS} steps in {seconds:g} s, {_TRIES} times: take longer windows (--seconds).")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of pictures; the demo's otherwise")
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=2)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the run ends with this, too
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or make_demo(Path(folder) / "pictures")
        run = trained(data, arguments.preset, Path(folder) / "runs")
        terminal = None
        try:
            tail = RecordTail(run.segment(BATCHES, 1))
            command = screen.ours(run.path)
            command[2] = _UNMOVED + command[2]
            terminal = Terminal(command, (120, 40), environment={"CNNTRAIN_ECO": "off"})
            terminal.read(_WARM)
            slower, shares, alone = [], [], []
            for number in range(arguments.rounds):
                took = {}
                for watched in (True, False) if number % 2 else (False, True):
                    terminal.process.send_signal(signal.SIGCONT if watched else signal.SIGSTOP)
                    took[watched], share = window(tail, arguments.seconds, terminal)
                    shares += [share] if watched else []
                slower.append(took[True] / took[False] - 1)
                alone.append(took[False])
        finally:
            if terminal is not None:
                terminal.process.send_signal(signal.SIGCONT)
                terminal.close()
            command = [sys.executable, "-m", "tui.cli.main", "stop", str(run.path)]
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
            time.sleep(5)
    print(f"{1000 * statistics.median(alone):.2f} ms a step (median of {len(alone)} windows without the screen)")
    cores, share = len(os.sched_getaffinity(0)), statistics.mean(shares)
    lost, error = statistics.median(slower), 1.25 * statistics.stdev(slower) / len(slower) ** 0.5
    print(f"the screen took {100 * share:.2f} % of one of {cores} cores")
    beyond = lost - share / cores
    print(f"a step takes {100 * lost:.2f} % longer (median ± {100 * error:.2f}), {100 * beyond:.2f} % beyond")
    print(f"load over the last minute: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
