"""Whether a step takes less time in bfloat16 on this processor: some have units for it (AMX), others emulate it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from tui.engine.attempt import Attempt
from tui.engine.data.batches import Batch
from tui.engine.step import Step
from tui.engine.untouched import untouched

_SIDE, _TURNS = 512, 5
_UNITS = 0.7
"""A product of matrices in bfloat16 takes less than this share of float32's where there are units for it."""
_PAIRS = (2, 6)
"""Pairs of steps that are timed, at least and at most."""
_SECONDS = 5.0
"""After so long no more are begun."""


def has_units(device: torch.device) -> bool:
    """Whether a processor multiplies matrices faster in bfloat16, as is measured."""
    if device.type != "cpu":
        return False
    best = {}
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(_SIDE, _SIDE, dtype=dtype)
        matrix @ matrix
        times = []
        for _ in range(_TURNS):
            began = time.perf_counter()
            matrix @ matrix
            times.append(time.perf_counter() - began)
        best[dtype] = min(times)
    return best[torch.bfloat16] < _UNITS * best[torch.float32]


def time_share(attempt: Attempt, step: Step, batch: Batch, rate: float, tell: Callable[[], None]) -> float | None:
    """Return the time of a step in bfloat16 over that in float32; the attempt is then as it was, bit for bit.

    Args:
        attempt: on any device.
        step: of it.
        batch: a real one.
        rate: the learning rate.
        tell: called before each pair of steps.

    Returns:
        the median over pairs of steps; None: the settings name a precision or have the network compiled, or this is
        no processor with units for it.
    """
    settings, compute = attempt.settings.compute, attempt.compute
    if settings.precision != "auto" or compute.compiled or not has_units(attempt.device):
        return None
    usual, shares = compute.precision, []
    began = time.monotonic()
    with untouched(attempt):
        try:
            for number in range(_PAIRS[1] + 1):
                tell()
                took = {}
                for precision in (torch.float32, torch.bfloat16):
                    compute.precision = precision
                    asked = time.perf_counter()
                    float(step.try_out(batch, rate))
                    took[precision] = time.perf_counter() - asked
                if number:  # the first of each prepares what the later ones use
                    shares.append(took[torch.bfloat16] / took[torch.float32])
                if len(shares) >= _PAIRS[0] and time.monotonic() - began > _SECONDS:
                    break
        finally:
            compute.precision = usual
    return statistics.median(shares)
