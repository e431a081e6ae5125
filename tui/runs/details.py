"""Zooms that were read from the disk, and those that somebody asked for and that are still to be read."""

from __future__ import annotations

from collections.abc import Callable

from tui.core.pyramid import Parts
from tui.runs.buckets import Bins

_Key = tuple[int, int, int, int, int]
_MOST_BYTES = 4 << 20


class Details:
    """Remembers the last few zooms.

    Args:
        read: reads some columns in some bins; None when that would take too long.
    """

    def __init__(self, read: Callable[[slice, Bins], Parts | None]) -> None:
        self._read = read
        self._found: dict[_Key, tuple[int, Parts | None]] = {}
        """By what was asked for, the last one asked for at the end: the history's length then, and what was read."""
        self._wanted: dict[_Key, tuple[slice, Bins, int]] = {}

    @property
    def wanting(self) -> bool:
        """Whether something was asked for of which nothing was read, not even some time ago."""
        return any(key not in self._found for key in self._wanted)

    def get(self, rows: slice, bins: Bins, length: int, *, now: bool) -> Parts | None:
        """Return what is in the bins as far as it is known; None where it is not.

        Args:
            rows: the columns.
            bins: the steps.
            length: a number that changes when something new could be in the bins.
            now: read what is not known; else it is left for `look`.
        """
        key = (rows.start or 0, -1 if rows.stop is None else rows.stop, bins.first, bins.last, bins.count)
        found = self._found.pop(key, None)
        if found is not None:
            self._found[key] = found
        if found is None or found[0] != length:
            self._wanted[key] = rows, bins, length
            if now:
                self.look()
        return self._found.get(key, (0, None))[1]

    def look(self) -> bool:
        """Read what was asked for; True if there was anything."""
        wanted, self._wanted = self._wanted, {}
        for key, (rows, bins, length) in wanted.items():
            self._found[key] = length, self._read(rows, bins)
        size = sum(part.nbytes for _, parts in self._found.values() for part in parts or ())
        while size > _MOST_BYTES and len(self._found) > len(wanted):
            oldest = self._found.pop(next(iter(self._found)))[1]
            size -= sum(part.nbytes for part in oldest or ())
        return bool(wanted)
