"""How a person changed the learning rate of a run while it trained: ``rates.json``, written once per change.

The rate of every step is what the schedule gives, times the factors of all changes made before that step. So a
change lasts: through warm-up, plateau, extension and resume, until another one takes it back. The file says after
which step each was made; a run that goes back behind that step makes the steps up to there as it made them before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from tui.core.files import write_atomic
from tui.core.rows import read_rows
from tui.core.rundir import RunDir

FORMAT = 1
LEAST, MOST = 1e-6, 1e6
"""Between these a factor makes sense."""


@dataclass(frozen=True)
class RateChange:
    """From the step behind ``step`` on, the learning rate is ``factor`` times what it would have been."""

    step: int
    factor: float
    request: str = ""
    """The request that asked for it; one that is found again after a crash does not count twice."""


def wrong_with(factor: float | None) -> str:
    """Return what is wrong with a factor, as a clause, or an empty text."""
    if factor is None or not math.isfinite(factor) or not LEAST <= factor <= MOST:
        return f"a factor is between {LEAST:g} and {MOST:,.0f}"
    return "" if factor != 1 else "a factor of 1 changes nothing"


def factor_at(changes: Iterable[RateChange], step: int) -> float:
    """Return by what the learning rate of ``step``, counted from 1, is multiplied."""
    return math.prod(one.factor for one in changes if one.step < step)


def read_rates(run: RunDir) -> tuple[RateChange, ...]:
    """Return the changes of a run, oldest first; none for most runs.

    Raises:
        FailureError: the file is damaged or from a newer version.
    """
    title = "The run's changes of the learning rate cannot be read"
    return read_rows(run.rates, "changes", _change, title=title, format=FORMAT)


def _change(row: dict[str, Any]) -> RateChange:
    made = RateChange(int(row["step"]), float(row["factor"]), str(row["request"]))
    if made.step < 0 or wrong_with(made.factor):
        raise ValueError("no such change")
    return made


def note_rate(run: RunDir, change: RateChange) -> tuple[RateChange, ...]:
    """Add a change to those of a run, unless its request is among them, and return all.

    Raises:
        FailureError: the file is damaged.
        OSError: it cannot be written; nothing has changed then.
    """
    earlier = read_rates(run)
    if change.request and any(one.request == change.request for one in earlier):
        return earlier
    changes = (*earlier, change)
    table = {"format": FORMAT, "changes": [asdict(one) for one in changes]}
    write_atomic(run.rates, json.dumps(table), durable=True)
    return changes
