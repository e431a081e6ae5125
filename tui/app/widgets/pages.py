"""The line that names the pages of a small terminal."""

from __future__ import annotations

from tui.app.palette import Tone
from tui.app.widgets.panel import Row, Rows, Run, cells


class Pages(Rows):
    """One row with the names of the pages and the numbers of the panels on them; the current one stands out."""

    DEFAULT_CSS = "Pages { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.pages: tuple[tuple[str, tuple[str, ...]], ...] = ()
        self._current = ""

    def show(self, current: str) -> None:
        """Name the page that is shown."""
        self._current = current
        self.redraw()

    def lines(self, width: int, height: int) -> list[Row]:
        """Return the row."""
        for gap in (4, 2, 1):
            row = self._row(gap)
            if cells(row) <= width + gap:
                break
        return [tuple(row)]

    def _row(self, gap: int) -> list[Run]:
        runs: list[Run] = []
        number = 1
        for name, panels in self.pages:
            last = number + len(panels) - 1
            keys = f"{number}" if last == number else f"{number}-{last}"
            here = name == self._current
            tone: Tone = "strong" if here else "muted"
            runs += [(keys, "focus" if here else "muted"), (f" {name}{' ' * gap}", tone)]
            number = last + 1
        return runs
