"""How busy this machine is: processor, memory, temperature, graphics cards; from /proc, /sys and the driver's own tool.

Nothing needs to be installed. What a system does not tell is left out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.liveness import read_owner

_PROC = Path("/proc")
_SENSORS = Path("/sys/class/hwmon")
_PROCESSOR_SENSORS = {"coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal"}
_CARDS = "name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw"
_CARDS_EVERY = 5.0
"""Seconds between two questions to the driver, which take a tenth of one."""
_PATIENCE = 5.0
_MIB = 1 << 20


@dataclass(frozen=True)
class Card:
    """One graphics card; None is what its driver does not tell."""

    name: str
    busy: float | None
    """0 to 1."""
    used: int | None
    total: int | None
    """Bytes of its memory."""
    celsius: float | None
    watts: float | None


@dataclass(frozen=True)
class Sample:
    """The machine at a moment; None is what it does not tell."""

    cores: int
    busy: float | None
    """Share of all cores since the sample before, 0 to 1."""
    load: float | None
    """Processes that ran or wanted to, on average over the last minute."""
    used: int | None
    total: int | None
    """Bytes of memory."""
    celsius: float | None
    """The hottest sensor of the processor."""
    own_cores: float | None
    """Cores that the watched process kept busy since the sample before."""
    own_memory: int | None
    """Bytes that it has in memory."""
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Observed:
    """Who trains a run, and how busy that machine is."""

    host: str
    """Its name; empty when nobody says that they train the run."""
    sample: Sample | None
    """None when it is not this machine."""


class Machine:
    """Takes samples; used by one thread at a time."""

    def __init__(self) -> None:
        self._ticks: tuple[int, int] | None = None
        self._own: tuple[int, float, int] | None = None
        self._cards: tuple[Card, ...] = ()
        self._asked = -_CARDS_EVERY
        self._tool = shutil.which("nvidia-smi")

    def observe(self, run: RunDir) -> Observed:
        """Look at the machine that a run says it is on, if that is this one."""
        owner, _ = read_owner(run)
        if owner is None:
            return Observed("", None)
        pid = owner.engine_pid if owner.engine_lives else owner.pid
        return Observed(clean(owner.host, 80), self.sample(pid) if owner.this_boot else None)

    def sample(self, pid: int = 0) -> Sample:
        """Return how busy the machine is, and how much of that is one process; may take some tenths of a second."""
        if self._tool and time.monotonic() - self._asked >= _CARDS_EVERY:
            self._asked = time.monotonic()
            self._cards = cards(self._tool)
        used, total = memory()
        own_cores, own_memory = self._of_process(pid)
        return Sample(
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            busy=self._busy(),
            load=_load(),
            used=used,
            total=total,
            celsius=temperature(),
            own_cores=own_cores,
            own_memory=own_memory,
            cards=self._cards,
        )

    def _busy(self) -> float | None:
        """Return the share of the processors' time that was not idle since the last call."""
        fields = _numbers(_PROC / "stat", "cpu ")
        if len(fields) < 5:
            return None
        idle, total = fields[3] + fields[4], sum(fields[:8])
        before, self._ticks = self._ticks, (idle, total)
        if before is None or total <= before[1]:
            return None
        return min(1.0, max(0.0, 1 - (idle - before[0]) / (total - before[1])))

    def _of_process(self, pid: int) -> tuple[float | None, int | None]:
        try:
            fields = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
        except (OSError, ValueError, IndexError):
            self._own = None
            return None, None
        now, before = time.monotonic(), self._own
        self._own = pid, now, ticks
        cores = None
        if before is not None and before[0] == pid and now > before[1]:
            cores = max(0, ticks - before[2]) / os.sysconf("SC_CLK_TCK") / (now - before[1])
        return cores, pages * os.sysconf("SC_PAGE_SIZE")


def memory() -> tuple[int | None, int | None]:
    """Return how many bytes of memory are in use (caches left out), and how many there are."""
    total, free = _numbers(_PROC / "meminfo", "MemTotal:"), _numbers(_PROC / "meminfo", "MemAvailable:")
    if not total or not free:
        return None, None
    return 1024 * (total[0] - free[0]), 1024 * total[0]


def temperature() -> float | None:
    """Return the hottest of the processor's sensors in degrees Celsius."""
    found = []
    with contextlib.suppress(OSError):
        for sensor in _SENSORS.iterdir():
            try:
                if (sensor / "name").read_text().strip() in _PROCESSOR_SENSORS:
                    found += [int(path.read_text()) / 1000 for path in sensor.glob("temp*_input")]
            except (OSError, ValueError):
                continue
    return max((degrees for degrees in found if 0 < degrees < 150), default=None)


def cards(tool: str) -> tuple[Card, ...]:
    """Ask NVIDIA's tool for the graphics cards; none if it does not answer."""
    command = [tool, f"--query-gpu={_CARDS}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=True, text=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()
    lines = [line.split(", ") for line in answer.stdout.splitlines()]
    return tuple(_card(fields) for fields in lines if len(fields) == 6)


def _card(fields: list[str]) -> Card:
    busy, used, total, celsius, watts = (_number(field) for field in fields[1:])
    return Card(
        name=clean(fields[0], 40),
        busy=None if busy is None else busy / 100,
        used=None if used is None else int(used * _MIB),
        total=None if total is None else int(total * _MIB),
        celsius=celsius,
        watts=watts,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # [N/A], [Not Supported]
        return None


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _numbers(path: Path, label: str) -> list[int]:
    """Return the numbers behind a label in one of the kernel's tables."""
    with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(label):
                return [int(word) for word in line[len(label) :].split() if word.isdigit()]
    return []
