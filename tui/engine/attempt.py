"""One attempt at a run: everything that the loop works with, built, brought to where the run stands, announced."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch
from torch import nn
from torch.optim import Optimizer

from tui.core.dataset.problems import Problem
from tui.core.dataset.targets import Targets
from tui.core.disk import trouble
from tui.core.errors import CnntrainError, FailureError, UsageError
from tui.core.events import Controlled, Extended, Rewound, Started
from tui.core.extensions import extend, read_extensions
from tui.core.metrics import LEARNING_RATE, LOGGING, SKIPPED, of_task
from tui.core.rates import RateChange, note_rate, read_rates, wrong_with
from tui.core.records import BATCHES, LAYERS
from tui.core.settings import Settings
from tui.engine import device as devices
from tui.engine import losses, models
from tui.engine.average import Average
from tui.engine.checkpoint import Checkpoint, restore_weights
from tui.engine.compute import Compute, choose, restore_scaler, scaler_table
from tui.engine.data.batches import Batch, normalise
from tui.engine.freezing import Freezing
from tui.engine.link import Link
from tui.engine.mirror import Mirror
from tui.engine.optim import make_optimizer, restore_optimizer
from tui.engine.plan import Plan
from tui.engine.probes import GradientNorms
from tui.engine.progress import Progress
from tui.engine.recorder import Recorder
from tui.engine.saving import Saver
from tui.engine.stopping import Stopping
from tui.engine.store import Store

_NAMED = 20
"""Unreadable pictures that are named one by one."""


class Data(Protocol):
    """What is needed of `tui.engine.data.training.TrainingData`; tests bring a small one."""

    mean: list[float]
    std: list[float]
    steps_per_epoch: int
    images: dict[str, int]
    skipped: list[Problem]
    notices: list[Problem]
    targets: Targets
    """Of the training pictures."""
    root: str
    """Of the dataset."""

    @property
    def duplicates(self) -> int:
        """Validation pictures that are exact copies of training pictures, as far as it is known."""

    def training_batches(self, first_step: int) -> AbstractContextManager[Iterator[Batch]]:
        """Endless batches from the one after ``first_step`` steps on."""

    def evaluation_batches(self, split: str, batch_size: int, most: int | None = None) -> Iterator[Batch]:
        """Every picture of a split once, or ``most`` of them."""

    def path(self, split: str, position: int) -> str:
        """The path of a picture, raw, relative to the root."""

    def picture(self, split: str, position: int) -> str:
        """The name of a picture, as it may be shown."""


@dataclass
class Attempt:
    """What an attempt works with."""

    link: Link
    settings: Settings
    data: Data
    classes: list[str]
    """What the outputs are called, as they may be shown: classes, labels, or the numbers of a regression."""
    device: torch.device
    objective: losses.Objective
    compute: Compute
    model: nn.Module
    freezing: Freezing
    average: Average | None
    """Of the weights, if the settings want one."""
    optimizer: Optimizer
    norms: GradientNorms
    schedule: Plan
    recorder: Recorder
    saver: Saver
    progress: Progress
    stopping: Stopping
    told: int = 0
    """Unreadable pictures that have been named."""
    noticed: int = 0
    """Notices about the pictures that have been told."""
    repeats: list[RateChange] = field(default_factory=list)
    """Changes of the learning rate that an attempt before has made behind where this one begins."""
    extended: list[int] = field(default_factory=list)
    """Steps behind where this one begins at which an attempt before was extended."""

    @property
    def epoch_steps(self) -> int:
        """Steps in one epoch."""
        return self.data.steps_per_epoch

    @property
    def total_steps(self) -> int:
        """Steps in the whole run, as far as it is known when it ends."""
        return self.progress.end or self.schedule.total

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Bring uint8 [B, H, W, C] to the device as float32 [B, C, H, W]."""
        return self.compute.arranged(normalise(images, self.data.mean, self.data.std, self.device))

    def save(self, *, best: bool = False) -> bool:
        """Have a checkpoint of this step published; False: its weights are not worth it.

        Raises:
            Stopped: the disk has refused too often.
            Vanished: the run directory is gone.
            Diverged: a step that was still on its way was not finite.
        """
        self.recorder.read(self.progress, wait=True)
        return self.saver.save(
            self.model,
            self.optimizer,
            self.progress,
            best=best,
            average=self.average.tensors() if self.average else None,
            scaler=scaler_table(self.compute.scaler),
        )

    def extend(self, epochs: int, request: str) -> bool:
        """Make the run ``epochs`` longer from this step on; False: a refusal, which is told, and nothing changes."""
        step = self.progress.step
        try:
            known = read_extensions(self.link.run)
            new = extend(
                self.link.run,
                self.settings.training,
                epochs,
                step=step,
                epoch_steps=self.epoch_steps,
                ended=False,
                request=request,
            )
        except CnntrainError as error:
            self.link.message("warning", str(error))
            return False
        if new not in known:
            self.schedule = Plan(self.settings, self.epoch_steps, (*known, new), self.schedule.changes)
            self.progress.go_on()
            self.schedule.plateau = self.progress.plateau
        total = self.schedule.total
        made = math.ceil(total / self.epoch_steps)
        self.link.event(Extended(step=new.step, epochs=epochs, total_epochs=made, total_steps=total))
        return True

    def change_rate(self, factor: float | None, request: str) -> bool:
        """Multiply the learning rate of all steps from the next one on; False: a refusal, which is told."""
        step = self.progress.step
        try:
            if wrong := wrong_with(factor):
                raise UsageError("The learning rate stays as it is", wrong)
            self.schedule.changes = note_rate(self.link.run, RateChange(step, float(factor or 1), request))
        except CnntrainError as error:
            self.link.message("warning", str(error))
            return False
        except OSError as error:
            why = trouble(error, self.link.run.path)
            self.link.message("warning", f"The learning rate stays: {why}.")
            return False
        rate = LEARNING_RATE.format(self.schedule.rate(step + 1))
        self.link.message("info", f"The learning rate is {rate} from the next step on.")
        return True

    def repeat(self) -> None:
        """Do again what was asked of an attempt before, at the step at which it took force there."""
        if self.progress.step in self.extended:
            self.extended.remove(self.progress.step)
            self.progress.go_on()
        while self.repeats and self.repeats[0].step <= self.progress.step:
            again = self.repeats.pop(0)
            self.link.event(Controlled(step=again.step, action="rate", value=again.factor))

    def tell_found(self) -> None:
        """Tell what was found out about the pictures since this was last asked, and name those that cannot be read."""
        notices = self.data.notices[self.noticed :]
        self.noticed += len(notices)
        for notice in notices:
            self.link.message(notice.severity, notice.text)
        problems = self.data.skipped[self.told :]
        self.told += len(problems)
        for problem in problems[:_NAMED]:
            self.link.message(problem.severity, problem.text)
        if len(problems) > _NAMED:
            self.link.message("warning", f"{len(problems) - _NAMED} more pictures cannot be read and are left out.")


