"""Trains in this process, with a fault planted where settings cannot express one: the doctor's benchmark and its tests.

    run = planting.new_run(root, "leak", settings)
    end = planting.train(run, settings, data, classes, plant=planting.detached("blocks.1"))

Everything is the real engine: `tui.engine.attempt.begin`, `tui.engine.trainer.Trainer`, a real run directory that
`cnntrain diagnose` can read. It lives with the tests so that no run, preset or environment can plant anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from torch import Tensor, nn

from tui.core.errors import CnntrainError
from tui.core.events import Ended, Exit
from tui.core.rundir import FORMAT, RunDir
from tui.core.schema import nested
from tui.core.settings import Settings
from tui.engine import initial, models
from tui.engine.attempt import Attempt, Data, begin
from tui.engine.data.batches import Batch
from tui.engine.link import Link, Stopped
from tui.engine.trainer import Trainer

Plant = Callable[[Attempt], None]
"""Changes an attempt between its making and its first step."""


def new_run(root: Path, name: str, settings: Settings) -> RunDir:
    """Make a run directory with the settings in it, as `tui.runs.making` does."""
    run = RunDir(root / name)
    run.make()
    table = {"run": {"format": FORMAT, "name": name, "preset": "planted"}, **nested(settings)}
    run.settings.write_text(tomli_w.dumps(table), "utf-8")
    return run


def train(
    run: RunDir, settings: Settings, data: Data, classes: list[str], *, plant: Plant | None = None, attempt: int = 1
) -> Ended:
    """Train one attempt in this process and return its last event, which is written too.

    Args:
        run: its directory, from `new_run`.
        settings: of the run.
        data: as the engine wants it; wrap it in `Changed` for faults of the data.
        classes: their names.
        plant: the fault.
        attempt: counted from 1.
    """
    link = Link(run, attempt)
    try:
        made = begin(link, settings, data, classes, torch.device("cpu"))
        if plant is not None:
            plant(made)
        end = Ended(reason="finished", exit_code=Exit.FINISHED, text=Trainer(made).run())
    except Stopped as stop:
        end = Ended(reason="stopped", exit_code=Exit.STOPPED, text=str(stop))
    except CnntrainError as error:
        end = Ended(reason="failed", exit_code=error.exit_code, text=str(error))
    link.event(end)
    link.close()
    return end


class Changed:
    """Data with a fault: batches pass through a function on their way.

    Args:
        data: the sound data.
        training: (batch, steps done before it) to the batch that is trained on.
        evaluation: (batch, split) to the batch that is evaluated.
    """

    def __init__(
        self,
        data: Any,
        *,
        training: Callable[[Batch, int], Batch] | None = None,
        evaluation: Callable[[Batch, str], Batch] | None = None,
    ) -> None:
        self._data, self._train, self._evaluate = data, training, evaluation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)

    @contextlib.contextmanager
    def training_batches(self, first_step: int) -> Iterator[Iterator[Batch]]:
        with self._data.training_batches(first_step) as batches:
            change = self._train
            yield batches if change is None else (change(batch, step) for step, batch in enumerate(batches, first_step))

    def evaluation_batches(self, split: str, batch_size: int, most: int | None = None) -> Iterator[Batch]:
        for batch in self._data.evaluation_batches(split, batch_size, most):
            yield batch if self._evaluate is None else self._evaluate(batch, split)


def noisy_labels(share: float, classes: int, seed: int = 0) -> Callable[[Batch, int], Batch]:
    """Give a share of the training pictures a label drawn at random, the same in every epoch."""

    def change(batch: Batch, step: int) -> Batch:
        drawn = np.stack([np.random.default_rng((seed, int(i))).random(2) for i in batch.indices])
        wrong = torch.from_numpy((drawn[:, 1] * classes).astype(np.int64))
        return dataclasses.replace(
            batch, targets=torch.where(torch.from_numpy(drawn[:, 0] < share), wrong, batch.targets)
        )

    return change


def other_validation(scale: float, shift: float) -> Callable[[Batch, str], Batch]:
    """Let the validation pictures come with other brightness and contrast: pixels x scale + shift."""

    def change(batch: Batch, split: str) -> Batch:
        if split != "validation":
            return batch
        pixels = (batch.images.float() * scale + shift).clamp(0, 255).to(torch.uint8)
        return dataclasses.replace(batch, images=pixels)

    return change


def bad_pixel(value: float, step: int) -> Plant:
    """Make one pixel of the pictures ``value`` (NaN, infinity) in one training step."""

    def plant(attempt: Attempt) -> None:
        sound = attempt.normalise

        def normalise(images: Tensor) -> Tensor:
            pictures = sound(images)
            if attempt.model.training and attempt.progress.step + 1 == step:
                pictures[len(pictures) // 2, 0, 0, 0] = value
            return pictures

        attempt.normalise = normalise  # type: ignore[method-assign]

    return plant


def detached(module: str) -> Plant:
    """Cut the graph behind a module: what lies before it gets no gradient."""

    def plant(attempt: Attempt) -> None:
        attempt.model.get_submodule(module).register_forward_hook(lambda _module, _inputs, output: output.detach())

    return plant


def frozen(*names: str) -> Plant:
    """Freeze parameters whose names begin so, without the settings saying it."""

    def plant(attempt: Attempt) -> None:
        for name, parameter in attempt.model.named_parameters():
            if name.startswith(names):
                parameter.requires_grad_(False)

    return plant


def not_in_optimizer(*names: str) -> Plant:
    """Take parameters whose names begin so out of the optimizer; they still get gradients."""

    def plant(attempt: Attempt) -> None:
        lost = {id(p) for name, p in attempt.model.named_parameters() if name.startswith(names)}
        for group in attempt.optimizer.param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in lost]

    return plant


def rate_spike(step: int, factor: float, steps: int = 1) -> Plant:
    """Multiply the learning rate for some steps."""

    def plant(attempt: Attempt) -> None:
        sound = attempt.schedule.rate
        attempt.schedule.rate = lambda at: sound(at) * (factor if step <= at < step + steps else 1)  # type: ignore[method-assign]

    return plant


def designed(change: Callable[[nn.Module], None]) -> Plant:
    """Change the first weights as the code of a network's own author would: before ``model.init``, which draws anew.

    With its default, auto, the change stays (`tui.engine.models.build`).
    """

    def plant(attempt: Attempt) -> None:
        with torch.no_grad():
            change(attempt.model)
        torch.manual_seed(attempt.settings.training.seed)
        initial.draw(attempt.model, attempt.settings.model, models.head_names(attempt.model))

    return plant


def weights(change: Callable[[str, Tensor], None]) -> Plant:
    """Change the first weights in place: ``change(name, tensor)`` is called for each parameter, without gradients."""

    def each(model: nn.Module) -> None:
        for name, parameter in model.named_parameters():
            change(name, parameter)

    return designed(each)
