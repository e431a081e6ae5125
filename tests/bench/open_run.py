"""How long it takes to open a run of a million and of ten million batches, in what memory, and to look again.

    python -m tests.bench.open_run [--batches 1000000 10000000] [--layers 60] [--plain]

Each size is opened in a process of its own, with its files in the page cache. ``first`` is the time of the first
poll with a budget of 50 ms, after which a screen can already draw; ``zoom`` is the slowest of zooms of all widths
into a chart of 400 columns of dots, ``layers`` the same for a strip of heat of 100 for every layer; ``idle poll``
is a poll that finds nothing new. ``--plain`` leaves the summaries out, as runs of older versions have none.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

from tests import builders
from tui.core.metrics import BATCH
from tui.core.records import BATCHES, LAYERS, Header
from tui.core.rundir import RunDir
from tui.engine.pyramid import Pyramid
from tui.runs.launched import keep_settings

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
start = time.perf_counter()
series = [follower.batches.series("loss", points=200) for _ in range(20)]
drawn = (time.perf_counter() - start) / 20
start = time.perf_counter()
for _ in range(20):
    follower.batches.smoothed("loss", points=200)
smoothed = (time.perf_counter() - start) / 20
def slowest(look):
    end, width, times = follower.batches.last_step // 3, 400, []
    while width < follower.batches.last_step:
        tries = []
        for by in range(3):  # not the same zoom twice, which would be remembered
            start = time.perf_counter()
            look(max(1, end - width) + by, end + by)
            tries.append(time.perf_counter() - start)
        times.append(sorted(tries)[1])
        width, end = int(width * 1.7), end + width // 3
    return max(times, default=0)
zoom = slowest(lambda first, last: follower.batches.series("loss", first, last, 400))
layers = slowest(lambda first, last: follower.layers.matrix(100, first, last))
idle = []
for _ in range(2000):
    start = time.perf_counter()
    follower.poll()
    idle.append(time.perf_counter() - start)
idle.sort()
print(json.dumps({
    "batches": follower.batches.count, "first": first, "opened": opened, "imports": imported - begun,
    "base": before / 1024, "peak": most_memory() / 1024, "series": drawn, "smoothed": smoothed,
    "zoom": zoom, "layers": layers,
    "idle": idle[len(idle) // 2], "mean": sum(idle) / len(idle),
}))
"""


def write_records(run: RunDir, kind: str, columns: tuple[str, ...], batches: int, *, summaries: bool) -> None:
    """Replace the records of a made-up run by ``batches`` of them, made many at a time."""
    header = Header(kind, columns, 1, run.name)
    noise, many = np.random.default_rng(0), len(columns)
    row = np.dtype([("step", "<u8"), ("time", "<f8"), ("attempt", "<u4"), ("values", "<f4", many), ("crc", "<u4")])
    for path in run.metrics.glob(f"{kind}-*"):
        path.unlink()
    pyramid = Pyramid(run, header) if summaries else None
    with run.segment(kind, 1).open("wb") as file:
        file.write(header.encode())
        for start in range(0, batches, CHUNK):
            steps = np.arange(start + 1, min(batches, start + CHUNK) + 1)
            rows = np.zeros(len(steps), row)
            rows["step"], rows["time"], rows["attempt"] = steps, builders.START + steps * 0.005, 1
            rows["values"] = 1 / np.sqrt(steps)[:, None] + 0.01 * noise.random((len(steps), many))
            body = rows.view(np.uint8).reshape(len(rows), header.width)[:, :-4].tobytes()
            width = header.width - 4
            rows["crc"] = [zlib.crc32(body[at : at + width]) for at in range(0, len(body), width)]
            data = rows.tobytes()
            file.write(data)
            for at in range(0, len(data) if pyramid else 0, header.width):
                pyramid.add(data[at : at + header.width])


def main() -> None:
    """Make the runs, open them, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--layers", type=int, default=0, help="also record so many layers, every step")
    parser.add_argument("--plain", action="store_true", help="without summaries")
    parser.add_argument("--keep", type=Path, help="write the run there and leave it")
    chosen = parser.parse_args()
    print(
        "    batches      first   opened  peak memory (before)    series  smoothed     zoom   layers  idle poll (mean)"
    )
    for batches in chosen.batches:
        with tempfile.TemporaryDirectory() as folder:
            layers = tuple(f"blocks.{i}.convolution.weight" for i in range(chosen.layers))
            run = builders.make_run(chosen.keep or Path(folder), steps=batches // 10_000, epochs=10, layers=layers)
            keep_settings(run)
            columns = tuple(metric.name for metric in BATCH)
            write_records(run, BATCHES, columns, batches, summaries=not chosen.plain)
            if layers:
                write_records(run, LAYERS, layers, batches, summaries=not chosen.plain)
            output = subprocess.check_output([sys.executable, "-c", OPEN, str(run.path)], timeout=300)
            found = json.loads(output)
            assert found["batches"] == batches
            ms = {name: 1000 * value for name, value in found.items()}
            print(
                f"{batches:>11,} {ms['first']:>6.0f} ms {ms['opened']:>6.0f} ms {found['peak']:>4.0f} MB"
                f" ({found['base']:>3.0f} MB) {ms['series']:>6.2f} ms {ms['smoothed']:>6.2f} ms {ms['zoom']:>6.1f} ms"
                f" {ms['layers']:>6.1f} ms {1000 * ms['idle']:>7.1f} us ({1000 * ms['mean']:.1f})"
            )


if __name__ == "__main__":
    main()
