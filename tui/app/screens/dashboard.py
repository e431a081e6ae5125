"""The panels of the watch screen: which are shown at which size, which steps they show, and the keys for that.

The screen says when something came; each panel then draws in its turn. All charts show the same steps and the
same cursor (`tui.app.screens.watch_view`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.geometry import Size
from textual.message import Message

from tui.app.screens.watch_view import View, Window
from tui.app.widgets.chart import Chart
from tui.app.widgets.layers import LayerNorms
from tui.app.widgets.messages import Messages
from tui.app.widgets.panel import Panel, Rows
from tui.app.widgets.recall import ClassRecall

if TYPE_CHECKING:
    from tui.runs.follow import RunFollower

_WIDE = Size(110, 34)
"""From this size on, all panels are on one page."""

PAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("overview", ("loss", "score", "gradient")),
    ("layers", ("layers",)),
    ("classes", ("classes",)),
    ("speed", ("rate", "throughput", "wait")),
    ("messages", ("messages",)),
)
"""Where there is no room for all panels: pages, and the panels on each."""


class Dashboard(Container):
    """All panels of one run."""

    class Arranged(Message):
        """Other panels are shown now."""

        def __init__(self, page: str, wide: bool) -> None:
            super().__init__()
            self.page = page
            """The page, which matters where not all panels are shown."""
            self.wide = wide
            """Whether there is room for all panels."""

    class Wanting(Message):
        """A look at the run would find something finer to show."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "m",
            "maximise",
            "Max",
            id="watch.maximise",
            show=False,
            tooltip="Give the chosen panel the whole screen, or not.",
        ),
        Binding(
            "l",
            "toggle_log",
            "Axis",
            id="watch.log",
            show=False,
            tooltip="Logarithmic or linear axis of the chosen chart.",
        ),
        Binding(
            "plus,equals_sign",
            "zoom(True)",
            "Zoom",
            id="watch.zoom_in",
            show=False,
            key_display="+",
            tooltip="Show half as many steps, around the cursor or at the newest step.",
        ),
        Binding(
            "minus",
            "zoom(False)",
            "Zoom out",
            id="watch.zoom_out",
            show=False,
            key_display="-",
            tooltip="Show twice as many steps.",
        ),
        Binding("0", "show_all", "Whole run", id="watch.whole", show=False, tooltip="Show the whole run again."),
        Binding(
            "left",
            "cursor(-1)",
            "Cursor left",
            id="watch.cursor_left",
            show=False,
            tooltip="Show the values at a step: move the cursor to the left.",
        ),
        Binding(
            "right",
            "cursor(1)",
            "Cursor right",
            id="watch.cursor_right",
            show=False,
            tooltip="Move the cursor to the right.",
        ),
        Binding(
            "shift+left", "pan(-1)", "Earlier", id="watch.earlier", show=False, tooltip="Show earlier steps of a zoom."
        ),
        Binding("shift+right", "pan(1)", "Later", id="watch.later", show=False, tooltip="Show later steps of a zoom."),
        Binding(
            "o",
            "smooth",
            "Smoothing",
            id="watch.smooth",
            show=False,
            tooltip="How smooth the lines are: auto, strong, light, off.",
        ),
        Binding("tab", "next(1)", "Next panel", id="watch.next", show=False, tooltip="Choose the next panel."),
        Binding("shift+tab", "next(-1)", "Panel before", id="watch.before", show=False, tooltip="The panel before."),
        *(
            Binding(
                str(number),
                f"choose({number})",
                "Choose",
                id="watch.choose",
                show=False,
                key_display="1-9",
                tooltip="Choose the panel with this number, or the page that it is on.",
            )
            for number in range(1, 10)
        ),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.follower: RunFollower | None = None
        """The run, once the screen has opened it."""
        self.maximised = False
        self._chosen = "loss"
        self._view = View()
        self._stale: set[str] = set()
        """The panels that have not drawn what came."""

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

    @property
    def panels(self) -> list[Panel]:
        """All panels, by their numbers."""
        return sorted(self.query(Panel), key=lambda panel: panel.number)

    @property
    def chosen(self) -> Panel:
        """The panel that keys act on."""
        return self.query_one(f"#{self._chosen}", Panel)

    # --- layout -------------------------------------------------------------------------------------

    def fit_panels(self) -> None:
        """Show the panels that belong to the size of the terminal and to what was chosen."""
        size = self.app.size
        wide = size.width >= _WIDE.width and size.height >= _WIDE.height
        page, members = next((name, ids) for name, ids in PAGES if self._chosen in ids)
        if self.maximised:
            members = (self._chosen,)
        shown = {panel.id for panel in self.panels} if wide and not self.maximised else set(members)
        with self.app.batch_update():
            for panel in self.panels:
                panel.display = panel.id in shown
            for name, _ in PAGES:
                self.set_class(not wide and not self.maximised and name == page, f"-{name}")
            self.set_class(wide and not self.maximised, "-wide")
            self.post_message(self.Arranged(page, wide))
        if self.screen.is_current and self.screen.focused is not self.chosen:
            self.chosen.focus(scroll_visible=False)

    # --- drawing ------------------------------------------------------------------------------------

    def came(self) -> None:
        """Something new came: every panel is to draw when it is its turn."""
        self._stale = {str(panel.id) for panel in self.panels}

    def draw_turn(self, turn: int, *, seldom: bool = False) -> None:
        """Draw the panels whose turn it is; ``seldom`` leaves out every other round of turns."""
        if not self._stale or self.follower is None or self.follower.busy:
            return
        from tui.app.screens.watch_feeds import FEEDS, TURNS

        for panel in self.panels:
            due = panel.id in self._stale and turn % (2 * TURNS if seldom else TURNS) in FEEDS[str(panel.id)].turns
            if due and not panel.parked:
                self.feed(panel)

    def draw_stale(self) -> None:
        """Draw all that has not drawn what came."""
        if self.follower is not None and not self.follower.busy:
            for panel in self.panels:
                if panel.id in self._stale and not panel.parked:
                    self.feed(panel)

    def draw(self) -> None:
        """Draw everything that can be seen."""
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
        """Show the whole run."""
        self._change(lambda window: self._view.show_all())

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
        step = _step_under(event)
        if step is not None:
            event.stop()
            self._change(lambda window: self._view.zoom(window, inwards, at=step))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the step that was clicked."""
        step = _step_under(event)
        if step is not None:
            self._change(lambda window: self._view.point(step))

    def action_maximise(self) -> None:
        """Give the chosen panel all the room, or give it back."""
        self.maximised = not self.maximised
        self.fit_panels()

    def action_choose(self, number: int) -> None:
        """Choose the panel with this number."""
        self._choose(next(panel for panel in self.panels if panel.number == number))

    def action_next(self, by: int) -> None:
        """Choose the next panel, or the one before."""
        panels = self.panels
        self._choose(panels[(panels.index(self.chosen) + by) % len(panels)])

    def on_descendant_focus(self) -> None:
        """A click chooses, too."""
        focused = self.screen.focused
        if isinstance(focused, Panel) and focused.id and focused.id != self._chosen:
            self._choose(focused)

    def _choose(self, panel: Panel) -> None:
        self._chosen = str(panel.id)
        self.fit_panels()


def _step_under(event: events.MouseEvent) -> int | None:
    chart = event.widget
    return chart.step_at(event.screen_x - chart.region.x) if isinstance(chart, Chart) else None
