"""What the screen costs: the real app under a pseudo-terminal, on a run that grows while it is watched.

    python tests/bench/screen.py                         # synthetic, 200 records a second, 120x40
    python tests/bench/screen.py --run runs/2026...      # a run that really trains
    python tests/bench/screen.py --stock                 # with Textual's own way of drawing

Prints the processor share of the screen's process, bytes a second to the terminal, memory, and the time
from exec to the first paint (median).
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import math
import os
import pty
import random
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import builders

from tui.core.metrics import BATCH
from tui.core.records import BATCHES, LAYERS, Encoder, Header
from tui.core.rundir import RunDir

LAYER_NAMES = tuple(f"blocks.{i}.convolution.weight" for i in range(12))
_SYNC_ASKED, _SYNC_ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
_START = """
import sys
from pathlib import Path
from tui.app.app import CnntrainApp
from tui.core.rundir import RunDir
CnntrainApp.cell_exact = {exact}
run = {run!r}
app = CnntrainApp(runs_root=Path({root!r}), open_run=RunDir(Path(run)) if run else None)
app.run()
"""


class Writer(threading.Thread):
    """Appends records to a run, as an engine would."""

    def __init__(self, run: RunDir, first: int, rate: float) -> None:
        super().__init__(daemon=True)
        self.run_directory, self.step, self.rate = run, first, rate
        self.over = threading.Event()

    def run(self) -> None:
        dice = random.Random(0)
        batches = Encoder(Header(BATCHES, tuple(metric.name for metric in BATCH), 1, self.run_directory.name))
        layers = Encoder(Header(LAYERS, LAYER_NAMES, 1, self.run_directory.name))
        paths = self.run_directory.segment(BATCHES, 1), self.run_directory.segment(LAYERS, 1)
        with paths[0].open("ab", buffering=0) as one, paths[1].open("ab", buffering=0) as two:
            began, first = time.monotonic(), self.step
            while not self.over.wait(1 / 50):
                while self.step - first < (time.monotonic() - began) * self.rate:
                    self.step += 1
                    loss = 2.3 * math.exp(-self.step / 4000) + 0.1 * dice.gauss(0, 1)
                    norm = 2 * math.exp(0.3 * dice.gauss(0, 1))
                    values = [loss, 1 - loss / 3, 0.05, norm, 2500 + 50 * dice.gauss(0, 1), 0.03, 0.02]
                    one.write(batches.encode(self.step, time.time(), values))
                    norms = [norm * math.exp(-0.4 * i + 0.2 * dice.gauss(0, 1)) for i in range(len(LAYER_NAMES))]
                    two.write(layers.encode(self.step, time.time(), norms))


class Screen:
    """The app in a process of its own, behind a pseudo-terminal."""

    def __init__(self, root: Path, run: Path | None, size: tuple[int, int], exact: bool) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": os.environ.get("COLORTERM", "truecolor")}
        environment.pop("NO_COLOR", None)
        code = _START.format(exact=exact, run=str(run) if run else "", root=str(root))
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self.received = 0
        self._tail = b""

    def read(self, seconds: float, until: bytes = b"") -> float | None:
        """Read for so long, or until ``until`` comes; return when it came."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                break
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:
                break
            self.received += len(data)
            window = self._tail + data
            self._tail = window[-200:]
            if _SYNC_ASKED in window and _SYNC_ASKED not in self._tail[: -len(data) or None]:
                os.write(self.master, _SYNC_ANSWER)
            if until and until in window:
                return time.monotonic()
        return None

    def cpu(self) -> float:
        """Return the processor seconds used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> tuple[float, float]:
        """Return resident and proportional memory in MB (10^6 bytes)."""
        resident = _kilobytes(f"/proc/{self.process.pid}/status", "VmRSS:")
        share = _kilobytes(f"/proc/{self.process.pid}/smaps_rollup", "Pss:")
        return resident * 1.024e-3, share * 1.024e-3

    def close(self) -> None:
        """Leave as a person would."""
        with contextlib.suppress(OSError):
            os.write(self.master, b"q")
        self.read(0.5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(3)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)


def _kilobytes(path: str, label: str) -> int:
    lines = Path(path).read_text().splitlines() if os.path.exists(path) else []
    return int(next((line.split()[1] for line in lines if line.startswith(label)), 0))


def first_paint(root: Path, run: Path | None, size: tuple[int, int], starts: int, sign: bytes) -> list[float]:
    """Return the milliseconds from exec until ``sign`` was written, for each of several starts."""
    times = []
    for _ in range(starts):
        screen = Screen(root, run, size, True)
        came = screen.read(10, sign)
        times.append(1000 * ((came or math.inf) - screen.began))
        screen.close()
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run directory; without it a synthetic one that grows")
    parser.add_argument("--rate", type=float, default=200, help="records a second of the synthetic run")
    parser.add_argument("--steps", type=int, default=1000, help="records that the synthetic run starts with")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--warm", type=float, default=4, help="seconds before the measurement")
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--starts", type=int, default=10, help="starts for the time of the first paint")
    parser.add_argument("--stock", action="store_true", help="draw Textual's own way")
    parser.add_argument("--keys", default="", help="keys to press after the start")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    size = tuple(map(int, arguments.size.split("x")))
    assert len(size) == 2
    with tempfile.TemporaryDirectory() as folder:
        root, writer, made = Path(folder), None, None
        if arguments.run is None:
            made = builders.make_run(
                root, steps=arguments.steps, epochs=max(1, arguments.steps // 300), layers=LAYER_NAMES,
                total_steps=arguments.steps + 20_000, status="running",
            )  # fmt: skip
            writer = Writer(made, arguments.steps, arguments.rate)
            writer.start()
        path = made.path if made is not None else arguments.run.resolve()
        screen = Screen(root, path, size, not arguments.stock)
        screen.read(arguments.warm)
        opened = screen.received
        os.write(screen.master, arguments.keys.encode())
        cpu, received, began = screen.cpu(), screen.received, time.monotonic()
        screen.read(arguments.seconds)
        span = time.monotonic() - began
        result = {
            "size": arguments.size,
            "cpu_percent": round(100 * (screen.cpu() - cpu) / span, 2),
            "bytes_per_second": round((screen.received - received) / span),
            "bytes_until_warm": opened,
        }
        result["resident_mb"], result["proportional_mb"] = (round(value, 1) for value in screen.memory())
        screen.close()
        if writer is not None:
            writer.over.set()
        if arguments.starts:
            home = first_paint(root, None, size, arguments.starts, b"palette")
            watch = first_paint(root, path, size, arguments.starts, path.name[-10:].encode())
            result["first_paint_home_ms"] = round(statistics.median(home))
            result["first_paint_watch_ms"] = round(statistics.median(watch))
        if made is not None:
            builders.let_go(made)
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<24}{value}")


if __name__ == "__main__":
    main()
