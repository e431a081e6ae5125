"""What a run records, written for TensorBoard too while it trains: by a thread, and only as long as that works.

The training thread does nothing but append to a queue that never grows; a missing package, a full disk
or a slow one cost points in TensorBoard, never a step.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from tui.core.errors import CnntrainError
from tui.core.events import Event
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.core.tensorboard import EventFile, tags, values_of

SECONDS = {BATCHES: 0.1}
"""At most one point of a kind in this time; every step is in the records."""
_OTHERS = 2.0
_WRITE_EVERY = 1.0
_MOST_WAITING = 2000

_Point = tuple[int, float, dict[str, float]]


class Mirror:
    """Writes one attempt's event file.

    Args:
        run: where to.
        attempt: its number.
        first_step: the step that comes next; what earlier attempts wrote from there on is void.
        complain: told one sentence when it gives up.
    """

    def __init__(self, run: RunDir, attempt: int, first_step: int, complain: Callable[[str], None]) -> None:
        self._run, self._attempt, self._complain = run, attempt, complain
        self._first_step = first_step if attempt > 1 else 0
        self._waiting: deque[_Point] = deque(maxlen=_MOST_WAITING)
        self._next: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tensorboard", daemon=True)
        self._thread.start()

    def record(self, kind: str, columns: tuple[str, ...], step: int, moment: float, values: list[float]) -> None:
        """Take the numbers of a step, if it is time for a point."""
        now = time.monotonic()
        if now >= self._next.get(kind, 0.0):
            self._next[kind] = now + SECONDS.get(kind, _OTHERS)
            self._waiting.append((step, moment, dict(zip(tags(kind, columns), values, strict=True))))

    def event(self, event: Event) -> None:
        """Take what an event says in numbers."""
        if values := values_of(event):
            self._waiting.append((event.step, event.time, values))

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits and end; a disk that does not answer is not waited for longer than ``seconds``."""
        self._over.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        try:
            file = EventFile(self._run.tensorboard, suffix=str(self._attempt), first_step=self._first_step)
            over = False
            while not over:
                over = self._over.wait(_WRITE_EVERY)
                while self._waiting:
                    file.add(*self._waiting.popleft())
                file.flush()
            file.close()
        except CnntrainError as error:
            self._complain(f"{error} Training goes on.")
        except Exception as error:
            why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            self._complain(f"TensorBoard's files are no longer written: {why}. Training goes on.")
