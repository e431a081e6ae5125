"""A validation in detail: class by class, what is taken for what, the worst mistakes, and what confidence is worth.

It walks through time: every validation of the run, and its test, can be looked at, and a live run's newest is
shown as it comes. Files are read in a thread; what is shown stays until the next one is there.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tui.app.evaluations import Evaluations, Key, Loaded, key_of, load
from tui.app.screens.validation_pages import ValidationPages
from tui.app.widgets.keys import Keys
from tui.app.widgets.mistake_gallery import MistakeGallery
from tui.app.widgets.pages import Pages
from tui.core.sentences import epochs, scores

if TYPE_CHECKING:
    from tui.core.events import Evaluated
    from tui.runs.follow import RunFollower

_LOOK = 1.0


class ValidationScreen(Screen[None]):
    """Shows the evaluations of a run.

    Args:
        follower: of the run; the screen below goes on polling it.
    """

    CSS_PATH = "validation.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="validation.back", tooltip="Back to all mistakes, or to the run."),
        Binding(
            "comma,left_square_bracket",
            "walk(-1)",
            "Earlier",
            id="validation.earlier",
            key_display=",",
            tooltip="The validation before.",
        ),
        Binding(
            "full_stop,right_square_bracket",
            "walk(1)",
            "Later",
            id="validation.later",
            key_display=".",
            tooltip="The next validation; after the last one comes the test.",
        ),
        Binding("b", "best", "Best", id="validation.best", tooltip="The best validation."),
        *(
            Binding(
                str(number),
                f"page({number - 1})",
                "Page",
                id="validation.page",
                show=False,
                priority=True,
                key_display="1-4",
                tooltip="Choose a page.",
            )
            for number in range(1, 5)
        ),
    ]
    LEGEND = (
        "Beside a value stands its change since the validation before. In the confusion matrix rows are true classes "
        "and columns answers. Under confidence a bar shows how often answers of that confidence are right, ┃ how "
        "often they should be; ▲ is the threshold from which on 95 % are right, or where F1 is best. "
        "An evaluation keeps the worst pictures and examples of what is confused, not all."
    )

    def __init__(self, follower: RunFollower) -> None:
        super().__init__()
        self._follower = follower
        self._evaluations = Evaluations(follower.state)
        self._shown: tuple[object, ...] = ()
        """Which evaluation the panels show, and whether they know the one before."""

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Static(id="problem")
        yield Pages(id="pages")
        yield ValidationPages(id="page")
        yield Keys()

    def on_mount(self) -> None:
        """Show what is there, and look again now and then."""
        self.query_one("#problem").display = False
        self.set_interval(_LOOK, self.look)
        self.call_after_refresh(self.look)

    @on(ValidationPages.Arranged)
    def _arranged(self, event: ValidationPages.Arranged) -> None:
        event.stop()
        pages, line = self.query_one(ValidationPages), self.query_one(Pages)
        line.pages = tuple((name, ("",)) for name in pages.names)
        line.show(pages.page)
        self.refresh_bindings()

    @property
    def complete(self) -> bool:
        """Whether what is chosen is shown, with every thumbnail that can be seen."""
        event = self._evaluations.chosen
        shown = not self._evaluations.unread() and self._shown[:1] == (event and key_of(event),)
        return shown and self.query_one(ValidationPages).complete

    # --- which evaluation ---------------------------------------------------------------------------

    def look(self) -> None:
        """Read what is chosen, if that is not known yet, and show it."""
        if not self.is_attached or self._follower.busy or not self.query("#head"):
            return  # without its parts it is being closed
        self._evaluations.state = self._follower.state
        if unread := self._evaluations.unread():
            work = partial(self._read, unread)
            self.run_worker(work, thread=True, exclusive=True, group="read", exit_on_error=False)
        self._show()

    def _read(self, unread: list[Evaluated]) -> None:
        """Read files, in a thread."""
        run = self._follower.run
        found = [(key_of(event), load(run, event)) for event in unread]
        self.app.call_from_thread(self._keep, found)

    def _keep(self, found: list[tuple[Key, Loaded]]) -> None:
        self._evaluations.keep(found)
        if self.is_attached and not self._follower.busy and self.query("#head"):
            self._show()

    def _show(self) -> None:
        """Show the chosen evaluation, if it is not shown already."""
        event, before = self._evaluations.chosen, self._evaluations.known(self._evaluations.before)
        loaded = self._evaluations.known(event)
        self._show_head(event, loaded)
        now = (event and key_of(event), before is not None)
        if now == self._shown or (event is not None and loaded is None):
            return  # what is shown stays until the other one is read
        self._shown = now
        problem = self.query_one("#problem", Static)
        problem.display = loaded is not None and bool(loaded.problem)
        problem.update(Content(loaded.problem if loaded is not None else ""), layout=False)
        self.query_one(ValidationPages).show(
            self._follower.state,
            event,
            loaded.detail if loaded is not None else None,
            before.detail if before is not None else None,
            "after the first validation" if event is None else "its file cannot be read",
        )

    def _show_head(self, event: Evaluated | None, loaded: Loaded | None) -> None:
        head = self.query_one("#head", Static)
        if event is None:
            head.update(Content("This run has not been validated yet."), layout=False)
            return
        place, many = self._evaluations.place
        what = "Test" if event.split == "test" else f"Validation after epoch {epochs(event.epoch)}"
        best = "  ▲ best" if event is self._follower.state.best else ""
        where = (f"  {place} of {many}  ", "$foreground-muted")
        waiting = ("  reading…" if loaded is None else "", "$foreground-muted")
        head.update(Content.assemble((what, "bold"), (best, "$success"), where, scores(event), waiting), layout=False)

    # --- what keys do -------------------------------------------------------------------------------

    def action_walk(self, by: int) -> None:
        """Show an earlier or later evaluation; at the newest one it follows the run."""
        self._evaluations.walk(by)
        self.look()

    def action_best(self) -> None:
        """Show the best validation."""
        self._evaluations.choose_best()
        self.look()

    def on_pages_chosen(self, event: Pages.Chosen) -> None:
        """Show the page that was clicked."""
        event.stop()
        self.action_page(event.place)

    def action_page(self, number: int) -> None:
        """Show another page."""
        self.query_one(ValidationPages).show_page(number)

    def action_back(self) -> None:
        """Back to all mistakes, or to the run."""
        if not self.query_one(ValidationPages).back():
            self.dismiss()

    @on(MistakeGallery.Opened)
    def _mistake_opened(self, event: MistakeGallery.Opened) -> None:
        """Look closer at one picture."""
        from tui.app.screens.mistake import MistakeScreen

        detail = self.query_one(ValidationPages).detail
        if detail is not None:
            self.app.push_screen(MistakeScreen(self._follower.run, detail, event.pictures, event.index))
