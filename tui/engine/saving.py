"""When to save, and what to do when the disk will not have it."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from tui.core.events import CheckpointSaved
from tui.engine import optim
from tui.engine.checkpoint import Store
from tui.engine.link import Link, Stopped, Vanished, trouble
from tui.engine.progress import Progress

SAVE_SECONDS = 600.0
"""In a long epoch the last checkpoint is never older than this."""
COST = 20
"""At the end of an epoch a checkpoint is due when this many times its cost has passed since the last one."""
RETRY_SECONDS = (10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""How long to wait after each failure in a row; after the last one the run stops."""


class Saver:
    """Publishes checkpoints of the running training."""

    def __init__(self, link: Link, store: Store) -> None:
        self.store = store
        self.saved_step = 0
        """The step of the newest checkpoint; 0: none."""
        self._link = link
        self._saved: dict[str, Any] | None = None
        self._last = time.monotonic()
        self._cost = 0.0
        self._failures = 0
        self._retry_at: float | None = None
        self._warned = False

    @property
    def failing(self) -> bool:
        """Whether a save has failed and is to be tried again."""
        return self._retry_at is not None

    def resumed(self, progress: Progress) -> None:
        """Take notice that this progress is on the disk."""
        self.saved_step, self._saved = progress.step, progress.to_table()

    def due(self, progress: Progress, epoch_steps: int, total_steps: int) -> bool:
        """Whether to save now: a failed save is due again, an epoch or much time has passed, or it is the end."""
        now = time.monotonic()
        if self._retry_at is not None:
            return now >= self._retry_at
        if progress.step == 0 or (progress.step == self.saved_step and progress.to_table() == self._saved):
            return False
        if progress.step == total_steps:
            return True
        waited = now - self._last
        return waited >= SAVE_SECONDS or (progress.step % epoch_steps == 0 and waited >= COST * self._cost)

    def save(self, model: nn.Module, optimizer: Optimizer, progress: Progress, *, best: bool = False) -> bool:
        """Publish a checkpoint of this step; whether this step is on the disk now.

        Raises:
            Stopped: it has failed too often.
            Vanished: the run directory is gone.
        """
        table = progress.to_table()
        if table == self._saved and not best:
            return True
        weights = model.state_dict()
        if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values() if tensor.is_floating_point()):
            self._refuse(progress.step)
            return False
        began = time.monotonic()
        self._link.sync()
        try:
            state = {"progress": table, "attempt": self._link.attempt}
            tensors = optim.optimizer_tensors(model, optimizer)
            name, size = self.store.save(progress.step, weights, tensors, state, best=best)
        except OSError as error:
            self._fail(progress.step, error)
            return False
        self._last = time.monotonic()
        self._cost = self._last - began
        self.saved_step, self._saved = progress.step, table
        if self._failures:
            self._link.message(
                "info", f"The disk can be written again; the checkpoint of step {progress.step} is saved."
            )
        self._failures, self._retry_at = 0, None
        self._link.event(CheckpointSaved(step=progress.step, directory=name, best=best, bytes=size))
        return True

    def _refuse(self, step: int) -> None:
        """Keep the last finite checkpoint instead of publishing weights that are of no use."""
        self._last = time.monotonic()
        if not self._warned:
            self._warned = True
            kept = f"the one of step {self.saved_step} is kept" if self.saved_step else "there is none before it"
            text = f"No checkpoint is saved at step {step}, because the weights are NaN or infinite; {kept}."
            self._link.message("error", text)

    def _fail(self, step: int, error: OSError) -> None:
        if not self._link.run.path.is_dir():
            raise Vanished from error
        kept = f"the one of step {self.saved_step} is intact" if self.saved_step else "there is none before it"
        what = f"The checkpoint of step {step} could not be saved: {trouble(error)}; {kept}."
        if self._failures == len(RETRY_SECONDS):
            raise Stopped(f"{what} Make room and resume the run.") from error
        wait = RETRY_SECONDS[self._failures]
        self._failures += 1
        self._retry_at = time.monotonic() + wait
        self._link.message("error", f"{what} Training goes on; it is tried again in {wait:g} s.")
