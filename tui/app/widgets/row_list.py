"""A list of lines that fit its width, keep their place while they change, and hand the cursor on at both ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

Draw = Callable[[int], Content]
"""Given a width in cells, the line."""


class RowList(OptionList):
    """An `OptionList` of one-line rows, each known by its id.

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
        self._draws: dict[str, Draw] = {}
        self._drawn: dict[str, Content] = {}

    @property
    def row(self) -> str | None:
        """The id of the row under the cursor."""
        option = self.highlighted_option
        return option.id if option is not None else None

    def show(self, rows: Mapping[str, Draw]) -> None:
        """Show these rows; the cursor stays on its row if that is still there, and unchanged rows are not drawn."""
        width = self._width()
        drawn = {key: draw(width) for key, draw in rows.items()}
        same = list(drawn) == list(self._drawn)
        self._draws = dict(rows)
        if same:
            for index, (key, content) in enumerate(drawn.items()):
                if content is not self._drawn[key] and not content.is_same(self._drawn[key]):
                    self.replace_option_prompt_at_index(index, content)
            self._drawn = drawn
            return
        kept, before, scrolled = self.row, self.highlighted, self.scroll_y
        self._drawn = drawn
        self.set_options([Option(content, id=key) for key, content in drawn.items()])
        if kept in drawn:
            self.highlighted = list(drawn).index(kept)
        elif drawn:
            self.highlighted = min(before or 0, len(drawn) - 1)
        self.scroll_to(y=scrolled, animate=False)

    def mark(self, row: str) -> None:
        """Put the cursor on a row, if it is there."""
        if row in self._drawn:
            self.highlighted = list(self._drawn).index(row)

    def _width(self) -> int:
        return max(10, (self.size.width or 80) - 2 - int(self.show_vertical_scrollbar))

    def on_resize(self, event: events.Resize) -> None:
        """Fit the lines to the new width."""
        self.show(self._draws)

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
