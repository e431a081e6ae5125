"""The watch screen: everything about one run, live or over, on one page or on several small ones.

Four times a second the tail of the run is read; the numbers are drawn twice a second, each panel every
second or two, in turn, and only when something came. Nothing is kept here that is not in the run's
directory: leaving the screen, or losing it, costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Footer

from tui.app.display import CellExactApp
from tui.app.widgets.axis import reach
from tui.app.widgets.chart import Chart
from tui.app.widgets.layers import LayerNorms
from tui.app.widgets.messages import Messages
from tui.app.widgets.pages import Pages
from tui.app.widgets.panel import Panel, Rows
from tui.app.widgets.recall import ClassRecall
from tui.app.widgets.status import Outcome, StatusBar
from tui.core.errors import CnntrainError
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path

if TYPE_CHECKING:
    from tui.core.control import Action
    from tui.runs.follow import RunFollower

TICK = 0.25
"""Seconds between two looks at the run."""
_BUDGET = 0.15
"""Seconds of one look; a long history is read over several."""
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

_HEAD = "status"
_ABOUT_THE_RUN = {"stop", "pause", "continue", "validate", "save", "resume"}


@dataclass
class _Drawn:
    """What the screen has shown so far."""

    status: tuple[object, ...] = ()
    stale: set[str] = field(default_factory=set)
    """The widgets that have not drawn what came."""
    last: int = 0
    """The end of the horizontal axes."""


class WatchScreen(Screen[None]):
    """Shows one run.

    Args:
        run: any run, in whatever state.
    """

    CSS_PATH = "watch.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="watch.back", tooltip="Leave this screen; the training goes on."),
        Binding("s", "stop", "Stop", id="watch.stop", tooltip="Stop the training after this step, with a checkpoint."),
        Binding("p", "pause", "Pause", id="watch.pause", tooltip="Let the training wait."),
        Binding("p", "continue", "Continue", id="watch.continue", tooltip="Let the training go on."),
        Binding("v", "validate", "Validate", id="watch.validate", tooltip="Validate now."),
        Binding("c", "save", "Save", id="watch.save", tooltip="Save a checkpoint now."),
        Binding("r", "resume", "Resume", id="watch.resume", tooltip="Let the training go on from its last checkpoint."),
        Binding("l", "toggle_log", "Axis", id="watch.log", tooltip="Logarithmic or linear axis of the chosen chart."),
        Binding("m", "maximise", "Max", id="watch.maximise", tooltip="Give the chosen panel the whole screen, or not."),
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

    LEGEND = (
        "On the charts ◆ is a validation, ▴ a checkpoint and ▲ the best one; ≈ is the end of the smoothed line. "
        "Beside a class's recall stands its change since the validation before."
    )

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run
        self.follower: RunFollower | None = None
        """None until the first paint, which would have to wait for the import of numpy and pydantic."""
        self.maximised = False
        self._chosen = "loss"
        self._drawn = _Drawn()
        self._beat = 0

    # --- layout -------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Lay the panels out; their numbers are the keys that choose them."""
        yield StatusBar(id=_HEAD)
        yield Outcome(id="outcome")
        yield Pages(id="pages")
        with Container(id="panels"):
            yield Chart("loss", 1, id="loss", waiting="waiting for the first batch")
            yield LayerNorms("gradient by layer", 4, id="layers")
            yield Chart("accuracy", 2, id="score", floor=0.0, ceiling=1.0, percent=True)
            yield Chart("gradient norm", 3, id="gradient", log=True)
            yield ClassRecall("recall per class", 5, id="classes")
            yield Chart("learning rate", 6, id="rate", floor=0.0)
            yield Chart("throughput", 7, id="throughput")
            yield Chart("data wait", 8, id="wait", floor=0.0, ceiling=1.0, percent=True)
            yield Messages("messages", 9, id="messages")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Show the empty panels; what is in them follows."""
        self.query_one(Pages).pages = PAGES
        self._arrange(self.app.size)
        self.query_one(StatusBar).announce(self.run.name)
        if isinstance(self.app, CellExactApp):
            self.app.after_paint(self._open)
        else:
            self.call_after_refresh(self._open)

    def _open(self) -> None:
        """Read the run and start to look at it."""
        if not self.is_attached:
            return
        from tui.runs.follow import RunFollower

        self.follower = RunFollower(self.run)
        self.tick()
        self.set_interval(TICK, self.tick, name="tick")

    def on_resize(self) -> None:
        """Choose between one page and several."""
        self._arrange(self.app.size)

    @property
    def panels(self) -> list[Panel]:
        """All panels, by their numbers."""
        return sorted(self.query(Panel), key=lambda panel: panel.number)

    @property
    def chosen(self) -> Panel:
        """The panel that keys act on."""
        return self.query_one(f"#{self._chosen}", Panel)

    def _arrange(self, size: Size) -> None:
        """Show the panels that belong to the size of the terminal and to what was chosen."""
        wide = size.width >= _WIDE.width and size.height >= _WIDE.height
        page, members = next((name, ids) for name, ids in PAGES if self._chosen in ids)
        if self.maximised:
            members = (self._chosen,)
        shown = {panel.id for panel in self.panels} if wide and not self.maximised else set(members)
        box = self.query_one("#panels", Container)
        with self.app.batch_update():
            for panel in self.panels:
                panel.display = panel.id in shown
            for name, _ in PAGES:
                box.set_class(not wide and not self.maximised and name == page, f"-{name}")
            box.set_class(wide and not self.maximised, "-wide")
            pages = self.query_one(Pages)
            pages.display = not wide
            pages.show(page)
            self.query_one(Footer).show_command_palette = size.width >= _WIDE.width
        if self.is_current and self.focused is not self.chosen:
            self.chosen.focus(scroll_visible=False)

    # --- looking at the run -------------------------------------------------------------------------

    def tick(self) -> None:
        """Read what is new; draw the head, and the panels whose turn it is."""
        if not self.is_attached or self.follower is None:
            return
        if self.follower.poll(_BUDGET):
            self._drawn.stale = {_HEAD, *(str(panel.id) for panel in self.panels)}
        self._beat += 1
        if not self.is_current or not self._drawn.stale:
            return
        state = self.follower.state
        status = (state.status, state.ended, state.read_only, self.follower.behind)
        if status != self._drawn.status:
            self._drawn.status = status
            self.query_one(Outcome).show(state)
            self.refresh_bindings()
            self.draw()
            return
        if self._beat % 2:
            return
        from tui.app.screens.watch_feeds import FEEDS, TURNS

        if _HEAD in self._drawn.stale:
            self._drawn.stale.discard(_HEAD)
            self.query_one(StatusBar).show(state, reading=self.follower.behind)
        turn = self._beat // 2 % TURNS
        for panel in self.panels:
            if panel.id in self._drawn.stale and turn in FEEDS[str(panel.id)].turns and not panel.parked:
                self.feed(panel)

    def draw(self) -> None:
        """Draw everything that can be seen."""
        if self.follower is None:
            return
        state = self.follower.state
        self.query_one(StatusBar).show(state, reading=self.follower.behind)
        for panel in self.panels:
            if not panel.parked:
                self.feed(panel)
        self._drawn.stale.clear()

    def feed(self, panel: Panel) -> None:
        """Give one panel what it shows."""
        if self.follower is None:
            panel.redraw()
            return
        self._drawn.stale.discard(str(panel.id))
        state = self.follower.state
        self._drawn.last = reach(state.step, state.total_steps if state.live else 0, self._drawn.last)
        from tui.app.screens.watch_feeds import FEEDS

        last = self._drawn.last if state.live else max(1, state.step)
        FEEDS[str(panel.id)].show(panel, self.follower, last)

    def on_rows_shown(self, event: Rows.Shown) -> None:
        """A widget appeared or changed its size: it wants its content again."""
        event.stop()
        match event.rows:
            case Panel() as panel:
                self.feed(panel)
            case StatusBar() as bar if self.follower is not None:
                bar.show(self.follower.state, reading=self.follower.behind)
            case other:
                other.redraw()

    def on_screen_resume(self) -> None:
        """Something lay above this screen."""
        self.call_after_refresh(self.draw)

    # --- what keys do -------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done with the run as it is."""
        if action not in _ABOUT_THE_RUN:
            return True
        if self.follower is None:
            return False
        state = self.follower.state
        asking = state.live and not state.read_only
        match action:
            case "pause":
                return asking and not state.paused and state.status != "stopping"
            case "continue":
                return asking and state.paused
            case "stop":
                return asking and state.status != "stopping"
            case "validate" | "save":
                return asking and state.status in ("running", "paused")
            case "resume":
                return not state.live and state.status != "finished" and not state.read_only
        return True

    def action_back(self) -> None:
        """Undo the enlargement, or leave."""
        if self.maximised:
            self.action_maximise()
        elif len(self.app.screen_stack) > 1:
            self.dismiss()
        else:
            self.app.exit()

    def action_stop(self) -> None:
        """Ask, then ask the run to stop."""
        from tui.app.screens.ask import Confirm

        detail = "It finishes this step and saves. It can be resumed, here or with `cnntrain resume`."
        self.app.push_screen(Confirm("Stop this training?", detail, yes="Stop", careful=True), self._stop)

    def _stop(self, yes: bool | None) -> None:
        if yes:
            self._ask("stop", "Stopping after this step.")

    def action_pause(self) -> None:
        """Let the run wait."""
        self._ask("pause", "Pausing after this step.")

    def action_continue(self) -> None:
        """Let the run go on."""
        self._ask("continue", "Going on.")

    def action_validate(self) -> None:
        """Validate now."""
        self._ask("validate", "Validating after this step.")

    def action_save(self) -> None:
        """Save a checkpoint now."""
        self._ask("save", "Saving a checkpoint after this step.")

    def action_resume(self) -> None:
        """Start the run again where it was."""
        from tui.app import starts
        from tui.app.screens.begin import begin

        begin(self.app, starts.resumed(self.run))

    def _ask(self, action: Action, said: str) -> None:
        from tui.core import control

        try:
            control.ask(self.run, action)
        except (OSError, CnntrainError) as error:
            cause = error.strerror if isinstance(error, OSError) else str(error)
            text = f"The run cannot be asked to {action}: {clean_path(self.run.control)}: {clean(str(cause), 200)}."
            self.app.notify(text, severity="error", timeout=12, markup=False)
        else:
            self.app.notify(said, timeout=3, markup=False)

    def action_toggle_log(self) -> None:
        """Switch the vertical axis of the chosen chart, or of the first one."""
        chart = self.chosen if isinstance(self.chosen, Chart) else self.query_one("#loss", Chart)
        chart.toggle_log()

    def action_maximise(self) -> None:
        """Give the chosen panel all the room, or give it back."""
        self.maximised = not self.maximised
        self._arrange(self.app.size)

    def action_choose(self, number: int) -> None:
        """Choose the panel with this number."""
        self._choose(next(panel for panel in self.panels if panel.number == number))

    def action_next(self, by: int) -> None:
        """Choose the next panel, or the one before."""
        panels = self.panels
        self._choose(panels[(panels.index(self.chosen) + by) % len(panels)])

    def on_descendant_focus(self) -> None:
        """A click chooses, too."""
        if isinstance(self.focused, Panel) and self.focused.id and self.focused.id != self._chosen:
            self._choose(self.focused)

    def _choose(self, panel: Panel) -> None:
        self._chosen = str(panel.id)
        self._arrange(self.app.size)
