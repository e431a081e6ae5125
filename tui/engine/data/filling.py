"""Filling caches of decoded pictures while a run trains on what is there already.

One thread keeps the decoders busy. What somebody waits for comes first, then the rows in the order in which the
training will want them. A cache whose rows are all there is published at once.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tui.core.dataset.decoder import Job
from tui.core.dataset.decoders import Answer, Decoders
from tui.engine.data.draws import Positions

Progress = Callable[[str, int, int], None]
Stopping = Callable[[], bool]
_BYTES, _LEAST, _MOST = 1 << 18, 4, 64
"""Pixels of a job, and pictures at least and at most: short, as whoever waits for a picture waits for jobs before."""
_PATIENCE = 0.2
_OUTSIDE, _ASKED, _THERE = 0, 1, 2


class Stopped(Exception):  # noqa: N818 (no error: a wish)
    """The person asked to stop while pictures were prepared."""


class Content(Protocol):
    """What decides the rows (`tui.engine.data.cache.Recipe`)."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Row by row."""

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""

    def job(self, rows: Sequence[int], output: str) -> Job:
        """Return what decoders are to do."""


class Filling:
    """The rows of one cache on their way.

    Args:
        content: what is wanted.
        output: the file for the pixels; it has its length.
        publish: called when all rows are there, with their answers.

    Attributes:
        digests: uint64 ``[rows]``; 0 for rows that are not there, or unreadable.
        unreadable: why, by row.
        done: rows that are there.
        over: nothing more will come: all is there, or it failed.
        trouble: why it failed; a disk that is full costs the rest of the cache, anything else the run.
    """

    def __init__(self, content: Content, output: Path, publish: Callable[[Filling], None]) -> None:
        self.content, self.output, self.publish = content, str(output), publish
        count = len(content.paths)
        self.digests: NDArray[np.uint64] = np.zeros(count, dtype="<u8")
        self.unreadable: dict[int, str] = {}
        self.done = 0
        self.over = False
        self.trouble: BaseException | None = None
        self.part = min(_MOST, max(_LEAST, _BYTES // content.row_bytes))
        self._state: NDArray[np.uint8] = np.zeros(count, dtype=np.uint8)
        self._urgent: deque[int] = deque()
        self._plan: Positions = np.arange(count)
        self._place = 0
        self._changed = threading.Condition()

    def plan(self, rows: Positions) -> None:
        """Take these rows first from now on, in this order; the others follow."""
        rest = np.setdiff1d(np.arange(len(self._state)), rows)
        with self._changed:
            self._plan, self._place = np.concatenate([rows, rest]), 0

    def wait(self, rows: Positions, stopping: Stopping | None = None) -> NDArray[np.bool_]:
        """Wait for rows; return which are there: all, unless the disk was full.

        Raises:
            Stopped: as asked.
            Exception: what ended the decoding.
        """
        with self._changed:
            while not self.over and (self._state[rows] != _THERE).any():
                self._urgent.extend(row for row in rows.tolist() if self._state[row] == _OUTSIDE)
                self._changed.wait(_PATIENCE)
                if stopping is not None and stopping():
                    raise Stopped
            there = np.asarray(self._state[rows] == _THERE)
            if self.trouble is not None and not isinstance(self.trouble, OSError) and not there.all():
                raise self.trouble
            return there

    def finish(self, progress: Progress, stopping: Stopping) -> None:
        """Wait for everything.

        Raises:
            Stopped: as asked.
            Exception: what ended the decoding.
        """
        while True:
            if stopping():
                raise Stopped
            with self._changed:
                if not self.over:
                    self._changed.wait(_PATIENCE)
                done, over = self.done, self.over
            progress("decoding pictures", done, len(self._state))
            if over:
                break
        if self.trouble is not None:
            raise self.trouble

    def next_rows(self, *, urgent: bool) -> list[int]:
        """Return the rows of the next job, and take them for asked; none: there are no more."""
        found: list[int] = []
        with self._changed:
            while len(found) < self.part:
                if urgent:
                    if not self._urgent:
                        break
                    row = self._urgent.popleft()
                else:
                    if self._place == len(self._plan):
                        break
                    row = int(self._plan[self._place])
                    self._place += 1
                if self._state[row] == _OUTSIDE:
                    self._state[row] = _ASKED
                    found.append(row)
        return found

    def arrive(self, rows: Sequence[int], answers: Sequence[Answer]) -> None:
        """Take what decoders have answered."""
        with self._changed:
            for row, answer in zip(rows, answers, strict=True):
                self.digests[row] = answer.digest
                if answer.reason:
                    self.unreadable[row] = answer.reason
                self._state[row] = _THERE
            self.done += len(rows)
            self._changed.notify_all()

    def end(self, trouble: BaseException | None = None) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self.trouble, self.over = self.trouble or trouble, True
            self._changed.notify_all()


class Filler:
    """Fills caches, in a thread of its own that ends when it is done or the decoders are closed.

    Args:
        fillings: in the order in which they are wanted.
        decoders: do the work.
        finished: called in the thread at the end, unless the decoders have failed, with what the disk refused.
    """

    def __init__(
        self,
        fillings: Sequence[Filling],
        decoders: Decoders,
        finished: Callable[[OSError | None], None] = lambda trouble: None,
    ) -> None:
        self._fillings, self._decoders, self._finished = list(fillings), decoders, finished
        self._most = 2 * decoders.count + 1
        self._jobs: dict[Future[list[Answer]], tuple[Filling, list[int]]] = {}
        self._thread = threading.Thread(target=self._work, name="filler", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the thread, once it is done or the decoders are closed."""
        self._thread.join(timeout=60)

    def _work(self) -> None:
        try:
            while self._ask():
                for job in wait(self._jobs, timeout=_PATIENCE, return_when=FIRST_COMPLETED).done:
                    filling, rows = self._jobs.pop(job)
                    self._take(filling, rows, job)
            refused = (filling.trouble for filling in self._fillings if isinstance(filling.trouble, OSError))
            self._finished(next(refused, None))
        except BaseException as error:
            for filling in self._fillings:
                if not filling.over:
                    filling.end(error)
        finally:
            for filling in self._fillings:
                filling.end()

    def _ask(self) -> bool:
        """Keep the decoders busy; whether there is anything to wait for."""
        while len(self._jobs) < self._most:
            filling, rows = self._next()
            if filling is None:
                break
            self._jobs[self._decoders.submit(filling.content.job(rows, filling.output))] = filling, rows
        return bool(self._jobs)

    def _next(self) -> tuple[Filling | None, list[int]]:
        for urgent in (True, False):
            for filling in self._fillings:
                if not filling.over and (rows := filling.next_rows(urgent=urgent)):
                    return filling, rows
        return None, []

    def _take(self, filling: Filling, rows: list[int], job: Future[list[Answer]]) -> None:
        if filling.over:
            with contextlib.suppress(BaseException):
                job.result()
            return
        try:
            filling.arrive(rows, job.result())
            if filling.done == len(filling.content.paths):
                filling.publish(filling)
                filling.end()
        except OSError as error:  # of the cache: what there is of it can be used
            filling.end(error)
