"""Pictures that cannot be read: each is named once, whoever comes upon it, or ends the run if the settings say so."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NoReturn

from tui.core.dataset.problems import Problem, many, some_of
from tui.core.dataset.samples import Sample
from tui.core.errors import FailureError
from tui.core.text import clean
from tui.engine.data.draws import Positions

NOUNS = {"train": "training", "validation": "validation", "test": "test"}


class Unreadable:
    """What could not be read so far; several threads may name pictures.

    Args:
        splits: (path, target) of each picture.
        stop: whether the first one ends the run.

    Attributes:
        problems: for a person, in the order in which they were found.
    """

    def __init__(self, splits: Mapping[str, list[Sample]], *, stop: bool) -> None:
        self._splits, self.stop = splits, stop
        self.problems: list[Problem] = []
        self._lock = threading.Lock()
        self._named: set[str] = set()

    def name(self, split: str, positions: Positions, reasons: Mapping[int, str]) -> None:
        """Name pictures of a split.

        Args:
            split: of which.
            positions: some of it.
            reasons: why one of these cannot be read, by its place among them.

        Raises:
            FailureError: one of them is new, and such a picture ends the run.
        """
        paths = {self._splits[split][int(positions[place])][0]: reason for place, reason in reasons.items()}
        with self._lock:
            new = {path: reason for path, reason in paths.items() if path not in self._named}
            if new and self.stop:
                self._refuse(split, new)
            self._named.update(new)
        if not new:
            return
        shown = ", ".join(f'"{clean(path, 120)}" ({clean(reason, 160)})' for path, reason in list(new.items())[:3])
        more = f" and {len(new) - 3:,} more" if len(new) > 3 else ""
        are = "is" if len(new) == 1 else "are"
        text = f"{many(len(new), f'{NOUNS[split]} picture')} cannot be read and {are} skipped: {shown}{more}."
        self.problems.append(Problem("unreadable", "warning", text, some_of(list(new))))

    def _refuse(self, split: str, new: Mapping[str, str]) -> NoReturn:
        path, reason = next(iter(new.items()))
        more = f", and so are {len(new) - 1:,} more" if len(new) > 1 else ""
        cause = f'the {NOUNS[split]} picture "{clean(path, 120)}" cannot be read ({clean(reason, 160)}){more}'
        step = "Mend or exclude it, or set data.unreadable to skip, and resume the run."
        raise FailureError("The run stopped at a picture, as data.unreadable says", cause, step)
