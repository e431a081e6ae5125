"""The summaries beside the records (`tui.core.pyramid`), kept by who writes the records.

They are folded from the records' own bytes, 256 at a time, for a few millionths of a second per record. When
anything goes wrong, the summaries of this attempt end: a reader goes on with the records, and training never notices.
"""

from __future__ import annotations

import contextlib
import os

import numpy as np

from tui.core.pyramid import FACTOR, Parts, Rows, encode_rows, fold_parts, fold_values, header_of
from tui.core.records import Header
from tui.core.rundir import RunDir

_GROUP = FACTOR**2
"""Records that are folded at once: a whole row of the second level."""


class Pyramid:
    """The summaries of one segment.

    Args:
        run: where the segment is.
        header: of the segment.
    """

    def __init__(self, run: RunDir, header: Header) -> None:
        self._run, self._header = run, header
        self._records: list[bytes] = []
        self._waiting: list[list[Rows]] = []
        """By level, from the first: rows that do not fill one of the level above yet."""
        self._files: list[int] = []
        self._over = False

    def add(self, record: bytes) -> None:
        """Take the bytes of a record that was written."""
        if self._over:
            return
        self._records.append(record)
        if len(self._records) == _GROUP:
            try:
                self._fold()
            except OSError:  # a full disk, most likely: the records say so themselves
                self.close()
            self._records.clear()

    def close(self) -> None:
        """Write nothing any more."""
        self._over = True
        for file in self._files:
            with contextlib.suppress(OSError):
                os.close(file)
        self._files.clear()

    def _fold(self) -> None:
        words = np.frombuffer(b"".join(self._records), "<u4").reshape(_GROUP, -1)
        steps = words[:, :2].copy().view("<u8").ravel().astype(np.int64)
        values = np.ascontiguousarray(words[:, 5:-1].T).view("<f4")
        parts = fold_values(values, np.arange(0, _GROUP, FACTOR))
        self._raise(1, Rows(steps[::FACTOR], steps[FACTOR - 1 :: FACTOR], parts))

    def _raise(self, level: int, rows: Rows) -> None:
        """Write rows of a level; once they fill one of the next level, that too."""
        if len(self._files) < level:
            self._begin(level)
        data = encode_rows(rows)
        if os.write(self._files[level - 1], data) < len(data):
            raise OSError("half a row")
        waiting = self._waiting[level - 1]
        waiting.append(rows)
        if sum(len(some.first) for some in waiting) == FACTOR:
            parts = Parts(*(np.concatenate(some, axis=1) for some in zip(*(w.parts for w in waiting), strict=True)))
            above = Rows(waiting[0].first[:1], waiting[-1].last[-1:], fold_parts(parts, np.array([0])))
            waiting.clear()
            self._raise(level + 1, above)

    def _begin(self, level: int) -> None:
        path = self._run.summary(self._header.kind, self._header.attempt, level)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._files.append(os.open(path, flags, 0o644))
        self._waiting.append([])
        head = header_of(self._header, level).encode()
        if os.write(self._files[-1], head) < len(head):
            raise OSError("half a header")
