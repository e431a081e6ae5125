"""The evaluations of a run for a screen: which there are, and what their files hold; no widget here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui.core.dataset.containment import check_contained, leading_out
from tui.core.errors import CnntrainError
from tui.core.presets import read_settings
from tui.core.text import clean_path
from tui.runs.validations import read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.core.evaluations import Detail
    from tui.core.events import Evaluated
    from tui.core.rundir import RunDir
    from tui.runs.state import RunState

_KEPT = 24
Key = tuple[str, int, float]
"""Split, step and time: a resumed run makes some of them again."""


@dataclass(frozen=True)
class Loaded:
    """What the file of an evaluation holds."""

    detail: Detail | None
    problem: str = ""
    """What is wrong with it, or with the pictures that it names: one sentence."""


def key_of(event: Evaluated) -> Key:
    """Return what an evaluation is known by."""
    return event.split, event.step, event.time


def load(run: RunDir, event: Evaluated) -> Loaded:
    """Read an evaluation and look whether its pictures are still there; call it from a thread."""
    try:
        detail = read(run, event)
    except CnntrainError as error:
        return Loaded(None, str(error))
    if detail.pictures and not detail.root:
        return Loaded(detail, "Where its pictures are is not known: the run's dataset.json cannot be read.")
    if detail.pictures and not os.path.isdir(detail.root):
        where = clean_path(detail.root, 120)
        return Loaded(detail, f"{where} is gone: its pictures cannot be shown; the numbers stay.")
    try:
        _check_contained(run, detail)
    except CnntrainError as error:
        pictures = tuple(one.model_copy(update={"path": ""}) for one in detail.pictures)
        return Loaded(detail.model_copy(update={"root": "", "pictures": pictures}), str(error))
    return Loaded(detail)


def _check_contained(run: RunDir, detail: Detail) -> None:
    paths = [one.path for one in detail.pictures]
    if leading_out(detail.root, paths):  # rare, and the settings need pydantic
        check_contained(Path(detail.root), paths, read_settings(run.settings).data.follow_links)


class Evaluations:
    """Those of one run, and which of them is chosen; the newest until another one is.

    Args:
        state: of the run, kept up to date by its follower.
    """

    def __init__(self, state: RunState) -> None:
        self.state = state
        self._chosen: Key | None = None
        self._known: dict[Key, Loaded] = {}

    @property
    def events(self) -> list[Evaluated]:
        """All of them, the test last."""
        return [*self.state.evaluations, *([self.state.test] if self.state.test is not None else [])]

    @property
    def chosen(self) -> Evaluated | None:
        """The one to show; None while there is none."""
        events = self.events
        return next((event for event in events if key_of(event) == self._chosen), events[-1] if events else None)

    @property
    def place(self) -> tuple[int, int]:
        """Which one of how many it is, counted from 1."""
        events = self.events
        return (events.index(self.chosen) + 1 if self.chosen is not None else 0), len(events)

    @property
    def before(self) -> Evaluated | None:
        """The validation before the chosen one; none for a test, which has other pictures."""
        event = self.chosen
        if event is None or event.split != "validation":
            return None
        return next((other for other in reversed(self.state.evaluations) if other.step < event.step), None)

    def walk(self, by: int) -> None:
        """Choose an earlier or later one; from the newest on, the newest is chosen as it comes."""
        events = self.events
        if events:
            at = max(0, min(len(events) - 1, self.place[0] - 1 + by))
            self._chosen = None if at == len(events) - 1 else key_of(events[at])

    def choose_best(self) -> None:
        """Choose the best validation, if there is one."""
        if self.state.best is not None:
            self._chosen = key_of(self.state.best)

    def unread(self) -> list[Evaluated]:
        """Return what has to be read to show the chosen one and what has changed since the one before."""
        return [event for event in (self.chosen, self.before) if event is not None and key_of(event) not in self._known]

    def keep(self, found: Iterable[tuple[Key, Loaded]]) -> None:
        """Keep what was read; the oldest are dropped."""
        self._known.update(found)
        while len(self._known) > _KEPT:
            del self._known[next(iter(self._known))]

    def known(self, event: Evaluated | None) -> Loaded | None:
        """Return what was read of an evaluation, if it was."""
        return self._known.get(key_of(event)) if event is not None else None
