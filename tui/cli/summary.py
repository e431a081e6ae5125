"""``cnntrain models summary``: what a preset would train, layer by layer, and the memory that it takes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from tui.cli.table import aligned
from tui.cli.terminal import StageLine, complain, emit, say, ticking, width, wrapped
from tui.core.presets import Preset
from tui.core.settings import Settings
from tui.core.summary import Summary


def tell_summary(preset: Preset, *, data: str | None, outputs: int, assignments: Sequence[str], as_json: bool) -> None:
    """Write a summary.

    Args:
        preset: what to start from.
        data: pictures that tell how many outputs there are.
        outputs: how many, without pictures.
        assignments: of ``--set``.
        as_json: for programs.

    Raises:
        UsageError: the settings or the pictures cannot be used.
        FailureError: the engine died, or the network cannot be made.
    """
    from tui.cli.train import resolved
    from tui.runs.summaries import summarise

    settings = resolved(preset, data, assignments, needs_data=False)
    if data is not None:
        outputs = _outputs(settings)
    line = StageLine()
    try:
        found = summarise(settings, outputs, progress=line.show)
    finally:
        line.wipe()
    if as_json:
        emit(json.dumps(dataclasses.asdict(found), indent=2, ensure_ascii=True) + "\n")
    else:
        _tell(found)


def _outputs(settings: Settings) -> int:
    from tui.core.dataset.scan import scan

    with ticking("looking through the pictures") as tick:
        found = scan(Path(settings.data.directory), settings.data, progress=tick, recall=True)
    return len(found.target_names if found.task == "regression" else found.classes)


def _tell(summary: Summary) -> None:
    say(summary.heading())
    say()
    rows = [("LAYER", "KIND", "OUTPUT", "PARAMETERS", "OPERATIONS"), *(layer.words for layer in summary.layers)]
    for line in aligned(rows, room=width(), shrink=(0, 1), right=(2, 3, 4)):
        say(line)
    say()
    for what, words in summary.facts():
        emit(wrapped(words, " " * 12, first=f"{what:<12}") + "\n")
    for note in summary.notes:
        complain(note)
