"""How the processor threads of a step wait for each other: spinning for a moment first, or asleep at once.

OpenMP asks the environment once, when torch is imported, so this is decided before, without torch. A step of a
small network is hundreds of short pieces of work: alone on a machine threads that spin between them train up to
twice as many pictures a second as threads that have to be woken. Where other programs need the cores, threads
that spin keep them from working, and from each other (tests/bench/busy_machine.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tui.core.settings import Settings
from tui.engine.link import Link

SECONDS = 0.2
"""The shortest time over which it is measured how busy other programs are."""
_POLICY = "OMP_WAIT_POLICY"
_STATISTICS = Path("/proc/stat")
_IDLE = (3, 4)
"""Of the numbers of a core: idle, and waiting for a disk."""
_COUNTED = 7
"""user, nice, system, idle, iowait, irq, softirq; what follows was stolen, or is counted in these."""


@dataclass(frozen=True)
class Moment:
    """How much work was done until now, in seconds."""

    clock: float
    machine: float
    """By all programs, on the cores that this process may use."""
    own: float
    """By this process."""


def look() -> Moment | None:
    """Return this moment; None where the machine does not tell."""
    try:
        machine = worked(_STATISTICS.read_text("ascii"), os.sched_getaffinity(0), os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, AttributeError):
        return None
    return Moment(time.monotonic(), machine, time.process_time())


def worked(statistics: str, cores: Collection[int], ticks: int) -> float:
    """Return the seconds that ``cores`` have worked by the text of ``/proc/stat``, in ``ticks`` a second.

    Raises:
        ValueError: it is not in the text.
    """
    total = found = 0
    for line in statistics.splitlines():
        name, *numbers = line.split() or [""]
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            found += 1
            total += sum(int(number) for place, number in enumerate(numbers[:_COUNTED]) if place not in _IDLE)
    if found != len(cores):
        raise ValueError("not all cores are in it")
    return total / ticks


def busy_cores(before: Moment, now: Moment) -> float:
    """Return how many cores other programs kept busy between two moments."""
    others = (now.machine - before.machine) - (now.own - before.own)
    return max(0.0, others / max(now.clock - before.clock, 1e-9))


def decide(settings: Settings, link: Link, before: Moment | None) -> None:
    """Tell OpenMP how to wait, and the person if that was decided for a reason; call it before torch is imported.

    What the person's own environment says stays.

    Args:
        settings: of the run.
        link: gets the message.
        before: when this process began.
    """
    if _POLICY in os.environ or settings.compute.waiting == "spin":
        return
    if settings.compute.waiting == "auto":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = min(settings.training.threads or cores, cores)
        others = _others(before) if threads > 1 else 0.0  # one thread waits for nobody
        if threads + others <= cores + 0.5:
            return
        text = f"Other programs keep {others:.1f} of {cores} processor cores busy, so threads that wait sleep"
        link.message("info", f"{text}; on a free machine compute.waiting=spin is faster.")
    os.environ[_POLICY] = "PASSIVE"


def _others(before: Moment | None) -> float:
    """Return how many cores others keep busy; 0 where the machine does not tell."""
    if before is None:
        return 0.0
    time.sleep(max(0.0, before.clock + SECONDS - time.monotonic()))
    now = look()
    return busy_cores(before, now) if now is not None else 0.0
