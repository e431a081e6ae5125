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

_NAME = 22


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

    def show(self, names: Sequence[str], counts: Sequence[int]) -> None:
        """Show these classes; names may hold anything."""
        self._bars = [(clean(name, 120), count) for name, count in zip(names, counts, strict=True)]
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
        left = len(self._bars) - index
        if y == self.scrollable_content_region.height - 1 and left > 1:
            told = f"… {left:,} more below: Tab, then the arrows"
            style = background + self.get_component_rich_style("class-bars--count")
            return Strip([Segment(line([Cell(told, width)]).plain, style)]).adjust_cell_length(width, background)
        name, count = self._bars[index]
        most = max(count for _, count in self._bars)
        name_width = min(_NAME, max(map(cell_len, (name for name, _ in self._bars[:1000]))), max(8, width // 3))
        number = f"{count:,}"
        number_width = len(f"{most:,}")
        room = max(1, width - name_width - number_width - 3)
        styles = [self.get_component_rich_style(f"class-bars--{part}") for part in ("name", "bar", "count")]
        return Strip(
            [
                Segment(line([Cell(name, name_width)]).plain + " ", background + styles[0]),
                Segment(f"{bar(count / most if most else 0, room)} ", background + styles[1]),
                Segment(f"{number:>{number_width}} ", background + styles[2]),
            ]
        ).adjust_cell_length(width, background)


def bar(share: float, width: int) -> str:
    """Return a bar of ``width`` cells filled to ``share``, exact to half a cell; what is not nothing shows."""
    share = min(1.0, max(0.0, share)) if math.isfinite(share) else 0.0
    full, rest = divmod(max(round(share * width * 2), 1 if share > 0 else 0), 2)
    return ("━" * full + "╸" * rest).ljust(width)
