"""Reading files that grow: the events and the records of a run, from where the last look ended.

What is half written means "not yet"; what is damaged is passed over, counted, and reading goes on at
the next whole line or record. No read and no memory grows with the length of the file.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core.records import Header, decode_header, intact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tui.core.events import Event

_BLOCK = 1 << 20
_LARGEST_BLOCK = 1 << 20
_LONGEST_LINE = 8 << 20
_WIDEST_BEGINNINGER = 8 << 20
_END = 1 << 20
_BEGINNING = 1 << 16
_KIND = re.compile(rb'\{"kind":"([a-z]+)"')
_PATIENCE = 64
"""Records that fail at the end of a file wait for the rest of their bytes; more than this are a gap."""
_LAST_STEP = 1 << 48


class EventTail:
    """The events that were added to ``events.jsonl`` since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.restarts = 0
        """How often the file was found to be another, shorter one and read from its start again."""
        self._restart()

    def _restart(self) -> None:
        self._offset = 0
        self._rest = b""
        self._skipping = False
        self.damaged = 0
        """Lines that were no event."""

    def poll(self, limit: int | None = None) -> list[Event]:
        """Return the new events, oldest first.

        Args:
            limit: about how many bytes to read at most; `waiting` tells what is left.
        """
        events: list[Event] = []
        size = _size(self._path)
        if size < self._offset:
            self.restarts += 1
            self._restart()
        end = size if limit is None else min(size, self._offset + limit)
        while self._offset < end:
            data = _read(self._path, self._offset, min(_BLOCK, end - self._offset))
            if not data:
                break
            self._offset += len(data)
            events += self._events(data)
        return events

    def waiting(self) -> int:
        """Return how many bytes have been added and not read."""
        return max(0, _size(self._path) - self._offset)

    def _events(self, data: bytes) -> list[Event]:
        from tui.core.events import decode

        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if self._skipping and lines:
            del lines[0]
            self._skipping = False
        if len(self._rest) > _LONGEST_LINE:
            self._rest, self._skipping = b"", True
            self.damaged += 1
        if self._skipping:
            self._rest = b""
        decoded = [decode(line) for line in lines if line.strip()]
        events = [event for event in decoded if event is not None]
        self.damaged += len(decoded) - len(events)
        return events


def lines_backwards(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (kind, line) of events from the newest back; of a very long file only the end and the beginning."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _END)
            file.seek(start)
            tail = file.read(_END)
            file.seek(0)
            head = file.read(min(start, _BEGINNING))
    except OSError:
        return
    for number, data in enumerate((tail, head)):
        lines = data.split(b"\n")
        lines.pop()  # half a line, or nothing
        if number == 0 and start:
            del lines[:1]
        for line in reversed(lines):
            kind = _KIND.match(line)
            if kind:
                yield kind[1].decode(), line


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
            data = _read(self.path, 0, length)
            try:
                decoded = decode_header(data)
            except ValueError as error:
                self.problem = str(error)
                return None
            if decoded is not None:
                self.header, self._start = decoded
                self._position = self._start
                return self.header
            if len(data) < length or length >= _WIDEST_BEGINNINGER:
                return None
            length *= 4

    def size(self) -> int:
        """Return the file's length in bytes."""
        return _size(self.path)

    def shrunk(self) -> bool:
        """Whether the file is shorter than what was read of it: it is another file now."""
        return _size(self.path) < self._position

    def poll(self) -> Block | None:
        """Return the next whole records, a megabyte at most; None when there are no more yet."""
        import numpy as np

        header = self.open()
        if header is None:
            return None
        width = header.width
        limit = max(1, _LARGEST_BLOCK // width)
        while True:
            count = min(limit, (_size(self.path) - self._position) // width)
            if count <= 0:
                return None
            data = _read(self.path, self._position, count * width)
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
        data = b"" if header is None else _read(self.path, self._start + number * header.width, 8)
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
        data = _read(self.path, self._start + first * header.width, (last - first) * header.width)
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
        data = _read(self.path, self._start, max(4096, 16 * header.width))
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
        size = _size(self.path)
        start = max(self._start, size - max(8192, 16 * header.width))
        data = _read(self.path, start, size - start)
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
        return decode_record(_read(self.path, position, header.width), 0, header)


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


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _read(path: Path, start: int, length: int) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.pread(handle, length, start)
    except OSError:
        return b""
    finally:
        os.close(handle)
