"""What the screens of a trial before the start share: it is made at once, looked after, made again, given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from textual.screen import Screen

from tui.app.draft import Draft
from tui.app.rehearsals import Waiting

Result = TypeVar("Result")


class TrialScreen(Screen[None], Generic[Result]):
    """Tries a draft in a process of its own; what it shows is up to the screen.

    Args:
        draft: the settings to try.
    """

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._waiting: Waiting[Result] | None = None
        self._shown = False

    def trial(self) -> Callable[..., Result]:
        """Return what makes the trial, out of `tui.runs.rehearsals`."""
        raise NotImplementedError

    def show(self, waiting: Waiting[Result]) -> None:
        """Show how a trial stands or what came of it."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.action_again()
        self.set_interval(0.25, self._tick)

    def on_unmount(self) -> None:
        if self._waiting is not None:
            self._waiting.give_up()

    @property
    def found(self) -> Result | None:
        """What the trial has found out, once it has."""
        return self._waiting.result if self._waiting is not None else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Make nothing twice at once."""
        return self._waiting is not None and self._waiting.over if action == "again" else True

    def action_again(self) -> None:
        """Make the trial, of the draft as it is now."""
        self._waiting = Waiting(self.trial(), self._draft.settings, self._draft.root)
        self.run_worker(self._waiting.work, thread=True, exit_on_error=False)
        self._show()
        self.refresh_bindings()

    def _tick(self) -> None:
        if not self._shown:
            self._show()

    def _show(self) -> None:
        waiting = self._waiting
        if waiting is None:
            return
        self._shown = waiting.over
        if waiting.over:
            self.refresh_bindings()
        self.show(waiting)
