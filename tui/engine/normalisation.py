"""The mean and the deviation that a run's pictures are brought to, as its starts have noted them.

They belong to its weights: whoever goes on with them uses the same, whatever has become of the pictures since.
"""

from __future__ import annotations

import math

from tui.core.events import Started, decode
from tui.core.rundir import RunDir
from tui.core.settings import DataSettings


def noted(run: RunDir, data: DataSettings) -> tuple[list[float], list[float]]:
    """Return (mean, deviation) per channel in 0..1: as set, else as the run's last start has noted them.

    What is neither set nor noted soundly is empty: before the first start, or in a damaged file.
    """
    mean, std = list(data.mean), list(data.std)
    started = _last_start(run) if not (mean and std) else None
    if started is not None:
        mean = mean or _sound(started.mean, data.channels)
        std = std or [value for value in _sound(started.std, data.channels) if value > 0]
    return mean, std if len(std) == data.channels else []


def _sound(values: list[float], channels: int) -> list[float]:
    return list(values) if len(values) == channels and all(map(math.isfinite, values)) else []


def _last_start(run: RunDir) -> Started | None:
    found: Started | None = None
    try:
        with run.events.open("rb") as file:
            for line in file:
                if b'"kind":"started"' in line[:32] and isinstance(event := decode(line), Started):
                    found = event
    except OSError:
        return None
    return found
