"""Reading the events of a run as they are added, from where the last look ended.

Half a line means "not yet"; what is no event is passed over and counted. No read grows with the length of the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tui.runs.growing import read_at, size_of

if TYPE_CHECKING:
    from tui.core.events import Event

_BLOCK = 1 << 20
_LONGEST_LINE = 8 << 20
_END = 1 << 20
_BEGINNING = 1 << 16
_KIND = re.compile(rb'\{"kind":"([a-z]+)"')


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
        size = size_of(self._path)
        if size < self._offset:
            self.restarts += 1
            self._restart()
        end = size if limit is None else min(size, self._offset + limit)
        while self._offset < end:
            data = read_at(self._path, self._offset, min(_BLOCK, end - self._offset))
            if not data:
                break
            self._offset += len(data)
            events += self._events(data)
        return events

    def waiting(self) -> int:
        """Return how many bytes have been added and not read."""
        return max(0, size_of(self._path) - self._offset)

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
