"""Which steps the charts of the watch screen show, where their common cursor is, and how smooth their lines are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tui.app.widgets.axis import reach

Smoothing = Literal["auto", "strong", "light", "off"]
SMOOTHINGS: tuple[Smoothing, ...] = ("auto", "strong", "light", "off")
_SHARES: dict[Smoothing, float | None] = {"auto": None, "strong": 1 / 10, "light": 1 / 250, "off": 0.0}
_LEAST = 10
"""Steps that are always shown at least."""
_BOUNDS = 16
"""A zoom that goes along with the run moves by this part of its width at a time."""


@dataclass(frozen=True)
class Window:
    """What a chart is to show now."""

    first: int
    last: int
    """The steps at the ends of the horizontal axis."""
    cursor: int | None = None
    smoothing: Smoothing = "auto"

    @property
    def span(self) -> float | None:
        """Steps over which to smooth: None lets the series choose, 0 asks for no smoothing."""
        share = _SHARES[self.smoothing]
        return share if not share else max(3.0, share * (self.last - self.first + 1))


class View:
    """The state behind `Window`: all charts of a screen show the same steps.

    Without a zoom the whole run is shown, on an axis that grows in bounds. A zoom that reaches the newest step
    goes along with the run, in bounds too, so that a chart is seldom drawn anew.
    """

    def __init__(self) -> None:
        self.cursor: int | None = None
        self._in_sight = False
        """Whether the cursor is among the steps that are shown."""
        self.smoothing: Smoothing = "auto"
        self._axis = 0
        self._newest = 1
        self._width: int | None = None
        """Steps that are shown; None for the whole run."""
        self._end: int | None = None
        """The last step that is shown by a zoom; None for one that goes along with the run."""

    @property
    def zoomed(self) -> bool:
        """Whether less than the whole run is shown."""
        return self._width is not None

    def window(self, step: int, total: int, live: bool) -> Window:
        """Return what to show of a run that has made ``step`` of ``total`` steps."""
        self._newest = max(1, step)
        if self.cursor is not None:
            self.cursor = min(self.cursor, self._newest)
        if self._width is None:
            self._axis = reach(step, total if live else 0, self._axis)
            return self._shown(1, self._axis if live else self._newest)
        last = self._newest if self._end is None else self._end
        if self._end is None and live:
            stride = max(1, self._width // _BOUNDS)
            last = -(-last // stride) * stride
        first = max(1, last - self._width + 1)
        return self._shown(first, max(last, first + _LEAST - 1))

    def _shown(self, first: int, last: int) -> Window:
        """Return what is shown, with the cursor if it is there: a zoom that goes along leaves it behind."""
        self._in_sight = self.cursor is not None and first <= self.cursor <= last
        return Window(first, last, self.cursor if self._in_sight else None, self.smoothing)

    def zoom(self, shown: Window, inwards: bool, at: int | None = None) -> None:
        """Show half or twice as many steps, around ``at``, the cursor, the newest step, or the middle.

        Args:
            shown: what is shown now.
            inwards: half as many.
            at: a step that stays where it is.
        """
        width = shown.last - shown.first + 1
        wanted = max(_LEAST, round(width / 2 if inwards else width * 2))
        if wanted >= self._newest:
            self.show_all()
            return
        anchor = at if at is not None else self.cursor
        if anchor is None or not shown.first <= anchor <= shown.last:
            anchor = self._newest if self._end is None else (shown.first + shown.last) // 2
        share = (min(anchor, self._newest) - shown.first) / max(1, width - 1)
        if anchor >= self._newest:
            share = 1.0
        self._place(round(anchor - share * (wanted - 1)), wanted)

    def pan(self, shown: Window, share: float) -> None:
        """Move what is shown by a share of its width; to the right (positive) at most up to the newest step."""
        if self.zoomed:
            width = shown.last - shown.first + 1
            self._place(shown.first + _steps(share, width), width)

    def move_cursor(self, shown: Window, share: float) -> None:
        """Move the cursor by a share of what is shown; it appears at the newest step, and pans at the edges."""
        if self.cursor is None or not shown.first <= self.cursor <= shown.last:
            self.point(min(shown.last, self._newest))
            return
        by = _steps(share, shown.last - shown.first + 1)
        self.cursor = max(1, min(self._newest, self.cursor + by))
        if not shown.first <= self.cursor <= shown.last:
            self.pan(shown, 0.5 if by > 0 else -0.5)

    def point(self, step: int) -> None:
        """Put the cursor on a step."""
        self.cursor, self._in_sight = max(1, min(self._newest, step)), True

    def undo(self) -> bool:
        """Take the cursor away, or if there is none show the whole run again; False if there was nothing to undo."""
        self.cursor, seen = None, self._in_sight
        if seen:
            self._in_sight = False
            return True
        zoomed = self.zoomed
        self.show_all()
        return zoomed

    def show_all(self) -> None:
        """Show the whole run."""
        self._width = self._end = None

    def show_newest(self, steps: int) -> None:
        """Show so many of the newest steps, and go along with the run; all if it has no more."""
        self._width, self._end = (max(_LEAST, steps) if steps < self._newest else None), None

    def smooth_next(self) -> Smoothing:
        """Choose the next degree of smoothing and return it."""
        self.smoothing = SMOOTHINGS[(SMOOTHINGS.index(self.smoothing) + 1) % len(SMOOTHINGS)]
        return self.smoothing

    def _place(self, first: int, width: int) -> None:
        first = max(1, first)
        self._width = width
        self._end = None if first + width - 1 >= self._newest else first + width - 1


def _steps(share: float, width: int) -> int:
    return round(share * width) or (1 if share > 0 else -1)
