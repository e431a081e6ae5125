"""cnntrain's engine, as shipped, beside the bare step and beside other trainers on the same pictures.

    python -m tests.bench.throughput /path/to/cifar10 [--model simple_cnn] [--size 32] [--rounds 5] [--seconds 8]

Every contender is a process that trains for ever; all but one are stopped (SIGSTOP) at any time, and they take
turns of some seconds, so that a machine shared with others treats them alike. Pictures per second are counted in
each turn; the ratios are medians over the rounds of each turn against the limit's turn in the same round. The
limit is the same step on one fixed batch in memory. cnntrain runs with all its records and diagnostics, with its
cache warm; ``--first`` measures the first pictures instead, from the start of each process on: imports, looking
through the folder, and decoding everything where that is done before the first batch.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bench.contenders import CONTENDERS, Work
from tui.core.caches import UNFINISHED
from tui.core.memory import with_large_pages
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.core.schema import validated
from tui.runs import making
from tui.runs.tail import RecordTail

OURS, STREAMED = "cnntrain", "cnntrain streamed"
"""With its cache, and as it trains on sets that are too large for one: decoded anew in each epoch."""


class EndedError(Exception):
    """A contender has ended; the text shows what it said last."""


class Contender:
    """A process that trains, and how many pictures it has trained."""

    def __init__(self, name: str, command: list[str], images: Callable[[], int], log: Path) -> None:
        self.name, self._images = name, images
        # The limit is that of our engine, which its supervisor starts with large pages.
        environment = with_large_pages(os.environ) if name in (OURS, STREAMED, "limit") else dict(os.environ)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0, env=environment
            )
        self._log = log

    def images(self) -> int:
        if self._process.poll() is not None:
            raise EndedError(f"{self.name} ended:\n{self._log.read_text(errors='replace')[-600:]}")
        return self._images()

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def train(self, seconds: float) -> float:
        """Let it train; return pictures per second, measured from one finished batch to another."""
        self.go()
        first, began = self._next_batch()
        count, end = first, began
        while end - began < seconds:
            count, end = self._next_batch()
        self.stop()
        return (count - first) / (end - began)

    def _next_batch(self) -> tuple[int, float]:
        before = self.images()
        while self.images() == before:
            time.sleep(0.0005)
        return self.images(), time.perf_counter()


def ours(work: Work, place: Path, name: str = OURS) -> Contender:
    """Cnntrain's engine on a run of its own."""
    table: dict[str, dict[str, Any]] = {
        "data": {
            "directory": work.folder,
            "image_size": work.size,
            "crop": "padded" if work.padding else "random_resized",
            "crop_padding": work.padding or 4,
            "validation_fraction": 0.01,
            "test_fraction": 0.0,
            "workers": work.workers,
        },
        "model": {"name": work.model},
        "optimizer": {"learning_rate": 0.01},
        "training": {"epochs": 100_000, "batch_size": work.batch, "threads": work.threads, "device": "cpu"},
        "compute": {"waiting": "spin"},  # as on a machine of one's own, and as the others do
    }
    table["training"] |= {"validate_every": 10_000_000, "validate_unit": "steps"}
    table["data"] |= {"cache_gib": 0.0} if name == STREAMED else {}
    run = making.create(validated(table, source="the benchmark"), root=place / "runs", name=f"bench-{time.time_ns()}")
    command = [sys.executable, "-P", "-m", "tui.engine", str(run.path), "--attempt", "1"]
    return Contender(name, command, _recorded(run, work.batch), place / f"{name.replace(' ', '-')}.log")


def _recorded(run: RunDir, batch: int) -> Callable[[], int]:
    tail = RecordTail(run.segment(BATCHES, 1))

    def images() -> int:
        record = tail.last()
        return record.step * batch if record is not None else 0

    return images


def started(name: str, work: Work, place: Path) -> Contender:
    """Whoever has this name."""
    return ours(work, place, name) if name in (OURS, STREAMED) else other(name, work, place)


def other(name: str, work: Work, place: Path) -> Contender:
    """One of the others."""
    key = name.replace(" ", "-")
    description, counter = place / "work.json", place / f"{key}.count"
    work.save(description)
    counter.write_bytes(bytes(8))
    command = [sys.executable, "-m", "tests.bench.contenders", name, str(description), str(counter)]
    return Contender(name, command, lambda: struct.unpack("<q", counter.read_bytes())[0], place / f"{key}.log")


