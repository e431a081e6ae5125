"""The moment between the decision to train and the live screen: what is being done, and a way out."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from tui.app.starts import Start, Watcher
from tui.core.dataset.walk import Cancelled
from tui.core.errors import CnntrainError, FailureError
from tui.core.rundir import RunDir
from tui.core.text import clean

Answer = RunDir | CnntrainError | None


class Starting(ModalScreen[Answer]):
    """Runs a `Start` in a thread; the answer is the run, why there is none, or None when it was cancelled."""

    CSS_PATH = "starting.tcss"
    BINDINGS = [Binding("escape", "cancel", "Cancel", id="starting.cancel", tooltip="Do not start.")]

    def __init__(self, start: Start) -> None:
        super().__init__()
        self._start, self._watcher = start, Watcher()

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(id="doing")
            yield Static(Content("Escape cancels."), id="hint")

    def on_mount(self) -> None:
        self._show()
        self.set_interval(0.25, self._show)
        self.run_worker(lambda: self._start(self._watcher), thread=True, exit_on_error=False, name="start")

    def action_cancel(self) -> None:
        """Ask the start to give up; it answers as soon as it can."""
        self._watcher.cancelled = True
        self._show()

    def _show(self) -> None:
        watcher = self._watcher
        count = f"  {watcher.count:,}" if watcher.count else ""
        doing = "Cancelling" if watcher.cancelled else watcher.doing
        self.query_one("#doing", Static).update(Content(f"{clean(doing)}…{count}"), layout=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Give the answer."""
        event.stop()
        if event.state is WorkerState.SUCCESS:
            self.dismiss(event.worker.result)
        elif event.state is WorkerState.ERROR:
            error = event.worker.error
            if isinstance(error, Cancelled):
                self.dismiss(None)
            elif isinstance(error, CnntrainError):
                self.dismiss(error)
            elif isinstance(error, OSError):
                cause = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
                self.dismiss(FailureError("The run cannot be started", clean(cause, 300)))
            elif error is not None:
                raise error
