"""Plain progress of a run: lines for a pipe or a log, a bar on a terminal. Reads only the run's directory.

The run is not a child of this process: ending the view, by Ctrl-C or a closed pipe, leaves it training.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from tui.cli.lines import progress
from tui.cli.places import reference
from tui.cli.terminal import PIPE_CLOSED, complain, is_terminal, say
from tui.core.errors import CnntrainError
from tui.core.events import Cleared, Ended, Event, Exit, Found, Preparing
from tui.core.rundir import RunDir
from tui.core.sentences import sentence
from tui.runs.status import LIVE

if TYPE_CHECKING:
    from tui.runs.state import RunState

HEARTBEAT = 10.0
"""Seconds of silence after which a line says how far the run is."""
_TICK = 0.2


class Output(Protocol):
    """Where the view writes."""

    def line(self, text: str) -> None:
        """Write one line that stays."""

    def show(self, state: RunState) -> None:
        """Show how far the run is; called several times a second."""

    def pause(self) -> None:
        """Leave the terminal to a question."""

    def close(self) -> None:
        """Leave the terminal for good."""


class Lines:
    """Writes to a pipe or a file: each line with its time, and a sign of life when nothing else happens."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._shown = ""

    def line(self, text: str) -> None:
        """Write one line."""
        say(f"{time.strftime('%H:%M:%S')} {text}")
        self._last = time.monotonic()

    def show(self, state: RunState) -> None:
        """Write a line if there has been none for a while and there is news."""
        if time.monotonic() - self._last >= HEARTBEAT:
            self._last = time.monotonic()
            text = progress(state)
            if text and text != self._shown:
                self._shown = text
                self.line(text)

    def pause(self) -> None:
        """Nothing to leave."""

    def close(self) -> None:
        """Nothing to leave."""


class Interrupts:
    """Keeps the Ctrl-C and the SIGTERM that arrive, in their order, instead of being ended by them."""

    def __init__(self) -> None:
        self._waiting: deque[int] = deque()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep them from here to the end of the block."""
        before = {number: signal.signal(number, self._keep) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _keep(self, number: int, _frame: FrameType | None) -> None:
        self._waiting.append(number)

    def taken(self) -> Iterator[int]:
        """Take those that have arrived."""
        while self._waiting:
            yield self._waiting.popleft()


class PlainView:
    """Follows one run until it ends."""

    def __init__(self, run: RunDir) -> None:
        from tui.runs.event_tail import EventTail
        from tui.runs.follow import RunFollower

        self._run = run
        self._follower = RunFollower(run, history=False)
        self._tail = EventTail(run.events)
        self._stage = ""
        self._found: dict[str, str] = {}
        """What was last said of each finding that stands, by its code."""
        self._asked = 0
        """How often a stop was asked for: once it finishes the step and saves, twice it is at once."""

    def pass_over(self) -> None:
        """Say nothing about what happened before now."""
        self._tail.poll()

    def follow(self) -> int:
        """Show the run until it ends; return the engine's exit code, or 130 when the view was left."""
        output = _output()
        output.line(f"run {self._run.path}")
        try:
            with (interrupts := Interrupts()).kept():
                return self._follow(output, interrupts)
        except SystemExit:  # nobody reads the output any more
            self._left(output, PIPE_CLOSED)
            raise
        finally:
            output.close()

    def _follow(self, output: Output, interrupts: Interrupts) -> int:
        ended: Ended | None = None
        while True:
            for event in self._tail.poll():
                self._tell(event, output)
                ended = event if isinstance(event, Ended) else ended
            self._follower.poll()
            state = self._follower.state
            if state.status not in LIVE and ended is not None:
                return self._ended(ended.exit_code, output)
            if state.status not in LIVE and state.ended is None:  # died with its supervisor: nobody was left to say why
                output.line(f"{state.status}: {state.status_text}")
                return self._ended(Exit.KILLED, output)
            if ended is None:
                output.show(state)
            for number in interrupts.taken():
                code = self._interrupted(number, output)
                if code is not None:
                    return code
            time.sleep(_TICK)

    def _tell(self, event: Event, output: Output) -> None:
        if isinstance(event, Preparing):
            if event.stage == self._stage:
                return
            self._stage = event.stage
        text = sentence(event)
        if isinstance(event, Found):  # told again when more follows from it: the list of that is for the screen
            if self._found.get(event.code) == text:
                return
            self._found[event.code] = text
        elif isinstance(event, Cleared):
            self._found.pop(event.code, None)
        if text:
            output.line(text)

    def _ended(self, code: int, output: Output) -> int:
        output.close()
        if code in (Exit.STOPPED, Exit.KILLED):
            complain(f"`cnntrain resume {reference(self._run)}` continues from the last checkpoint.")
        return code if 0 <= code < 256 else 128 + abs(code) % 128

    def _interrupted(self, number: int, output: Output) -> int | None:
        """Act on Ctrl-C or SIGTERM; return an exit code when the view is to be left."""
        if self._asked == 0 and number == signal.SIGINT and is_terminal(sys.stdin) and is_terminal(sys.stdout):
            output.pause()
            if not _wants_to_stop():
                return self._left(output, 128 + number)
        self._asked += 1
        if self._asked > 2 or not self._ask_to_stop(output):
            return self._left(output, 128 + number)
        return None

    def _ask_to_stop(self, output: Output) -> bool:
        """Ask the run to stop, the second time at once; False: that cannot be asked from here."""
        from tui.runs.controls import stop

        now = self._asked == 2
        try:
            stop(self._run, now=now)
        except CnntrainError as error:  # or it has ended by itself meanwhile; the next look tells
            complain(str(error))
            return not now
        if now:
            output.line("stopping at once, without saving; Ctrl-C again leaves the run to itself")
        else:
            output.line("stopping after a saved step; Ctrl-C again stops it at once, without saving")
        return True

    def _left(self, output: Output, code: int) -> int:
        output.close()
        going = "stops by itself" if self._asked else "goes on"
        complain(f"the training {going}; `cnntrain status {reference(self._run)}` tells how far it is.")
        return code


def _output() -> Output:
    if not is_terminal(sys.stdout):
        return Lines()
    from tui.cli.bar import Bar

    return Bar()


def _wants_to_stop() -> bool:
    import typer

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return typer.confirm("\nStop the run? It can be resumed (n: leave it training)", default=False)
    except (KeyboardInterrupt, EOFError, RuntimeError):  # typer.Abort is a RuntimeError
        return False
    finally:
        signal.signal(signal.SIGINT, before)
