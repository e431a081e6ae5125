"""From the numbers of a step to its records: timing, the ring, the sums of the epoch, and the watch for NaN."""

from __future__ import annotations

import math
import time
from typing import Any, Protocol

import torch
from torch import Tensor

from tui.core.records import BATCHES, LAYERS
from tui.core.settings import Settings
from tui.engine.link import Link
from tui.engine.probes import GradientNorms, Note, Ring
from tui.engine.progress import Progress

FIRST_STEPS = 64
"""Per-layer norms are recorded in each of these, whatever ``training.layers_every`` says."""
MOST_SKIPPED = 30
"""Steps that may be left out one after the other: each halves the loss scale, and the first one is 2**16."""


class Diverged(Exception):  # noqa: N818  the trainer makes the sentence
    """The loss or the gradient of a step is not finite."""

    def __init__(self, what: str, value: float, step: int, learning_rate: float) -> None:
        super().__init__(what)
        self.what, self.step, self.learning_rate = what, step, learning_rate
        self.value = "NaN" if math.isnan(value) else "infinite"


class Listener(Protocol):
    """Who else wants the numbers (`tui.engine.diagnosis.instruments.Instruments`)."""

    def stepped(self, note: Note, values: tuple[float, float, float], norms: list[float], seconds: float) -> None:
        """Take a step's loss, score and gradient norm, the norms of the layers, and what the step took."""

    def read(self, *, wait: bool) -> None:
        """Take what else has arrived."""


class Recorder:
    """Writes one record per step, in order, as soon as its numbers have left the device.

    Args:
        link: the door to the run directory.
        settings: of the run.
        norms: measures the gradients.
        device: where the numbers are made.
        scaled: the loss is scaled for float16, and steps that overflow are left out and recorded so.
    """

    def __init__(
        self, link: Link, settings: Settings, norms: GradientNorms, device: torch.device, *, scaled: bool = False
    ) -> None:
        self.outside = 0.0
        """Seconds since the last step ended that went to norms, probes, records and requests."""
        self._logging = 0.0
        """Seconds of these that went to writing records."""
        self.listener: Listener | None = None
        self._device = device
        self._link, self._training, self._norms = link, settings.training, norms
        self._ring = Ring(3 + norms.width, device)
        self._mark: Any = None
        self._images = settings.step_images
        self._scaled, self._skipped, self._told = scaled, 0, False

    @property
    def immediate(self) -> bool:
        """Whether the host may read a number at once, because nothing is queued."""
        return self._ring.immediate

    def ring(self, width: int) -> Ring:
        """Return another ring from the same device."""
        return Ring(width, self._device)

    def restart_clock(self) -> None:
        """Leave what was done since the last step (a validation, a pause) out of the next step's time."""
        self._mark = self._ring.transport.mark()
        self.outside = self._logging = 0.0

    def push(self, step: int, learning_rate: float, wait: float, row: Tensor) -> None:
        """Take a step's numbers.

        Args:
            step: steps done, with this one.
            learning_rate: in force in this step.
            wait: seconds spent waiting for the batch.
            row: float32 [3 + parameters] on the device: loss, score, gradient norm, norm per parameter.
        """
        begin, self._mark = self._mark, self._ring.transport.mark()
        began = time.perf_counter()
        note = Note(step, time.time(), learning_rate, wait, self.outside, self._logging, begin, self._mark)
        self._ring.push(note, row)
        self.outside, self._logging = time.perf_counter() - began, 0.0

    def read(self, progress: Progress, *, wait: bool = False) -> None:
        """Record the steps whose numbers have arrived and add them to the epoch's sums.

        Args:
            progress: gets the sums.
            wait: until all have arrived.

        Raises:
            Diverged: a loss or gradient is not finite and ``training.stop_on_nonfinite`` is set.
        """
        began = time.perf_counter()
        for note, (loss, score, norm, *norms) in self._ring.take(wait=wait):
            seconds = max(self._ring.transport.seconds(note.begin, note.end), 1e-9)
            shares = (min(1.0, spent / seconds) for spent in (note.wait, note.overhead, note.logging))
            skipped = self._scaled and math.isfinite(loss) and not math.isfinite(norm)
            values = [loss, score, note.learning_rate, norm, self._images / seconds, *shares]
            if self._scaled:
                values.append(float(skipped))
            layers = self._norms.of_layers(norms)
            started = time.perf_counter()
            self._link.record(BATCHES, note.step, note.moment, values)
            if note.step <= FIRST_STEPS or note.step % self._training.layers_every == 0:
                self._link.record(LAYERS, note.step, note.moment, layers)
            self._logging += time.perf_counter() - started
            progress.loss += loss
            progress.score += score
            progress.seconds += seconds
            progress.counted += 1
            if self.listener is not None:
                self.listener.stepped(note, (loss, score, norm), layers, seconds)
            self._watch(note, loss, norm, skipped=skipped)
        if self.listener is not None:
            self.listener.read(wait=wait)
        self.outside += time.perf_counter() - began

    def _watch(self, note: Note, loss: float, norm: float, *, skipped: bool) -> None:
        """Stop what is not finite; a few skipped steps in a row are how a loss scale is found.

        Raises:
            Diverged: as `read` says.
        """
        self._skipped = self._skipped + 1 if skipped else 0
        if skipped and not self._told:
            self._told = True
            text = "its float16 gradient overflowed, and the loss scale is halved; this is usual now and then"
            self._link.message("info", f"Step {note.step} was left out: {text}.")
        if skipped and self._skipped <= MOST_SKIPPED:
            return
        if self._training.stop_on_nonfinite and not (math.isfinite(loss) and math.isfinite(norm)):
            if self.listener is not None:
                self.listener.read(wait=True)
            what, value = ("gradient", norm) if math.isfinite(loss) else ("loss", loss)
            raise Diverged(what, value, note.step, note.learning_rate)
