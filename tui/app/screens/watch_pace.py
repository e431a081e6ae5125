"""How often the watch screen looks at its run, and which turns of drawing are due after a look."""

from __future__ import annotations

TICK = 0.5
"""Seconds between two looks at the run, and two turns of drawing."""
CALM, TURNS_WHEN_CALM = 15.0, 2
"""So many seconds after the last key it looks once in so many turns, and draws them together: waking up costs."""
STILL, REST = 20, 2.0
"""After so many looks at a run that is over and does not change, so many seconds between two."""
ECO_TURNS = 2
"""Turns in one of eco mode, where panels are drawn more seldom, too."""


class Pace:
    """The pace of one screen."""

    def __init__(self) -> None:
        self.period = TICK
        """Seconds until the next look."""
        self.turn = 0
        """The newest turn that is due."""
        self._turns = 0
        """How many came with the last look."""
        self._still = 0

    def looked(self, *, changed: bool, live: bool, untouched: float) -> float:
        """Count a look, and return the seconds until the next.

        Args:
            changed: there was something new.
            live: the run trains.
            untouched: seconds since the last key.
        """
        self._turns = round(self.period / TICK)
        self.turn += self._turns
        self._still = 0 if changed or live else self._still + 1
        calm = untouched > CALM
        self.period = REST if self._still > STILL else TURNS_WHEN_CALM * TICK if calm else TICK
        return self.period

    def due(self, *, eco: bool) -> range:
        """Return the turns that came with the last look; in eco mode there are fewer."""
        each = ECO_TURNS if eco else 1
        return range((self.turn - self._turns) // each + 1, self.turn // each + 1)
