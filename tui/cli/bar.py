"""Progress on a terminal: one bar that is redrawn in place, with the lines that stay above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tui.cli.lines import numbers
from tui.core.sentences import duration
from tui.core.text import clean

if TYPE_CHECKING:
    from tui.runs.state import RunState


class Bar:
    """Draws a run's progress on the terminal. Nothing that it is given is read as markup."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(markup=False, emoji=False, highlight=False)
        self._bar = max(4, min(40, self._console.width // 6))
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=self._bar),
            TextColumn("{task.fields[words]}", markup=False),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, words="")
        self._shown: tuple[object, ...] = ()
        self._open = False

    def line(self, text: str) -> None:
        """Write one line above the bar, sanitized."""
        self._console.print(clean(text), markup=False, emoji=False, highlight=False, soft_wrap=True)

    def show(self, state: RunState) -> None:
        """Redraw the bar if anything changed."""
        if state.status == "preparing":
            stage = state.preparing
            done, total = (stage.done, stage.total or None) if stage else (0, None)
            title = clean(stage.stage if stage else "preparing", 30)
            words = f"{done:,} of {total:,}" if total else ""
        else:
            done, total = state.step, state.total_steps or None
            title = f"epoch {state.epoch:.1f}{state.of_epochs}"
            left = [f"{duration(state.eta_seconds)} left"] if state.eta_seconds is not None else []
            words = ", ".join(left + numbers(state))
        words = words[: max(0, self._console.width - len(title) - self._bar - 2)]
        if (now := (title, done, total, words)) == self._shown and self._open:
            return
        self._shown = now
        if not self._open:
            self._open = True
            self._progress.start()
        self._progress.update(self._task, description=title, completed=done, total=total, words=words)
        self._progress.refresh()

    def pause(self) -> None:
        """Wipe the bar and leave the terminal to a question; `show` brings it back."""
        if self._open:
            self._open = False
            self._progress.stop()

    def close(self) -> None:
        """Wipe the bar."""
        self.pause()
