"""Steps that were only tried: everything that they change is put back, bit for bit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from tui.engine import optim
from tui.engine.attempt import Attempt
from tui.engine.checkpoint import restore_weights
from tui.engine.compute import restore_scaler, scaler_table
from tui.engine.writer import copied


@contextlib.contextmanager
def untouched(attempt: Attempt) -> Iterator[None]:
    """Keep weights, statistics, gradients, optimizer, loss scaler and generators as they are now.

    The copies lie on the host, so that an accelerator whose memory is nearly full can be tried out.
    """
    model, optimizer, device = attempt.model, attempt.optimizer, attempt.device
    weights = copied(model.state_dict())
    state = copied(optim.optimizer_tensors(model, optimizer))
    groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    scaler = scaler_table(attempt.compute.scaler)
    gradients = [None if p.grad is None else p.grad.detach().cpu().clone() for p in model.parameters()]
    host = torch.get_rng_state()
    accelerator = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    try:
        yield
    finally:
        restore_weights(model, weights)
        optim.restore_optimizer(model, optimizer, state)
        for group, before in zip(optimizer.param_groups, groups, strict=True):
            group.update(before)
        restore_scaler(attempt.compute.scaler, scaler)
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            if gradient is None:
                parameter.grad = None
            else:
                parameter.grad = torch.empty_like(parameter).copy_(gradient)
        torch.set_rng_state(host)
        if accelerator is not None:
            torch.cuda.set_rng_state(accelerator, device)
