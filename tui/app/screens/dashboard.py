"""The panels of the watch screen: which are shown at which size, which steps they show, and the keys for that.

The screen says when something came; each panel then draws in its turn. All charts show the same steps and the
same cursor (`tui.app.screens.watch_view`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message

from tui.app.screens.dashboard_keys import KEYS
from tui.app.screens.pointing import Drag, step_under
from tui.app.screens.watch_layout import PANELS, Shown, arranged
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
OPENED = ("layers", "classes")
"""Panels about which a screen of its own tells all."""


class Dashboard(Container):
    """All panels of one run."""

    class Arranged(Message):
        """Other panels are shown now."""

        def __init__(self, shown: Shown) -> None:
            super().__init__()
            self.shown = shown

    class Placed(Message):
        """It has another size: what is above it takes more rows or fewer."""

    class Liked(Message):
        """A person wants the panels in another order, or others: to be remembered."""

        def __init__(self, order: tuple[str, ...], hidden: tuple[str, ...]) -> None:
            super().__init__()
            self.order, self.hidden = order, hidden

    class Opened(Message):
        """A person wants to see all about what a panel shows."""

        def __init__(self, panel: str) -> None:
            super().__init__()
            self.panel = panel

    class Wanting(Message):
        """A look at the run would find something finer to show."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.follower: RunFollower | None = None
        """The run, once the screen has opened it."""
        self.maximised = False
        self._placeless = False
        """Whether it is only because the chosen panel has no place among the others."""
        self.order: tuple[str, ...] = ()
        """The panels as a person likes them; empty for the usual order."""
        self.hidden: tuple[str, ...] = ()
        """Those that they do not want."""
        self._chosen = "loss"
        self._view = View()
        self._panels: list[Panel] = []
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

    @property
    def panels(self) -> list[Panel]:
        """All panels, by their numbers; those without one are last."""
        if not self._panels:
            self._panels = sorted(self.query(Panel), key=lambda panel: panel.number or 99)
        return self._panels

    @property
    def chosen(self) -> Panel:
        """The panel that keys act on."""
        return next(panel for panel in self.panels if panel.id == self._chosen)

    # --- layout -------------------------------------------------------------------------------------

    @property
    def shown(self) -> Shown:
        """What belongs to the size of the terminal and to what was chosen."""
        return arranged(*self.app.size, self._chosen, self.order, self.hidden)

    def on_resize(self) -> None:
        """Tell the screen."""
        self.post_message(self.Placed())

    def fit_panels(self) -> None:
        """Show what belongs on the screen."""
        shown = self.shown
        if not shown.pages and self._chosen not in shown.spans and not self.maximised:
            self.maximised = self._placeless = True  # what has no place among the others is shown alone
        spans = {self._chosen: 1} if self.maximised else shown.spans
        places = {panel: place for place, panel in enumerate(spans)}
        with self.app.batch_update():
            for panel in self.panels:
                panel.display = panel.id in spans
                panel.styles.column_span = spans.get(str(panel.id), 1)
            self.sort_children(key=lambda panel: places.get(str(panel.id), len(places)))
            self.styles.grid_size_columns = 1 if self.maximised else shown.columns
            self.styles.grid_size_rows = 1 if self.maximised else len(shown.heights)
            self.styles.grid_rows = "1fr" if self.maximised else " ".join(f"{share}fr" for share in shown.heights)
            self.post_message(self.Arranged(shown))
        if self.screen.is_current and self.screen.focused is not self.chosen:
            self.screen.set_focus(self.chosen, scroll_visible=False)  # at once: the next key is for it

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
        step = step_under(event)
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
        self._drag.begin(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move what is held."""
        share = self._drag.by(event)
        if share and self._view.zoomed:
            self._change(lambda window: self._view.pan(window, -share))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the step that was clicked; a double click opens the panel."""
        step = step_under(event)
        if self._drag.moved:
            self._drag.moved = False
        elif event.chain == 2 and isinstance(event.widget, Panel):
            self.action_open()
        elif step is not None:
            self._change(lambda window: self._view.point(step))

    def action_maximise(self) -> None:
        """Give the chosen panel all the room, or give it back."""
        self.maximised, self._placeless = not self.maximised, False
        shown = self.shown
        if not self.maximised and not shown.pages and self._chosen not in shown.spans:
            self._chosen = next(iter(shown.spans))
        self.fit_panels()

    def action_open(self) -> None:
        """Show all about what the chosen panel shows, or the panel alone."""
        if self._chosen in OPENED:
            self.post_message(self.Opened(self._chosen))
        else:
            self.action_maximise()

    def action_hide(self) -> None:
        """Take the chosen panel off the screen."""
        left = [panel for panel in PANELS if panel not in self.hidden and panel != self._chosen]
        if not left:
            return
        title, self.hidden = self.chosen.title, (*self.hidden, self._chosen)
        self.maximised = False
        self._chosen = next((panel for panel in self.shown.spans if panel in left), left[0])
        self.post_message(self.Liked(self.order, self.hidden))
        self.fit_panels()
        self.app.notify(f"{title} is hidden; H shows all panels again.", timeout=3, markup=False)

    def action_usual(self) -> None:
        """Show all panels again, in the usual order."""
        self.order = self.hidden = ()
        self.post_message(self.Liked(self.order, self.hidden))
        self.fit_panels()

    def action_move(self, by: int) -> None:
        """Let the chosen panel and the one beside it change places."""
        order = [*self.shown.spans]
        order += [panel for panel in self.order or PANELS if panel not in order]
        if self._chosen not in order or self.maximised:
            return
        at = order.index(self._chosen)
        if 0 <= at + by < len(order):
            order[at], order[at + by] = order[at + by], order[at]
            self.order = tuple(order)
            self.post_message(self.Liked(self.order, self.hidden))
            self.fit_panels()

    def action_choose(self, number: int) -> None:
        """Choose the panel with this number."""
        panel = next(panel for panel in self.panels if panel.number == number)
        if panel.id in self.hidden:
            self.app.notify(f"{panel.title} is hidden; H shows all panels again.", timeout=3, markup=False)
        else:
            self._choose(panel)

    def show_panel(self, name: str) -> None:
        """Choose a panel by its id, and show the page that it is on."""
        self._choose(next(panel for panel in self.panels if panel.id == name))

    def action_next(self, by: int) -> None:
        """Choose the next panel, or the one before."""
        shown = self.shown
        among = [panel for _, page in shown.pages for panel in page] or list(shown.spans)
        panels = [panel for panel in self.panels if panel.id in among]
        at = panels.index(self.chosen) if self.chosen in panels else 0
        self._choose(panels[(at + by) % len(panels)])

    def on_descendant_focus(self) -> None:
        """A click chooses, too."""
        focused = self.screen.focused
        if isinstance(focused, Panel) and focused.id and focused.id != self._chosen:
            self._choose(focused)

    def _choose(self, panel: Panel) -> None:
        self._chosen = str(panel.id)
        if self._placeless:
            self.maximised = self._placeless = False
        self.fit_panels()
