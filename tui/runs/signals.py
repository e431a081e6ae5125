"""What a run recorded, as the doctor was told it live: the same signals in the same order, in bounded memory.

Of steps that several attempts made only the latest counts. What was not recorded, because the run is older than
the probe or was told not to measure, is left out, or NaN.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tui.core.diagnosis.sequence import place, validation
from tui.core.diagnosis.signals import Activations, Agreement, Facts, Layer, Signal, Step, Updates
from tui.core.errors import FailureError
from tui.core.events import Evaluated, Event, Extended, Inspected, Nonfinite, Rewound, Started, Wired
from tui.core.metrics import GRADIENT_NORM, LEARNING_RATE, LOSS, of_task
from tui.core.presets import read_settings
from tui.core.records import AGREEMENT, BATCHES, DEAD, LAYERS, SATURATED, UPDATES, WEIGHTS
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.event_tail import EventTail
from tui.runs.fold import cleaned
from tui.runs.tail import RecordTail, attempt_of

Row = tuple[int, tuple[float, ...]]
_NAMED = 200


@dataclass
class _Told:
    """What the events of a run say, without what later attempts went over again."""

    started: Started | None = None
    wired: Wired | None = None
    total_steps: int = 0
    begun: int = 0
    """The step after which the first attempt started: above 0 where it began with another run's checkpoint."""
    rewinds: dict[int, int] = field(default_factory=dict)
    """The first step of each resumed attempt."""
    rare: list[Evaluated | Inspected | Nonfinite] = field(default_factory=list)


def read_signals(run: RunDir) -> tuple[Facts, Iterator[Signal]]:
    """Return what does not change during a run, and its signals, which are read as they are asked for.

    Raises:
        CnntrainError: its settings cannot be read, or it never came to its first step.
    """
    settings = read_settings(run.settings)
    told = _listen(run)
    if told.started is None:
        cause = f"{clean(run.name, 100)} has not come to its first step"
        raise FailureError("The run cannot be judged", cause, "engine.log may say why.")
    wired = told.wired
    layers = tuple(wired.layers) if wired else tuple(Layer(name=name) for name in told.started.layers)
    facts = Facts(
        settings=settings,
        layers=layers,
        class_counts=tuple(wired.class_counts) if wired else _class_counts(run),
        steps_per_epoch=told.started.steps_per_epoch,
        total_steps=told.total_steps,
        batch_norm=wired.batch_norm if wired else any(layer.feeds_norm for layer in layers),
        task=told.started.task,
        first_step=told.begun,
    )
    return facts, _signals(run, facts, told)


def _listen(run: RunDir) -> _Told:
    told = _Told()
    tail = EventTail(run.events)
    left = -1
    while tail.waiting() not in (0, left):
        left = tail.waiting()
        for event in tail.poll(1 << 20):
            _hear(told, cleaned(event))
    return told


def _hear(told: _Told, event: Event) -> None:
    match event:
        case Started():
            told.started, told.total_steps = event, max(0, event.total_steps)
            told.begun = max(0, event.step) if event.attempt == 1 else told.begun
        case Extended():
            told.total_steps = max(0, event.total_steps)
        case Wired():
            told.wired = event
        case Rewound():
            told.rewinds[event.attempt] = min(event.step + 1, told.rewinds.get(event.attempt, event.step + 1))
            told.rare = [each for each in told.rare if each.step <= event.step]
        case Inspected():
            told.rare = [each for each in told.rare if not isinstance(each, Inspected)] + [event]
        case Evaluated(split="validation") | Nonfinite():
            told.rare.append(event)


def _class_counts(run: RunDir) -> tuple[int, ...]:
    """Return the training pictures per class from the manifest; nothing where it tells none."""
    from tui.core.dataset.manifest import load_manifest

    try:
        manifest = load_manifest(run.dataset)
    except FailureError:
        return ()
    labels = [target for _, target in manifest.splits.get("train", []) if isinstance(target, int)]
    counts = Counter(labels)
    return tuple(counts[label] for label in range(len(manifest.classes))) if labels else ()


