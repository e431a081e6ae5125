"""Kill what belongs to a run, at random instants, again and again, and see what is lost. Nothing may be.

    python -m tests.bench.crash [--kills 200] [--seed 0] [--keep DIR]

With `--keep` what has happened is written down after each kill: started again, it goes on from there.

A tiny run is made once without a disturbance. Then the same run is made again and again while SIGKILL hits its
engine, its supervisor, a data worker (a decoder of its pictures), a screen that watches it (by turns the real one in a
pseudo-terminal and a plain follower), or all of them at once. A kill falls into the start, into the training, or,
one time in three for the engine, into the middle of a save. After each kill:

- the run can be read: its state, its series without a gap, its line in the list;
- every record and event that was complete before the kill is still there, byte for byte;
- when engine or supervisor was hit, five seconds later no process of the run is left, and it is resumed; every
  second time a supervisor was hit it is resumed at once, while its engine still leaves;
- when a screen or a data worker was hit, the training goes on.

And when it comes to its end: each attempt went on from the newest checkpoint that was published; every record,
validation and epoch, of every attempt, and the last and the best weights equal those of the undisturbed run, bit
for bit.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

from tests.bench.crash_attack import Attack
from tests.bench.crash_report import VICTIMS, Report
from tests.bench.crash_scene import MARK

KEPT = "report.json"


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
    parser.add_argument("--keep", type=Path, help="a directory to make the runs in; they stay there")
    chosen = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # a shell's background job ignores Ctrl-C
    os.environ[MARK] = str(uuid.uuid4())
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CNNTRAIN_CACHE"] = str(Path(folder) / "cache")
        place = chosen.keep or Path(folder)
        report = Report.load(place / KEPT)
        done = report.kills.total()
        if done:
            _say(f"going on after {done} kills")
        plan = plan_of(chosen.kills, chosen.seed)[done:]
        began = time.monotonic()
        attack = Attack(
            place, plan, seed=chosen.seed + done, epochs=chosen.epochs, tell=_say, report=report, keep=place / KEPT
        )
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
