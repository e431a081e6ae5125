"""Frames at the pace of the terminal: the next one is written when the terminal says that it has shown the last.

A line that is slower than what is drawn fills with old frames, and a key is answered when they have all gone through.
So each frame ends with a question that every terminal answers, where its cursor is; until the answer comes nothing
is written, and then what is new is written at once. How long answers take tells a slow line from a fast one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

QUESTION = "\x1b[6n"
"""A device status report; the answer names the cursor's place."""
SLOW = 0.5
"""Seconds for an answer from which on a line is slow."""
_QUICK = 0.25
"""Seconds under which it is not, after `_CALM` of them in a row."""
_CALM = 20
_FIRST = 1.0
"""Seconds to wait for the very first answer: there are terminals that give none."""
_LOST = 10.0
"""Seconds after which an answer has been lost on the way."""


class Pacer:
    """Knows whether the terminal has shown what was written.

    Args:
        clock: seconds, from anywhere.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: float | None = None
        self._answers = 0
        self._silent = False
        """The terminal does not answer at all."""
        self._quick = 0
        self._overdue = 0
        self.slow = False
        """Whether the line is slow."""

    def ask(self) -> str:
        """Return what a frame has to end with."""
        if self._silent or self._asked is not None:
            return ""
        self._asked = self._clock()
        return QUESTION

    def answered(self) -> None:
        """The terminal has shown the last frame."""
        if self._asked is None:
            return  # an answer that was given up
        seconds = self._clock() - self._asked
        self._asked = None
        self._answers += 1
        self._silent = False
        self._quick = self._quick + 1 if seconds < _QUICK else 0
        self._overdue = self._overdue + 1 if seconds > SLOW else 0
        if self._overdue >= 2:
            self.slow = True
        elif self._quick >= _CALM:
            self.slow = False

    @property
    def wait(self) -> float:
        """Seconds for which nothing is to be written, unless the terminal answers before; 0 to write now."""
        if self._asked is None:
            return 0.0
        left = self._asked + (_LOST if self._answers else _FIRST) - self._clock()
        if left > 0:
            return left
        self._silent = not self._answers
        self._asked = None
        return 0.0
