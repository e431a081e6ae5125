"""A thread that brings snapshots to the disk while the training goes on.

    training thread   snapshot ── submit ─┐                       ┌─ outcomes: what became of it
    writer thread                         └ write, verify, publish ┘

A snapshot shares no memory with what trains. While one is written, of those that wait only the newest is kept,
and the newest of the best. They are written in the order they were taken, and after a failure none until the next
`Writer.submit`: so a checkpoint never knows of a best one that is not on the disk.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from tui.engine.store import Store


@dataclass(frozen=True)
class Snapshot:
    """Everything that a checkpoint holds, as it was at a step boundary, on the CPU."""

    step: int
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    state: dict[str, Any]
    best: bool = False
    kept: frozenset[int] = frozenset()
    """Steps of other checkpoints that are not removed."""
    average: dict[str, Tensor] | None = None
    """The averaged weights, where the run has them."""


@dataclass(frozen=True)
class Outcome:
    """What became of a snapshot."""

    snapshot: Snapshot
    directory: str = ""
    bytes: int = 0
    seconds: float = 0.0
    error: BaseException | None = field(default=None, compare=False)
    """Why it is not on the disk."""


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return copies on the CPU that nobody else changes."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


class Writer:
    """Publishes snapshots in the background.

    Args:
        store: where to.
        before: called in the thread before each is written.
    """

    def __init__(self, store: Store, before: Callable[[], None] = lambda: None) -> None:
        self._store, self._before = store, before
        self._changed = threading.Condition()
        self._waiting: list[Snapshot] = []
        self._thread: threading.Thread | None = None
        self._outcomes: deque[Outcome] = deque()

    def submit(self, snapshot: Snapshot) -> None:
        """Have a snapshot written as soon as the one under way is done; one that waited gives way to it."""
        with self._changed:
            self._waiting = [waiting for waiting in self._waiting if waiting.best and not snapshot.best]
            self._waiting.append(snapshot)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="checkpoints", daemon=True)
                self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether something is being written."""
        return self._thread is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is being written, and everything that happened has been told."""
        with self._changed:
            return self._thread is None and not self._outcomes

    def wait(self, seconds: float | None = None) -> None:
        """Wait until nothing is being written any more, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._thread is None, seconds)

    def outcomes(self) -> list[Outcome]:
        """Return what has happened since this was last asked, oldest first."""
        found = []
        while self._outcomes:
            found.append(self._outcomes.popleft())
        return found

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._rest()
                    return
                snapshot = self._waiting.pop(0)
            outcome = self._write(snapshot)
            with self._changed:
                self._outcomes.append(outcome)
                if outcome.error is not None:
                    if snapshot.best and not any(waiting.best for waiting in self._waiting):
                        self._waiting.insert(0, snapshot)  # tried again before anything newer
                    self._rest()
                    return

    def _rest(self) -> None:
        self._thread = None
        self._changed.notify_all()

    def _write(self, snapshot: Snapshot) -> Outcome:
        began = time.monotonic()
        try:
            self._before()
            directory, size = self._store.save(
                snapshot.step,
                snapshot.model,
                snapshot.optimizer,
                snapshot.state,
                best=snapshot.best,
                kept=snapshot.kept,
                average=snapshot.average,
            )
        except BaseException as error:  # raised again where it can be told: in the training thread
            return Outcome(snapshot, error=error)
        return Outcome(snapshot, directory, size, time.monotonic() - began)
