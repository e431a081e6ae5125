"""A dry run: some real batches through everything that a run does, measured, and nothing kept.

beginning   the wiring, the pictures and the first loss, as the doctor looks at them before a run
memory      a step with a part of a batch and one with a whole one; what fits
learning    one batch alone, over and over: a network that cannot learn that will learn nothing
steps       two as a run makes them, with all that is recorded, and some more for the time
precision   steps in bfloat16 beside steps in float32, on a processor with units for it
validation  a part of it
"""

from __future__ import annotations

import itertools
import math
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from tui.core.diagnosis.course import baseline
from tui.core.diagnosis.signals import Facts
from tui.core.events import Event, Found, Inspected, Message, decode
from tui.core.records import Header
from tui.core.rehearsal import SLOWER, Overfit, Rehearsal
from tui.engine import bfloat16, capacity, evaluate, optim
from tui.engine import device as devices
from tui.engine.attempt import Attempt
from tui.engine.data.batches import Batch
from tui.engine.step import Step
from tui.engine.untouched import untouched

_STEPS = (3, 20)
"""Steps that are timed, at least and at most."""
_SECONDS = 5.0
"""After so long no more are begun."""
_LEARNING_SECONDS = 10.0
"""After so long one batch alone is learned no further."""
_OVERFIT = (8, 40)
_OVERFIT_IMAGES = 32
_ENOUGH = 0.3
"""One batch is learned well enough when the loss is below this share of the first."""
_VALIDATED = 3
"""Batches of the validation."""

Tell = Callable[[str, int, int], None]


def rehearse(attempt: Attempt, *, began: float, place: Path, tell: Tell) -> Rehearsal:
    """Make a dry run.

    Args:
        attempt: from scratch, in a run directory that is thrown away.
        began: when its preparation began, on the monotonic clock.
        place: where runs are kept; need not exist.
        tell: told (stage, done, total).
    """
    settings, device = attempt.settings, attempt.device
    tell("looking at the start", 0, 0)
    step = Step(attempt)
    step.instruments.begin()
    attempt.freezing.hold(1)
    prepared = time.monotonic() - began
    with attempt.data.training_batches(0) as batches:
        first = next(batches)
    rate = settings.optimizer.learning_rate
    size = settings.training.batch_size
    with untouched(attempt):
        tell("measuring the memory", 0, 0)
        most = attempt.data.images["train"]
        room = capacity.measure(step, first, size, rate, device, most)
    overfit = _overfit(attempt, step, first, rate, tell) if room.fits else None
    times, waits = _timed(attempt, step, tell) if room.fits else ([math.nan], [math.nan])
    compared = (
        bfloat16.time_share(attempt, step, first, rate, lambda: tell("comparing bfloat16", 0, 0)) if room.fits else None
    )
    validations, validation, test = _evaluations(attempt, tell) if room.fits else (0, 0.0, 0.0)
    told = list(_events(attempt))
    inputs = next((event.inputs for event in told if isinstance(event, Inspected)), None)
    kept, checkpoint = settings.training.keep_best + 3, _checkpoint_bytes(attempt)
    return Rehearsal(
        device=devices.describe(device),
        batch_size=size,
        accumulate=settings.optimizer.accumulate,
        images=dict(attempt.data.images),
        epoch_steps=attempt.epoch_steps,
        total_steps=attempt.total_steps,
        steps=len(times) + 2 if room.fits else 0,
        step_seconds=statistics.median(times),
        wait_seconds=statistics.median(waits),
        prepare_seconds=prepared,
        validation_seconds=validation,
        validations=validations,
        test_seconds=test,
        peak=room.peak,
        limit=room.limit,
        largest_batch=room.largest,
        tried=room.tried,
        fits=room.fits,
        checkpoint_bytes=checkpoint,
        checkpoints=kept,
        record_bytes=_record_bytes(attempt),
        disk_free=_free(place),
        first_loss=inputs.first_loss if inputs is not None else math.nan,
        label_entropy=_entropy(attempt),
        overfit=overfit,
        bfloat16=compared,
        findings=[
            {"code": e.code, "severity": e.severity, "title": e.title, "message": e.message}
            for e in told
            if isinstance(e, Found)
        ],
        notes=[event.text for event in told if isinstance(event, Message) and event.level != "info"],
        max_seconds=60 * settings.training.max_minutes,
        blank_loss=_blank_loss(attempt),
    )


