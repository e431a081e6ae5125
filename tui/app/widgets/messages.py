"""What happened in a run, one line or more for each thing, the newest at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual._cells import cell_len

from tui.app.palette import Tone
from tui.app.widgets.columns import wrapped
from tui.app.widgets.panel import Row, ScrollPanel
from tui.core.sentences import sentence
from tui.core.text import clean

if TYPE_CHECKING:
    from tui.core.events import Event

_STAMP = 10


class Messages(ScrollPanel):
    """The run's messages, wrapped, with the local time of each."""

    follow = True

    def __init__(self, title: str, number: int = 0, *, id: str | None = None) -> None:
        super().__init__(title, number, id=id)
        self._events: list[Event] = []
        self._wrapped: list[Row] = []
        self._width = 0

    def show(self, happened: Sequence[Event]) -> None:
        """Show events in the order of time; what is not worth a line is left out."""
        same = len(happened) == len(self._events) and all(a is b for a, b in zip(happened, self._events, strict=True))
        if same and self._shown and self._width == self.size.width:
            return
        self._events = list(happened)
        self._width = 0
        self.redraw()

    def count(self, width: int) -> int:
        """Return how many rows all messages take."""
        if width != self._width:
            self._width = width
            self._wrapped = [row for event in self._events for row in _rows(event, width)]
        return len(self._wrapped)

    def body(self, width: int, height: int) -> list[Row]:
        """Return the rows that are scrolled to."""
        return super().body(width, height) or [(("  nothing yet", "muted"),)]

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return some rows."""
        return self._wrapped[first:last]


def _rows(event: Event, width: int) -> list[Row]:
    text = clean(sentence(event))
    if not text:
        return []
    room = max(10, width - _STAMP)
    if cell_len(text) != len(text):
        room //= 2
    tone = _tone(event)
    stamp = time.strftime("%H:%M:%S", time.localtime(event.time))
    lines = wrapped(text, room)
    return [((f"{stamp if i == 0 else '':<{_STAMP}}", "muted"), (line, tone)) for i, line in enumerate(lines)]


def _tone(event: Event) -> Tone:
    from tui.core.events import Ended, Evaluated, Message

    match event:
        case Message(level="error"):
            return "bad"
        case Message(level="warning"):
            return "warn"
        case Ended():
            return {"finished": "good", "stopped": "warn"}.get(event.reason, "bad")  # type: ignore[return-value]
        case Evaluated():
            return "mark"
    return "text"