def begin(link: Link, settings: Settings, data: Data, classes: list[str], device: torch.device) -> Attempt:
    """Build the network and what trains it, take up the newest checkpoint, and say so.

    Args:
        link: the door to the run directory.
        settings: the run's settings.
        data: the pictures.
        classes: their names, as they may be shown.
        device: where to train; `tui.engine.device.prepare` has been called.

    Raises:
        UsageError: the network cannot take pictures of this size.
        FailureError: pretrained weights are missing, the checkpoint does not fit the settings, or an attempt of
            this number has recorded before.
        OSError: the records cannot be written.
    """
    objective = losses.objective(settings, data.targets, device)
    link.preparing("fetching the pretrained weights" if settings.model.pretrained else "model")
    compute = choose(settings.compute, device)
    model = compute.place(models.build(settings, objective.outputs)).train()
    head = models.head_names(model)
    freezing = Freezing(model, head, settings.model, data.steps_per_epoch)
    if freezing.for_good:
        freezing.hold(1)
    for sentence in models.lacking(settings, model):
        link.message("warning", sentence)
    norms = GradientNorms(model)
    extensions = read_extensions(link.run)
    attempt = Attempt(
        link=link,
        settings=settings,
        data=data,
        classes=classes,
        device=device,
        objective=objective,
        compute=compute,
        model=model,
        freezing=freezing,
        average=Average(model, settings.optimizer.ema_decay) if settings.optimizer.ema_decay else None,
        optimizer=make_optimizer(model, settings.optimizer, head),
        norms=norms,
        schedule=Plan(settings, data.steps_per_epoch, extensions, read_rates(link.run)),
        recorder=Recorder(link, settings, norms, device, scaled=compute.scaler is not None),
        saver=Saver(link, Store(link.run), settings.training),
        progress=Progress(),
        stopping=Stopping(settings, objective.task),
    )
    link.preparing("checkpoint")
    _take_up(attempt)
    if extensions and attempt.progress.step == extensions[-1].step:
        attempt.progress.go_on()
    attempt.schedule.plateau = attempt.progress.plateau
    later = [change for change in attempt.schedule.changes if change.step > attempt.progress.step]
    attempt.repeats = sorted(later, key=lambda change: change.step)
    attempt.extended = [one.step for one in extensions if one.step > attempt.progress.step]
    attempt.stopping.take_up(attempt.progress)
    if settings.logging.tensorboard:
        complain = partial(link.message, "warning")
        link.mirror = Mirror(link.run, link.attempt, attempt.progress.step + 1, complain)
    _announce(attempt)
    return attempt