def _overfit(attempt: Attempt, step: Step, batch: Batch, rate: float, tell: Tell) -> Overfit:
    """Make steps on a few pictures over and over; where that fails, with a smaller learning rate too."""
    images = min(_OVERFIT_IMAGES, len(batch.images))
    few = capacity.repeated(batch, images)
    found = None
    for factor in (1.0, SLOWER):
        with untouched(attempt):
            losses: list[float] = []
            began = time.monotonic()
            for number in range(1, _OVERFIT[1] + 1):
                tell("learning one batch alone", number, _OVERFIT[1])
                losses.append(float(step.try_out(few, rate * factor, number)))
                slow = time.monotonic() - began > _LEARNING_SECONDS and _OVERFIT[0] <= number < _OVERFIT[1]
                if slow or not math.isfinite(losses[-1]) or losses[-1] < _ENOUGH * losses[0]:
                    break
            attempt_at = Overfit(images, len(losses), losses[0], losses[-1], factor, early=slow)
        if found is None or attempt_at.learned:
            found = attempt_at
        if found.learned:
            break
    assert found is not None
    return found


def _timed(attempt: Attempt, step: Step, tell: Tell) -> tuple[list[float], list[float]]:
    """Make steps on real batches; return the seconds of each, and of those the wait for its batch."""
    times, waits = [], []
    with attempt.data.training_batches(0) as batches:
        attempt.recorder.restart_clock()
        for _ in range(2):
            step.make(batches)
        attempt.recorder.read(attempt.progress, wait=True)
        began = time.monotonic()
        for number in range(1, _STEPS[1] + 1):
            tell("timing the steps", number, _STEPS[1])
            asked = time.perf_counter()
            batch = next(batches)
            waits.append(time.perf_counter() - asked)
            float(step.try_out(batch, attempt.schedule.rate(number + 2), number + 2))
            times.append(time.perf_counter() - asked)
            if number >= _STEPS[0] and time.monotonic() - began > _SECONDS:
                break
    return times, waits


def _evaluations(attempt: Attempt, tell: Tell) -> tuple[int, float, float]:
    """Evaluate a part of the validation; return (validations of the run, seconds of one, seconds of the test)."""
    images, settings = attempt.data.images, attempt.settings
    training, total = settings.training, attempt.total_steps
    split = "validation" if images.get("validation") else "test" if images.get("test") else ""
    if not split:
        return 0, 0.0, 0.0
    tell("validating a part", 0, 0)
    size = evaluate.batch_size(training.batch_size, settings.data.image_size)
    batches = itertools.islice(attempt.data.evaluation_batches(split, size), _VALIDATED)
    began = time.perf_counter()
    found = evaluate.evaluate(
        attempt.model,
        batches,
        attempt.objective,
        normalise=attempt.normalise,
        stopping=lambda: False,
        autocast=attempt.compute.autocast,
    )
    assert found is not None
    each = (time.perf_counter() - began) / max(1, found.images)
    every = training.validate_every * (attempt.epoch_steps if training.validate_unit == "epochs" else 1)
    times = 2 if attempt.average is not None else 1
    pictures = times * images.get("validation", 0) + min(settings.diagnosis.training_pictures, images["train"])
    validations = -(-total // every) if images.get("validation") else 0
    return validations, each * pictures, each * images.get("test", 0)


def _events(attempt: Attempt) -> Iterator[Event]:
    for line in attempt.link.run.events.read_bytes().splitlines():
        event = decode(line)
        if event is not None:
            yield event


def _checkpoint_bytes(attempt: Attempt) -> int:
    tensors = [
        *attempt.model.state_dict().values(),
        *optim.optimizer_tensors(attempt.model, attempt.optimizer).values(),
    ]
    if attempt.average is not None:
        tensors += attempt.average.tensors().values()
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _record_bytes(attempt: Attempt) -> int:
    """Return what the records of every step of the run take; what is sampled now and then is small beside it."""
    layers = -(-attempt.total_steps // attempt.settings.training.layers_every)
    widths = {kind: Header(kind, columns, 1, "").width for kind, columns in attempt.link.columns.items()}
    return attempt.total_steps * widths.get("batches", 0) + layers * widths.get("layers", 0)


def _free(place: Path) -> int:
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return 0


def _blank_loss(attempt: Attempt) -> float:
    """Return the loss of a network that knows nothing, as the doctor reckons it; NaN where there are no classes."""
    counts = tuple(attempt.data.targets.per_class().tolist())
    facts = Facts(attempt.settings, (), counts, attempt.epoch_steps, attempt.total_steps, task=attempt.objective.task)
    return baseline(facts)[0]


def _entropy(attempt: Attempt) -> float:
    """Return the entropy of the training pictures' classes, in nats; NaN where there are none."""
    if attempt.objective.task != "classification":
        return math.nan
    counts = torch.as_tensor(attempt.data.targets.per_class()).double()
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * shares.log()).sum())
