"""Looking into every file of a dataset: decoding processes at work, a bounded queue before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import groupby

from tui.core.dataset.decoder import Job
from tui.core.dataset.decoders import Answer, Decoders, worker_count
from tui.core.dataset.facts import Depth, Facts, decode_facts
from tui.core.dataset.walk import Cancelled

_BATCH: dict[Depth, int] = {"header": 128, "bytes": 64, "pixels": 32}
_AHEAD = 4
"""Jobs under way for each process."""


def examine_all(
    root: str,
    wanted: Sequence[tuple[str, Depth]],
    *,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[Facts]:
    """Return the facts of each file, in order.

    A file that kills or blocks the process that looks at it is reported as one that cannot be used.

    Args:
        root: of the dataset.
        wanted: (path relative to the root, how much of it to read).
        workers: processes; 0: one per core.
        progress: told (done, total).
        cancelled: asked whether to give up.

    Raises:
        Cancelled: as asked.
        FailureError: the processes keep dying.
    """
    count = worker_count(workers)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index][1])
    facts: list[Facts] = []
    waiting: deque[Future[list[Answer]]] = deque()
    pool = Decoders(count)
    try:
        for job in _jobs(root, [wanted[index] for index in order]):
            waiting.append(pool.submit(job))
            if len(waiting) >= count * _AHEAD:
                facts += map(_facts, waiting.popleft().result())
            _tick(len(facts), len(wanted), progress, cancelled)
        while waiting:
            facts += map(_facts, waiting.popleft().result())
            _tick(len(facts), len(wanted), progress, cancelled)
    finally:
        pool.close()
    return [found for _, found in sorted(zip(order, facts, strict=True), key=lambda pair: pair[0])]


def _jobs(root: str, wanted: Sequence[tuple[str, Depth]]) -> Iterator[Job]:
    for depth, run in groupby(wanted, key=lambda one: one[1]):
        paths = [path for path, _ in run]
        for start in range(0, len(paths), _BATCH[depth]):
            part = tuple(paths[start : start + _BATCH[depth]])
            yield Job(root, part, size=0, channels=3, resize="crop", examine=depth)


def _facts(answer: Answer) -> Facts:
    return Facts(reason=answer.reason, fault="damaged") if answer.reason else decode_facts(answer.pixels)


def _tick(
    done: int, total: int, progress: Callable[[int, int], None] | None, cancelled: Callable[[], bool] | None
) -> None:
    if progress is not None:
        progress(done, total)
    if cancelled is not None and cancelled():
        raise Cancelled
