"""Pictures named one by one, decoded as evaluation sees them: for networks that are trained already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np
import torch

from tui.core.dataset.decoders import Decoders, worker_count
from tui.core.dataset.targets import Targets
from tui.core.settings import DataSettings
from tui.engine.data.batches import Batch
from tui.engine.data.sources import StreamedSource, ahead


class NamedPictures:
    """Files in the order they were named; nothing is kept on disk.

    Args:
        root: what relative paths are relative to.
        paths: the files.
        data: size, channels, resize and workers.
        targets: what they show; without them every batch says class 0.
    """

    def __init__(self, root: str, paths: Sequence[str], data: DataSettings, targets: Targets | None = None) -> None:
        self._targets = targets
        self._count = len(paths)
        workers = worker_count(data.workers)
        self._decoders = Decoders(workers)
        self._source = StreamedSource(self._decoders, workers, root, paths, data.image_size, data.channels, data.resize)
        self.unreadable: dict[int, str] = {}
        """Why, by place in the list; grows with the batches."""

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield each picture that can be read once, in order; a batch may be smaller than ``size``, never empty."""
        chunks = (
            np.arange(start, min(start + size, self._count), dtype=np.int64) for start in range(0, self._count, size)
        )
        for positions, pending in ahead(self._source, chunks):
            pictures, reasons = pending.take()
            if reasons:
                self.unreadable.update((int(positions[place]), why) for place, why in reasons.items())
                good = np.array([place for place in range(len(positions)) if place not in reasons], dtype=np.int64)
                pictures, positions = pictures[good], positions[good]
            if len(positions):
                targets = np.zeros(len(positions), np.int64) if self._targets is None else self._targets.take(positions)
                yield Batch(torch.from_numpy(pictures), torch.from_numpy(targets), torch.from_numpy(positions))

    def __enter__(self) -> NamedPictures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._decoders.close()
