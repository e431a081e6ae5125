"""How training fares beside other busy processes: threads that wait asleep, and threads that spin for a moment.

    python tests/bench/busy_machine.py [--repeats 3]

Trains the demo with both values of ``compute.waiting`` in turn, alone and beside one and two processes that keep
a core busy, and prints the seconds spent in training steps and their ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tui.core.dataset.demo import make_demo

WAYS = {"asleep": "sleep", "spinning": "spin"}


def seconds_of_training(way: str, pictures: Path, runs: Path) -> float:
    """Train the demo once; return the seconds its epochs took."""
    command = [sys.executable, "-m", "tui.cli.main", "train", "demo", "--data", str(pictures), "--runs", str(runs)]
    subprocess.run([*command, "--plain", "--set", f"compute.waiting={way}"], capture_output=True, check=True)
    events = next(runs.glob("*/events.jsonl")).read_text("utf-8").splitlines()
    return sum(event["seconds"] for event in map(json.loads, events) if event["kind"] == "epoch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    for others in (0, 1, 2):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
        took: dict[str, list[float]] = {way: [] for way in WAYS}
        try:
            with tempfile.TemporaryDirectory() as directory:
                pictures = make_demo(Path(directory) / "pictures")
                for repeat in range(repeats):
                    for way, value in WAYS.items():
                        took[way].append(seconds_of_training(value, pictures, Path(directory) / f"{repeat}-{way}"))
        finally:
            for process in busy:
                process.kill()
                process.wait()
        medians = {way: statistics.median(values) for way, values in took.items()}
        shown = ", ".join(f"{way} {seconds:.1f} s" for way, seconds in medians.items())
        print(f"beside {others} busy: {shown}; spinning / asleep = {medians['spinning'] / medians['asleep']:.2f}")


if __name__ == "__main__":
    main()
