"""``cnntrain metrics RUN --format tensorboard``: everything a run recorded, as event files."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tui.cli.metrics import blocks, segments
from tui.cli.terminal import StageLine, say
from tui.core.errors import FailureError, UsageError
from tui.core.records import KINDS
from tui.core.rundir import RunDir
from tui.core.text import clean_path

_AT_ONCE = 1000


def write_event_file(run: RunDir, *, output: str | None) -> None:
    """Write one event file with every number of the run, of a step made twice only the latest attempt's.

    Args:
        run: the run.
        output: the folder; the run's own ``tensorboard`` by default.

    Raises:
        UsageError: TensorBoard is not installed, or there are event files already.
        FailureError: the folder cannot be written.
    """
    from tui.core.tensorboard import EventFile, has_files

    folder = run.tensorboard if output is None else Path(os.path.abspath(os.path.expanduser(output)))
    if output is None and has_files(run):
        cause = f"{clean_path(folder)} has event files already"
        raise UsageError("No event files are written", cause, "Name another folder with --output DIR.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        file = EventFile(folder, suffix=f"{time.time_ns() % 1_000_000_000}.all")
        try:
            points = _write(run, file)
        except BaseException:
            file.path.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FailureError("The event files cannot be written", f"{clean_path(folder)}: {error.strerror}") from error
    say(f"{points:,} points written; `tensorboard --logdir {clean_path(folder)}` shows them.")


def _write(run: RunDir, file: object) -> int:
    from tui.core.tensorboard import EventFile, tags, values_of
    from tui.runs.event_tail import EventTail

    assert isinstance(file, EventFile)
    line, points = StageLine(), 0
    for kind in KINDS:
        found = segments(run, kind)
        last = 0
        for index, segment in enumerate(found):
            end = min((later.first for later in found[index + 1 :]), default=1 << 62)
            names = tags(kind, segment.names)
            for block in blocks(segment, last, end):
                for step, moment, row in zip(
                    block.steps.tolist(), block.times.tolist(), block.values.T.tolist(), strict=True
                ):
                    file.add(step, moment, dict(zip(names, row, strict=True)))
                    points += 1
                    if points % _AT_ONCE == 0:
                        line.show("writing", points)
                last = int(block.steps[-1])
    tail = EventTail(run.events)
    left = -1
    while tail.waiting() not in (0, left):
        left = tail.waiting()
        for event in tail.poll(1 << 20):
            if values := values_of(event):
                file.add(event.step, event.time, values)
                points += 1
    file.close()
    line.wipe()
    return points
