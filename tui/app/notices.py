"""What an open screen does so that a person looks at it again: the terminal's bell, or a notice of the desktop."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from textual.app import App

from tui.core.errors import CnntrainError
from tui.core.text import clean

if TYPE_CHECKING:
    from tui.runs.state import RunState

_LONGEST = 200


@cache
def _own_wish() -> str:
    """Return what the person's own file asks for on every run; read once."""
    from tui.runs.notices import destinations

    try:
        return destinations().screen
    except CnntrainError:
        return "off"


def call_back(app: App[Any], wanted: str, text: str) -> None:
    """Ring, or send a desktop notice, if the run's setting or the person's own file asks for it.

    Args:
        app: whose terminal it is.
        wanted: the run's ``notices.screen``.
        text: one sentence.
    """
    how = wanted if wanted != "off" else _own_wish()
    if how == "bell":
        app.bell()
    elif how == "desktop" and app._driver is not None:
        app._driver.write(desktop_notice(text))


class Alarm:
    """Watches one run and calls the person back when it ends or a critical finding comes."""

    def __init__(self) -> None:
        self._live: bool | None = None
        self._codes: set[str] = set()

    def look(self, app: App[Any], state: RunState) -> None:
        """Compare the run with what it was at the last look; the first one only remembers."""
        before, known = self._live, self._codes
        self._live = state.live
        self._codes = {found.code for found in state.found if found.severity == "critical"}
        wanted = str(state.setting("notices.screen") or "off")
        name = clean(state.run.given_name, 60)
        if before and not state.live:
            call_back(app, wanted, f"{name}: {state.status}. {state.status_text}")
        elif before and self._codes - known:
            call_back(app, wanted, f"{name}: a critical finding, {', '.join(sorted(self._codes - known))}.")


def desktop_notice(text: str) -> str:
    """Return the OSC 9 sequence for a sentence; tmux hands it on, if it is allowed to, and the bell in any case."""
    notice = f"\x1b]9;{clean(text, _LONGEST)}\x07"
    if os.environ.get("TMUX"):
        return "\x1bPtmux;" + notice.replace("\x1b", "\x1b\x1b") + "\x1b\\\x07"
    return notice
