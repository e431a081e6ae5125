"""Following a run while it grows: one poll brings its state and its series up to date.

A live run, a finished one, a crashed one and one on another machine are read by the same code, and nothing
is ever written into a run. A poll that finds nothing new costs a few microseconds.
"""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING

from tui.core import control
from tui.core.errors import CnntrainError, UsageError
from tui.core.events import Extended, Message, Rewound, Started
from tui.core.records import BATCHES, LAYERS
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs import status
from tui.runs.event_tail import EventTail
from tui.runs.fold import advance, fold
from tui.runs.liveness import Liveness, look
from tui.runs.state import RunState, rejudge
from tui.runs.status import newer
from tui.runs.tail import Record, RecordTail, attempt_of

if TYPE_CHECKING:
    from tui.runs.history import History

__all__ = ["EventTail", "RecordTail", "RunFollower"]

_GONE = "Its directory is gone; nothing more can be read of it."
_UNTIL_THEN = "What was read of it before stays on the screen; it goes on as soon as the directory is there again."
_LOOK = 1.0
"""Seconds between two looks at the lock, at the requests that wait and for a new attempt."""
_WINDOW = 4096
"""Records over which the pace is measured at most."""
_EVENT_BYTES = 4 << 20


class RunFollower:
    """Keeps the `state` of one run, and with ``history`` its series, up to date.

    Without ``history`` numpy is not imported, and only the newest record of a run is read. Polls may be made
    from any one thread at a time.

    Args:
        run: the run.
        history: whether series are wanted.
        patient: whether zooms may stay coarse until the next poll, so that only polls read the disk.
    """

    def __init__(self, run: RunDir, history: bool = True, *, patient: bool = False) -> None:
        self.run = run
        self._patient = patient
        self.busy = False
        """Whether a poll is under way in another thread: until it is over, state and series are not to be read."""
        self._events = EventTail(run.events)
        self._histories: dict[str, History] = {}
        """By the kind of record; polled in this order."""
        self._rewinds: list[tuple[int, int]] = []
        if history:
            self.history(BATCHES)
            self.history(LAYERS)
        self._newest: RecordTail | None = None
        self._newest_size = -1
        self._void: dict[int, int] = {}
        """The last step of each attempt that a later one has not made void."""
        self._chosen = self._looked = -math.inf
        self._life: Liveness | None = None
        """Who runs it, at the last look; None before it, and when the directory was gone."""
        self._settings_seen: tuple[int, int] | None = None
        self._restarts = 0
        self._gaps = 0
        """Damaged stretches of records that were told."""
        self.state = RunState(run)
        self.behind = False
        """Whether a poll with a budget left something unread."""

    @property
    def batches(self) -> History:
        """The per-batch records; columns are those of `tui.core.metrics.BATCH`."""
        return self._histories[BATCHES]

    @property
    def layers(self) -> History:
        """The gradient norms per layer; columns are the names of the weights."""
        return self._histories[LAYERS]

    def history(self, kind: str) -> History:
        """Return the records of a kind (`tui.core.records`); they are read from the next poll on."""
        from tui.runs.history import History

        history = self._histories.get(kind)
        if history is None:
            history = self._histories[kind] = History(self.run, kind, patient=self._patient)
            for attempt, step in self._rewinds:
                history.rewind(attempt, step)
        return history

    @property
    def wanting(self) -> bool:
        """Whether a poll now would find something finer to show, or records of a kind that nobody has read."""
        return any(history.wanting for history in self._histories.values())

    def poll(self, budget: float | None = None) -> bool:
        """Read what is new; return whether anything that can be shown has changed.

        Args:
            budget: seconds after which to leave the rest of a long history for the next poll (`behind`).
        """
        if self.state.last_time and not os.path.isdir(self.run.path):  # what is known of it stays
            self.behind = False
            return self._judge()
        deadline = math.inf if budget is None else time.monotonic() + budget
        told = changed = self._read_events(deadline)
        histories = list(self._histories.values())
        for history in histories:
            if history is not histories[0] and not history.polled and time.monotonic() > deadline:
                continue  # it takes longest to open: what is there already is shown first
            changed |= history.poll(None if budget is None else max(0.0, deadline - time.monotonic()))
        self._tell_gaps()
        self.behind = self._events.waiting() > 0 or any(one.behind or not one.polled for one in histories)
        ending = self.state.ended is not None and self.state.live
        look = told or ending or time.monotonic() - self._looked >= _LOOK
        if look:  # the time that is left depends on the settings
            self._looked = time.monotonic()
            changed |= self._read_settings()
        newest = self._read_newest()
        changed |= newest
        if look:
            changed |= self._judge()
        elif newest and self._life is not None:  # whoever runs it was looked at a moment ago
            changed |= self._rejudge(self._life)
        return changed

    def _read_events(self, deadline: float) -> bool:
        changed = False
        while True:
            events = self._events.poll(_EVENT_BYTES)
            if self._events.restarts != self._restarts:
                self._restarts = self._events.restarts
                self.state = RunState(self.run)
                self._settings_seen = None
                self._gaps = 0
                self._rewinds.clear()
            for event in events:
                fold(self.state, event)
                if isinstance(event, (Rewound, Started)):
                    self._rewind(event.attempt, max(0, event.step))
            changed |= bool(events)
            if not events or not self._events.waiting() or time.monotonic() > deadline:
                return changed

    def _tell_gaps(self) -> None:
        """Say once how much of the records is damaged; what comes after it is read all the same."""
        gaps = sum(history.gaps for history in self._histories.values())
        if gaps > self._gaps:
            self._gaps = gaps
            what = "1 damaged stretch" if gaps == 1 else f"{gaps} damaged stretches"
            text = f"{what} of the records cannot be read; all others are shown."
            self.state.log.append(Message(time=self.state.last_time, level="warning", text=text))

    def _read_newest(self) -> bool:
        """Bring the newest record, the step and the time left up to date."""
        if self._newest is None or time.monotonic() - self._chosen >= _LOOK:
            self._chosen = time.monotonic()
            self._choose_newest()
        if self._newest is None or self._newest.size() == self._newest_size:
            return False
        self._newest_size = self._newest.size()
        record = self._newest.last()
        if record is None or self._newest.header is None:
            return False
        state = self.state
        state.latest = dict(zip((clean(n, 200) for n in self._newest.header.columns), record.values, strict=True))
        state.last_time = max(state.last_time, record.time)
        advance(state, max(state.step, record.step))
        state.eta_seconds = self._time_left(self._newest, record)
        return True

    def _rewind(self, attempt: int, step: int) -> None:
        for earlier in range(1, min(attempt, 10_000)):
            self._void[earlier] = min(step, self._void.get(earlier, step))
        self._rewinds.append((attempt, step))
        for history in self._histories.values():
            history.rewind(attempt, step)

    def _choose_newest(self) -> None:
        """Find the segment with the newest record that counts."""
        for path in sorted(self.run.segments(BATCHES), key=attempt_of, reverse=True):
            tail = self._newest if self._newest is not None and self._newest.path == path else RecordTail(path)
            record = tail.last()
            if record is not None and record.step <= self._void.get(record.attempt, record.step):
                if tail is not self._newest:
                    self._newest, self._newest_size = tail, -1
                return
        self._newest = None

    def _time_left(self, tail: RecordTail, record: Record) -> float | None:
        """Return the seconds that the remaining steps take at the recent pace, pauses left out."""
        state = self.state
        per_epoch = state.started.steps_per_epoch if state.started else 0
        # A whole epoch has its validation in it, so that the pace is the true one.
        window = min(_WINDOW, per_epoch) if per_epoch >= 100 else min(_WINDOW, 20 * max(1, per_epoch))
        earlier = tail.before(record, window)
        if earlier is None or earlier.step >= record.step:
            return None
        seconds = self._trained(earlier.time, record.time)
        if not 0 < seconds < math.inf:
            return None
        state.seconds_per_step = seconds / (record.step - earlier.step)
        remaining = max(0, state.total_steps - record.step)
        if state.total_steps <= 0:
            return None
        return min(remaining * state.seconds_per_step, self._allowed(record.time))

    def _trained(self, begin: float, end: float) -> float:
        """Return the seconds between two times, pauses left out."""
        return end - begin - math.fsum(max(0.0, min(b, end) - max(a, begin)) for a, b in self.state.pauses)

    def _allowed(self, now: float) -> float:
        """Return the seconds that training.max_minutes leaves at most."""
        state, limit = self.state, self.state.setting("training.max_minutes")
        if not isinstance(limit, int | float) or limit <= 0 or state.started is None:
            return math.inf
        begin, before = state.started.time, state.started.trained
        for event in state.log:
            if isinstance(event, Extended) and event.time >= begin:  # the limit counts anew
                begin, before = event.time, 0.0
        return max(0.0, 60 * limit - before - self._trained(begin, now))

    def _read_settings(self) -> bool:
        """Read the settings once, and again when the file has changed; what is wrong with them becomes a sentence."""
        try:
            found = self.run.settings.stat()
            seen = (found.st_mtime_ns, found.st_size)
        except OSError:
            seen = (0, 0)
        if seen == self._settings_seen:
            return False
        self._settings_seen = seen
        from tui.core.presets import read_toml
        from tui.runs.launched import as_launched, check_whole, with_the_copy

        state = self.state
        state.table, state.info, state.problems, state.read_only = None, {}, [], ""
        try:
            table = read_toml(self.run.settings)
            check_whole(self.run, table)
            info = table.pop("run", {})
            if isinstance(info, dict):
                state.info = {clean(str(key), 80): clean(str(value), 200) for key, value in info.items()}
            state.read_only = newer(state.info.get("format", ""))
            state.table = table
            if not as_launched(self.run):
                from tui.core.schema import validated

                validated(table, source=str(self.run.settings))
        except CnntrainError as error:
            if state.read_only:
                state.table = None
                return True
            state.refuse(with_the_copy(self.run, error) if isinstance(error, UsageError) else error)
        return True

    def _judge(self) -> bool:
        state = self.state
        if not os.path.isdir(self.run.path):
            changed = state.status_text != _GONE
            state.status, state.status_text, state.eta_seconds = "interrupted", _GONE, None
            state.read_only = _UNTIL_THEN
            self._life = self._settings_seen = None
            return changed
        if any(request.action == "stop" for request in control.pending(self.run)) and state.ended is None:
            state.stop_asked = True
        self._life = look(self.run)
        return self._rejudge(self._life)

    def _rejudge(self, life: Liveness) -> bool:
        state = self.state
        changed = rejudge(state, life, status.now())
        if state.status not in ("running", "stopping"):
            state.eta_seconds = None
        return changed
