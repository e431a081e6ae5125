"""Waiting for open files to have something to read, whatever their numbers.

`select.select` fails for a descriptor above 1,023, and a process that has that many files open is nothing special.
"""

from __future__ import annotations

import select
from collections.abc import Iterable


def readable(descriptors: Iterable[int], seconds: float | None) -> list[int]:
    """Return those that can be read now, or whose other end is closed; none when the time is over.

    Args:
        descriptors: which to wait for.
        seconds: how long at most; None: until one is.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(None if seconds is None else 1000 * seconds)]
