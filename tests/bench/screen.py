"""What the screen costs: the real app under a pseudo-terminal, on a run that grows while it is watched.

    python -m tests.bench.screen                          # everything
    python -m tests.bench.screen cost paint               # some of it
    python -m tests.bench.screen cost --run runs/2026...  # a run that really trains
    PYTHONPATH=... python -m tests.bench.screen rivals    # where the rivals' libraries are not installed

    cost      processor, bytes a second and memory at several sizes, in eco mode, idle, in tmux, with Textual's drawing;
              beside it, at the same time, the processor of an app that shows one number twice a second
    rivals    the same dashboard with textual-plotext and textual-plot, in one run with ours
    slow      from a key to its effect on slow lines
    paint     time from exec of the command to the first paint and to the first chart (medians), beside the least that
              Textual can show, and the bytes until then; with --run of a long run, too

Load on the machine makes every figure worse; it is printed at the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import builders
from tests.bench.rivals import LIBRARIES
from tests.bench.slow_line import Terminal
from tui.core.metrics import BATCH
from tui.core.records import BATCHES, LAYERS, Encoder, Header
from tui.core.rundir import RunDir
from tui.runs.launched import keep_settings

LAYER_NAMES = tuple(f"blocks.{i}.convolution.weight" for i in range(12))
_LEAST = """
from textual.app import App
from textual.widgets import Static

class Least(App):
    BINDINGS = [("q", "quit", "Quit")]

    def compose(self):
        yield Static("the least")

Least().run()
"""
_CLOCK = """
import time
from textual.app import App
from textual.widgets import Static

class Clock(App):
    def compose(self):
        yield Static()

    def on_mount(self):
        self.set_interval(0.5, lambda: self.query_one(Static).update(str(time.time())))

Clock().run()
"""
"""What waking up twice a second costs on this machine, with one number to draw: a core that sleeps wakes slowly."""
_START = """
from pathlib import Path
from tui.cli.views import open_app
from tui.core.rundir import RunDir
if not {exact}:
    from tui.app.display import CellExactApp
    CellExactApp.cell_exact = False
run = {run!r}
open_app(Path({root!r}), RunDir(Path(run)) if run else None)
"""


_ALONE = 20.0
"""Seconds without a key before the cost is measured: 15 s after the last one the screen looks half as often."""
_WINDOW = 5.0
"""Seconds over which a share of a core is taken."""
_HEADING = f"{'':<34}of a core  one number  to it{'':>8}in memory"


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


@contextmanager
def growing(arguments: argparse.Namespace) -> Iterator[Path]:
    """Yield the run to watch."""
    if arguments.run is not None:
        yield arguments.run.resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        run = builders.make_run(
            Path(folder), steps=arguments.steps, epochs=max(1, arguments.steps // 300), layers=LAYER_NAMES,
            total_steps=arguments.steps + 20_000, status="running",
        )  # fmt: skip
        keep_settings(run)
        writer = Writer(run, arguments.steps, arguments.rate)
        writer.start()
        try:
            yield run.path
        finally:
            writer.over.set()
            writer.join()
            builders.let_go(run)


def program(*arguments: str) -> list[str]:
    """Return the program's command line."""
    return [sys.executable, "-c", "from tui.cli.main import main; main()", *arguments]


def ours(run: Path | None, *, exact: bool = True) -> list[str]:
    """Return the command that shows a run, or the list of runs."""
    root = run.parent if run is not None else Path(tempfile.gettempdir()) / "no-runs"
    return [sys.executable, "-c", _START.format(exact=exact, run=str(run) if run else "", root=str(root))]


