"""The mean and the deviation that a run's pictures are brought to, as its starts have noted them.

They belong to its weights: whoever goes on with them uses the same, whatever has become of the pictures since.
"""

from __future__ import annotations

from tui.core.events import Started, decode
from tui.core.rundir import RunDir
from tui.core.settings import DataSettings


def noted(run: RunDir, data: DataSettings) -> tuple[list[float], list[float]]:
    """Return (mean, deviation) per channel in 0..1: as set, else of the run's last start; empty before the first."""
    mean, std = list(data.mean), list(data.std)
    started = _last_start(run) if not (mean and std) else None
    return (mean, std) if started is None else (mean or started.mean, std or started.std)


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
