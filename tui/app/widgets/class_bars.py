"""How many pictures each class has, as bars."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.app.widgets.columns import Cell, line
from tui.core.text import clean

_BAR = 10
"""Cells that bars have at least, and a third of the width where that is more; names have the rest."""
_MOST_NAME = 40
_MEASURED = 1000
"""Names that decide how much room names have."""


class ClassBars(ScrollView, can_focus=True):
    """One line for each class; only the visible lines are drawn, so ten thousand classes cost nothing."""

    COMPONENT_CLASSES = {"class-bars--name", "class-bars--bar", "class-bars--count"}
    DEFAULT_CSS = """
    ClassBars {
        background: $background;
        scrollbar-size-vertical: 1;
        & > .class-bars--name { color: $foreground; }
        & > .class-bars--bar { color: $primary; }
        & > .class-bars--count { color: $text-muted; }
        &:focus { background: $background; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._bars: list[tuple[str, int]] = []
        self._most = 0
        self._longest = 0

    def show(self, names: Sequence[str], counts: Sequence[int]) -> None:
        """Show these classes; names may hold anything."""
        self._bars = [(clean(name, 120), count) for name, count in zip(names, counts, strict=True)]
        self._most = max((count for _, count in self._bars), default=0)
        self._longest = max((cell_len(name) for name, _ in self._bars[:_MEASURED]), default=0)
        self.virtual_size = Size(0, len(self._bars))
        self.scroll_to(y=0, animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one class."""
        width = self.scrollable_content_region.width
        index = y + self.scroll_offset.y
        background = self.rich_style
        if index >= len(self._bars):
            return Strip.blank(width, background)
        told = self._hidden(y)
        if told:
            style = background + self.get_component_rich_style("class-bars--count")
            return Strip([Segment(line([Cell(told, width)]).plain, style)]).adjust_cell_length(width, background)
        name, count = self._bars[index]
        number = f"{count:,}"
        number_width = len(f"{self._most:,}")
        beside = width - number_width - 3
        name_width = max(1, min(_MOST_NAME, self._longest, beside - max(_BAR, width // 3)))
        room = max(1, beside - name_width)
        styles = [self.get_component_rich_style(f"class-bars--{part}") for part in ("name", "bar", "count")]
        return Strip(
            [
                Segment(line([Cell(name, name_width, middle=True)]).plain + " ", background + styles[0]),
                Segment(f"{bar(count / self._most if self._most else 0, room)} ", background + styles[1]),
                Segment(f"{number:>{number_width}} ", background + styles[2]),
            ]
        ).adjust_cell_length(width, background)

    def _hidden(self, y: int) -> str:
        """Return how many classes are out of sight, for the row that stands where they are; empty for any other."""
        height, above = self.scrollable_content_region.height, self.scroll_offset.y
        below = len(self._bars) - above - height
        if y == height - 1 and below > 0:
            told = f"… {below + 1:,} more below" + (f", {above:,} above" if above else "")
            return told if self.has_focus else f"{told}: Tab, then the arrows"
        return f"… {above + 1:,} above" if y == 0 and above and below <= 0 and height > 1 else ""


def bar(share: float, width: int) -> str:
    """Return a bar of ``width`` cells filled to ``share``, exact to half a cell; what is not nothing shows."""
    share = min(1.0, max(0.0, share)) if math.isfinite(share) else 0.0
    full, rest = divmod(max(round(share * width * 2), 1 if share > 0 else 0), 2)
    return ("━" * full + "╸" * rest).ljust(width)
