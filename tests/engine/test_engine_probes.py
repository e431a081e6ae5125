"""The ring: rows leave the device in bulk and in order, and nothing waits unless it must."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tui.engine import probes
from tui.engine.probes import HostTransport, Note, Ring


class Journey:
    """A copy that arrives when the test says so; until then the host's memory holds rubbish."""

    def __init__(self, source: Tensor, target: Tensor, log: list[str]) -> None:
        self.content, self.target, self.log = source.clone(), target, log
        self.arrived = False
        target.fill_(-1)

    def arrive(self) -> None:
        self.target.copy_(self.content)
        self.arrived = True

    def query(self) -> bool:
        self.log.append("query")
        return self.arrived

    def synchronize(self) -> None:
        if not self.arrived:
            self.log.append("waited")
            self.arrive()


class SlowTransport(HostTransport):
    """An accelerator in slow motion."""

    def __init__(self) -> None:
        self.journeys: list[Journey] = []
        self.log: list[str] = []

    def send(self, source: Tensor, target: Tensor) -> Journey:
        self.journeys.append(Journey(source, target, self.log))
        return self.journeys[-1]


def note(step: int) -> Note:
    return Note(step, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0, 1.0)


def row(step: int) -> Tensor:
    return torch.tensor([float(step), step / 2])


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> tuple[Ring, SlowTransport]:
    monkeypatch.setattr(probes, "SECONDS", 1e9)
    transport = SlowTransport()
    return Ring(2, torch.device("cpu"), transport=transport, rows=4), transport


def steps_of(rows: list[tuple[Note, list[float]]]) -> list[int]:
    for told, values in rows:
        assert values == [told.step, told.step / 2]
    return [told.step for told, _ in rows]


def test_the_cpu_reads_at_once() -> None:
    ring = Ring(2, torch.device("cpu"))
    for step in (1, 2):
        ring.push(note(step), row(step))
        assert steps_of(ring.take()) == [step]
    assert ring.take(wait=True) == []


def test_rows_come_in_bulk_once_they_have_arrived(slow: Any) -> None:
    ring, transport = slow
    for step in range(1, 10):
        ring.push(note(step), row(step))
        assert ring.take() == []
    assert len(transport.journeys) == 2  # eight rows in two copies; the ninth is still on the device
    transport.journeys[1].arrive()
    assert ring.take() == []  # never out of order
    transport.journeys[0].arrive()
    assert steps_of(ring.take()) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert "waited" not in transport.log


def test_it_waits_only_when_every_buffer_is_on_its_way(slow: Any) -> None:
    ring, transport = slow
    room = 4 * probes.BUFFERS
    for step in range(1, room + 1):
        ring.push(note(step), row(step))
    assert "waited" not in transport.log
    ring.push(note(room + 1), row(room + 1))
    assert transport.log.count("waited") == 1
    assert steps_of(ring.take()) == [1, 2, 3, 4]


def test_draining_brings_everything(slow: Any) -> None:
    ring, _ = slow
    for step in range(1, 8):
        ring.push(note(step), row(step))
    assert steps_of(ring.take(wait=True)) == [1, 2, 3, 4, 5, 6, 7]
    ring.push(note(8), row(8))
    assert steps_of(ring.take(wait=True)) == [8]
    assert ring.take(wait=True) == []


def test_an_old_row_is_sent_before_its_buffer_is_full(slow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ring, transport = slow
    monkeypatch.setattr(probes, "SECONDS", 0.0)
    ring.push(note(1), row(1))
    assert len(transport.journeys) == 1


def test_many_rounds_keep_every_row(slow: Any) -> None:
    ring, transport = slow
    seen = []
    for step in range(1, 500):
        ring.push(note(step), row(step))
        if step % 7 == 0 and transport.journeys:
            for journey in transport.journeys:
                if not journey.arrived:
                    journey.arrive()
                    break
        seen += steps_of(ring.take())
    seen += steps_of(ring.take(wait=True))
    assert seen == list(range(1, 500))
