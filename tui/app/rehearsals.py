"""Work of the engine that a screen waits for and may give up; no widget here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from tui.core.errors import CnntrainError
from tui.core.settings import Settings

_T = TypeVar("_T")


@dataclass
class Waiting(Generic[_T]):
    """One question to the engine, from its start to its answer; `work` runs in a thread.

    Args:
        ask: `tui.runs.rehearsals.dry_run` or `range_test`.
        settings: of the run that may follow.
        root: where runs are kept.
    """

    ask: Callable[..., _T]
    settings: Settings
    root: Path
    stage: str = "starting the engine"
    done: int = 0
    total: int = 0
    result: _T | None = None
    error: str = ""
    warnings: list[str] = field(default_factory=list)
    given_up: bool = False
    began: float = field(default_factory=time.monotonic)
    _end: Callable[[], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def over(self) -> bool:
        """Whether there is an answer, or will be none."""
        return self.result is not None or bool(self.error)

    @property
    def words(self) -> str:
        """Say what the engine is at."""
        amount = f", {self.done:,} of {self.total:,}" if self.total else f", {self.done:,}" if self.done else ""
        return f"{self.stage}{amount}… {time.monotonic() - self.began:.0f} s"

    def work(self) -> None:
        """Ask, and keep the answer or what went wrong."""
        try:
            self.result = self.ask(
                self.settings, root=self.root, progress=self._tell, warn=self.warnings.append, begun=self._begun
            )
        except CnntrainError as error:
            self.error = str(error)
        except OSError as error:
            self.error = f"The engine cannot be asked: {error.strerror or error}."

    def give_up(self) -> None:
        """End the engine's process; from any thread."""
        with self._lock:
            self.given_up = True
            end = self._end
        if end is not None:
            end()

    def _begun(self, end: Callable[[], None]) -> None:
        with self._lock:
            self._end = end
            if not self.given_up:
                return
        end()

    def _tell(self, stage: str, done: int, total: int) -> Any:
        self.stage, self.done, self.total = stage, done, total
