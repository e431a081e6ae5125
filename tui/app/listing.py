"""The runs of a directory as they were last read. Reading is for a thread: there may be very many, on a slow disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tui.core.errors import CnntrainError
from tui.runs.catalog import Summary, summary_of
from tui.runs.directory import runs_in
from tui.runs.status import LIVE

_SHARE = 0.02
"""The greatest share of a processor core that listing runs may take: with very many runs the list is older."""
_PAGE = 60
"""Runs that are shown as soon as they are read; the others follow."""


class Listing:
    """What is known of the runs.

    Args:
        root: where they are kept.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._next = 0.0
        self._reading = False
        self.summaries: list[Summary] | None = None
        """The newest runs first; None before the first look."""
        self.trouble = ""
        """Why they cannot be listed."""
        self.whole = False
        """Whether all have been read."""

    @property
    def live(self) -> int:
        """How many train."""
        return sum(one.status in LIVE for one in self.summaries or ())

    def begin(self) -> bool:
        """Return whether to read now: not while that is being done, nor when it was too dear a moment ago."""
        if self._reading or time.monotonic() < self._next:
            return False
        self._reading = True
        return True

    def hurry(self) -> None:
        """Something has changed: the next look need not wait."""
        self._next = 0.0

    def read(self, tell: Callable[[list[Summary], str, bool], None]) -> None:
        """Read, and tell what was found, the first page at once if nothing is known yet: runs, trouble, whether all."""
        started = time.monotonic()
        trouble, summaries = "", list[Summary]()
        try:
            runs = runs_in(self._root)
            if self.summaries is None and len(runs) > _PAGE:
                summaries = [summary_of(run) for run in runs[:_PAGE]]
                tell(list(summaries), "", False)
            summaries += [summary_of(run) for run in runs[len(summaries) :]]
        except CnntrainError as error:
            trouble = str(error)
        finally:
            now = time.monotonic()
            self._next = now + (now - started) / _SHARE if now - started > _SHARE else 0.0
            self._reading = False
        tell(summaries, trouble, True)

    def take(self, summaries: list[Summary], trouble: str, whole: bool) -> tuple[bool, list[Summary]]:
        """Keep what was told; return whether anything changed, and the runs that trained and are over now."""
        changed = (self.summaries, self.trouble, self.whole) != (summaries, trouble, whole)
        lived = {one.run for one in self.summaries or () if one.status in LIVE}
        self.summaries, self.trouble, self.whole = summaries, trouble, whole
        return changed, [one for one in summaries if one.run in lived and one.status not in LIVE]
