"""The panels of the watch screen: when each draws, which steps they show, and the keys and the mouse for that.

The screen says when something came; each panel then draws in its turn. All charts show the same steps and the
same cursor (`tui.app.screens.watch_view`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from tui.app.screens.dashboard_keys import KEYS
from tui.app.screens.panel_grid import PanelGrid
from tui.app.screens.pointing import Drag, step_under
from tui.app.screens.watch_view import View, Window
from tui.app.widgets.bars import Host, Spending
from tui.app.widgets.chart import Chart
from tui.app.widgets.layers import LayerNorms
from tui.app.widgets.messages import Messages
from tui.app.widgets.panel import Panel, Rows
from tui.app.widgets.recall import ClassRecall

if TYPE_CHECKING:
    from tui.runs.follow import RunFollower


_WHEEL = 1 / 8
"""By which part of its width a turn of the wheel moves a zoom."""


class Dashboard(PanelGrid):
    """All panels of one run."""

    class Wanting(Message):
        """A look at the run would find something finer to show."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.follower: RunFollower | None = None
        """The run, once the screen has opened it."""
        self._view = View()
        self._drawn = False
        self._stale: set[str] = set()
        """The panels that have not drawn what came."""
        self._drag = Drag()

    def compose(self) -> ComposeResult:
        """Lay the panels out; their numbers are the keys that choose them."""
        yield Chart("loss", 1, id="loss", waiting="waiting for the first batch")
        yield LayerNorms("gradient by layer", 4, id="layers")
        yield Chart("accuracy", 2, id="score", floor=0.0, ceiling=1.0, percent=True)
        yield Chart("gradient norm", 3, id="gradient", log=True)
        yield ClassRecall("recall per class", 5, id="classes")
        yield Chart("learning rate", 6, id="rate", floor=0.0)
        yield Chart("throughput", 7, id="throughput")
        yield Chart("data wait", 8, id="wait", floor=0.0, ceiling=1.0, percent=True)
        yield Messages("messages", 9, id="messages")
        yield Spending("time of a step", id="time")
        yield Host("machine", id="host")

    # --- drawing ------------------------------------------------------------------------------------

    def came(self) -> None:
        """Something new came: every panel is to draw when it is its turn."""
        self._stale = {str(panel.id) for panel in self.panels}

    def draw_turns(self, turns: Iterable[int], *, seldom: bool = False) -> None:
        """Draw the panels whose turn is among these; ``seldom`` leaves out every other round of turns."""
        if not self._stale or self.follower is None or self.follower.busy:
            return
        from tui.app.screens.watch_feeds import FEEDS, TURNS

        now = {turn % (2 * TURNS if seldom else TURNS) for turn in turns}
        for panel in self.panels:
            due = panel.id in self._stale and not now.isdisjoint(FEEDS[str(panel.id)].turns)
            if due and not panel.parked:
                self.feed(panel)

    def draw_stale(self) -> None:
        """Draw all that has not drawn what came."""
        if self.follower is not None and not self.follower.busy:
            for panel in self.panels:
                if panel.id in self._stale and not panel.parked:
                    self.feed(panel)

    def draw(self) -> None:
        """Draw everything that can be seen; the very first time the chosen panel comes before all others."""
        if not self._drawn and self.follower is not None and not self.follower.busy:
            self._drawn = True
            self.came()
            self.feed(self.chosen)
            self.call_after_refresh(self.draw_stale)
            return
        for panel in self.panels:
            if not panel.parked:
                self.feed(panel)
        if self.follower is not None and self.follower.wanting:
            self.post_message(self.Wanting())

    def feed(self, panel: Panel) -> None:
        """Give one panel what it shows."""
        if self.follower is None or self.follower.busy:
            panel.redraw()
            self._stale.add(str(panel.id))
            return
        self._stale.discard(str(panel.id))
        from tui.app.screens.watch_feeds import FEEDS

        FEEDS[str(panel.id)].show(panel, self.follower, self._window())

    def on_rows_shown(self, event: Rows.Shown) -> None:
        """A panel appeared or changed its size: it wants its content again."""
        if isinstance(event.rows, Panel):
            event.stop()
            self.feed(event.rows)

    def _window(self) -> Window:
        assert self.follower is not None
        state = self.follower.state
        return self._view.window(state.step, state.total_steps, state.live)

    # --- what keys and the mouse do -----------------------------------------------------------------

    def undo(self) -> bool:
        """Take the cursor away, undo the zoom or the enlargement; False if there was nothing to undo."""
        if self._view.undo():
            self.draw()
        elif self.maximised:
            self.action_maximise()
        else:
            return False
        return True

    def action_toggle_log(self) -> None:
        """Switch the vertical axis of the chosen chart, or of the first one."""
        self._chart.toggle_log()

    def action_zoom(self, inwards: bool) -> None:
        """Show fewer or more steps."""
        self._change(lambda window: self._view.zoom(window, inwards))

    def action_show_all(self) -> None:
        """Show the whole run, or if it is shown the newest steps, each in a column of dots."""
        if self._view.zoomed:
            self._change(lambda window: self._view.show_all())
        else:
            self._change(lambda window: self._view.show_newest(self._chart.points))

    def action_cursor(self, by: int) -> None:
        """Move the cursor by one column of the charts."""
        columns = max(1, self._chart.points // 2)
        self._change(lambda window: self._view.move_cursor(window, by / columns))

    def action_pan(self, by: int) -> None:
        """Show earlier or later steps."""
        self._change(lambda window: self._view.pan(window, by / 4))

    def action_smooth(self) -> None:
        """Choose the next degree of smoothing."""
        self.app.notify(f"Smoothing: {self._view.smooth_next()}.", timeout=2, markup=False)
        self._change(lambda window: None)

    @property
    def _chart(self) -> Chart:
        return self.chosen if isinstance(self.chosen, Chart) else self.query_one("#loss", Chart)

    def _change(self, change: Callable[[Window], object]) -> None:
        if self.follower is not None:
            change(self._window())
            self.draw()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in on the step under the pointer."""
        self._scroll(event, True)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out."""
        self._scroll(event, False)

    def _scroll(self, event: events.MouseEvent, inwards: bool) -> None:
        step = step_under(self.screen, event)
        if step is not None:
            event.stop()
            if event.shift:
                self._change(lambda window: self._view.pan(window, -_WHEEL if inwards else _WHEEL))
            else:
                self._change(lambda window: self._view.zoom(window, inwards, at=step))

    def on_mouse_scroll_left(self) -> None:
        """Show earlier steps."""
        self._change(lambda window: self._view.pan(window, -_WHEEL))

    def on_mouse_scroll_right(self) -> None:
        """Show later steps."""
        self._change(lambda window: self._view.pan(window, _WHEEL))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the steps of a chart."""
        self._drag.begin(self.screen, event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move what is held."""
        share = self._drag.by(event)
        if share and self._view.zoomed:
            self._change(lambda window: self._view.pan(window, -share))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the step that was clicked; a double click opens the panel."""
        step = step_under(self.screen, event)
        moved, self._drag.moved = self._drag.moved and self._view.zoomed, False
        if moved:
            return
        if event.chain == 2 and isinstance(event.widget, Panel):
            self.action_open()
        elif step is not None:
            self._change(lambda window: self._view.point(step))
