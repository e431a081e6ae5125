"""When to save, and what to do when the disk will not have it."""

from __future__ import annotations

import contextlib
import time
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tui.core.disk import trouble
from tui.core.events import CheckpointSaved
from tui.core.settings import TrainingSettings
from tui.core.text import clean_path
from tui.engine import optim
from tui.engine.link import Link, Stopped, Vanished
from tui.engine.progress import Progress
from tui.engine.store import Store
from tui.engine.writer import Outcome, Snapshot, Writer, copied

SAVE_SECONDS = 600.0
"""With an interval in epochs or steps the last checkpoint is still never older than this."""
COST = 20
"""At the end of an epoch a checkpoint is due when this many times its cost has passed since the last one."""
RETRY_SECONDS = (10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""How long to wait after each failure in a row; after the last one the run stops."""


class Saver:
    """Takes snapshots of the running training and has them published in the background.

    A context: at its end what is under way is on the disk or has failed. All methods are for the training thread.
    """

    def __init__(self, link: Link, store: Store, training: TrainingSettings) -> None:
        self.store = store
        self.saved_step = 0
        """The step of the newest checkpoint; 0: none."""
        self._link, self._training = link, training
        self._writer = Writer(store, before=link.sync)
        self._saved: dict[str, Any] | None = None
        self._taken: dict[str, Any] | None = None
        """Of the newest snapshot, unless it has failed."""
        self._last = time.monotonic()
        self._cost = 0.0
        self._owed = False
        self._failures = 0
        self._retry_at: float | None = None
        self._warned = False

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.wait()
        with contextlib.suppress(Stopped, Vanished) if kind else contextlib.nullcontext():
            self.settle(ending=True)

    @property
    def settled(self) -> bool:
        """Whether nothing is being written, and nothing has failed that is to be tried again."""
        return self._retry_at is None and self._writer.idle

    @property
    def refused(self) -> bool:
        """Whether the disk has refused a save that is to be tried again."""
        return self._retry_at is not None

    def resumed(self, progress: Progress) -> None:
        """Take notice that this progress is on the disk."""
        self.saved_step, self._saved = progress.step, progress.to_table()
        self._taken = self._saved

    def due(self, progress: Progress, epoch_steps: int, total_steps: int) -> bool:
        """Whether to save now: a failed save is due again, the interval of the settings has passed, or it is the end.

        What falls due while a save is under way is owed until that is done.
        """
        now = time.monotonic()
        if self._retry_at is not None:
            return now >= self._retry_at
        if progress.step == 0 or (self._taken and progress.step == self._taken["step"] and self._is_taken(progress)):
            return False
        if progress.step >= total_steps:
            return True
        self._owed = self._owed or self._interval_over(progress.step, epoch_steps, now - self._last)
        return self._owed and not self._writer.busy

    def _interval_over(self, step: int, epoch_steps: int, waited: float) -> bool:
        every, unit = self._training.checkpoint_every, self._training.checkpoint_unit
        if unit == "minutes":
            return waited >= 60 * every
        if waited >= SAVE_SECONDS:
            return True
        if unit == "steps":
            return step % every == 0
        return step % (every * epoch_steps) == 0 and waited >= COST * self._cost

    def _is_taken(self, progress: Progress) -> bool:
        return progress.to_table() == self._taken

    def save(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        progress: Progress,
        *,
        best: bool = False,
        average: dict[str, Tensor] | None = None,
        scaler: dict[str, float] | None = None,
    ) -> bool:
        """Take a snapshot of this step, to be published in the background; False: there is nothing worth saving.

        Args:
            average: the averaged weights, if there are any.
            scaler: the loss scaler's state.

        Raises:
            Stopped: saving has failed too often.
            Vanished: the run directory is gone.
        """
        self.settle()
        if self._is_taken(progress) and not best:
            return True
        weights = model.state_dict()
        if not is_finite(weights):
            self._refuse(progress.step)
            return False
        table = progress.to_table()
        snapshot = Snapshot(
            step=progress.step,
            model=copied(weights),
            optimizer=copied(optim.optimizer_tensors(model, optimizer)),
            state={"progress": table, "attempt": self._link.attempt, "scaler": scaler or {}},
            average=copied(average) if average is not None else None,
            best=best or progress.best.step == progress.step,
            kept=frozenset(other.step for other in progress.others),
        )
        self._writer.submit(snapshot)
        self._last, self._taken, self._owed, self._retry_at = time.monotonic(), table, False, None
        return True

    def wait(self, progress: Progress, *, ending: bool = False) -> bool:
        """Wait until nothing is being written; whether this progress is on the disk.

        Args:
            progress: as it was when it was saved.
            ending: the attempt ends here; nothing is tried again.

        Raises:
            Stopped: saving has failed too often.
            Vanished: the run directory is gone.
        """
        self._writer.wait()
        self.settle(ending=ending)
        return self._saved == progress.to_table()

    def rest(self, seconds: float) -> None:
        """Pass some time, less if a save that is under way is done before."""
        if self._writer.busy:
            self._writer.wait(seconds)
        else:
            time.sleep(seconds)

    def settle(self, *, ending: bool = False) -> None:
        """Tell what has become of the snapshots that were taken.

        Raises:
            Stopped: saving has failed too often.
            Vanished: the run directory is gone.
        """
        for outcome in self._writer.outcomes():
            if outcome.error is None:
                self._succeed(outcome)
            elif isinstance(outcome.error, OSError):
                self._fail(outcome.snapshot.step, outcome.error, ending)
            else:
                raise outcome.error

    def _succeed(self, outcome: Outcome) -> None:
        snapshot = outcome.snapshot
        self._cost = outcome.seconds
        self.saved_step, self._saved = snapshot.step, snapshot.state["progress"]
        if self._failures:
            self._link.message(
                "info", f"The disk can be written again; the checkpoint of step {snapshot.step} is saved."
            )
        self._failures = 0
        event = CheckpointSaved(
            step=snapshot.step, directory=outcome.directory, best=snapshot.best, bytes=outcome.bytes
        )
        self._link.event(event)

    def _refuse(self, step: int) -> None:
        """Keep the last finite checkpoint instead of publishing weights that are of no use."""
        self._last, self._owed = time.monotonic(), False
        if not self._warned:
            self._warned = True
            self._writer.wait()  # what is on its way is what is kept
            self.settle()
            kept = f"the one of step {self.saved_step} is kept" if self.saved_step else "there is none before it"
            text = f"No checkpoint is saved at step {step}, because the weights are NaN or infinite; {kept}."
            self._link.message("error", text)

    def _fail(self, step: int, error: OSError, ending: bool) -> None:
        if not self._link.run.path.is_dir():
            raise Vanished from error
        kept = f"the one of step {self.saved_step} is intact" if self.saved_step else "there is none before it"
        why = trouble(error, self._link.run.checkpoints)
        what = f"The checkpoint of step {step} could not be saved: {why}; {kept}."
        self._taken = None
        if ending:
            self._link.message("error", what)
            return
        if self._failures == len(RETRY_SECONDS):
            raise Stopped(f"{what} Make room and resume the run.") from error
        wait = RETRY_SECONDS[self._failures]
        self._failures += 1
        self._retry_at = time.monotonic() + wait
        place = clean_path(self._link.run.checkpoints)
        text = f"{what} Training goes on; it is tried again in {wait:g} s. Until then, mend that in {place}."
        self._link.message("error", text)


def is_finite(tensors: dict[str, Tensor]) -> bool:
    """Whether no number is NaN or infinite; an accelerator is asked once."""
    found = [tensor for tensor in tensors.values() if tensor.is_floating_point() and tensor.numel()]
    largest = torch._foreach_norm(found, ord=float("inf"))  # NaN comes through
    return not found or bool(torch.isfinite(torch.stack([norm.float() for norm in largest])).all())