def _signals(run: RunDir, facts: Facts, told: _Told) -> Iterator[Signal]:
    names = tuple(layer.name for layer in facts.layers)
    return heapq.merge(
        _rare(facts, told),
        (Updates(step, weights, ratios) for step, ratios, weights in _pairs(run, told, (UPDATES, WEIGHTS), names)),
        (Activations(step, *shares) for step, *shares in _pairs(run, told, (DEAD, SATURATED), names)),
        (
            Agreement(step, half, whole, round(size) if math.isfinite(size) else 0)
            for step, (half, whole, size) in _rows(run, told, AGREEMENT, ("half", "whole", "batch_size"))
        ),
        _steps(run, facts, told, names),
        key=place,
    )


def _rare(facts: Facts, told: _Told) -> Iterator[Signal]:
    found: list[Signal] = []
    for event in told.rare:
        match event:
            case Inspected():
                found.append(event.inputs)
            case Nonfinite():
                found.append(event.found)
            case Evaluated():
                found.append(validation(event.step, event.metrics, event.recall, facts.task))
    # Sorting keeps the order of what is equal: of two validations of a step the later one comes last.
    yield from sorted(found, key=place)


def _steps(run: RunDir, facts: Facts, told: _Told, names: tuple[str, ...]) -> Iterator[Signal]:
    columns = (LOSS.name, of_task(facts.task).score.name, LEARNING_RATE.name, GRADIENT_NORM.name)
    layers = _rows(run, told, LAYERS, names)
    waiting = next(layers, None)
    for step, (loss, score, rate, norm) in _rows(run, told, BATCHES, columns):
        while waiting is not None and waiting[0] < step:
            waiting = next(layers, None)
        gradients = waiting[1] if waiting is not None and waiting[0] == step else ()
        yield Step(step, loss, score, rate, norm, gradients)


def _pairs(
    run: RunDir, told: _Told, kinds: tuple[str, str], names: tuple[str, ...]
) -> Iterator[tuple[int, tuple[float, ...], tuple[float, ...]]]:
    """Yield the records of two kinds that were made at the same steps; where one is missing it is NaN."""
    seconds = _rows(run, told, kinds[1], names)
    waiting = next(seconds, None)
    for step, first in _rows(run, told, kinds[0], names):
        while waiting is not None and waiting[0] < step:
            waiting = next(seconds, None)
        second = waiting[1] if waiting is not None and waiting[0] == step else (math.nan,) * len(names)
        yield step, first, second


def _rows(run: RunDir, told: _Told, kind: str, names: tuple[str, ...]) -> Iterator[Row]:
    """Yield (step, the values of these columns) of one kind over all attempts; NaN for a column that is not there."""
    tails = sorted((attempt_of(path), path) for path in run.segments(kind))
    first = _beginnings(run, told)
    last = 0
    for attempt, path in tails:
        tail = RecordTail(path)
        header = tail.open()
        if header is None:
            continue
        place_of = {clean(name, _NAMED): index for index, name in enumerate(header.columns)}
        places = [place_of.get(name, -1) for name in names]
        end = min((step for later, step in first.items() if later > attempt), default=1 << 62)
        while (block := tail.poll()) is not None:
            begin, stop = block.steps.searchsorted([last + 1, end])
            columns = block.values[:, begin:stop].T.tolist()
            for step, row in zip(block.steps[begin:stop].tolist(), columns, strict=True):
                yield step, tuple(row[at] if at >= 0 else math.nan for at in places)
                last = step
            if stop < len(block.steps):
                break


def _beginnings(run: RunDir, told: _Told) -> dict[int, int]:
    """Return the first step of each attempt: of its batches, or where it was to go on if that is earlier."""
    first = dict(told.rewinds)
    for path in run.segments(BATCHES):
        record = RecordTail(path).first()
        if record is not None:
            attempt = attempt_of(path)
            first[attempt] = min(record.step, first.get(attempt, record.step))
    return first
