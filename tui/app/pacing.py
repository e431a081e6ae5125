"""Frames at the pace of the terminal: no more is on its way than the line carries while an answer comes back.

A line that is slower than what is drawn fills with old frames, and a key is answered when they have all gone through.
So each part of a frame ends with a question that every terminal answers, where its cursor is. How long the answers
take tells how long the way is, and how many bytes a second the line carries: as in the congestion control BBR
(Cardwell et al., 2016), only that many are sent that the line is always busy, and nothing waits in it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

QUESTION = "\x1b[6n"
"""A device status report; the answer names the cursor's place."""
SLOW = 3_000.0
"""Bytes a second under which a line is slow; so is one whose answers take `_FAR`."""
_FAR = 0.5
"""Seconds."""
_PART = 0.05
"""Seconds that the line needs for what is written with one question."""
_AHEAD = 0.15
"""Seconds that the line may need for what is urgent and not answered yet; on a longer way, as long as that."""
_LEAST = 128
"""Bytes that are worth a question; twice as many may always be on their way, which shows what the line carries."""
_TRIAL = 2048
"""Bytes that are written before anything is known of the line."""
_FAST = 300_000.0
"""Bytes a second from which on a frame is written whole."""
_KEPT = 0.95
"""How much what was seen counts when one more answer has come."""
_EVIDENCE = 0.4
"""Seconds that a line must have been busy for, of late, to be called slow."""
_REMEMBERED = 100
"""Answers of which the quickest tells how long the way is."""
_PROBE = 16
"""Parts after which a question is asked that no text goes before: its answer takes the way alone."""
_FIRST = 1.0
"""Seconds to wait for the very first answer: there are terminals that give none."""
_LOST = 10.0
"""Seconds after which an answer has been lost on the way."""


class Pacer:
    """Knows how much the terminal can be sent.

    Args:
        clock: seconds, from anywhere.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: deque[tuple[float, int]] = deque()
        """When a question was asked that is not answered yet, and how many bytes went before it."""
        self._silent = False
        """The terminal has not answered at all so far."""
        self._last = 0.0
        """When the last answer came."""
        self._ways: deque[float] = deque(maxlen=_REMEMBERED)
        """Seconds that the last answers took."""
        self._parts = 0
        self._bytes = self._busy = 0.0
        """What the line has carried of late, and the seconds that it needed."""
        self.slow = False
        """Whether the line is slow."""

    @property
    def wait(self) -> float:
        """Seconds until an answer that does not come is given up; 0 if none is awaited."""
        if not self._asked:
            return 0.0
        left = self._asked[0][0] + (_LOST if self._ways else _FIRST) - self._clock()
        if left > 0:
            return left
        self._silent = not self._ways
        self._asked.clear()
        return 0.0

    def room(self, *, urgent: bool) -> int | None:
        """Return how many bytes may be written with the next question: 0 for none yet, None for any number."""
        ahead = sum(size for _, size in self._asked) if self.wait else 0
        if ahead and not (self._ways and urgent):
            return 0
        if self._bytes < _LEAST:
            return 0 if ahead else None if self._silent else _TRIAL
        if self._rate >= _FAST and not ahead:
            return None
        part = max(_LEAST, int(self._rate * _PART))
        left = max(2 * part, int(self._rate * max(_AHEAD, self._way))) - ahead if ahead else part
        return min(left, part) if left >= _LEAST else 0

    def asked(self, text: str) -> str:
        """Return text that is to be written, with the question that it needs, now and then with one before it."""
        if self._silent:
            return text
        before = "" if self._parts % _PROBE else self._question(0)
        self._parts += 1
        return before + text + self._question(len(text.encode()))

    def _question(self, size: int) -> str:
        self._asked.append((self._clock(), size + len(QUESTION)))
        return QUESTION

    def answered(self, when: float) -> None:
        """The terminal has shown what was written before the oldest question.

        Args:
            when: the answer came, by the clock.
        """
        self._silent = False
        if not self._asked:
            return  # an answer that was given up
        sent, size = self._asked.popleft()
        self._ways.append(when - sent)
        way = self._way
        self._bytes = _KEPT * self._bytes + size
        self._busy = _KEPT * self._busy + max(0.0, when - max(sent + way, self._last))
        self._last = when
        if way > _FAR or (self._rate < SLOW and self._busy > _EVIDENCE):
            self.slow = True
        elif way < _FAR / 2 and self._rate > 2 * SLOW:
            self.slow = False

    @property
    def _way(self) -> float:
        """Seconds that an answer takes when nothing is in its way."""
        return min(self._ways, default=0.0)

    @property
    def _rate(self) -> float:
        """Bytes a second that the line carries."""
        return self._bytes / max(self._busy, 1e-6)
