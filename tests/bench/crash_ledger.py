"""What a run has written, read byte for byte: what must survive each kill, and what must not depend on any."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tui.core import events
from tui.core.records import BATCHES, LAYERS, decode_header
from tui.core.rundir import RunDir
from tui.runs.follow import RunFollower
from tui.runs.tail import RecordTail

TIMINGS = ("images_per_second", "data_wait", "overhead", "logging")


def told(run: RunDir) -> dict[str, Any]:
    """Return everything in a finished run that must not depend on what happened to it on its way."""
    steps: dict[str, dict[int, set[bytes]]] = {}
    for kind in (BATCHES, LAYERS):
        steps[kind] = {}
        for path in run.segments(kind):
            for step, values in records(path):
                steps[kind].setdefault(step, set()).add(values)
    kept = []
    for line in run.events.read_bytes().splitlines():
        match events.decode(line):
            case events.EpochEnded() as event:
                kept.append(("epoch", event.step, repr((event.epoch, event.loss, event.score))))
            case events.Evaluated() as event:
                kept.append((event.split, event.step, repr((event.metrics, event.recall, event.counts))))
    weights = {}
    for kind in ("last", "best"):
        name = json.loads(run.pointer(kind).read_bytes())["directory"]
        content = (run.checkpoints / name / "model.safetensors").read_bytes()
        weights[kind] = (name, hashlib.sha256(content).hexdigest())
    return {**steps, "events": sorted(set(kept)), "weights": weights}


def records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (step, the values that are not timings, as they lie in the file) of a segment."""
    tail = RecordTail(path)
    while (block := tail.poll()) is not None:
        assert tail.header is not None
        exact = [place for place, name in enumerate(tail.header.columns) if name not in TIMINGS]
        for step, values in zip(block.steps.tolist(), block.values[exact].T, strict=True):
            yield step, values.tobytes()


def state_of(run: RunDir) -> Any:
    follower = RunFollower(run, history=False)
    follower.poll()
    return follower.state


def steps_of(run: RunDir) -> int:
    """Return the newest recorded step of any attempt."""
    newest = [record.step for path in run.segments(BATCHES) if (record := RecordTail(path).last()) is not None]
    return newest[-1] if newest else 0


def newest_attempt(run: RunDir) -> int:
    """Return the number of the newest attempt that was launched."""
    with contextlib.suppress(OSError):
        for line in reversed(run.events.read_bytes().splitlines()):
            if isinstance(event := events.decode(line), events.Launched):
                return event.attempt
    return 0


def forgotten(run: RunDir) -> list[str]:
    """Return each time that an attempt did not go on from the newest checkpoint that had been published before."""
    published, found = 0, []
    for line in run.events.read_bytes().splitlines():
        match events.decode(line):
            case events.CheckpointSaved() as event:
                published = max(published, event.step)
            case events.Rewound() as event if event.step < published:
                found.append(f"attempt {event.attempt} went on from step {event.step} instead of {published}")
    return found


def is_saving(run: RunDir) -> bool:
    with contextlib.suppress(OSError):
        return any(name.startswith(".new-") for name in os.listdir(run.checkpoints))
    return False


def written(run: RunDir) -> dict[Path, bytes]:
    """Return what of the records and events is complete now."""
    found = {}
    for path in (*run.segments(BATCHES), *run.segments(LAYERS)):
        content = path.read_bytes()
        if (decoded := decode_header(content)) is not None:
            header, start = decoded
            found[path] = content[: start + (len(content) - start) // header.width * header.width]
    content = run.events.read_bytes()
    found[run.events] = content[: content.rfind(b"\n") + 1]
    return found


def difference(there: Any, expected: Any) -> str:
    """Say where two things that were told differ, at most a few places."""
    if isinstance(there, dict):
        places = [key for key in {**there, **expected} if there.get(key) != expected.get(key)]
        return f"{len(places)} of {len(expected)}: {sorted(map(str, places))[:5]}"
    return str(
        [item for item in there if item not in expected][:3] + [item for item in expected if item not in there][:3]
    )
