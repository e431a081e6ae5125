"""``cnntrain train --dry-run`` and ``cnntrain rates``: what can be known before a run, as lines or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tui.cli.table import aligned
from tui.cli.terminal import StageLine, complain, emit, say, width, wrapped
from tui.core.metrics import LEARNING_RATE
from tui.core.rehearsal import report
from tui.core.text import clean

if TYPE_CHECKING:
    from tui.core.settings import Settings

_T = TypeVar("_T")
_SIGNS = {"good": "✓", "plain": " ", "warning": "!", "bad": "✗"}
_LABEL = 15
AGAINST = 3
"""The exit code of a dry run that found something which keeps the run from being of use."""


def _asked(work: Callable[..., _T]) -> _T:
    """Let the engine work, showing on a terminal how far it is."""
    line = StageLine()

    def warn(text: str) -> None:
        line.wipe()
        complain(f"warning: {text}")

    try:
        return work(progress=line.show, warn=warn)
    finally:
        line.wipe()


def dry_run(settings: Settings, *, root: Path, as_json: bool) -> int:
    """Write what a dry run finds; return 3 when something in it is bad.

    Raises:
        CnntrainError: the run could not be trained.
    """
    from tui.runs import rehearsals

    found = _asked(lambda **told: rehearsals.dry_run(settings, root=root, **told))
    lines = report(found)
    if as_json:
        emit(json.dumps(found.to_table(), indent=2, ensure_ascii=True) + "\n")
    else:
        say(f"Dry run on {clean(found.device, 80)}: {found.steps} real steps, nothing is kept.")
        for line in lines:
            label = f"{_SIGNS[line.tone]} {clean(line.label, 60):<{_LABEL}} "
            emit(wrapped(clean(line.text, 600), " " * len(label), first=label) + "\n")
    return AGAINST if any(line.tone == "bad" for line in lines) else 0


def range_test(settings: Settings, *, root: Path, as_json: bool) -> None:
    """Write what a range test suggests, and its curve.

    Raises:
        CnntrainError: the run could not be trained.
    """
    from tui.runs import rehearsals

    found = _asked(lambda **told: rehearsals.range_test(settings, root=root, **told))
    if as_json:
        emit(json.dumps(found.to_table(), indent=2, ensure_ascii=True) + "\n")
        return
    every = max(1, len(found.rates) // 20)
    rows: list[tuple[str, ...]] = [("RATE", "LOSS", "SMOOTHED")]
    rows += [
        (LEARNING_RATE.format(rate), f"{loss:.4g}", f"{smooth:.4g}")
        for rate, loss, smooth in list(zip(found.rates, found.losses, found.smoothed, strict=True))[::every]
    ]
    for line in aligned(rows, room=width(), right=(0, 1, 2)):
        say(line)
    say(f"{len(found.rates)} steps of {found.batch_size} pictures with {found.optimizer}: {found.ended}.")
    if not found.suggestions:
        complain("the curve is too short or too flat to suggest a rate.")
        return
    say()
    table = [("SUGGESTION", "RATE", "LOSS", "WHY")]
    table += [(one.name, LEARNING_RATE.format(one.rate), f"{one.loss:.4g}", one.why) for one in found.suggestions]
    for line in aligned(table, room=width(), right=(1, 2)):
        say(line)
    say(f"To use the first: --set optimizer.learning_rate={found.suggestions[0].rate:g}")
