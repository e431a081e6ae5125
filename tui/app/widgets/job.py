"""Work of the engine that a screen has asked for: how far it is, what came of it, and a way to give it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from tui.core.errors import CnntrainError
from tui.core.text import clean

Make = Callable[[], dict[str, Any]]
"""Makes the job; it may look at the disk, and refuse with a `CnntrainError`."""
_PERIOD = 0.25
_LOADING = "loading PyTorch and the network, which takes some seconds"


@dataclass
class _Question:
    """Something that was asked, until it is answered or given up."""

    given_up: bool = False
    ends: list[Callable[[], None]] = field(default_factory=list)
    """What ends the process that works on it."""

    def begun(self, end: Callable[[], None]) -> None:
        """Remember how to end the process; it may be wanted no more already."""
        self.ends.append(end)
        if self.given_up:
            end()

    def give_up(self) -> None:
        """End the process, now or as soon as it has begun."""
        self.given_up = True
        for end in self.ends:
            end()


class JobLine(Static):
    """One or two lines about the work; `start` begins it, in a process that this widget does not outlive."""

    DEFAULT_CSS = "JobLine { height: auto; color: $text-muted; }"

    @dataclass
    class Done(Message):
        """The engine has answered."""

        line: JobLine
        result: dict[str, Any]

    @dataclass
    class Failed(Message):
        """It could not, or did not want to."""

        line: JobLine
        error: CnntrainError

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._question: _Question | None = None
        self._progress = ("", 0, 0)
        self._warnings: list[str] = []
        self._timer: Timer | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being worked on."""
        return self._question is not None

    def start(self, module: str, make: Make, item: Callable[[Any], None] = lambda value: None) -> None:
        """Let ``tui.engine.MODULE`` do a job.

        Args:
            module: its name.
            make: makes the job, in the thread that asks.
            item: given each of many results, in that thread.
        """
        self.give_up()
        self._question, self._progress, self._warnings = _Question(), ("loading", 0, 0), []
        self._show()
        self._timer = self.set_interval(_PERIOD, self._show)
        work = partial(self._work, module, make, item, self._question)
        self.run_worker(work, thread=True, exit_on_error=False, group="job")

    def give_up(self) -> bool:
        """End the work; False if there was none."""
        question, self._question = self._question, None
        if self._timer is not None:
            self._timer.stop()
        if question is None:
            return False
        question.give_up()
        self.say("Given up.")
        return True

    def say(self, text: str, style: str = "") -> None:
        """Show a sentence, and what was warned of."""
        lines = [Content.styled(clean(text, 1000), style)]
        lines += [Content.styled(clean(warning, 300), "$text-warning") for warning in self._warnings[:3]]
        self.update(Content("\n").join(lines))

    def on_unmount(self) -> None:
        self.give_up()

    def _work(self, module: str, make: Make, item: Callable[[Any], None], question: _Question) -> None:
        from tui.runs.service import ask

        def progress(stage: str, done: int, total: int) -> None:
            self._progress = stage, done, total

        result, error = None, None
        try:
            warn, begun = self._warnings.append, question.begun
            result = ask(module, make(), progress=progress, item=item, warn=warn, begun=begun)
        except CnntrainError as raised:
            error = raised
        if not question.given_up:
            self.app.call_from_thread(self._over, question, result, error)

    def _over(self, question: _Question, result: dict[str, Any] | None, error: CnntrainError | None) -> None:
        if question is not self._question:
            return
        self._question = None
        if self._timer is not None:
            self._timer.stop()
        if error is not None:
            self.say(str(error), "$text-error")
            self.post_message(self.Failed(self, error))
        else:
            self.say("")
            self.post_message(self.Done(self, result or {}))

    def _show(self) -> None:
        stage, done, total = self._progress
        words = _LOADING if stage == "loading" else stage
        amount = f": {done:,} of {total:,}" if total else f": {done:,}" if done else ""
        self.say(f"{words[:1].upper()}{words[1:]}{amount}…")
