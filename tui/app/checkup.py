"""A check of a folder of pictures in the background; no widget here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui.core.errors import CnntrainError
from tui.core.text import clean_path

if TYPE_CHECKING:
    from tui.core.dataset.check import Report
    from tui.core.groups.data import DataSettings


@dataclass
class Checkup:
    """One check. The thread that runs `work` writes, the screen reads."""

    path: Path
    data: DataSettings
    """How to read the folder."""
    deep: bool = False
    stage: str = ""
    count: int = 0
    total: int = 0
    """0: unknown."""
    report: Report | None = None
    error: str = ""
    cancelled: bool = False
    done: bool = False

    def work(self, changed: Callable[[], None]) -> None:
        """Look into every file, and call ``changed`` at the end. Runs in a thread."""
        from tui.core.dataset.check import check
        from tui.core.dataset.scan import Cancelled

        try:
            self.report = check(
                self.path, deep=self.deep, data=self.data, progress=self._tell, cancelled=lambda: self.cancelled
            )
        except Cancelled:
            self.cancelled = True
        except CnntrainError as error:
            self.error = str(error)
        except OSError as error:
            self.error = f"The check was given up: {clean_path(error.filename or self.path)}: {error.strerror}."
        self.done = True
        changed()

    def _tell(self, stage: str, count: int, total: int) -> None:
        self.stage, self.count, self.total = stage, count, total
