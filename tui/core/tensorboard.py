"""Event files as TensorBoard reads them: what is written live and what `cnntrain metrics` converts look alike.

TensorBoard's own protocol buffers and record writer are used, and neither torch nor TensorFlow; the package
is optional.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tui.core.errors import UsageError
from tui.core.events import EpochEnded, Evaluated, Event
from tui.core.records import BATCHES
from tui.core.rundir import RunDir

_VERSION = "brain.Event:2"
PREFIX = "events.out.tfevents."
"""How the files' names begin; TensorBoard looks for ``tfevents``."""


class EventFile:
    """A new event file.

    Args:
        directory: made if need be.
        suffix: tells files that begin in the same second apart.
        first_step: what other files of the directory say of this step and later ones is void; 0: nothing is.

    Raises:
        UsageError: TensorBoard is not installed.
        OSError: the file cannot be written.
    """

    def __init__(self, directory: Path, *, suffix: str, first_step: int = 0) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            step = "Install it with `pip install 'cnntrain[tensorboard]'`."
            raise UsageError("No TensorBoard files are written", "tensorboard is not installed", step) from None
        self._event, self._summary, self._session = event_pb2.Event, summary_pb2.Summary, event_pb2.SessionLog
        directory.mkdir(exist_ok=True)
        self.path = directory / f"{PREFIX}{int(time.time()):010d}.{os.getpid()}.{suffix}"
        self._writer = RecordWriter(self.path.open("xb"))
        self._write(self._event(wall_time=time.time(), file_version=_VERSION))
        if first_step:
            start = self._session(status=self._session.START)
            self._write(self._event(wall_time=time.time(), step=first_step, session_log=start))

    def add(self, step: int, moment: float, values: Mapping[str, float]) -> None:
        """Write the numbers of one step by their tags; NaN is left out, TensorBoard cannot draw it.

        Raises:
            OSError: they cannot be written.
        """
        told = [self._summary.Value(tag=tag, simple_value=v) for tag, v in values.items() if not math.isnan(v)]
        if told:
            self._write(self._event(wall_time=moment, step=step, summary=self._summary(value=told)))

    def flush(self) -> None:
        """Hand everything to the system.

        Raises:
            OSError: the disk is full.
        """
        self._writer.flush()

    def close(self) -> None:
        """Write what is left.

        Raises:
            OSError: the disk is full.
        """
        self._writer.close()

    def _write(self, event: object) -> None:
        self._writer.write(event.SerializeToString())  # type: ignore[attr-defined]


def tags(kind: str, columns: Sequence[str]) -> list[str]:
    """Return the tags of a kind of records: ``batches/loss``, ``layers/blocks.0.0``."""
    group = "batch" if kind == BATCHES else kind
    return [f"{group}/{column}" for column in columns]


def values_of(event: Event) -> dict[str, float]:
    """Return the numbers of an event by their tags; empty for most."""
    if isinstance(event, Evaluated):
        return {f"{event.split}/{name}": value for name, value in event.metrics.items()}
    if isinstance(event, EpochEnded):
        return {"epoch/loss": event.loss, f"epoch/{event.metric}": event.score}
    return {}


def has_files(run: RunDir) -> bool:
    """Whether event files have been written into a run already."""
    try:
        return any(path.name.startswith(PREFIX) for path in run.tensorboard.iterdir())
    except OSError:
        return False
