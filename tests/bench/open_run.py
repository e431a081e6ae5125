"""How long it takes to open a run of a million and of ten million batches, in what memory, and to look again.

    python tests/bench/open_run.py [--batches 1000000 10000000]

Each size is opened in a process of its own, with its file in the page cache. ``first bytes`` is the time of
the first poll with a budget of 50 ms, after which a screen can already draw; ``idle poll`` is a poll that
finds nothing new.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np

from tests import builders
from tui.core.metrics import BATCH
from tui.core.records import BATCHES, Header
from tui.core.rundir import RunDir

CHUNK = 100_000

OPEN = """
import json, sys, time
begun = time.perf_counter()
from pathlib import Path
from tui.core.rundir import RunDir
from tui.runs.follow import RunFollower
import tui.runs.history
imported = time.perf_counter()
def most_memory():  # unlike ru_maxrss, this is not inherited from the process that started this one
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["VmHWM"].split()[0])
before = most_memory()
follower = RunFollower(RunDir(Path(sys.argv[1])))
start = time.perf_counter()
follower.poll(budget=0.05)
first = time.perf_counter() - start
while follower.behind:
    follower.poll()
opened = time.perf_counter() - start
peak = most_memory()
start = time.perf_counter()
series = [follower.batches.series("loss", points=200) for _ in range(20)]
drawn = (time.perf_counter() - start) / 20
start = time.perf_counter()
for _ in range(20):
    follower.batches.smoothed("loss", points=200)
smoothed = (time.perf_counter() - start) / 20
idle = []
for _ in range(2000):
    start = time.perf_counter()
    follower.poll()
    idle.append(time.perf_counter() - start)
idle.sort()
print(json.dumps({
    "batches": follower.batches.count, "first": first, "opened": opened, "imports": imported - begun,
    "base": before / 1024, "peak": peak / 1024, "series": drawn, "smoothed": smoothed,
    "idle": idle[len(idle) // 2], "mean": sum(idle) / len(idle),
}))
"""


def write_records(run: RunDir, batches: int) -> None:
    """Replace the records of a made-up run by ``batches`` of them, made at once."""
    header = Header(BATCHES, tuple(metric.name for metric in BATCH), 1, run.name)
    noise = np.random.default_rng(0)
    kind = np.dtype([("step", "<u8"), ("time", "<f8"), ("attempt", "<u4"), ("values", "<f4", 7), ("crc", "<u4")])
    with run.segment(BATCHES, 1).open("wb") as file:
        file.write(header.encode())
        for start in range(0, batches, CHUNK):
            steps = np.arange(start + 1, min(batches, start + CHUNK) + 1)
            rows = np.zeros(len(steps), kind)
            rows["step"], rows["time"], rows["attempt"] = steps, builders.START + steps * 0.005, 1
            rows["values"] = 1 / np.sqrt(steps)[:, None] + 0.01 * noise.random((len(steps), 7))
            body = rows.view(np.uint8).reshape(len(rows), header.width)[:, :-4].tobytes()
            width = header.width - 4
            rows["crc"] = [zlib.crc32(body[at : at + width]) for at in range(0, len(body), width)]
            file.write(rows.tobytes())


def main() -> None:
    """Make the runs, open them, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1_000_000, 10_000_000])
    chosen = parser.parse_args()
    print("    batches  first bytes     opened  peak memory (before)    series  smoothed  idle poll (mean)")
    for batches in chosen.batches:
        with tempfile.TemporaryDirectory() as folder:
            run = builders.make_run(Path(folder), steps=10, epochs=1)
            write_records(run, batches)
            time.sleep(0.1)
            output = subprocess.check_output([sys.executable, "-c", OPEN, str(run.path)], timeout=300)
            found = json.loads(output)
            assert found["batches"] == batches
            print(
                f"{batches:>11,} {1000 * found['first']:>9.0f} ms {1000 * found['opened']:>7.0f} ms"
                f" {found['peak']:>8.0f} MB ({found['base']:>3.0f} MB) {1000 * found['series']:>9.2f} ms"
                f" {1000 * found['smoothed']:>6.2f} ms {1e6 * found['idle']:>7.1f} us ({1e6 * found['mean']:.1f})"
            )


if __name__ == "__main__":
    main()