def cost(
    name: str,
    command: list[str],
    arguments: argparse.Namespace,
    size: tuple[int, int] = (120, 40),
    environment: dict[str, str] | None = None,
    pid: Callable[[], int] = lambda: 0,
) -> None:
    """Measure a screen that has been left alone for a while, at the same time as `_CLOCK`, and print a line.

    Shares of a core are medians of windows: on a machine of many tenants the same work costs twice as much at times.
    """
    terminal = Terminal(command, size, environment={"CNNTRAIN_ECO": "off", **(environment or {})})
    clock = Terminal([sys.executable, "-c", _CLOCK], size)
    both, over = (terminal, clock), threading.Event()
    readers = [threading.Thread(target=_drain, args=(one, over), daemon=True) for one in both]
    for reader in readers:
        reader.start()
    time.sleep(max(arguments.warm, _ALONE))
    processes = (pid() or terminal.process.pid, clock.process.pid)
    shares: list[list[float]] = []
    received, began = terminal.received, time.monotonic()
    for _ in range(max(1, round(arguments.seconds / _WINDOW))):
        before, since = [one.cpu(process) for one, process in zip(both, processes, strict=True)], time.monotonic()
        time.sleep(_WINDOW)
        after, span = [one.cpu(process) for one, process in zip(both, processes, strict=True)], time.monotonic() - since
        shares.append([100 * (late - early) / span for late, early in zip(after, before, strict=True)])
    rate = (terminal.received - received) / (time.monotonic() - began)
    resident, private = terminal.memory(processes[0])
    over.set()
    for reader in readers:
        reader.join()
    share, beside = (statistics.median(column) for column in zip(*shares, strict=True))
    print(
        f"{name:<34}{share:>6.2f} %{beside:>9.2f} %{rate / 1000:>9.2f} KB/s{resident:>7.0f} MB ({private:.0f} private)",
        flush=True,
    )
    for one in both:
        one.close()


def _drain(terminal: Terminal, over: threading.Event) -> None:
    while not over.is_set():
        terminal.read(0.5)


def costs(arguments: argparse.Namespace) -> None:
    """Measure ours in several places."""
    print(_HEADING, flush=True)
    with growing(arguments) as run:
        cost("120x40", ours(run), arguments)
        cost("80x24", ours(run), arguments, (80, 24))
        cost("200x60", ours(run), arguments, (200, 60))
        cost("120x40 eco", ours(run), arguments, environment={"CNNTRAIN_ECO": "on"})
        cost("120x40 Textual's own drawing", ours(run, exact=False), arguments)
        if shutil.which("tmux"):
            in_tmux(run, arguments)
        else:
            print("tmux is not installed: left out")
    with tempfile.TemporaryDirectory() as folder:
        still = builders.make_run(Path(folder), steps=arguments.steps, epochs=3, layers=LAYER_NAMES)
        keep_settings(still)
        cost("120x40 idle (a finished run)", ours(still.path), arguments)


def in_tmux(run: Path, arguments: argparse.Namespace) -> None:
    """Measure what tmux sends on, and the app's share of a core."""
    socket = f"screen-{os.getpid()}"
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(ours(run)[2])
        script.flush()

        def pid() -> int:
            answer = subprocess.run(
                ["tmux", "-L", socket, "list-panes", "-F", "#{pane_pid}"], capture_output=True, text=True, check=False
            )
            return int(answer.stdout.split()[0])

        inner = f"exec {sys.executable} {script.name}"
        command = ["tmux", "-L", socket, "-f", "/dev/null", "new-session", inner]
        cost("120x40 in tmux", command, arguments, environment={"PYTHONPATH": os.pathsep.join(sys.path)}, pid=pid)
        subprocess.run(["tmux", "-L", socket, "kill-server"], check=False, stderr=subprocess.DEVNULL)


def rivals(arguments: argparse.Namespace) -> None:
    """Measure the same dashboard, made with others' widgets."""
    print(_HEADING, flush=True)
    with growing(arguments) as run:
        cost("ours", ours(run), arguments)
        for name, library in LIBRARIES.items():
            if importlib.util.find_spec(library) is None:
                print(f"{library.replace('_', '-')} is not installed: left out")
                continue
            command = [sys.executable, "-m", "tests.bench.rivals", name, str(run)]
            cost(library.replace("_", "-"), command, arguments, environment={"PYTHONPATH": os.pathsep.join(sys.path)})


