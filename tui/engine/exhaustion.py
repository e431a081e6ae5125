"""When memory runs out in a run: what was learned is kept, and the largest batch that fits is found and offered.

It is never taken silently: the run ends, and its finding holds the change, which a person accepts (one key on the
doctor's screen) or not. With the change a step still has as many pictures where that can be.
"""

from __future__ import annotations

import contextlib
import traceback
from dataclasses import asdict

from tui.core.diagnosis.finding import Evidence
from tui.core.errors import CnntrainError, FailureError
from tui.core.events import Found
from tui.core.rehearsal import smaller_batch
from tui.engine import capacity
from tui.engine.attempt import Attempt
from tui.engine.link import Stopped
from tui.engine.recorder import Diverged
from tui.engine.step import Step

CODE = "out_of_memory"


def exhausted(attempt: Attempt, step: Step, error: BaseException) -> CnntrainError:
    """Keep the state, look for what fits, tell the finding, and return the sentence with which the run ends.

    Args:
        attempt: whose step or evaluation found no memory.
        step: that makes its steps.
        error: what the allocator said; the frames in it give their tensors back.

    Raises:
        Vanished: the run directory is gone.
    """
    settings = attempt.settings
    size, failed = settings.training.batch_size, attempt.progress.step + 1
    traceback.clear_frames(error.__traceback__)
    capacity.give_back(attempt.device)
    where = "This machine" if attempt.device.type == "cpu" else "The GPU"
    kept = _kept(attempt, step)
    attempt.link.message("warning", f"{where} ran out of memory in step {failed}; trying which batch fits.")
    largest = _largest(attempt, step)
    change = dict(smaller_batch(size, settings.optimizer.accumulate, largest)) if largest else {}
    cause = f"in step {failed} with {size:,} pictures per batch; {kept}"
    advice = "Start again with a smaller data.image_size or a smaller model."
    if change:
        typed = " ".join(f"--set {key}={value}" for key, value in change.items())
        advice = (
            f"{largest:,} fit, as was tried: take the doctor's offer (d on the watch screen), or start with {typed}."
        )
    attempt.link.event(
        Found(
            step=failed,
            code=CODE,
            severity="critical",
            title="Out of memory",
            message=f"{where} has no memory for {size:,} pictures per batch; {largest:,} fit." if largest else cause,
            evidence=[asdict(Evidence("pictures per batch", size, largest, "above", f"up to {largest:,}"))],
            change=change,
            restart="newest" if change else "",
        )
    )
    return FailureError(f"{where} ran out of memory", cause, advice)


def _kept(attempt: Attempt, step: Step) -> str:
    """Save the state of the last step, if it is whole; say which is kept."""
    done, saver = attempt.progress.step, attempt.saver
    with contextlib.suppress(Diverged, Stopped):
        whole = done > 0 and not step.torn and attempt.save()
        if saver.wait(attempt.progress, ending=True) and whole:  # what is under way counts, too
            return f"the state of step {done} is saved"
    return f"the checkpoint of step {saver.saved_step} is kept" if saver.saved_step else "nothing had been saved yet"


def _largest(attempt: Attempt, step: Step) -> int:
    """Return the largest smaller batch that fits; 0: none, or that cannot be found out."""
    with contextlib.suppress(RuntimeError, CnntrainError, StopIteration):
        with attempt.data.training_batches(attempt.progress.step) as batches:
            batch = next(batches)
        fits = capacity.tries(step, batch, attempt.schedule.rate(attempt.progress.step + 1), attempt.device)
        return capacity.largest_below(fits, attempt.settings.training.batch_size)
    return 0
