"""What the training loop gets: batches of raw pixels, made ahead by a thread, and their way onto the device.

Pixels stay uint8 until they are on the device: a quarter of the bytes to copy, and the normalisation costs
the device nothing.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType

import torch


@dataclass(frozen=True)
class Batch:
    """Pictures and what they show."""

    images: torch.Tensor
    """uint8 ``[B, H, W, C]``."""
    targets: torch.Tensor
    """int64 ``[B]`` classes; float32 ``[B, T]`` numbers to predict; float32 ``[B, C]`` labels, 1 or 0."""
    indices: torch.Tensor
    """int64 ``[B]``: positions in the split's list in the manifest."""


def normalise(
    images: torch.Tensor, mean: Sequence[float], std: Sequence[float], device: torch.device | str
) -> torch.Tensor:
    """Bring uint8 ``[B, H, W, C]`` to the device as float32 ``[B, C, H, W]`` in channels_last memory.

    Args:
        images: pixels of 0 to 255.
        mean: per channel, in 0..1.
        std: per channel, in 0..1.
        device: where the result lies.
    """
    count, height, width, channels = images.shape
    scale, shift = _constants(tuple(mean), tuple(std), width, str(device))
    # As a table of whole lines: with three values in the innermost axis it takes ten times as long.
    lines = images.to(device, non_blocking=True).reshape(count * height, width * channels)
    pixels = lines.to(torch.float32).mul_(scale).add_(shift)
    # The values of NHWC are channels_last already: the permutation moves nothing.
    return pixels.view(count, height, width, channels).permute(0, 3, 1, 2)


@lru_cache(maxsize=8)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], width: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return factor and summand for one line of pixels, each ``[width * channels]``."""
    centre, spread = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
    scale, shift = (1 / (255 * spread)).float(), (-centre / spread).float()
    return scale.repeat(width).to(device), shift.repeat(width).to(device)


class Prefetch(Iterator[Batch]):
    """Batches of an iterator, made ahead by a thread; close it, or use it as a context, to end the thread.

    What the iterator raises is raised here, at the batch it happened.
    """

    def __init__(self, make: Callable[[], Iterator[Batch]], *, ahead: int = 2) -> None:
        self._ready: queue.Queue[Batch | BaseException | None] = queue.Queue(ahead)
        self._closed = threading.Event()
        self._over = False
        torch.get_num_threads()  # settles how many the calling thread has, whatever the other one says of itself
        self._thread = threading.Thread(target=self._work, args=(make,), name="prefetch", daemon=True)
        self._thread.start()

    def _work(self, make: Callable[[], Iterator[Batch]]) -> None:
        last: BaseException | None = None
        batches: Iterator[Batch] | None = None
        # Of this thread alone: helpers of its own would spin on the cores that the step's threads need, and OpenMP,
        # which sees more threads than cores then, would let those sleep at each of their barriers.
        torch.set_num_threads(1)
        try:
            batches = make()
            for batch in batches:
                if not self._put(batch):
                    break
        except BaseException as error:
            last = error
        finally:
            # A generator that holds threads or processes gives them back here, not whenever it is collected.
            close = getattr(batches, "close", None)
            if close is not None:
                close()
        self._put(last)

    def _put(self, item: Batch | BaseException | None) -> bool:
        while not self._closed.is_set():
            try:
                self._ready.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def __next__(self) -> Batch:
        if self._over or self._closed.is_set():
            raise StopIteration
        item = self._ready.get()
        if isinstance(item, Batch):
            return item
        self._over = True
        if item is None:
            raise StopIteration
        raise item

    def close(self) -> None:
        """End the thread; batches that are ready are dropped."""
        self._closed.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        self._thread.join(timeout=2)

    def __enter__(self) -> Prefetch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