def slow(arguments: argparse.Namespace) -> None:
    """Press keys on slow lines."""
    keys = 6
    for rate, delay in ((10_000.0, 0.05), (2_000.0, 0.05)):
        for name, exact in (("ours", True), ("Textual's own drawing", False)):
            with growing(arguments) as run:
                terminal = Terminal(ours(run, exact=exact), (120, 40), rate=rate, delay=delay, emulate=True)
                terminal.read(60, lambda data, at=terminal: "gradient norm" in "".join(at.screen.display))
                terminal.read(arguments.warm + 4)
                times = [answer(terminal, key) for key in (b"2", b"1") * (keys // 2)]
                label = f"{name}, {rate / 1000:g} KB/s, {2000 * delay:.0f} ms"
                shown = ", ".join("none" if t is None else f"{t:.2f}" for t in times)
                print(f"{label:<46} key to answer [s]: {shown}", flush=True)
                terminal.close()


def answer(terminal: Terminal, key: bytes) -> float | None:
    """Press a key that chooses a panel; return the seconds until its heading stands out."""
    screen = terminal.screen
    assert screen is not None
    title = {b"1": "1 loss", b"2": "2 accuracy"}[key]
    row = next((y for y, line in enumerate(screen.display) if title in line), None)
    if row is None:
        return None
    column = screen.display[row].index(title)
    before = screen.buffer[row][column].fg
    terminal.press(key)
    began = time.monotonic()
    came = terminal.read(30, lambda data: screen.buffer[row][column].fg != before)
    terminal.read(1.3)
    return None if came is None else came - began


def paint(arguments: argparse.Namespace) -> None:
    """Start the app several times, in turn with the least that Textual can show."""
    with growing(arguments) as run:
        name, braille = re.compile(re.escape(run.name[:8].encode())), re.compile(b"\xe2[\xa0-\xa3]")
        sights: tuple[tuple[str, list[str], re.Pattern[bytes]], ...] = (
            ("Textual alone, one line", [sys.executable, "-c", _LEAST], re.compile(b"the least")),
            ("list of runs", program(), re.compile(b"palette")),
            ("watch: the run's name", program("watch", str(run)), name),
            ("watch: its first chart", program("watch", str(run)), braille),
        )
        times: dict[str, list[float]] = {label: [] for label, *_ in sights}
        sizes: dict[str, list[int]] = {label: [] for label, *_ in sights}
        for _ in range(arguments.starts):
            for label, command, sign in sights:
                terminal = Terminal(command, (120, 40), environment={"CNNTRAIN_RUNS": tempfile.gettempdir()})
                came = terminal.read(10, lambda data, sign=sign: bool(sign.search(data)))
                times[label].append(1000 * ((came or math.inf) - terminal.began))
                sizes[label].append(terminal.received)
                terminal.close()
        least = times[sights[0][0]]
        for label, took in times.items():
            ratio = statistics.median(one / other for one, other in zip(took, least, strict=True))
            bytes_ = statistics.median(sizes[label])
            print(f"{label:<34}{statistics.median(took):>6.0f} ms {ratio:>6.2f} times {bytes_:>8.0f} bytes", flush=True)


SCENES = {"cost": costs, "rivals": rivals, "slow": slow, "paint": paint}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", choices=[*SCENES, []], help="what to measure; everything by default")
    parser.add_argument("--run", type=Path, help="a run directory; without it a synthetic one that grows")
    parser.add_argument("--rate", type=float, default=200, help="records a second of the synthetic run")
    parser.add_argument("--steps", type=int, default=1000, help="records that the synthetic run starts with")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--warm", type=float, default=4, help="seconds before the measurement")
    parser.add_argument("--starts", type=int, default=10, help="starts for the time of the first paint")
    arguments = parser.parse_args()
    for scene in arguments.scenes or SCENES:
        print(f"--- {scene}", flush=True)
        SCENES[scene](arguments)
    print(f"load over the last minute: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
