"""Tensors to numbers: gradient norms, and the ring that brings numbers from the device without waiting for it.

Reading one number from an accelerator makes the host wait until everything queued before it is done. So
each step writes a row into a buffer on the device; a full buffer is copied to pinned host memory behind
the steps that filled it, and is read once an event says that the copy has arrived.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from tui.engine.optim import is_weight

ROWS = 64
"""Steps per bulk copy, at most."""
SECONDS = 0.25
"""How old the first row of a buffer may grow before it is sent."""
BUFFERS = 4
"""Buffers; when all are on their way the host has run far ahead and waits for the oldest."""


class GradientNorms:
    """The L2 norm of each parameter's gradient, all measured with one call per step."""

    def __init__(self, model: nn.Module) -> None:
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self._parameters = [parameter for _, parameter in named]
        self._positions = [index for index, (name, parameter) in enumerate(named) if is_weight(name, parameter)]
        self._zero = torch.zeros((), device=self._parameters[0].device)
        self.weights = [self._parameters[index] for index in self._positions]
        """The weights (kernels and matrices), in the model's order."""
        self.layers = tuple(named[index][0].removesuffix(".weight") for index in self._positions)
        """Names of the weights (kernels and matrices), in the model's order, without the ending ``.weight``."""
        self.width = len(named)

    def gradients(self) -> list[Tensor]:
        """Return the gradients that there are."""
        return [parameter.grad for parameter in self._parameters if parameter.grad is not None]

    def measure(self) -> tuple[Tensor, Tensor]:
        """Return (norm of the whole gradient, a scalar; norm of each parameter's gradient, [width]), on the device."""
        gradients = [self._zero if p.grad is None else p.grad for p in self._parameters]
        norms = torch.stack(torch._foreach_norm(gradients)).float()
        return torch.linalg.vector_norm(norms), norms

    def of_layers(self, norms: list[float]) -> list[float]:
        """Pick the weights' norms, as in `layers`, from the measured ones."""
        return [norms[index] for index in self._positions]


class Arrival(Protocol):
    """The moment a copy has arrived."""

    def query(self) -> bool:
        """Whether it has; never waits."""

    def synchronize(self) -> None:
        """Wait until it has."""


class Transport(Protocol):
    """How rows and moments come from a device to the host."""

    def host_buffer(self, like: Tensor) -> Tensor:
        """Return host memory for a copy of ``like``."""

    def send(self, source: Tensor, target: Tensor) -> Arrival:
        """Queue a copy to the host."""

    def mark(self) -> Any:
        """Take the time on the device, behind what is queued."""

    def seconds(self, begin: Any, end: Any) -> float:
        """Return the time between two marks that have both passed."""


class _Here:
    """An arrival that is no journey."""

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass


class HostTransport:
    """The CPU, where nothing is queued; also MPS, where a copy in bulk simply waits."""

    def host_buffer(self, like: Tensor) -> Tensor:
        """Return ordinary memory."""
        return torch.empty_like(like, device="cpu")

    def send(self, source: Tensor, target: Tensor) -> Arrival:
        """Copy now."""
        target.copy_(source)
        return _Here()

    def mark(self) -> float:
        """Return the host's clock."""
        return time.perf_counter()

    def seconds(self, begin: float, end: float) -> float:
        """Return the difference."""
        return end - begin


class CudaTransport:
    """Pinned memory, copies in the training stream, events."""

    def host_buffer(self, like: Tensor) -> Tensor:
        """Return pinned memory, which the device can write behind the host's back."""
        return torch.empty_like(like, device="cpu", pin_memory=True)

    def send(self, source: Tensor, target: Tensor) -> Arrival:
        """Queue the copy and an event behind it."""
        target.copy_(source, non_blocking=True)
        arrival = torch.cuda.Event()
        arrival.record()
        return arrival

    def mark(self) -> torch.cuda.Event:
        """Queue an event that takes the device's time."""
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, begin: torch.cuda.Event, end: torch.cuda.Event) -> float:
        """Return what passed on the device between two events."""
        return begin.elapsed_time(end) / 1000


@dataclass
class Note:
    """What the host knows about a step while its numbers are still on the device."""

    step: int
    moment: float
    """Seconds since 1970."""
    learning_rate: float
    wait: float
    """Seconds the host waited for the batch."""
    overhead: float
    """Seconds the host spent on norms, records and requests."""
    logging: float
    """Seconds of these that went to the records."""
    begin: Any
    """The transport's mark at the end of the step before."""
    end: Any


@dataclass
class _Buffer:
    rows: Tensor
    host: Tensor
    notes: list[Note] = field(default_factory=list)
    since: float = 0.0
    arrival: Arrival | None = None


class Ring:
    """Rows of float32 numbers on their way from the device, in order.

    Args:
        width: numbers per row.
        device: where the rows are made.
        transport: how they travel; by default what the device needs.
        rows: steps per bulk copy; 1 reads each step at once (the CPU's default).
    """

    def __init__(
        self, width: int, device: torch.device, *, transport: Transport | None = None, rows: int | None = None
    ) -> None:
        self.transport: Transport = transport or (CudaTransport() if device.type == "cuda" else HostTransport())
        self._rows = rows or (1 if device.type == "cpu" else ROWS)
        self.immediate = self._rows == 1
        """Whether rows are read as they are pushed."""
        self._free: deque[_Buffer] = deque()
        for _ in range(0 if self.immediate else BUFFERS):
            block = torch.zeros(self._rows, width, device=device)
            self._free.append(_Buffer(block, self.transport.host_buffer(block)))
        self._filling: _Buffer | None = None
        self._travelling: deque[_Buffer] = deque()
        self._arrived: list[tuple[Note, list[float]]] = []

    def push(self, note: Note, row: Tensor) -> None:
        """Queue one step's row; never waits unless every buffer is on its way."""
        if self.immediate:
            self._arrived.append((note, row.tolist()))
            return
        if self._filling is None:
            while not self._free:
                self._receive(self._travelling.popleft())
            self._filling = self._free.popleft()
            self._filling.since = time.monotonic()
        buffer = self._filling
        buffer.rows[len(buffer.notes)].copy_(row)
        buffer.notes.append(note)
        if len(buffer.notes) == self._rows or time.monotonic() - buffer.since >= SECONDS:
            self._send()

    def take(self, *, wait: bool = False) -> list[tuple[Note, list[float]]]:
        """Return the rows that have arrived, oldest first.

        Args:
            wait: send what is there and wait for everything.
        """
        if self._filling is not None and (wait or time.monotonic() - self._filling.since >= SECONDS):
            self._send()
        while self._travelling and (wait or self._arrival(self._travelling[0]).query()):
            self._receive(self._travelling.popleft())
        arrived, self._arrived = self._arrived, []
        return arrived

    def _send(self) -> None:
        assert self._filling is not None
        buffer, self._filling = self._filling, None
        buffer.arrival = self.transport.send(buffer.rows, buffer.host)
        self._travelling.append(buffer)

    def _receive(self, buffer: _Buffer) -> None:
        self._arrival(buffer).synchronize()
        self._arrived.extend(zip(buffer.notes, buffer.host[: len(buffer.notes)].tolist(), strict=True))
        buffer.notes = []
        self._free.append(buffer)

    @staticmethod
    def _arrival(buffer: _Buffer) -> Arrival:
        assert buffer.arrival is not None
        return buffer.arrival
