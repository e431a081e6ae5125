"""What the crash test plays with: pictures, settings, processes and how to find them, screens that watch."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from tui.core.rundir import RunDir

MARK = "CNNTRAIN_CRASH"
"""An environment variable that everything which is started for a run inherits: so its orphans are found."""

SETTINGS = {
    "data.image_size": 16,
    "data.crop_padding": 2,
    "data.workers": 2,
    "data.cache_gib": 0,  # streamed: the decoders live as long as the training
    "model.width": 4,
    "model.blocks": 2,
    "model.dropout": 0.3,
    "optimizer.name": "sgd",
    "optimizer.momentum": 0.9,
    "schedule.name": "plateau",
    "schedule.patience": 1,
    "training.batch_size": 8,
    "training.device": "cpu",
    "training.threads": 1,
    "training.validate_unit": "steps",
    "training.validate_every": 20,
}
SCREEN = "from tui.cli.main import main; main()"
FOLLOWER = """
import sys, time
from pathlib import Path
from tui.core.rundir import RunDir
from tui.runs.follow import RunFollower
follower = RunFollower(RunDir(Path(sys.argv[1])))
while True:
    follower.poll()
    time.sleep(0.05)
"""


def make_pictures(directory: Path, per_class: int = 50) -> Path:
    """Draw three classes of noisy 16x16 pictures, if they are not there."""
    if directory.exists():
        return directory
    noise = np.random.default_rng(0)
    for number, name in enumerate(("red", "green", "blue")):
        (directory / name).mkdir(parents=True)
        for index in range(per_class):
            pixels = noise.integers(0, 160, (16, 16, 3))
            pixels[:, :, number] += 60
            Image.fromarray(pixels.astype(np.uint8)).save(directory / name / f"{index:03d}.png")
    return directory


def processes() -> dict[int, str]:
    """Return the living processes that carry this process's mark, without itself: id and command line."""
    mark = f"{MARK}={os.environ[MARK]}".encode()
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            place = Path("/proc", entry)
            if mark in place.joinpath("environ").read_bytes().split(b"\0"):
                found[int(entry)] = (
                    place.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                )
    return found


class Screen:
    """Something that watches a run: the real screen in a pseudo-terminal, or a follower."""

    def __init__(self, run: RunDir, *, real: bool) -> None:
        self._master = -1
        if not real:
            self.process = subprocess.Popen([sys.executable, "-c", FOLLOWER, str(run.path)], stdin=subprocess.DEVNULL)
            return
        self._master, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCREEN, "watch", str(run.path)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
        )
        os.close(terminal)
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(self._master, 65536):
                pass

    def end(self) -> None:
        """Kill it, if nobody has."""
        self.process.kill()
        self.process.wait()
        if self._master >= 0:
            with contextlib.suppress(OSError):
                os.close(self._master)
            self._master = -1
