"""Looking through a folder of pictures in the background, step by step; no widget here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tui.core.errors import CnntrainError, UsageError
from tui.core.text import clean_path

if TYPE_CHECKING:
    from tui.core.dataset.scan import Scan
    from tui.core.dataset.sizes import Sizes
    from tui.core.settings import Settings


@dataclass
class Survey:
    """One look through a folder. The thread that runs `look` writes, the screen reads."""

    path: Path
    settings: Settings
    """They decide how the folder is read and divided."""
    measured: bool = True
    """Whether sizes are measured, too."""
    seen: int = 0
    """Files seen so far."""
    scan: Scan | None = None
    splits: dict[str, int] = field(default_factory=dict)
    """Pictures that would train, validate and test."""
    sizes: Sizes | None = None
    error: str = ""
    """Why the folder cannot be used, one sentence."""
    warning: str = ""
    """Why these settings do not fit the folder, one sentence."""
    cancelled: bool = False
    done: bool = False

    def look(self, changed: Callable[[], None]) -> None:
        """Look through the folder, and call ``changed`` whenever there is more to show. Runs in a thread."""
        from tui.core.dataset.scan import Cancelled

        try:
            self._look(changed)
        except Cancelled:
            self.cancelled = True
        except CnntrainError as error:
            self.error = str(error)
        except OSError as error:
            self.error = f"These pictures cannot be used: {clean_path(error.filename or self.path)}: {error.strerror}."
        self.done = True
        changed()

    def _look(self, changed: Callable[[], None]) -> None:
        from tui.core.dataset.scan import measure_sizes, scan
        from tui.core.dataset.unusable import TITLE

        _check_name(self.path)
        found = scan(
            self.path,
            self.settings.data,
            progress=self._count,
            cancelled=lambda: self.cancelled,
            recall=True,
        )
        for problem in found.problems:
            if problem.severity == "error" and "data." not in problem.step:
                raise UsageError(TITLE, problem.text.rstrip("."), problem.step)  # no setting helps
        self._divide(found)
        self.scan = found
        changed()
        if self.measured and not self.cancelled:
            self.sizes = measure_sizes(found)

    def divide(self, changed: Callable[[], None]) -> None:
        """Divide what was found anew, by other settings. Runs in a thread."""
        if self.scan is not None:
            self._divide(self.scan)
            changed()

    def _divide(self, found: Scan) -> None:
        from tui.core.dataset.manifest import make_manifest

        try:
            manifest = make_manifest(found, self.settings)
        except UsageError as error:
            self.warning, self.splits = str(error), {}
        else:
            self.warning, self.splits = "", {name: len(samples) for name, samples in manifest.splits.items()}

    def _count(self, seen: int) -> None:
        self.seen = seen


def _check_name(path: Path) -> None:
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        cause = f"{clean_path(path)} is not valid UTF-8"
        raise UsageError("The folder's name cannot be kept in settings", cause, "Rename it, or link to it.") from None
