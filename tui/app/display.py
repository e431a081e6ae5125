"""An app that writes to its terminal only the cells that changed, no faster than it shows them, and ends with it.

Four things that Textual leaves open are closed here. Its updates are at least whole rows of a widget; they are
written however slow the line is; a screen behind an opaque one still counts as seen; and a terminal that disappears
while SIGHUP is ignored leaves it spinning for ever. The first two hook into `App._display`, which is private:
anything unexpected falls back to the stock path. On a slow line what somebody's key or click changed goes first.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic

from rich.color import ColorSystem
from rich.console import RenderableType
from textual import events
from textual.app import App, ReturnType
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Region
from textual.screen import Screen
from textual.widget import Widget

from tui.app.descriptors import terminal_alone, use_utf8
from tui.app.frame import Frame, Piece
from tui.app.gate import GatedDriver
from tui.app.hangup import terminals, watch_hangup
from tui.app.pacing import Pacer
from tui.app.straight import Changed, uncovered
from tui.app.updates import Written, content

_URGENT = 1.0
"""Seconds after a key or a click, or the start, in which what changes is taken for the answer to it."""
_CALM = 0.2
"""Seconds between two changes of the terminal's size that are followed."""
_PATIENCE = 2.0
"""Seconds that an app without a terminal has for leaving in good order."""
_HUNG_UP = 129


