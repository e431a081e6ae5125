"""Batches on their way: normalisation on the device, and the thread that makes them ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch
from torchvision.transforms.v2 import functional

from tui.engine.data.batches import Batch, Prefetch, normalise


def numbered(count: int) -> Iterator[Batch]:
    for number in range(count):
        value = torch.tensor([number])
        yield Batch(torch.zeros(1, 2, 2, 3, dtype=torch.uint8), value, value)


@pytest.mark.parametrize(("mean", "std"), [([0.5, 0.4, 0.3], [0.2, 0.25, 0.3]), ([0.5], [0.2])])
def test_normalise_is_torchvisions(mean: list[float], std: list[float]) -> None:
    images = torch.randint(0, 256, (4, 6, 6, len(mean)), dtype=torch.uint8)
    found = normalise(images, mean, std, "cpu")
    floats = functional.to_dtype(images.permute(0, 3, 1, 2), torch.float32, scale=True)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, functional.normalize(floats, mean, std), rtol=1e-5, atol=1e-5)


def test_normalise_leaves_the_batch_alone() -> None:
    images = torch.randint(0, 256, (2, 4, 4, 3), dtype=torch.uint8)
    before = images.clone()
    normalise(images, [0.5] * 3, [0.5] * 3, torch.device("cpu"))
    assert torch.equal(images, before)


def test_prefetch_gives_everything_in_order_and_ends() -> None:
    with Prefetch(lambda: numbered(7)) as batches:
        assert [int(batch.targets) for batch in batches] == list(range(7))
        with pytest.raises(StopIteration):
            next(batches)


def test_prefetch_works_ahead_but_not_far() -> None:
    made: list[int] = []

    def source() -> Iterator[Batch]:
        for batch in numbered(100):
            made.append(int(batch.targets))
            yield batch

    with Prefetch(source, ahead=2) as batches:
        next(batches)
        deadline = time.monotonic() + 5
        while len(made) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(made) == 4  # one taken, two ready, one in hand


def test_the_thread_leaves_the_cores_to_the_steps_own_threads() -> None:
    before, inside = torch.get_num_threads(), []

    def source() -> Iterator[Batch]:
        inside.append(torch.get_num_threads())
        yield from numbered(1)

    try:
        torch.set_num_threads(2)
        with Prefetch(source) as batches:
            next(batches)
            assert (inside, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_an_error_is_raised_at_its_batch() -> None:
    def source() -> Iterator[Batch]:
        yield from numbered(2)
        raise OSError("disk")

    with Prefetch(source) as batches:
        assert len([next(batches), next(batches)]) == 2
        with pytest.raises(OSError, match="disk"):
            next(batches)


def test_closing_ends_the_thread_and_the_source() -> None:
    ended = threading.Event()

    def source() -> Iterator[Batch]:
        try:
            yield from numbered(1000)
        finally:
            ended.set()

    before = threading.active_count()
    batches = Prefetch(source)
    next(batches)
    batches.close()
    assert ended.is_set()
    assert threading.active_count() == before
    with pytest.raises(StopIteration):
        next(batches)
