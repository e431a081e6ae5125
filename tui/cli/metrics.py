"""``cnntrain metrics``: every recorded number of a run as text, in constant memory.

Numbers are written with as few digits as give the recorded float32 back exactly; NaN and infinities stay.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tui.cli.terminal import complain, emit
from tui.core.events import Rewound
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.event_tail import EventTail
from tui.runs.tail import Block, RecordTail

_EVENT_BYTES = 1 << 20
_CELLS = 1 << 16
"""Numbers that are turned into text at a time."""


@dataclass
class Segment:
    """The records of one attempt."""

    attempt: int
    tail: RecordTail
    names: tuple[str, ...]
    first: int
    """The first step of the attempt: earlier attempts are void from there on."""


def write_metrics(run: RunDir, *, form: str, kind: str) -> None:
    """Write the records of one kind, a line for each step; of a step made twice only the latest attempt's."""
    found = segments(run, kind)
    columns = tuple(dict.fromkeys(name for segment in found for name in segment.names))
    if form == "csv":
        emit(_csv_line(("step", "time", "attempt", *columns)))
    last, gaps = 0, 0
    for index, segment in enumerate(found):
        end = min((later.first for later in found[index + 1 :]), default=1 << 62)
        row = _csv_row(segment.names, columns) if form == "csv" else _json_row(segment.names)
        for block in blocks(segment, last, end):
            emit("".join(_lines(block, segment.attempt, row, nonfinite=form == "jsonl")))
            last = int(block.steps[-1])
        gaps += segment.tail.gaps
    if gaps:
        what = "1 damaged stretch of the records was" if gaps == 1 else f"{gaps} damaged stretches of the records were"
        complain(f"warning: {what} passed over.")
    if not found:
        complain(f"{run.name} has no such records yet.")


def segments(run: RunDir, kind: str) -> list[Segment]:
    """Return the segments of one kind that can be read, oldest attempt first."""
    rewinds = _rewinds(run)
    found = []
    for path in run.segments(kind):
        tail = RecordTail(path)
        header, record = tail.open(), tail.first()
        if header is None or record is None:
            if tail.problem:
                complain(f"warning: {path.name} cannot be read: {tail.problem}.")
            continue
        # Layers may be recorded more rarely than batches, which know where the attempt began.
        batch = None if kind == BATCHES else RecordTail(run.segment(BATCHES, header.attempt)).first()
        begun = [record.step, rewinds.get(header.attempt, record.step), batch.step if batch else record.step]
        names = tuple(clean(name, 200) for name in header.columns)
        found.append(Segment(header.attempt, tail, names, min(begun)))
    return sorted(found, key=lambda segment: segment.attempt)


def _rewinds(run: RunDir) -> dict[int, int]:
    """Return the first step that each resumed attempt was to make."""
    tail = EventTail(run.events)
    first: dict[int, int] = {}
    left = -1
    while tail.waiting() not in (0, left):
        left = tail.waiting()
        events = tail.poll(_EVENT_BYTES)
        first.update((event.attempt, event.step + 1) for event in events if isinstance(event, Rewound))
    return first


def blocks(segment: Segment, after: int, end: int) -> Iterator[Block]:
    """Yield the records with steps above ``after`` and below ``end``."""
    limit = max(1, _CELLS // max(1, len(segment.names)))
    while (block := segment.tail.poll()) is not None:
        start, stop = block.steps.searchsorted([after + 1, end])
        for at in range(start, stop, limit):
            part = slice(at, min(at + limit, stop))
            yield Block(block.steps[part], block.times[part], block.values[:, part])
        if stop < len(block.steps):
            return


def _lines(block: Block, attempt: int, row: Callable[[list[str]], str], *, nonfinite: bool) -> Iterator[str]:
    """Yield the text of each record; ``nonfinite``: spell NaN and infinities as JSON does in Python."""
    import numpy as np

    words = block.values.T.astype("U")
    if nonfinite and not np.isfinite(block.values).all():
        for ours, theirs in (("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
            words[words == ours] = theirs
    for step, moment, numbers in zip(block.steps.tolist(), block.times.tolist(), words.tolist(), strict=True):
        yield row([str(step), repr(moment), str(attempt), *numbers])


def _csv_row(names: tuple[str, ...], columns: tuple[str, ...]) -> Callable[[list[str]], str]:
    if names == columns:
        return lambda words: ",".join(words) + "\n"
    places = [3 + names.index(name) if name in names else -1 for name in columns]
    return lambda words: ",".join([*words[:3], *(words[place] if place >= 0 else "" for place in places)]) + "\n"


def _json_row(names: tuple[str, ...]) -> Callable[[list[str]], str]:
    keys = [f"{json.dumps(name)}:".replace("%", "%%") for name in ("step", "time", "attempt", *names)]
    template = "{" + ",".join(f"{key}%s" for key in keys) + "}\n"
    return lambda words: template % tuple(words)


def _csv_line(words: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(words)
    return line.getvalue()
