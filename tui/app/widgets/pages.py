"""The line that names the pages of a small terminal."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events
from textual.message import Message

from tui.app.palette import Tone
from tui.app.widgets.panel import Row, Rows, Run, cells


class Pages(Rows):
    """One row with the names of the pages and the numbers of the panels on them; the current one stands out."""

    DEFAULT_CSS = "Pages { height: 1; }"

    class Chosen(Message):
        """A page was clicked."""

        def __init__(self, place: int, panels: tuple[str, ...]) -> None:
            super().__init__()
            self.place = place
            """Among the pages, from 0."""
            self.panels = panels
            """Those on it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.pages: tuple[tuple[str, tuple[str, ...]], ...] = ()
        self.numbers: dict[str, int] = {}
        """The key of each panel, 0 for none; without these they are counted."""
        self._current = ""
        self._names: dict[str, str] = {}

    def rename(self, names: dict[str, str]) -> None:
        """Call pages otherwise; without a name here they are called as they are."""
        if names != self._names:
            self._names = names
            self.redraw()

    def show(self, current: str) -> None:
        """Name the page that is shown."""
        self._current = current
        self.redraw()

    def lines(self, width: int, height: int) -> list[Row]:
        """Return the row."""
        return [tuple(run for page in self._fitting(width) for run in page)]

    def on_click(self, event: events.Click) -> None:
        """Tell which page was clicked."""
        end = 0
        for place, page in enumerate(self._fitting(self.size.width)):
            end += cells(page)
            if event.x < end:
                self.post_message(self.Chosen(place, self.pages[place][1]))
                return

    def _fitting(self, width: int) -> list[list[Run]]:
        """Return the runs of each page, with as much room between them as there is."""
        for gap in (4, 2, 1):
            pages = self._spaced(gap)
            if sum(map(cells, pages)) <= width + gap:
                break
        return pages

    def _spaced(self, gap: int) -> list[list[Run]]:
        pages: list[list[Run]] = []
        number = 1
        for name, panels in self.pages:
            last = number + len(panels) - 1
            keys = keys_of([self.numbers[panel] for panel in panels] if self.numbers else range(number, last + 1))
            here = name == self._current
            tone: Tone = "strong" if here else "muted"
            pages.append(
                [
                    (f"{keys} " if keys else "", "focus" if here else "muted"),
                    (f"{self._names.get(name, name)}{' ' * gap}", tone),
                ]
            )
            number = last + 1
        return pages


def keys_of(numbers: Iterable[int]) -> str:
    """Return the keys of some panels, neighbours drawn together: ``1-4,9``."""
    runs: list[list[int]] = []
    for number in sorted(number for number in numbers if number):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
