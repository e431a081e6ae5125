"""The list of runs: how each stands, quickly.

A thousand runs are listed in about a second: of each run a few settings are read, of the events only the lines
that count, and of the records only the newest one. A run that is over is read once. Neither numpy nor pydantic
is imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tui.core import control
from tui.core.metrics import LOSS, TaskMetrics, of_task
from tui.core.rundir import RunDir
from tui.core.sentences import planned_epochs
from tui.core.text import clean
from tui.runs import remarks, status
from tui.runs.directory import begun, runs_in
from tui.runs.glance import read_events, read_newest, read_settings
from tui.runs.liveness import look
from tui.runs.status import LIVE, Status, judge, newer
from tui.runs.trial import origin

_MOST_KNOWN = 10_000


@dataclass(frozen=True)
class Summary:
    """One line of the list. All texts are sanitized."""

    run: RunDir
    name: str
    preset: str
    status: Status
    status_text: str
    created: float
    """Seconds since 1970."""
    dataset: str
    """The folder of pictures, with the home directory as ``~``."""
    step: int
    total_steps: int
    epoch: float
    epochs: int
    """As set; 0 when the settings cannot be read."""
    planned: float
    """How many epochs it is to make (`tui.core.sentences.planned_epochs`); 0 when that cannot be read."""
    loss: float | None
    """Of the newest batch."""
    task: str
    """Decides which metric the scores are of."""
    score: float | None
    """Of the newest validation, by the task's headline metric."""
    best_score: float | None
    """Of the best validation."""
    test_score: float | None
    last: Mapping[str, float] = field(default_factory=dict, hash=False)
    """All numbers of the newest validation, by the metrics' names."""
    best: Mapping[str, float] = field(default_factory=dict, hash=False)
    test: Mapping[str, float] = field(default_factory=dict, hash=False)
    note: str = ""
    pinned: bool = False
    origin: str = ""
    """From which run it comes, and what differs; nothing for most."""
    newer: str = ""
    """Why it can only be looked at: a newer version made it."""

    @property
    def metrics(self) -> TaskMetrics:
        """The metrics of its task."""
        return of_task(self.task)

    def scored(self, value: float | None, *, named: bool = False) -> str:
        """Return one of the scores as a person reads it; ``named``: with the metric's label."""
        metric = self.metrics.headline
        return f"{metric.brief} {metric.format(value)}" if named else metric.format(value)


def list_runs(root: Path) -> list[Summary]:
    """Return what is known of each run in ``root``, newest first; a broken run is listed as far as it can be read.

    Raises:
        FailureError: the directory is there and cannot be read.
    """
    return [summary_of(run) for run in runs_in(root)]


def summary_of(run: RunDir) -> Summary:
    """Return the line of a run; of one that is over, as it was found before while its files are the same."""
    signature = tuple(_stamp_of(path) for path in (run.settings, run.events, run.owner, run.remarks))
    known = _over.get(run.path)
    if known is not None and known[0] == signature:
        return known[1]
    summary = _read(run)
    if summary.status not in LIVE:
        if len(_over) >= _MOST_KNOWN:
            _over.clear()
        _over[run.path] = signature, summary
    return summary


_over: dict[Path, tuple[tuple[tuple[int, int], ...], Summary]] = {}


def _stamp_of(path: Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _read(run: RunDir) -> Summary:
    info, dataset, epochs = read_settings(run)
    news = read_events(run)
    record, names, pace = read_newest(run)
    step = news.step
    latest: dict[str, float] = {}
    if record is not None and (record.attempt >= news.attempt or record.step <= news.rewound):
        step = max(step, record.step)
        news.facts.last_sign = max(news.facts.last_sign, record.time)
        news.facts.slowest = max(news.facts.slowest, pace)
        latest = dict(zip(names, record.values, strict=True))
    news.facts.stop_asked |= any(request.action == "stop" for request in control.pending(run))
    word, text = judge(news.facts, look(run), status.now())
    said = remarks.read(run)
    return Summary(
        run=run,
        name=clean(run.name, 120),
        preset=info.get("preset", ""),
        status=word,
        status_text=text,
        created=_created(run, info.get("created", "")),
        dataset=dataset,
        step=step,
        total_steps=news.total_steps,
        epoch=step / news.steps_per_epoch if news.steps_per_epoch else 0.0,
        epochs=epochs,
        planned=planned_epochs(epochs, news.total_steps, news.steps_per_epoch) if epochs else 0,
        loss=latest.get(LOSS.name),
        task=clean(news.task, 40),
        score=news.score,
        best_score=news.best_score,
        test_score=news.test_score,
        last=news.last,
        best=news.best,
        test=news.test,
        note=said.note,
        pinned=said.pinned,
        origin=origin(info),
        newer=newer(info.get("format", "")),
    )


def _created(run: RunDir, text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return begun(run)
