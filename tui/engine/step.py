"""One optimizer step, moment by moment.

    take      the next batch, on the device
    begin     the learning rate in force, the numbers that dropout draws from
    forward   outputs and loss
    backward  gradients
    measure   their norms, before clipping
    clip      to the limits of the settings
    update    the optimizer changes the weights
    record    the step's numbers start on their way from the device

Everything a step does is a function of (settings, data, step): dropout's numbers are drawn from (seed, step),
never from a generator that remembers. Nothing here waits for an accelerator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from tui.engine import device as devices
from tui.engine import optim
from tui.engine.attempt import Attempt
from tui.engine.data.batches import Batch
from tui.engine.diagnosis.instruments import Instruments


class Step:
    """Makes the steps of an attempt, one with each call of `make`."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt, self._settings, self._device = attempt, attempt.settings, attempt.device
        self._model, self._optimizer, self._norms = attempt.model, attempt.optimizer, attempt.norms
        self._recorder, self._objective = attempt.recorder, attempt.objective
        self.instruments = Instruments(attempt, self._forward, self._seed)
        """What is measured beside the steps."""

    def make(self, batches: Iterator[Batch]) -> None:
        """Make one optimizer step from the next batch, count it and record it.

        Raises:
            StopIteration: there are no more batches.
        """
        step = self._attempt.progress.step + 1
        batch, images, targets, wait = self._take(batches)
        rate = self._begin(step)
        self.instruments.before(step)
        outputs, loss = self._forward(images, targets)
        self._backward(loss)
        norm, norms = self._measure()
        self.instruments.gradient(step, norm, batch)
        self._clip(norm)
        self.instruments.copy(step)
        self._update()
        self.instruments.after(step)
        self._record(
            rate, wait, torch.stack((loss.detach().float(), self._objective.score(outputs, targets), norm)), norms
        )
        self.instruments.rest(step, batch)

    def _take(self, batches: Iterator[Batch]) -> tuple[Batch, Tensor, Tensor, float]:
        """Return (the batch, its pictures float32 [B, C, H, W], targets [B, ...], seconds waited for them)."""
        asked = time.perf_counter()
        batch = next(batches)
        wait = time.perf_counter() - asked
        return batch, self._attempt.normalise(batch.images), batch.targets.to(self._device, non_blocking=True), wait

    def _begin(self, step: int) -> float:
        """Put in force what depends on the step alone; return the learning rate."""
        rate = self._attempt.schedule.rate(step)
        optim.set_learning_rate(self._optimizer, rate)
        self._seed(step)
        return rate

    def _seed(self, step: int) -> None:
        """Set the numbers that dropout draws from."""
        devices.seed(self._device, _mixed(self._settings.training.seed, step))

    def _forward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return (outputs [B, ...], the loss, a scalar)."""
        outputs = self._model(images)
        return outputs, self._objective.training_loss(outputs, targets)

    def _backward(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
        loss.backward()

    def _measure(self) -> tuple[Tensor, Tensor]:
        """Return (norm of the whole gradient, norm per parameter), on the device."""
        began = time.perf_counter()
        measured = self._norms.measure()
        self._recorder.outside += time.perf_counter() - began
        return measured

    def _clip(self, norm: Tensor) -> None:
        if self._settings.optimizer.clip_norm:
            optim.clip(self._norms.gradients(), norm, self._settings.optimizer.clip_norm)

    def _update(self) -> None:
        self._optimizer.step()
        self._attempt.progress.step += 1
        self._attempt.link.step = self._attempt.progress.step

    def _record(self, rate: float, wait: float, scalars: Tensor, norms: Tensor) -> None:
        """Send the numbers on their way, and record those that have arrived."""
        progress = self._attempt.progress
        self._recorder.push(progress.step, rate, wait, torch.cat((scalars, norms)))
        self._recorder.read(progress)


def _mixed(seed: int, step: int) -> int:
    """Return 63 bits that look unrelated for each (seed, step): SplitMix64's finalizer."""
    x = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (x ^ (x >> 31)) >> 1
