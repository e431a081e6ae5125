"""Where pixels come from: rows of the decoded cache, or decoders that work ahead of the training.

Both are asked in the same way: `request` now, `Pending.take` when the pixels are needed.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tui.core.dataset.decoder import Job
from tui.core.dataset.decoders import Answer, Decoders
from tui.core.dataset.pictures import Resize
from tui.engine.data.draws import Pictures, Positions
from tui.engine.data.stored import Cache


class Pending(Protocol):
    """Pixels on their way."""

    def take(self) -> tuple[Pictures, dict[int, str]]:
        """Return uint8 ``[n, S, S, C]`` and, by its place in them, why a picture could not be read."""

    def cancel(self) -> None:
        """Forget the request."""


class Source(Protocol):
    """The pictures of one split."""

    ahead: int
    """How many requests to make before the first is taken."""

    def request(self, positions: Positions) -> Pending:
        """Ask for the pictures at these positions of the split."""


def ahead(
    source: Source, chunks: Iterator[Positions], total: int = 1 << 62
) -> Generator[tuple[Positions, Pending], None, None]:
    """Yield what was requested, with as many requests under way as the source can use.

    Args:
        source: of the pictures.
        chunks: keys, of which the positions are the rest when divided by ``total``.
        total: pictures in the split.
    """
    waiting: deque[tuple[Positions, Pending]] = deque()
    try:
        for positions in chunks:
            waiting.append((positions, source.request(positions % total)))
            if len(waiting) >= source.ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _, pending in waiting:
            pending.cancel()


class CachedSource:
    """Rows of a cache, which may still be filled.

    Args:
        cache: has them.
        rows: the cache's row of each position of the split.
        rest: decodes those that will never be there, because the disk was full.
    """

    ahead = 1

    def __init__(self, cache: Cache, rows: Positions, rest: Source) -> None:
        self._cache, self._rows, self._rest = cache, rows, rest

    def request(self, positions: Positions) -> Pending:
        """Ask for the pictures at these positions of the split."""
        return _Rows(self._cache, self._rows[positions], positions, self._rest)


class _Rows:
    def __init__(self, cache: Cache, rows: Positions, positions: Positions, rest: Source) -> None:
        self._cache, self._rows = cache, rows
        self._positions, self._rest = positions, rest

    def take(self) -> tuple[Pictures, dict[int, str]]:
        there = self._cache.wait(self._rows)
        pictures = self._cache.rows(self._rows)
        bad = self._cache.unreadable
        reasons = {place: bad[row] for place, row in enumerate(self._rows.tolist()) if row in bad} if bad else {}
        if there is not None:
            missing = np.flatnonzero(~there)
            pictures[missing], others = self._rest.request(self._positions[missing]).take()
            reasons |= {int(missing[place]): reason for place, reason in others.items()}
        return pictures, reasons

    def cancel(self) -> None:
        pass


class StreamedSource:
    """Pictures that are decoded each time they are needed."""

    ahead = 3

    def __init__(
        self,
        decoders: Decoders,
        workers: int,
        root: str,
        paths: Sequence[str],
        size: int,
        channels: int,
        resize: Resize,
    ) -> None:
        self._decoders, self._workers = decoders, workers
        self._root, self._paths = root, paths
        self._size, self._channels, self._resize = size, channels, resize

    def request(self, positions: Positions) -> Pending:
        """Ask for the pictures at these positions of the split."""
        paths = [self._paths[position] for position in positions.tolist()]
        # Several parts for each worker, so that none waits long for the slowest.
        part = max(1, min(32, -(-len(paths) // (2 * self._workers))))
        jobs = [
            self._decoders.submit(
                Job(self._root, tuple(paths[start : start + part]), self._size, self._channels, self._resize)
            )
            for start in range(0, len(paths), part)
        ]
        return _Decoding(jobs, (len(paths), self._size, self._size, self._channels))


class _Decoding:
    def __init__(self, jobs: list[Future[list[Answer]]], shape: tuple[int, int, int, int]) -> None:
        self._jobs, self._shape = jobs, shape

    def take(self) -> tuple[Pictures, dict[int, str]]:
        pictures: NDArray[np.uint8] = np.zeros(self._shape, dtype=np.uint8)
        reasons: dict[int, str] = {}
        place = 0
        for job in self._jobs:
            for answer in job.result():
                if answer.reason:
                    reasons[place] = answer.reason
                else:
                    pictures[place] = np.frombuffer(answer.pixels, dtype=np.uint8).reshape(self._shape[1:])
                place += 1
        return pictures, reasons

    def cancel(self) -> None:
        for job in self._jobs:
            with contextlib.suppress(Exception):
                job.cancel()
