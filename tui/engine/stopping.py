"""When a run ends before its planned last step, and which validation is the best: limits, patience, selection.

The decisions are functions of the settings and of `Progress`, which checkpoints keep: a resumed run decides
as the uninterrupted one would have. Only the time limit depends on the clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import monotonic

from tui.core.metrics import LOSS, METRICS, Metric, Task, of_task
from tui.core.sentences import duration
from tui.core.settings import Settings
from tui.core.tasks import check_measured
from tui.engine.progress import Best, Progress


class Stopping:
    """Watches the clock and the validations of one attempt.

    Args:
        settings: of the run.
        task: of the run.

    Raises:
        UsageError: a metric that was chosen is not measured for this task.
    """

    def __init__(self, settings: Settings, task: Task) -> None:
        self._training, self._progress = settings.training, Progress()
        chosen = self._training.best_by
        self.best_by = of_task(task).headline if chosen == "auto" else METRICS[chosen]
        self._stop_by = METRICS[self._training.stop_metric]
        check_measured(self._training, task)
        self._mark, self._step = monotonic(), 0
        self._told = False

    def take_up(self, progress: Progress) -> None:
        """Work with this memory from now on: `Progress.end` is set here."""
        self._progress, self._mark, self._step = progress, monotonic(), progress.step

    def tick(self) -> None:
        """Take notice of a step boundary: count the time, and end the run when it has had enough of it."""
        now = monotonic()
        if self._progress.step > self._step:
            self._progress.elapsed += now - self._mark
            self._mark, self._step = now, self._progress.step
        limit = 60 * self._training.max_minutes
        if limit and self._progress.elapsed >= limit and not self._progress.end and self._progress.step:
            self._end(f"training.max_minutes is over ({duration(self._progress.elapsed)})")

    def leave_out(self, seconds: float) -> None:
        """Do not count some time: a pause."""
        self._mark += seconds

    def ranked(self, metrics: Mapping[str, float], step: int) -> tuple[bool, bool]:
        """Give a validation its place; return (whether it is the best, whether its weights are to be saved)."""
        value, progress = metrics.get(self.best_by.name, math.nan), self._progress
        new, others = Best(step, value, metrics[LOSS.name]), self._training.keep_best - 1
        if progress.best.step != step and progress.best.beaten_by(self.best_by, value, new.loss):
            before = [progress.best] if progress.best.step else []
            progress.best, progress.others = new, [*before, *progress.others][:others]
            return True, True
        known = [progress.best, *progress.others]
        if not progress.best.step or math.isnan(value) or any(old.step == step for old in known):
            return False, False  # a step that is validated once more keeps its place
        place = sum(not old.beaten_by(self.best_by, value, new.loss) for old in progress.others)
        progress.others = [*progress.others[:place], new, *progress.others[place:]][:others]
        return False, new in progress.others

    def unmeasured(self, metrics: Mapping[str, float]) -> str:
        """Return a sentence, once, when what decides is not among the metrics of a validation, else an empty text."""
        if self.best_by.name in metrics or self._told:
            return ""
        self._told = True
        return f"The validation has no {self.best_by.name} (training.best_by): no weights are called the best."

    def validated(self, metrics: Mapping[str, float]) -> str:
        """Take notice of a scheduled validation; return why the run ends with it, or an empty text."""
        if not self._training.stop_patience:
            return ""
        memory, value = self._progress.patience, metrics.get(self._stop_by.name, math.nan)
        if _improved(self._stop_by, value, memory.best, self._training.stop_change):
            memory.best, memory.waited = value, 0
            return ""
        memory.waited += 1
        if memory.waited < self._training.stop_patience or self._progress.end:
            return ""
        times = f"{memory.waited} validations" if memory.waited > 1 else "one validation"
        change = self._training.stop_change
        better = f" than {self._stop_by.format(memory.best)}" if not math.isnan(memory.best) else ""
        better += f" by at least {self._stop_by.format(change)}" if better and change else ""
        no = "not" if change else "no"
        return self._end(f"the validation {self._stop_by.label} was {no} better{better} in {times}")

    def _end(self, reason: str) -> str:
        self._progress.end, self._progress.end_reason = self._progress.step, reason
        return reason


def _improved(metric: Metric, new: float, old: float, change: float) -> bool:
    if math.isnan(new):
        return False
    if math.isnan(old):
        return True
    gain = old - new if metric.better == "min" else new - old
    return gain > 0 and gain >= change
