"""What lies below a run that was opened by its name: nothing, until somebody goes back; then the list of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.screen import Screen

from tui.core.rundir import RunDir

if TYPE_CHECKING:
    from tui.app.screens.home import HomeScreen


class Threshold(Screen[None]):
    """Opens the list of runs above itself when it is uncovered: whoever came for one run does not wait for the list.

    Args:
        home: makes the list.
        run: that is in front.
    """

    def __init__(self, home: Callable[[], HomeScreen], run: RunDir) -> None:
        super().__init__()
        self._home, self._run = home, run
        self._covered = False

    def point_at(self, run: RunDir) -> None:
        """Let the cursor be on a run when the list comes."""
        self._run = run

    def on_screen_suspend(self) -> None:
        """The run is in front."""
        self._covered = True

    def on_screen_resume(self) -> None:
        """The run was left; at the very first nothing is on it yet."""
        if self._covered:
            home = self._home()
            home.point_at(self._run)
            self.app.push_screen(home)
