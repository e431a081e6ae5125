"""How much memory a step takes, and the largest batch that fits: by trying it, or from two sizes.

An accelerator refuses what does not fit, so that it can be tried. The host's memory is not tried: the kernel
would kill this process or another one. There the peak of two sizes gives a line, and the line what fits.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from dataclasses import dataclass

import torch

from tui.core import memory
from tui.engine import failures
from tui.engine.data.batches import Batch
from tui.engine.step import Step

MARGIN = 0.9
"""Of the memory that can be had so much is filled at most: fragments and other processes need some, too."""
_REFINED = 3
"""Halvings between the largest batch that was seen to fit and the smallest that was not."""


@dataclass(frozen=True)
class Capacity:
    """What was found out; sizes in bytes."""

    fits: bool
    peak: int
    limit: int
    """0: unknown."""
    largest: int
    """Pictures; 0: unknown, or, where the batch does not fit, none."""
    tried: bool


def forget_peak(device: torch.device) -> None:
    """Let `peak` begin anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        memory.forget_peak()


def peak(device: torch.device) -> int:
    """Return the most memory that was in use at once since `forget_peak`."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return memory.peak()


def limit(device: torch.device) -> int:
    """Return how much this process could have in use at most; 0 where nobody says."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device))
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory())
    free_bytes = memory.available()
    return 0 if free_bytes is None else memory.resident() + free_bytes


def give_back(device: torch.device) -> None:
    """Let go of what a step that failed has left."""
    gc.collect()
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()


def tries(step: Step, batch: Batch, rate: float, device: torch.device) -> Callable[[int], bool]:
    """Return a function that makes a step with so many pictures, and says whether it could be made."""

    def fits(size: int) -> bool:
        before, step.part = step.part, size
        try:
            float(step.try_out(repeated(batch, size), rate))  # waits for the device
        except (RuntimeError, MemoryError) as error:
            if not failures.out_of_memory(error):
                raise
            give_back(device)
            return False
        finally:
            step.part = before
        return True

    return fits


def repeated(batch: Batch, size: int) -> Batch:
    """Return a batch of ``size`` pictures made of these."""
    which = torch.arange(size) % len(batch.images)
    return Batch(batch.images[which], batch.targets[which], batch.indices[which])


def largest_below(fits: Callable[[int], bool], size: int, least: int = 2) -> int:
    """Return the largest batch below ``size``, which does not fit, that does, within an eighth; 0: none."""
    good, bad = size // 2, size
    while good >= least and not fits(good):
        good, bad = good // 2, good
    if good < least:
        return 0
    for _ in range(_REFINED):
        middle = (good + bad) // 2
        if middle == good:
            break
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def measure(step: Step, batch: Batch, size: int, rate: float, device: torch.device, most: int) -> Capacity:
    """Find out what a step of ``size`` pictures takes, and how many more would fit.

    Args:
        step: of an attempt that is kept as it is (`tui.engine.untouched`).
        batch: real pictures.
        size: pictures that go through the network at once.
        rate: the learning rate.
        device: where.
        most: pictures that a batch may have.
    """
    fits = tries(step, batch, rate, device)
    small = max(2, size // 4)
    peaks: list[int] = []
    forget_peak(device)
    for tried in (small, size):
        if not fits(tried):
            largest = largest_below(fits, tried)
            return Capacity(False, max(peaks, default=peak(device)), limit(device), largest, True)
        peaks.append(peak(device))
    room = limit(device)
    largest = _computed(small, size, peaks, room, most)
    if device.type != "cuda" or largest <= size:
        over = room and peaks[-1] > room
        return Capacity(not over, peaks[-1], room, largest, False)
    while largest > size and not fits(largest):
        largest = max(size, largest * 7 // 8)
    return Capacity(True, peaks[-1], room, largest, True)


def _computed(small: int, size: int, peaks: list[int], room: int, most: int) -> int:
    """Return the largest batch by the line through two sizes; 0 where they say nothing."""
    each = (peaks[1] - peaks[0]) / (size - small) if size > small else 0.0
    if not room or each <= 0:
        return 0
    count = int(size + (MARGIN * room - peaks[1]) / each)
    return max(0, min(most, count - count % 8 if count > 16 else count))
