"""A terminal in memory: what an app writes is replayed through an emulator and compared with what it means to show."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import pyte
from rich.color import ColorSystem
from rich.segment import Segment
from textual.app import App
from textual.drivers.headless_driver import HeadlessDriver
from textual.strip import Strip

from tui.app.frame import Frame, Piece


class RecordingDriver(HeadlessDriver):
    """Keeps what is written; the app believes that it is on a terminal."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.written: list[str] = []

    @property
    def is_headless(self) -> bool:
        return False

    @property
    def is_inline(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self.written.append(data)

    def flush(self) -> None:
        pass


class Terminal:
    """The emulator that a recording driver's output is fed to."""

    def __init__(self, app: App[Any]) -> None:
        self.app = app
        self.screen = pyte.Screen(*app.size)
        self.stream = pyte.Stream(self.screen)
        self.bytes = 0

    def feed(self) -> str:
        """Replay what was written since the last call and return it."""
        driver = self.app._driver
        assert isinstance(driver, RecordingDriver)
        if (self.screen.columns, self.screen.lines) != tuple(self.app.size):
            self.screen.resize(self.app.size.height, self.app.size.width)
        text = "".join(driver.written)
        driver.written.clear()
        self.bytes += len(text.encode())
        self.stream.feed(text)
        return text

    def cells(self) -> list[list[tuple[str, str, str]]]:
        """Return character, foreground and background of each cell."""
        rows = []
        for y in range(self.screen.lines):
            line = self.screen.buffer[y]
            rows.append([(line[x].data, line[x].fg, line[x].bg) for x in range(self.screen.columns)])
        return rows

    def meant(self) -> list[list[tuple[str, str, str]]]:
        """Return the same for the content of the app's own compositor."""
        colours = self.app.console._color_system or ColorSystem.TRUECOLOR
        return [_row(tuple(strip), colours) for strip in self.app.screen._compositor.render_strips()]


def written(frame: Frame, pieces: Iterable[Piece]) -> str:
    """Put pieces into a frame and return what has to be written for the terminal to show them; may be empty."""
    frame.put(pieces)
    return frame.write()


@lru_cache(maxsize=4096)
def _row(segments: tuple[Segment, ...], colours: ColorSystem) -> list[tuple[str, str, str]]:
    # Each row is written to an emulator of its own, in full.
    width = Segment.get_line_length(segments)
    screen = pyte.Screen(width, 1)
    stream = pyte.Stream(screen)
    screen.reset_mode(7)
    for text, style, _ in segments:
        stream.feed(Strip.render_style(style, text, colours) if style else text)
    return [(screen.buffer[0][x].data, screen.buffer[0][x].fg, screen.buffer[0][x].bg) for x in range(width)]


def difference(terminal: Terminal) -> list[str]:
    """Return where the terminal shows something else than the app means; colours of blanks do not matter."""
    found = []
    shown, meant = terminal.cells(), terminal.meant()
    if [len(row) for row in shown] != [len(row) for row in meant]:
        return ["the terminal has another size than the app"]
    for y, (left, right) in enumerate(zip(shown, meant, strict=True)):
        for x, (is_there, should_be) in enumerate(zip(left, right, strict=True)):
            if is_there != should_be and not (is_there[0] == should_be[0] == " " and is_there[2] == should_be[2]):
                found.append(f"{x},{y}: {is_there} instead of {should_be}")
    return found
