"""What can go wrong inside a step, in sentences for a person."""

from __future__ import annotations

import contextlib
import gc

import torch

from tui.core.errors import CnntrainError, FailureError, UsageError
from tui.core.text import clean
from tui.engine.recorder import Diverged

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")
_LOST = ("CUDA error", "CUDA driver", "cuDNN error", "device-side assert", "unspecified launch")


def diverged(end: Diverged, saved_step: int) -> CnntrainError:
    """Say which step's loss or gradient is not finite, and what to try; ``saved_step`` 0: no checkpoint."""
    kept = f"the checkpoint of step {saved_step} is kept" if saved_step else "no checkpoint had been saved yet"
    return FailureError(
        f"The {end.what} became {end.value} in step {end.step}",
        f"the learning rate was {end.learning_rate:.3g}; {kept}",
        "Start again with a lower optimizer.learning_rate, a longer schedule.warmup_epochs "
        "or gradient clipping (optimizer.clip_norm=1).",
    )


def not_compiled(error: BaseException) -> str:
    """Say why torch.compile failed."""
    if "No working C++ compiler" in str(error):
        return "compute.compile does not work here: it needs a C++ compiler, and there is none; install g++."
    # Dynamo's own first line only says which of its parts has raised what comes next.
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.endswith(" raised:")]
    return f"compute.compile does not work here ({type(error).__name__}: {clean(lines[0] if lines else '', 200)})."


def explained(error: Exception, device: torch.device, step: int, batch_size: int) -> Exception:
    """Turn what torch throws in ``step`` into a sentence; anything else is given back as it is."""
    if out_of_memory(error):
        return _memory_error(device, step, batch_size)
    if "does not have a deterministic implementation" in str(error):
        cause = clean(str(error).split(" does not have a deterministic")[0], 100)
        cause = f"{cause} has no version that gives the same bits each time"
        return UsageError("The network cannot be trained deterministically", cause, "Set compute.deterministic=false.")
    if lost(error):
        cause = f"in step {step}: {clean(str(error).splitlines()[0], 160)}"
        return FailureError("The accelerator failed", cause, "Resume the run to go on from its last checkpoint.")
    return error


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, on an accelerator or on the host."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _NO_MEMORY)


def lost(error: BaseException) -> bool:
    """Whether ``error`` says that the accelerator itself failed or went away."""
    if isinstance(error, getattr(torch, "AcceleratorError", ())):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _LOST)


def _memory_error(device: torch.device, step: int, batch_size: int) -> CnntrainError:
    gc.collect()
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()
    where = "This machine" if device.type == "cpu" else "The GPU"
    half = f"training.batch_size={batch_size // 2}"
    smaller = f"{half} (with twice the optimizer.accumulate the steps stay the same), " if batch_size >= 4 else ""
    return FailureError(
        f"{where} ran out of memory",
        f"in step {step} with {batch_size} pictures per batch; the last checkpoint is kept",
        f"Start again with {smaller}a smaller data.image_size or a smaller model.",
    )
