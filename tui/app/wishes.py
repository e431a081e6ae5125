"""Wishes of a person who is faster than the answers: only the last one counts; no widget here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_W = TypeVar("_W")
_A = TypeVar("_A")


class Wishes(Generic[_W, _A]):
    """Answers wishes one after another, the last one first; `serve` runs in a thread as long as there are any.

    Args:
        answer: makes the answer to a wish.
        changed: given each answer. Both are called from the thread.
    """

    def __init__(self, answer: Callable[[_W], _A], changed: Callable[[_A], None]) -> None:
        self._answer, self._changed = answer, changed
        self._wanted: _W | None = None
        self._serving = False
        self._lock = threading.Lock()

    def want(self, wanted: _W) -> bool:
        """Take a wish in place of the last one; return whether `serve` has to be started."""
        with self._lock:
            self._wanted = wanted
            start, self._serving = not self._serving, True
            return start

    def serve(self) -> None:
        """Answer until nothing is wanted."""
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
                if wanted is None:
                    self._serving = False
                    return
            self._changed(self._answer(wanted))