class CellExactApp(App[ReturnType], Generic[ReturnType], inherit_bindings=True):
    """The base of our app. ``cell_exact = False`` gives Textual's own way of drawing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+l",
            "redraw",
            "Redraw",
            id="app.redraw",
            show=False,
            priority=True,  # over a question, too
            tooltip="Draw the whole screen again, when something else wrote over it.",
        ),
    ]

    cell_exact = True
    paced: bool | None = None
    """Whether frames wait for the terminal; None for where there is one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._frame = Frame(getattr(self.console, "_color_system", None) or ColorSystem.TRUECOLOR)
        self._pacer = Pacer()
        self._held = False
        """Whether an update that is no cells was left out, because the terminal has not shown the last one."""
        self._waiting = False
        """Whether there is a timer for an answer that does not come."""
        self._touched = time.monotonic()
        """When somebody last pressed a key or a button, or started it."""
        self._touches = 1
        """How often: what the newest key changed is more urgent than what is left of the one before."""
        self._over = threading.Event()
        self._gathered: list[Changed] | None = None
        """Rows that are to be written together; None: each as Textual does it."""
        self._after_paint: list[Callable[[], None]] = []
        self._painted = False
        """Whether anything has gone to the terminal since somebody waits for that."""
        self._resized = -_CALM
        self._late: events.Resize | None = None
        """The newest change of size that is still to be followed."""

    def run(self, *args: Any, **kwargs: Any) -> ReturnType | None:
        """Run the app; see `App.run`."""
        use_utf8()
        try:
            with terminal_alone():
                return super().run(*args, **kwargs)
        finally:
            self._over.set()

    def get_driver_class(self) -> type[Driver]:
        """Return Textual's choice; for a terminal one that wakes only for input."""
        usual = super().get_driver_class()
        return GatedDriver if usual is LinuxDriver else usual

    def on_mount(self) -> None:
        """Watch the terminal, if there is one."""
        if not self.is_headless:
            self.app_resume_signal.subscribe(self, lambda _: self._frame.forget(), immediate=True)
            watch_hangup(terminals(), self._leave)

    async def on_event(self, event: events.Event) -> None:
        """Follow changes of size five times a second: a window that is dragged makes hundreds."""
        if isinstance(event, events.Resize):
            wait = self._resized + _CALM - time.monotonic()
            if wait > 0:
                if self._late is None:
                    self.set_timer(wait, self._follow_size)
                self._late = event
                return
            self._resized = time.monotonic()
        elif isinstance(event, events.InputEvent | events.Paste) and not isinstance(event, events.MouseMove):
            self._touched = time.monotonic()
            self._touches += 1
        await super().on_event(event)

    def _follow_size(self) -> None:
        late, self._late = self._late, None
        if late is not None and late.size != self.size:
            self._resized = -_CALM
            self.post_message(late)

    def on_resize(self, event: events.Resize) -> None:
        """A terminal that changed its size, or came back from the background, may show anything."""
        self._frame.forget()

    @property
    def untouched(self) -> float:
        """Seconds since somebody last pressed a key or a button, or started it."""
        return time.monotonic() - self._touched

    @property
    def eco(self) -> bool:
        """Whether to draw seldom."""
        return self.slow_line

    @property
    def slow_line(self) -> bool:
        """Whether the terminal takes long to show what was written."""
        return self._pacer.slow

    def on_cursor_position(self, event: events.CursorPosition) -> None:
        """The terminal has shown what was written before the oldest question."""
        self._pacer.answered(event.time)
        self._catch_up()

    def _catch_up(self) -> None:
        """Write what was left out, as far as it may be written now."""
        if self._held and not self._pacer.wait:
            self._held = False
            self.screen.refresh()
        if self._frame.behind and self._will_be_written():
            written = self._next()
            if written is not None:
                super()._display(self.screen, written)

    def _wait(self) -> None:
        """Go on when an answer has been lost, too."""
        if not self._waiting:
            self._waiting = True
            self.set_timer(self._pacer.wait, self._give_up)

    def _give_up(self) -> None:
        self._waiting = False
        if self._held or self._frame.behind:
            self._catch_up()
            if self._pacer.wait:
                self._wait()

    def after_paint(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when the next update is on its way to the terminal: for work that would hold it up."""
        self._after_paint.append(callback)
        self._painted = self.is_headless

    def post_display_hook(self) -> None:
        """Call what waited for an update; while the app starts, Textual drops some and this comes too early."""
        if self._after_paint and self._painted and not self._batch_count:
            waiting, self._after_paint = self._after_paint, []
            for callback in waiting:
                self.call_later(callback)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write the rows that change meanwhile in one go and at once, where nothing lies over them."""
        gathered: list[Changed] = []
        self._gathered = gathered
        try:
            yield
        finally:
            self._gathered = None
            if gathered and not self._write_straight(gathered):
                for widget, rows in gathered:
                    self.refresh_rows(widget, rows)

    def refresh_rows(self, widget: Widget, rows: Sequence[int]) -> None:
        """Have some rows of a widget written."""
        if self._gathered is None:
            widget.refresh(*(Region(0, y, widget.size.width, 1) for y in rows))
        else:
            self._gathered.append((widget, rows))

    def _write_straight(self, changed: Sequence[Changed]) -> bool:
        """Write rows without Textual; False where they have to go its way."""
        fits = (self._frame.width, self._frame.height) == self.size
        if not self.cell_exact or not fits or not self._will_be_written():
            return False
        try:
            pieces = uncovered(self.screen, changed)
            if pieces is None:
                return False
            self._frame.put(pieces, urgency=self._urgency)
            written = self._next()
        except Exception:  # as in `_display`
            self._frame.forget()
            self.screen.refresh()
            return True
        if written is not None:
            super()._display(self.screen, written)
        return True

    def action_redraw(self) -> None:
        """Write every cell again."""
        self._frame.forget()
        self.screen.refresh()

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """The screens that shine through: none behind an opaque one, which would be redrawn with them."""
        behind = super()._background_screens
        return [] if behind and self.screen.styles.background.a == 1 else behind

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        try:
            written = self._prepared(renderable)
            self._painted |= written is not None and self._will_be_written()
        except Exception:
            # The stock path reports what is really wrong, and draws what cells cannot hold.
            self._frame.forget()
            written, self._painted = renderable, True
        if written is None and renderable is not None:
            self.post_display_hook()
        else:
            super()._display(screen, written)

    def _prepared(self, renderable: RenderableType | None) -> RenderableType | None:
        """Return what is to be written instead of an update; None if that is nothing, the update for Textual's way."""
        if renderable is None or not self._will_be_written():
            return renderable
        pieces = self._pieces(renderable) if self.cell_exact else None
        if pieces is not None:
            self._frame.put(pieces, urgency=self._urgency)
            return self._next()
        if self._pacer.wait:
            self._held = True
            self._wait()
            return None
        self._frame.forget()
        return renderable

    @property
    def _urgency(self) -> int:
        return self._touches if self.untouched < _URGENT else 0

    def _next(self) -> Written | None:
        """Return what the terminal can take of what it is to show; None if that is nothing, or is written already."""
        text = ""
        while self._frame.behind:
            room = self._pacer.room(urgent=self._frame.urgent) if self._paces() else None
            if room == 0:
                self._wait()
                break
            part = self._frame.write(room, self._focused_rows())
            if part and self._paces():
                text += self._pacer.asked(part)
            else:
                text += part
        screen = self.screen
        if text and self._frame.behind:  # the frame is not whole: neither is it shown at once, nor the cursor moved
            assert self._driver is not None
            self._driver.write(text)
            self._driver.flush()
            self._painted = True
            return None
        if text or screen.outer_size.clamp_offset(self.cursor_position) != self._previous_cursor_position:
            return Written(text)
        return None

    def _focused_rows(self) -> Sequence[int]:
        focused = self.screen.focused
        return () if focused is None else range(focused.region.y, focused.region.bottom)

    def _paces(self) -> bool:
        return isinstance(self._driver, LinuxDriver) if self.paced is None else self.paced

    def _will_be_written(self) -> bool:
        return (
            self._running
            and not self._closed
            and not self._batch_count
            and not self.is_headless
            and self._driver is not None
        )

    def _pieces(self, renderable: Any) -> Iterable[Piece] | None:
        """Return the content of an update, or None when it is of a kind that is not known here."""
        assert self._driver is not None
        update = None if self._driver.is_inline else content(renderable)
        if update is None:
            return None
        self._frame.fit(update.width, update.height)
        return update.pieces

    def _leave(self) -> None:
        """Called from the watching thread when the terminal is gone."""
        loop = getattr(self, "_loop", None)
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(lambda: self.exit(return_code=_HUNG_UP))
        # The loop may be stuck in a write that nobody will ever read.
        if not self._over.wait(_PATIENCE):
            os._exit(_HUNG_UP)
