"""Reading the records of a run as they are added, from where the last look ended.

What is half written means "not yet"; what is damaged is passed over, counted, and reading goes on at the next whole
record. No read and no memory grows with the length of the file.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core.records import Header, decode_header, intact
from tui.runs.growing import read_at, size_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


_LARGEST_BLOCK = 1 << 20
_WIDEST_HEADER = 8 << 20
_PATIENCE = 64
"""Records that fail at the end of a file wait for the rest of their bytes; more than this are a gap."""
_LAST_STEP = 1 << 48


@dataclass(frozen=True)
class Record:
    """One record, decoded."""

    step: int
    time: float
    attempt: int
    values: tuple[float, ...]
    position: int
    """Where it lies in its file, in bytes."""


@dataclass(frozen=True)
class Block:
    """Some records in a row: ``steps`` i64 [n], increasing; ``times`` f64 [n]; ``values`` f32 [columns, n]."""

    steps: NDArray[Any]
    times: NDArray[Any]
    values: NDArray[Any]


def attempt_of(path: Path) -> int:
    """Return the attempt that a segment's name tells, 0 if it tells none."""
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0


class RecordTail:
    """The records of one segment: from the start as it grows, or only the newest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: Header | None = None
        self.problem = ""
        """Why the segment cannot be read at all, if it cannot."""
        self.gaps = 0
        """Damaged stretches that were passed over."""
        self._start = 0
        self._position = 0
        self._last_step = 0
        self._in_gap = False

    def open(self) -> Header | None:
        """Return the header, or None while it is not there or when it is damaged (`problem` says why)."""
        if self.header is not None or self.problem:
            return self.header
        length = 1 << 16
        while True:
            data = read_at(self.path, 0, length)
            try:
                decoded = decode_header(data)
            except ValueError as error:
                self.problem = str(error)
                return None
            if decoded is not None:
                self.header, self._start = decoded
                self._position = self._start
                return self.header
            if len(data) < length or length >= _WIDEST_HEADER:
                return None
            length *= 4

    def size(self) -> int:
        """Return the file's length in bytes."""
        return size_of(self.path)

    def shrunk(self) -> bool:
        """Whether the file is shorter than what was read of it: it is another file now."""
        return size_of(self.path) < self._position

    def poll(self) -> Block | None:
        """Return the next whole records, a megabyte at most; None when there are no more yet."""
        import numpy as np

        header = self.open()
        if header is None:
            return None
        width = header.width
        limit = max(1, _LARGEST_BLOCK // width)
        while True:
            count = min(limit, (size_of(self.path) - self._position) // width)
            if count <= 0:
                return None
            data = read_at(self.path, self._position, count * width)
            count = len(data) // width
            if count == 0:
                return None
            words = np.frombuffer(data, "<u4", count * width // 4).reshape(count, width // 4)
            good = self._whole_prefix(words, header)
            if good == 0:
                if not self._pass_over(data, header, at_end=count < limit):
                    return None
                continue
            words = words[:good]
            self._position += good * width
            self._in_gap = False
            block = _block(words)
            self._last_step = int(block.steps[-1])
            return block

    def whole_records(self) -> int:
        """Return how many records the file has room for."""
        header = self.open()
        return 0 if header is None else max(0, self.size() - self._start) // header.width

    def step_of(self, number: int) -> int:
        """Return the step of a record, by its number from 0; 0 if it cannot be read. Nothing is checked."""
        header = self.open()
        data = b"" if header is None else read_at(self.path, self._start + number * header.width, 8)
        return int.from_bytes(data, "little") if len(data) == 8 else 0

    def number_of(self, step: int, most: int) -> int:
        """Return the number of the first record of ``step`` or later, ``most`` if there is none before that."""
        return bisect_left(range(most), step, key=self.step_of)

    def leap(self, number: int) -> None:
        """Go on reading at a record, by its number; those before it count as read."""
        header = self.open()
        assert header is not None
        self._last_step = self.step_of(number - 1)
        self._position = self._start + number * header.width

    def some(self, first: int, last: int) -> Block | None:
        """Return the whole ones of the records from number ``first`` up to ``last``, without moving on."""
        import numpy as np

        header = self.open()
        if header is None or last <= first:
            return None
        data = read_at(self.path, self._start + first * header.width, (last - first) * header.width)
        words = np.frombuffer(data, "<u4", len(data) // header.width * (header.width // 4)).reshape(
            -1, header.width // 4
        )
        steps = words[:, :2].copy().view("<u8").ravel().astype(np.int64)
        good = intact(words) & (words[:, 4] == header.attempt)
        good &= steps > np.maximum.accumulate(np.concatenate(([0], np.where(good, steps, 0))))[:-1]
        if not good.any():
            return None
        return _block(words if good.all() else words[good])

    def _whole_prefix(self, words: NDArray[Any], header: Header) -> int:
        """Return how many records from the start are intact and in order."""
        import numpy as np

        good = intact(words)
        steps = words[:, :2].copy().view("<u8").ravel()
        good &= words[:, 4] == header.attempt
        good &= (steps > 0) & (steps < _LAST_STEP)
        before = np.empty_like(steps)
        before[0] = self._last_step
        before[1:] = steps[:-1]
        good &= steps > before
        return len(good) if good.all() else int(np.argmin(good))

    def _pass_over(self, data: bytes, header: Header, *, at_end: bool) -> bool:
        """Move to the next whole record in ``data``, wherever it begins; False: nothing more can be had now."""
        found = self._first_whole(data, header, 1)
        if found is None:
            if at_end and len(data) <= _PATIENCE * header.width:
                return False
            found = len(data) - header.width + 1
        self._position += found
        if not self._in_gap:
            self.gaps += 1
            self._in_gap = True
        return True

    def _first_whole(self, data: bytes, header: Header, start: int) -> int | None:
        pattern = header.attempt.to_bytes(4, "little")
        at = data.find(pattern, start + 16)
        while at >= 0:
            record = decode_record(data, at - 16, header)
            if record is not None and record.step > self._last_step:
                return at - 16
            at = data.find(pattern, at + 1)
        return None

    def first(self) -> Record | None:
        """Return the first whole record, reading only the start of the file."""
        header = self.open()
        if header is None:
            return None
        data = read_at(self.path, self._start, max(4096, 16 * header.width))
        pattern = header.attempt.to_bytes(4, "little")
        at = data.find(pattern, 16)
        while at >= 0:
            record = decode_record(data, at - 16, header)
            if record is not None:
                return record
            at = data.find(pattern, at + 1)
        return None

    def last(self) -> Record | None:
        """Return the newest whole record, reading only the end of the file."""
        header = self.open()
        if header is None:
            return None
        size = size_of(self.path)
        start = max(self._start, size - max(8192, 16 * header.width))
        data = read_at(self.path, start, size - start)
        pattern = header.attempt.to_bytes(4, "little")
        at = data.rfind(pattern)
        while at >= 16:
            record = decode_record(data, at - 16, header)
            if record is not None:
                return Record(record.step, record.time, record.attempt, record.values, start + at - 16)
            at = data.rfind(pattern, 0, at + 3)
        return None

    def before(self, record: Record, count: int) -> Record | None:
        """Return the whole record ``count`` places before ``record``, or the first one; None if it is damaged."""
        header = self.open()
        if header is None:
            return None
        back = min(count, (record.position - self._start) // header.width)
        position = record.position - back * header.width
        return decode_record(read_at(self.path, position, header.width), 0, header)


def _block(words: NDArray[Any]) -> Block:
    import numpy as np

    steps = words[:, :2].copy().view("<u8").ravel().astype(np.int64)
    times = words[:, 2:4].copy().view("<f8").ravel()
    return Block(steps, times, np.ascontiguousarray(words[:, 5:-1].T).view("<f4"))


def decode_record(data: bytes, at: int, header: Header) -> Record | None:
    """Return the record at ``at`` in ``data``, or None when there is no whole one."""
    end = at + header.width
    if at < 0 or end > len(data):
        return None
    body = memoryview(data)[at : end - 4]
    if zlib.crc32(body) != int.from_bytes(data[end - 4 : end], "little"):
        return None
    step, moment, attempt, *values = struct.unpack(f"<QdI{len(header.columns)}f", body)
    if attempt != header.attempt or not 0 < step < _LAST_STEP:
        return None
    return Record(step, moment, attempt, tuple(values), at)
