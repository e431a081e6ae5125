"""A list of lines that fit its width, keep their place while they change, and hand the cursor on at both ends.

Where each row is one line, it is drawn when it comes into sight: a thousand cost no more than the few that are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from textual.content import Content
from textual.css.styles import RulesMap
from textual.message import Message
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual
from textual.widgets import OptionList
from textual.widgets.option_list import Option

Draw = Callable[[int], Content]
"""Given a width in cells, the line."""


class _Line(Visual):
    """One row, drawn for the width that it is given."""

    def __init__(self, draw: Draw, wraps: bool) -> None:
        self._draw, self._wraps = draw, wraps
        self._drawn: tuple[int, Content] | None = None

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        """Draw it."""
        return self._content(width).render_strips(width, height, style, options)

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """It fits any width."""
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:
        """It is one line, unless it may wrap."""
        return self._content(width).get_height(rules, width) if self._wraps else 1

    def __str__(self) -> str:
        return self._content(self._drawn[0] if self._drawn else 80).plain

    def _content(self, width: int) -> Content:
        if self._drawn is None or self._drawn[0] != width:
            self._drawn = width, self._draw(width)
        return self._drawn[1]

    def becomes(self, draw: Draw) -> bool:
        """Take another way to draw it; return whether what is seen of it changes."""
        if draw is self._draw:
            return False
        self._draw = draw
        if self._drawn is None:
            return False
        width, before = self._drawn
        self._drawn = width, draw(width)
        return not before.is_same(self._drawn[1])


class RowList(OptionList):
    """An `OptionList` of rows, each known by its id.

    Ids and lines may hold anything: nothing in them is read as markup.
    """

    DEFAULT_CSS = """
    RowList {
        height: 1fr;
        border: none;
        padding: 0;
        background: $background;
        scrollbar-size-vertical: 1;
        &:focus { border: none; background-tint: $foreground 0%; }
        & > .option-list--option { padding: 0 1; }
    }
    """

    wraps = True
    """Whether a row that is too long goes on in the next line; lists whose rows always fit are quicker without."""

    @dataclass
    class Edge(Message):
        """The cursor was moved beyond the first (-1) or the last (1) row."""

        rows: RowList
        direction: int

    @dataclass
    class Marked(Message):
        """Another row has the cursor, or none."""

        rows: RowList
        row: str | None

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._rows: dict[str, _Line] = {}

    @property
    def row(self) -> str | None:
        """The id of the row under the cursor."""
        option = self.highlighted_option
        return option.id if option is not None else None

    def show(self, rows: Mapping[str, Draw]) -> None:
        """Show these rows; the cursor stays on its row if that is still there.

        Of rows that are there already only those that look different are written; one with the same `Draw` as
        before is not even drawn.
        """
        if list(rows) == list(self._rows):
            for index, (line, draw) in enumerate(zip(self._rows.values(), rows.values(), strict=True)):
                if line.becomes(draw):
                    self.replace_option_prompt_at_index(index, line)
            return
        kept, before, scrolled = self.row, self.highlighted, self.scroll_y
        self._rows = {key: _Line(draw, self.wraps) for key, draw in rows.items()}
        self.set_options([Option(line, id=key) for key, line in self._rows.items()])
        if kept in self._rows:
            self.highlighted = list(self._rows).index(kept)
        elif self._rows:
            self.highlighted = min(before or 0, len(self._rows) - 1)
        self.scroll_to(y=scrolled, animate=False)

    @property
    def keys(self) -> list[str]:
        """The ids of the rows, in their order."""
        return list(self._rows)

    def mark(self, row: str) -> None:
        """Put the cursor on a row, if it is there."""
        if row in self._rows:
            self.highlighted = list(self._rows).index(row)

    def watch_highlighted(self, highlighted: int | None) -> None:
        """Tell who wants to know which row it is."""
        super().watch_highlighted(highlighted)
        self.post_message(self.Marked(self, self.row))

    def action_cursor_up(self) -> None:
        """Move up; beyond the first row, tell."""
        if not self.highlighted:
            self.post_message(self.Edge(self, -1))
        else:
            super().action_cursor_up()

    def action_cursor_down(self) -> None:
        """Move down; beyond the last row, tell."""
        if self.highlighted is None or self.highlighted >= self.option_count - 1:
            self.post_message(self.Edge(self, 1))
        else:
            super().action_cursor_down()
