"""One optimizer step, moment by moment.

    take      the next batch, on the device
    begin     the learning rate in force, the numbers that dropout draws from, what is frozen
    ┌ forward   outputs under autocast, and loss          once for each part of the batch
    └ backward  gradients, of the scaled loss, added up   (``optimizer.accumulate`` of them)
    measure   the gradients' norms, before clipping
    limit     clipping by norm, then by value
    update    the optimizer changes the weights, too long a step is shortened, and the average of them follows
    record    the step's numbers start on their way from the device

Everything a step does is a function of (settings, data, step): dropout's numbers are drawn from (seed, step),
never from a generator that remembers. Nothing here waits for an accelerator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from tui.engine import device as devices
from tui.engine import failures, optim
from tui.engine.attempt import Attempt
from tui.engine.compiling import Compiled
from tui.engine.compute import Network
from tui.engine.data.batches import Batch
from tui.engine.diagnosis.instruments import Instruments


class Step:
    """Makes the steps of an attempt, one with each call of `make`."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt, self._settings, self._device = attempt, attempt.settings, attempt.device
        self._optimizer, self._norms, self._compute = attempt.optimizer, attempt.norms, attempt.compute
        self._recorder, self._objective = attempt.recorder, attempt.objective
        self._network = Compiled(attempt.model) if attempt.compute.compiled else attempt.model
        self.part = attempt.settings.training.batch_size
        """Pictures that go through the network at once."""
        self.torn = False
        """Whether the optimizer has begun to change the weights and not ended."""
        self.instruments = Instruments(attempt, partial(self._through, attempt.model), self._seed)
        """What is measured beside the steps."""

    def make(self, batches: Iterator[Batch]) -> None:
        """Make one optimizer step from the next batch, count it and record it.

        Raises:
            StopIteration: there are no more batches.
        """
        step = self._attempt.progress.step + 1
        batch, wait = self._take(batches)
        rate = self._begin(step)
        self.instruments.before(step)
        loss, score = self._gradients(batch)
        norm, norms = self._measure()
        self.instruments.gradient(step, norm, batch)
        self._limit(norm)
        self.instruments.copy(step)
        self._update()
        self.instruments.after(step)
        self._record(rate, wait, torch.stack((loss, score, norm)), norms)
        self.instruments.rest(step, batch)

    def try_out(self, batch: Batch, rate: float, number: int = 1) -> Tensor:
        """Make a step that does not count: nothing is recorded, and the average does not follow.

        Args:
            batch: any number of pictures.
            rate: the learning rate.
            number: the step whose draws dropout gets.

        Returns:
            the mean loss before it, a scalar on the device.
        """
        self._seed(number)
        optim.set_learning_rate(self._optimizer, rate)
        loss, _ = self._gradients(batch)
        norm, _ = self._measure()
        self._limit(norm)
        self._change_weights()
        return loss

    def _take(self, batches: Iterator[Batch]) -> tuple[Batch, float]:
        """Return (the next batch, seconds waited for it)."""
        asked = time.perf_counter()
        return next(batches), time.perf_counter() - asked

    def _begin(self, step: int) -> float:
        """Put in force what depends on the step alone; return the learning rate."""
        rate = self._attempt.schedule.rate(step)
        optim.set_learning_rate(self._optimizer, rate)
        self._seed(step)
        if self._attempt.freezing.hold(step):
            self._attempt.link.message("info", f"From step {step} on the backbone is trained too.")
        return rate

    def _seed(self, step: int) -> None:
        """Set the numbers that dropout draws from."""
        devices.seed(self._device, _mixed(self._settings.training.seed, step))

    def _gradients(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Go forward and backward through the parts of a batch; return (loss, score), scalars of the whole."""
        if isinstance(self._network, Compiled) and not (self._network.tried or self.instruments.listening):
            return self._tried(self._network, batch)
        optim.forget_gradients(self._optimizer)
        losses, scores = [], []
        for images, targets, share in self._parts(batch):
            outputs, loss = self._forward(images, targets)
            self._backward(loss if share == 1 else loss * share)
            score = self._objective.score(outputs, targets)
            if share == 1:
                return loss.detach(), score
            losses.append(loss.detach() * share)
            scores.append(score * share)
        return torch.stack(losses).sum(), torch.stack(scores).sum()

    def _parts(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Yield (pictures float32 [b, C, H, W], targets [b, ...], share of the batch), on the device."""
        count, size = len(batch.images), self.part
        targets = batch.targets.to(self._device, non_blocking=True)
        for start in range(0, count, size):
            part = slice(start, start + size)
            yield self._attempt.normalise(batch.images[part]), targets[part], min(size, count - start) / count

    def _forward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return (outputs float32 [b, ...], the mean loss, a scalar)."""
        # What listens to a network's layers hears nothing of a compiled one.
        network = self._attempt.model if self.instruments.listening else self._network
        return self._through(network, images, targets)

    def _through(self, network: Network, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self._compute.run(network, images)
        return outputs, self._objective.training_loss(outputs, targets)

    def _backward(self, loss: Tensor) -> None:
        if self._compute.scaler is not None:
            loss = self._compute.scaler.scale(loss)
        loss.backward()

    def _measure(self) -> tuple[Tensor, Tensor]:
        """Complete the gradient; return (norm of the whole, norm per parameter), on the device."""
        if self._compute.scaler is not None:
            self._compute.scaler.unscale_(self._optimizer)
        if self._settings.optimizer.l1:
            optim.penalise(self._norms.weights, self._settings.optimizer.l1)
        began = time.perf_counter()
        measured = self._norms.measure()
        self._recorder.outside += time.perf_counter() - began
        return measured

    def _limit(self, norm: Tensor) -> None:
        settings = self._settings.optimizer
        if settings.clip_norm:
            optim.clip(self._norms.gradients(), norm, settings.clip_norm)
        if settings.clip_value:
            optim.clip_values(self._norms.gradients(), settings.clip_value)

    def _update(self) -> None:
        self._change_weights()
        self._attempt.progress.step += 1
        self._attempt.link.step = self._attempt.progress.step
        if self._attempt.average is not None:
            self._attempt.average.update(self._attempt.progress.step)

    def _change_weights(self) -> None:
        limit, learning = self._settings.optimizer.clip_update, []
        if limit:
            learning = [p.detach() for p in self._attempt.model.parameters() if p.requires_grad]
        before = [each.clone() for each in learning]
        self.torn = True
        if self._compute.scaler is not None:
            self._compute.scaler.step(self._optimizer)
            self._compute.scaler.update()
        else:
            optim.change_weights(self._optimizer)
        if before:
            optim.clip_update(learning, before, limit)
        self.torn = False

    def _record(self, rate: float, wait: float, scalars: Tensor, norms: Tensor) -> None:
        """Send the numbers on their way, and record those that have arrived."""
        progress = self._attempt.progress
        self._recorder.push(progress.step, rate, wait, torch.cat((scalars, norms)))
        self._recorder.read(progress)

    def _tried(self, network: Compiled, batch: Batch) -> tuple[Tensor, Tensor]:
        """Make the first gradients with a compiled network; if that fails, as if it had never been tried."""
        network.begin()
        try:
            return self._gradients(batch)
        except Exception as error:
            if failures.out_of_memory(error):
                raise
            network.give_up()
            self._attempt.link.message("warning", f"{failures.not_compiled(error)} Training goes on without it.")
            self._seed(self._attempt.progress.step + 1)
            return self._gradients(batch)


def _mixed(seed: int, step: int) -> int:
    """Return 63 bits that look unrelated for each (seed, step): SplitMix64's finalizer."""
    x = (seed * 0x9E3779B97F4A7C15 + step * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (x ^ (x >> 31)) >> 1
