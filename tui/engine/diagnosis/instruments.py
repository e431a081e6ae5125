"""What is measured beside the steps, when, and where the numbers go: records, signals, the doctor.

    before     a sampled step: hooks on the activations
    gradient   hooks off; a gradient that is not finite is traced while its weights are still there
    copy       a measured step: a copy of the weights
    after      how far they moved
    rest       now and then: two halves of the batch, compared

Nothing of it changes a weight, a buffer, a gradient or a number that a later step draws; on an accelerator
nothing waits. The time it takes is counted, and a `Governor` makes it look more rarely when it takes too much.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tui.core.diagnosis import limits
from tui.core.diagnosis.sequence import validation
from tui.core.diagnosis.signals import Activations, Agreement, Facts, Inputs, NonFinite, Signal, Step, Updates
from tui.core.events import Governed, Inspected, Nonfinite, Wired
from tui.core.metrics import LARGEST_ANSWER, LOSS, of_task
from tui.core.records import AGREEMENT, DEAD, SATURATED, UPDATES, WEIGHTS
from tui.engine import evaluate
from tui.engine.diagnosis.activations import ActivationProbe
from tui.engine.diagnosis.agreement import halves
from tui.engine.diagnosis.governor import Governor
from tui.engine.diagnosis.judge import Judge
from tui.engine.diagnosis.nonfinite import from_norms, origin
from tui.engine.diagnosis.preflight import inspect
from tui.engine.diagnosis.updates import UpdateProbe
from tui.engine.diagnosis.wiring import trace
from tui.engine.link import Stopped
from tui.engine.probes import Note, Ring

if TYPE_CHECKING:
    from tui.engine.attempt import Attempt
    from tui.engine.data.batches import Batch

FIRST_STEPS = 64
"""In each of these the updates are measured, whatever the settings say: most that goes wrong begins here."""
SAMPLED = (1, 3, 20)
"""In these the activations are looked at too: units that are dead from the start are told from those that die."""
LEARNS_BELOW = 0.93
"""A loss above this share of the labels' entropy has learned nothing; then halves are compared more often."""
OFTEN = 32
"""So many times as often, in the first `limits.CLOSE` steps."""
HALVED = (100, 400)
"""In these the halves are compared whatever the settings say, so that a run has a noise scale soon."""
_MEMORY = 20
_SEVERE = ("warning", "critical")
Forward = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class _Channel:
    """Rows of one probe on their way from the device."""

    def __init__(self, ring: Ring, arrive: Callable[[Note, list[float]], None]) -> None:
        self.ring, self._arrive = ring, arrive
        self.under_way: deque[int] = deque()

    def push(self, step: int, begin: Any, row: Tensor) -> None:
        note = Note(step, time.time(), math.nan, 0.0, 0.0, 0.0, begin, self.ring.transport.mark())
        self.ring.push(note, row)
        self.under_way.append(step)

    def take(self, wait: bool) -> None:
        for note, row in self.ring.take(wait=wait):
            self.under_way.popleft()
            self._arrive(note, row)


