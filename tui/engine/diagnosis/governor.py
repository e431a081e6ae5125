"""Keeps the diagnostics within their share of the time: too much, and they look half as often."""

from __future__ import annotations

WINDOW = 800
"""Steps over which the share is measured, times the factor in force: the rarest probe has its turn in it."""
MOST = 64
"""The intervals grow by this factor at most."""


class Governor:
    """Counts what the steps and the probes take.

    Args:
        limit: the share of the steps' time that the probes may take.

    Attributes:
        factor: by which all intervals are to be longer than the settings say.
        share: of the last whole window.
    """

    def __init__(self, limit: float) -> None:
        self.factor = 1
        self.share = 0.0
        self._limit = limit
        self._steps = 0
        self._seconds = self._spent = 0.0

    def spend(self, seconds: float) -> None:
        """Take notice of what the probes took."""
        self._spent += seconds

    def step(self, seconds: float, *, counts: bool = True) -> bool:
        """Take notice of a step; return whether the intervals have just doubled.

        Args:
            seconds: what it took, probes included.
            counts: False while the probes look closely on purpose (the first steps of a run).
        """
        if not counts:
            self._steps, self._seconds, self._spent = 0, 0.0, 0.0
            return False
        self._steps += 1
        self._seconds += seconds
        if self._steps < WINDOW * self.factor:
            return False
        self.share = self._spent / max(self._seconds, 1e-9)
        self._steps, self._seconds, self._spent = 0, 0.0, 0.0
        if self.share <= self._limit or self.factor >= MOST:
            return False
        self.factor *= 2
        return True