def _take_up(attempt: Attempt) -> None:
    """Continue from the newest checkpoint that verifies; without one, from scratch."""
    link = attempt.link
    checkpoint, problems = attempt.saver.store.newest()
    goes_on = f"continuing from {checkpoint.name}" if checkpoint else "starting again from the first step"
    for problem in problems:
        link.message("warning", f"{problem}; {goes_on}.")
    if checkpoint:
        _restore(attempt, checkpoint)
    if checkpoint or link.attempt > 1:
        name = checkpoint.name if checkpoint else ""
        link.event(Rewound(step=attempt.progress.step, attempt=link.attempt, checkpoint=name))


def _restore(attempt: Attempt, checkpoint: Checkpoint) -> None:
    try:
        restore_weights(attempt.model, checkpoint.model)
        restore_optimizer(attempt.model, attempt.optimizer, checkpoint.optimizer)
        restore_scaler(attempt.compute.scaler, checkpoint.state.get("scaler", {}))
        if attempt.average is not None:
            attempt.average.restore(checkpoint.average or checkpoint.model)
        attempt.progress = Progress.from_table(checkpoint.state["progress"])
    except (RuntimeError, KeyError, TypeError) as error:
        cause = f"{checkpoint.name} does not fit the settings of this run"
        raise FailureError("The run cannot be resumed", cause, "Start a new run.") from error
    attempt.saver.resumed(attempt.progress)
    attempt.link.step = attempt.progress.step


def _announce(attempt: Attempt) -> None:
    """Open the records and say what is about to be trained."""
    link, settings, data = attempt.link, attempt.settings, attempt.data
    regression = attempt.objective.task == "regression"
    try:
        more = (LOGGING, SKIPPED) if attempt.compute.scaler is not None else (LOGGING,)
        link.open_records(BATCHES, tuple(metric.name for metric in (*of_task(attempt.objective.task).batch, *more)))
        link.open_records(LAYERS, attempt.norms.layers)
    except FileExistsError as error:
        cause = f"attempt {link.attempt} has recorded before"
        raise FailureError("The attempt cannot start", cause, "Use cnntrain resume.") from error
    link.event(
        Started(
            step=attempt.progress.step,
            attempt=link.attempt,
            device=devices.describe(attempt.device),
            model=settings.model.name,
            parameters=sum(p.numel() for p in attempt.model.parameters() if p.requires_grad),
            classes=[] if regression else attempt.classes,
            targets=attempt.classes if regression else [],
            layers=list(attempt.norms.layers),
            images=dict(data.images),
            steps_per_epoch=attempt.epoch_steps,
            total_steps=attempt.total_steps,
            batch_size=settings.training.batch_size,
            mean=list(data.mean),
            std=list(data.std),
            versions=devices.versions(),
            task=attempt.objective.task,
            trained=attempt.progress.elapsed,
        )
    )
    link.message("info", attempt.compute.sentence())
    total = attempt.schedule.total
    twice = losses.favoured_twice(settings)
    for sentence in filter(None, (attempt.schedule.cut_short, attempt.freezing.too_late(total), twice)):
        link.message("warning", sentence)
    attempt.tell_found()