class Instruments:
    """Measures an attempt beside its steps.

    Args:
        attempt: begun; its first step is still to come.
        forward: (pictures, targets) on the device to (outputs, loss), as a step goes forward.
        seed: sets the numbers that a step draws from, by its number.
    """

    def __init__(self, attempt: Attempt, forward: Forward, seed: Callable[[int], None]) -> None:
        self._attempt, self._forward, self._seed = attempt, forward, seed
        self._link, self._device = attempt.link, attempt.device
        self._settings = attempt.settings.diagnosis
        self._on = self._settings.probes == "on"
        self._governor = Governor(self._settings.overhead_limit)
        self._losses: deque[float] = deque(maxlen=_MEMORY)
        self._listening = self._told = False
        self._scaled = attempt.compute.scaler is not None  # a gradient that overflows is usual then
        self._newest = attempt.progress.step
        self._inputs: Inputs | None = None
        self._counts = tuple(attempt.data.targets.per_class().tolist())
        self._prior = _entropy(self._counts)

    # -- the beginning -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Follow the network's wiring, open the records, and look at what can be seen before the first step.

        Raises:
            Stopped: something is wrong and ``diagnosis.preflight`` says stop.
        """
        attempt, data = self._attempt, self._attempt.settings.data
        if not self._on:
            return
        example = torch.zeros((2, data.channels, data.image_size, data.image_size), device=self._device)
        self.wiring = trace(attempt.model, attempt.optimizer, example, frozen=attempt.freezing.names)
        layers = tuple(layer.name for layer in self.wiring.layers)
        facts = Facts(
            settings=attempt.settings,
            layers=self.wiring.layers,
            class_counts=self._counts,
            steps_per_epoch=attempt.epoch_steps,
            total_steps=attempt.total_steps,
            batch_norm=self.wiring.batch_norm,
            task=attempt.objective.task,
            first_step=attempt.progress.step,
        )
        self._judge = Judge(self._link, facts)
        self._places = [layers.index(name) if name in layers else -1 for name in attempt.norms.layers]
        self._updates = UpdateProbe(self.wiring.weights)
        self._activations = ActivationProbe(self.wiring, self._device)
        for kind in (WEIGHTS, UPDATES, *((DEAD, SATURATED) if self._activations.useful else ())):
            self._link.open_records(kind, layers)
        self._link.open_records(AGREEMENT, ("half", "whole", "batch_size"))
        ring = attempt.recorder.ring
        self._channels = {
            UPDATES: _Channel(ring(2 * len(layers)), self._updated),
            DEAD: _Channel(ring(2 * len(layers)), self._activated),
            AGREEMENT: _Channel(ring(3), self._agreed),
        }
        attempt.recorder.listener = self
        self._link.event(
            Wired(
                step=attempt.progress.step,
                layers=list(self.wiring.layers),
                class_counts=list(self._counts),
                batch_norm=self.wiring.batch_norm,
            )
        )
        if self._settings.preflight != "off" and attempt.progress.step == 0:
            self._inspect()

    def _inspect(self) -> None:
        self._link.preparing("preflight")
        self._seed(1)
        inputs = inspect(self._attempt, self.wiring, self._forward)
        self._inputs = inputs
        self._link.event(Inspected(inputs=inputs))
        self._judge.hear(inputs)
        severe = [finding for finding in self._judge.start() if finding.severity in _SEVERE]
        # Whoever resumes a run that stopped here has read why, and wants it.
        if severe and self._settings.preflight == "stop" and self._link.attempt == 1:
            what = " ".join(finding.message for finding in severe)
            advice = "Mend it in a new run, or resume this one to train it as it is."
            raise Stopped(f"Stopped before the first step: {what} {advice}")

    def compared(self, duplicates: int) -> None:
        """Take notice of how many validation pictures are copies, which the pictures that were not decoded yet hid."""
        if self._inputs is None or self._inputs.duplicates == duplicates:
            return
        self._inputs = replace(self._inputs, duplicates=duplicates)
        self._link.event(Inspected(inputs=self._inputs))
        self._hear(self._inputs)

    @property
    def listening(self) -> bool:
        """Whether the activations of this step are measured."""
        return self._listening

    # -- the moments of a step -----------------------------------------------------------------------

    def before(self, step: int) -> None:
        """Before the forward pass of a step."""
        due = step in SAMPLED or self._due(step, self._settings.activations_every)
        if self._on and due and self._activations.useful:
            with self._timed():
                self._activations.begin()
            self._listening = True

    def gradient(self, step: int, norm: Tensor, batch: Batch) -> None:
        """When the gradient of a step is there and its weights are still as they were."""
        if self._listening:
            self._listening = False
            with self._timed():
                begin = self._channels[DEAD].ring.transport.mark()
                row = self._activations.end()
                self._channels[DEAD].push(step, begin, row)
            self._spend(self._activations.seconds)
        looks = self._on and not self._told and not self._scaled
        if looks and self._attempt.recorder.immediate and not math.isfinite(norm.item()):
            self._trace(step, batch)

    def copy(self, step: int) -> None:
        """Before the optimizer changes the weights."""
        if self._measured(step):
            with self._timed():
                self._begin = self._channels[UPDATES].ring.transport.mark()
                self._updates.begin()

    def after(self, step: int) -> None:
        """When it has."""
        if self._measured(step):
            with self._timed():
                self._channels[UPDATES].push(step, self._begin, self._updates.end())

    def rest(self, step: int, batch: Batch) -> None:
        """After a step."""
        if not self._on or not (step in HALVED or self._due(step, self._halves_every(step))):
            return
        attempt, size = self._attempt, self._attempt.settings.training.batch_size
        with self._timed():
            begin = self._channels[AGREEMENT].ring.transport.mark()
            images = attempt.normalise(batch.images[:size])
            targets = batch.targets[:size].to(self._device, non_blocking=True)
            trained = [
                w
                for layer, w in zip(self.wiring.layers, self.wiring.weights, strict=True)
                if layer.trained and w.requires_grad
            ]
            row = halves(attempt.model, trained, lambda x, y: self._forward(x, y)[1], images, targets)
            self._channels[AGREEMENT].push(step, begin, row)

    def _measured(self, step: int) -> bool:
        return self._on and (step <= FIRST_STEPS or self._due(step, self._settings.updates_every))

    def _halves_every(self, step: int) -> int:
        every = self._settings.agreement_every
        return max(1, every // OFTEN) if self._close(step) else every

    def _close(self, step: int) -> bool:
        """Whether nothing has been learned yet in the first steps."""
        if step > limits.CLOSE or len(self._losses) < _MEMORY:
            return False
        return not math.fsum(self._losses) / _MEMORY < LEARNS_BELOW * self._prior

    def _due(self, step: int, every: int) -> bool:
        return step % (every * self._governor.factor) == 0

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._spend(time.perf_counter() - began)

    def _spend(self, seconds: float) -> None:
        self._attempt.recorder.outside += seconds
        self._governor.spend(seconds)

    def _trace(self, step: int, batch: Batch) -> None:
        attempt, size = self._attempt, self._attempt.settings.training.batch_size
        images = attempt.normalise(batch.images[:size])
        targets = batch.targets[:size].to(self._device)

        def forward() -> Tensor:
            self._seed(step)
            return self._forward(images, targets)[1]

        def name(place: int) -> str:
            return attempt.data.picture("train", int(batch.indices[place]))

        self._say(origin(attempt.model, forward, images, name, step))

    def _say(self, found: NonFinite) -> None:
        self._told = True
        self._link.event(Nonfinite(step=found.step, found=found))
        self._judge.hear(found)

    # -- what has arrived ----------------------------------------------------------------------------

    def stepped(self, note: Note, values: tuple[float, float, float], norms: list[float], seconds: float) -> None:
        """Take a step's numbers from the recorder.

        Args:
            note: of the step.
            values: loss, score, norm of the whole gradient.
            norms: of the layers that are trained.
            seconds: what the step took.
        """
        loss, score, norm = values
        if not self._told and not (math.isfinite(loss) and (math.isfinite(norm) or self._scaled)):
            self._say(from_norms(self._attempt.norms.layers, norms, loss, note.step))
        gradients = [math.nan] * len(self.wiring.layers)
        for place, value in zip(self._places, norms, strict=True):
            gradients[place] = value
        self._hear(Step(note.step, loss, score, note.learning_rate, norm, tuple(gradients)))
        self._losses.append(loss)
        close = note.step <= FIRST_STEPS or self._close(note.step)
        if self._governor.step(seconds, counts=not close):
            self._link.event(Governed(share=self._governor.share, factor=self._governor.factor))
        self._newest = note.step

    def read(self, *, wait: bool) -> None:
        """Take what has arrived, and judge the steps of which nothing is under way any more."""
        if not self._on:
            return
        for channel in self._channels.values():
            channel.take(wait)
        first = min((channel.under_way[0] for channel in self._channels.values() if channel.under_way), default=None)
        self._judge.judge(self._newest if first is None else min(self._newest, first - 1))

    def _hear(self, signal: Signal) -> None:
        self._judge.hear(signal)

    def _updated(self, note: Note, row: list[float]) -> None:
        half = len(row) // 2
        self._link.record(WEIGHTS, note.step, note.moment, row[:half])
        self._link.record(UPDATES, note.step, note.moment, row[half:])
        self._hear(Updates(note.step, tuple(row[:half]), tuple(row[half:])))

    def _activated(self, note: Note, row: list[float]) -> None:
        half = len(row) // 2
        self._link.record(DEAD, note.step, note.moment, row[:half])
        self._link.record(SATURATED, note.step, note.moment, row[half:])
        self._hear(Activations(note.step, tuple(row[:half]), tuple(row[half:])))

    def _agreed(self, note: Note, row: list[float]) -> None:
        self._link.record(AGREEMENT, note.step, note.moment, row)
        self._hear(Agreement(note.step, row[0], row[1], round(row[2])))

    # -- validations ---------------------------------------------------------------------------------

    @property
    def pictures(self) -> int:
        """How many training pictures are to be evaluated beside a validation."""
        return self._settings.training_pictures

    def validated(self, step: int, evaluation: evaluate.Evaluation, sample: evaluate.Evaluation | None) -> None:
        """Add to a validation's metrics what is known beside it, and judge it.

        Args:
            step: of the weights.
            evaluation: of the validation split.
            sample: of training pictures, evaluated in the same way; None: not done.
        """
        metrics, known = evaluation.metrics, of_task(self._attempt.objective.task)
        if sample is not None:
            for metric, twin in zip((LOSS, known.headline), known.sampled, strict=True):
                metrics[twin.name] = sample.metrics.get(metric.name, math.nan)
        answers: Counter[int] = Counter()
        for _, answer, pictures in evaluation.detail.get("confusion", ()):
            answers[answer] += pictures
        if answers:
            metrics[LARGEST_ANSWER.name] = max(answers.values()) / answers.total()
        if self._on:
            self._hear(validation(step, metrics, evaluation.recall, self._attempt.objective.task))
            self._judge.judge(step)


def _entropy(counts: tuple[int, ...]) -> float:
    """Return the entropy of the classes' shares in nats: the loss of whoever knows only how common they are."""
    total = sum(counts)
    return -math.fsum(count / total * math.log(count / total) for count in counts if count)
