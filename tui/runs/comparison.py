"""Runs beside each other: in which settings they differ, and how good each is. A row per setting, a column per run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tui.core.metrics import LOSS, METRICS, Metric
from tui.runs.catalog import Summary
from tui.runs.fields import EVALUATIONS, settings_of
from tui.runs.status import Status

_STATES: tuple[Status, ...] = (
    "running", "preparing", "paused", "stopping", "silent", "failed", "crashed", "interrupted", "stopped", "finished"
)  # fmt: skip
"""In the order in which a person wants to see them."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Score:
    """One number of all runs."""

    which: str
    """best or test."""
    metric: Metric
    values: tuple[float | None, ...]
    comparable: bool = True
    """Whether the numbers measure the same; losses of different functions do not."""

    @property
    def label(self) -> str:
        """What it is in words."""
        return f"{EVALUATIONS[self.which]} {self.metric.label}"

    @property
    def winners(self) -> tuple[int, ...]:
        """The places of the best value, where at least two measure the same and they differ."""
        known = [value for value in self.values if value is not None and value == value]
        if len(known) < 2 or len(set(known)) < 2 or self.metric.better is None or not self.comparable:
            return ()
        best = max(known) if self.metric.better == "max" else min(known)
        return tuple(place for place, value in enumerate(self.values) if value == best)


@dataclass(frozen=True)
class Comparison:
    """Several runs; all texts are sanitized by whoever shows them."""

    runs: tuple[Summary, ...]
    settings: Mapping[str, tuple[Any, ...]]
    """The settings that differ, by key; None where a run does not have it (another version made it)."""
    scores: tuple[Score, ...]


def letter(place: int) -> str:
    """Return the name of a run's column: A to Z, then AA, AB, …"""
    first, second = divmod(place, len(LETTERS))
    return (letter(first - 1) if first else "") + LETTERS[second]


def compare(runs: Sequence[Summary]) -> Comparison:
    """Return what is to be told of runs beside each other; reads their settings."""
    tables = [settings_of(one.run) for one in runs]
    keys = dict.fromkeys(key for table in tables for key in table)
    rows = {key: tuple(table.get(key) for table in tables) for key in keys}
    differing = {key: values for key, values in rows.items() if len({*map(repr, values)}) > 1}
    return Comparison(tuple(runs), differing, tuple(_scores(runs, tables)))


def _scores(runs: Sequence[Summary], tables: Sequence[Mapping[str, Any]]) -> list[Score]:
    found, losses = [], {_measured(one, table) for one, table in zip(runs, tables, strict=True)}
    for which in ("best", "test"):
        numbers: list[Mapping[str, float]] = [getattr(one, which) for one in runs]
        told = dict.fromkeys(metric.name for one in runs for metric in one.metrics.told)
        for name in told:
            values = tuple(table.get(name) for table in numbers)
            if any(value is not None for value in values):
                comparable = name != LOSS.name or len(losses) == 1
                found.append(Score(which, METRICS[name], values, comparable))
    return found


def _measured(one: Summary, settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what the loss of a run's evaluations is, for comparing; no smoothing and no weights enter there."""
    from tui.core.tasks import LOSSES  # pydantic, for which the first paint does not wait

    name = settings.get("loss.name")
    if name == "auto":
        name = next((losses[0] for task, losses in LOSSES.items() if task == one.task), name)
    shape = {"focal": "loss.focal_gamma", "smooth_l1": "loss.smooth_beta"}.get(str(name), "")
    return one.task, name, settings.get(shape)


def sorted_runs(runs: Sequence[Summary], by: str) -> list[Summary]:
    """Return runs in one of the orders of `ORDERS`; those that are pinned stay in front."""
    in_order = sorted(runs, key=ORDERS[by])
    return sorted(in_order, key=lambda one: not one.pinned)


def _by_score(one: Summary) -> tuple[Any, ...]:
    best = one.score if one.best_score is None else one.best_score
    known = best is not None and best == best
    headline = one.metrics.headline
    value = 0.0 if best is None or not known else best
    return (headline.label, not known, -value if headline.better == "max" else value, -one.created)


ORDERS: dict[str, Callable[[Summary], Any]] = {
    "newest": lambda one: -one.created,
    "name": lambda one: (one.run.given_name.casefold(), -one.created),
    "state": lambda one: (_STATES.index(one.status), -one.created),
    "best": _by_score,
}
"""By when it began (newest first), name, state (what lives first), and best score (best first)."""