def available(names: list[str]) -> Iterator[str]:
    """Yield the contenders that can run here, and say which cannot."""
    for name in names:
        package = CONTENDERS[name][1] if name in CONTENDERS else ""
        if package and importlib.util.find_spec(package) is None:
            print(f"skipped: {name} is not installed")
        else:
            yield name


def compare(work: Work, names: list[str], rounds: int, seconds: float, place: Path) -> None:
    """Let them take turns, and print pictures per second and ratios."""
    contenders: list[Contender] = []
    speeds: dict[str, list[float]] = {}
    try:
        for name in [OURS, *available(names)]:
            contender = started(name, work, place)
            contenders.append(contender)
            try:
                contender.train(1.0)  # through its imports and its first batches
                while name == OURS and is_filling(place / "cache"):
                    contender.train(1.0)
            except EndedError as error:
                if name in (OURS, "limit"):
                    raise
                print(f"skipped: {error}")
                contenders.remove(contender)
        speeds = {contender.name: [] for contender in contenders}
        for turn in range(rounds):
            for contender in contenders if turn % 2 == 0 else contenders[::-1]:
                speeds[contender.name].append(contender.train(seconds))
    finally:
        for contender in contenders:
            contender.kill()
        print(f"{work.model} {work.size} px, batch {work.batch}, medians of turns of {seconds:g} s")
        report(speeds)


def is_filling(cache: Path) -> bool:
    """Whether pictures are still decoded: cnntrain trains meanwhile, but not as it does later."""
    return any(cache.glob(f"*/*{UNFINISHED}"))


def report(speeds: dict[str, list[float]]) -> None:
    """Print what was measured in whole rounds: of all, or of those before an early end."""
    rounds = min(map(len, speeds.values()), default=0)
    if not rounds:
        return
    speeds = {name: measured[:rounds] for name, measured in speeds.items()}
    for name, measured in speeds.items():
        share = statistics.median(mine / most for mine, most in zip(measured, speeds["limit"], strict=True))
        spread = f"{min(measured):.0f}-{max(measured):.0f}"
        print(f"{name:17} {statistics.median(measured):8.0f} images/s  ({spread:>12})  {share:.3f} of the limit")
    others = [statistics.median(v) for name, v in speeds.items() if name not in (OURS, STREAMED, "limit")]
    if others:
        print(f"{OURS} / best other = {statistics.median(speeds[OURS]) / max(others):.2f} ({rounds} rounds)")


def first_epoch(work: Work, names: list[str], images: int, place: Path) -> None:
    """Print how long each needs for its first pictures from its start on, its cache empty, one after the other."""
    for name in [OURS, *available(names)]:
        began = time.perf_counter()
        contender = started(name, work, place)
        try:
            while not contender.images():
                time.sleep(0.001)
            first = time.perf_counter() - began
            while contender.images() < images:
                time.sleep(0.005)
            took = time.perf_counter() - began
            print(f"{name:16} {images} pictures in {took:.1f} s, the first batch after {first:.1f} s", flush=True)
        except EndedError as error:
            print(f"skipped: {error}")
        finally:
            contender.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="one folder per class, or a folder with train/ in it")
    parser.add_argument("--model", default="simple_cnn")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--padding", type=int, default=4, help="of the random crop; 0: random resized crop")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--streamed", action="store_true", help="and cnntrain without its cache of decoded pictures")
    parser.add_argument("--first", type=int, default=0, metavar="PICTURES", help="measure the first so many instead")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # whoever was started is ended too
    folder = arguments.folder / "train" if (arguments.folder / "train").is_dir() else arguments.folder
    work = Work(
        str(folder.absolute()), arguments.model, arguments.size, arguments.batch, arguments.padding,
        arguments.workers, arguments.threads,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        os.environ["CNNTRAIN_CACHE"] = str(place / "cache")
        names = [*([STREAMED] if arguments.streamed else []), *(name for name in arguments.only if name != "limit")]
        if arguments.first:
            first_epoch(work, names, arguments.first, place)
        else:
            names = ["limit", *names]
            compare(work, names, arguments.rounds, arguments.seconds, place)


if __name__ == "__main__":
    main()
