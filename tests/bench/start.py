"""From ``cnntrain train`` to the first step: ``python -m tests.bench.start FOLDER [--preset cifar10] [--starts 5]``.

Each start is a run of its own, stopped after its first record. The first decodes the pictures, as the cache is empty
then; over the others the median is taken. How far a start was by when is printed for the last one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tui.core.events import Event, Preparing, Started
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.runs.event_tail import EventTail
from tui.runs.tail import RecordTail

COMMAND = (sys.executable, "-c", "from tui.cli.main import main; main()")
PATIENCE = 600.0
"""Seconds after which a start has failed."""


def start(root: Path, arguments: list[str]) -> tuple[float, list[tuple[float, str]]]:
    """Start a run in ``root``, which is empty; return the seconds to its first record, and to each stage before."""
    moment = time.time()
    command = [*COMMAND, "train", *arguments, "--plain", "--runs", str(root)]
    view = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait(view, lambda: any(root.iterdir()))
        run = RunDir(next(root.iterdir()))
        wait(view, lambda: RecordTail(run.segment(BATCHES, 1)).last() is not None)
        took = time.time() - moment
    finally:
        view.terminate()  # without a terminal this stops the run, and waits for it
        view.communicate()
    stages = [(event.time - moment, stage_of(event)) for event in EventTail(run.events).poll()]
    return took, [(at, stage) for at, stage in stages if stage and at < took]


def wait(view: subprocess.Popen[bytes], there: Callable[[], bool]) -> None:
    """Wait until something is there.

    Raises:
        SystemExit: the command has ended, or it takes too long.
    """
    deadline = time.monotonic() + PATIENCE
    while not there():
        if view.poll() is not None:
            sys.exit(view.communicate()[1].decode(errors="replace"))
        if time.monotonic() > deadline:
            sys.exit("there was no first step")
        time.sleep(0.005)


def stage_of(event: Event) -> str:
    """Return what an event says about how far a start is."""
    return event.stage if isinstance(event, Preparing) else "started" if isinstance(event, Started) else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="cifar10")
    parser.add_argument("--starts", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["CNNTRAIN_CACHE"] = str(Path(directory) / "cache")
        times = []
        for number in range(given.starts + 1):
            root = Path(directory) / f"runs{number}"
            root.mkdir()
            took, stages = start(root, [given.preset, "--data", str(given.folder)])
            times.append(took)
    for at, stage in stages:
        print(f"{at:8.2f} s  {stage}")
    print(f"{times[-1]:8.2f} s  the first record")
    spread = f"{min(times[1:]):.2f}-{max(times[1:]):.2f}"
    print(f"first start {times[0]:.2f} s; then {statistics.median(times[1:]):.2f} s ({spread}, {given.starts} starts)")


if __name__ == "__main__":
    main()
