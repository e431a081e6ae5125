"""A thread that reads a run, so that a file system that does not answer stops nothing but the news.

Usually a look takes a millisecond, and the screen waits for it: then nothing happens at the same time, and the screen
reads the run's state as if there were no thread. A look that takes longer goes on alone; until it is over the run is
busy (`RunFollower.busy`), and the screen shows what it knew before and since when.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.runs.follow import RunFollower

_PATIENCE = 0.03
"""Seconds that the screen waits for a look."""


class Reader:
    """Polls one follower, whenever it is told to.

    Args:
        follower: not polled by anybody else.
        budget: seconds of one poll (`RunFollower.poll`).
    """

    def __init__(self, follower: RunFollower, budget: float) -> None:
        self._follower, self._budget = follower, budget
        self._orders: queue.SimpleQueue[float | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._over.set()
        self._collected = True
        self._changed = False
        self._error: BaseException | None = None
        self.since: float | None = None
        """When the look that is under way began, in seconds since 1970; None without one."""
        threading.Thread(target=self._work, name="reader", daemon=True).start()

    def look(self, patience: float = _PATIENCE, budget: float | None = None) -> bool | None:
        """Look at the run, or wait for the look that is under way; return whether anything changed, None if it goes on.

        Args:
            patience: seconds to wait at most.
            budget: another than usual, for this look.
        """
        if self._collected:
            self._collected = False
            self._follower.busy = True
            self.since = time.time()
            self._over.clear()
            self._orders.put(self._budget if budget is None else budget)
        if not self._over.wait(patience):
            return None
        self._follower.busy = False
        self._collected, self.since = True, None
        if self._error is not None:
            raise self._error
        return self._changed

    def close(self) -> None:
        """End the thread; if a look is under way, with that."""
        self._orders.put(None)

    def _work(self) -> None:
        while (budget := self._orders.get()) is not None:
            try:
                self._changed = self._follower.poll(budget)
            except BaseException as error:  # raised again where somebody looks
                self._error = error
            self._over.set()
