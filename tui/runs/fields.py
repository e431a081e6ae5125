"""What can be asked about a run in a filter or compared between runs: its settings, its numbers, its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from tui.core.errors import UsageError, did_you_mean
from tui.core.metrics import METRICS, Metric
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.glance import read_values
from tui.runs.status import Status

if TYPE_CHECKING:
    from tui.core.schema import Setting
    from tui.runs.catalog import Summary

EVALUATIONS: dict[str, str] = {"best": "best validation", "last": "newest validation", "test": "test"}
"""What stands in front of a metric, and what it means."""
_HABITS = {
    "lr": "optimizer.learning_rate",
    "wd": "optimizer.weight_decay",
    "bs": "training.batch_size",
    "model": "model.name",
    "optimizer": "optimizer.name",
    "schedule": "schedule.name",
}
"""What people type from habit."""
_MOST_KNOWN = 2000


class Subject:
    """A run that a filter looks at; its settings are read when they are asked for."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings by their dotted keys."""
        return settings_of(self.summary.run)


@dataclass(frozen=True)
class Field:
    """Something that a run has."""

    name: str
    kind: Literal["number", "text", "flag"]
    get: Callable[[Subject], Any]
    """Returns None for a run that does not have it."""
    choices: tuple[str, ...] = ()
    other: Callable[[Subject], Any] | None = None
    """A second text that is as good."""

    def all_of(self, subject: Subject) -> list[Any]:
        """Return the values that a run has for it: none, one, or two texts that mean the same."""
        ways = (self.get, self.other) if self.other is not None else (self.get,)
        return [value for way in ways if (value := way(subject)) is not None]


def settings_of(run: RunDir) -> dict[str, Any]:
    """Return the settings of a run by their dotted keys, unchecked; read anew when the file has changed."""
    try:
        found = run.settings.stat()
        seen = (found.st_mtime_ns, found.st_size)
    except OSError:
        return {}
    known = _settings.get(run)
    if known is None or known[0] != seen:
        if len(_settings) >= _MOST_KNOWN:
            _settings.clear()
        known = _settings[run] = (seen, read_values(run))
    return known[1]


_settings: dict[RunDir, tuple[tuple[int, int], dict[str, Any]]] = {}


def known_field(name: str) -> Field:
    """Return the field that a person means.

    Raises:
        UsageError: there is none; the closest is suggested.
    """
    folded = name.casefold()
    if folded in _OWN:
        return _OWN[folded]
    which, dot, rest = folded.partition(".")
    if dot and which in EVALUATIONS:
        return _number_of(which, rest)
    setting = _setting(folded)
    if setting is None:
        raise UsageError("There is no such field", f'nothing is called "{clean(name, 60)}"', _suggestion(folded))
    kinds: dict[str, Literal["number", "flag"]] = {"int": "number", "float": "number", "bool": "flag"}
    choices = tuple(str(choice).casefold() for choice in setting.choices)
    return Field(setting.key, kinds.get(setting.kind, "text"), _reads_setting(setting.key), choices)


def _reads_setting(key: str) -> Callable[[Subject], Any]:
    return lambda subject: subject.settings.get(key)


def _number_of(which: str, name: str) -> Field:
    metric = known_metric(name)
    if metric is None:
        hint = did_you_mean(name, METRICS) or f"For example {which}.accuracy or {which}.loss."
        raise UsageError("No such metric", f'"{clean(name, 60)}" is no metric', hint[0].upper() + hint[1:])
    found = metric.name
    return Field(f"{which}.{found}", "number", lambda subject: getattr(subject.summary, which).get(found))


def known_metric(name: str) -> Metric | None:
    """Return the metric with this name, label or short label, however it is spelt."""
    folded = name.casefold().replace(" ", "_").replace("-", "_")
    if folded in METRICS:
        return METRICS[folded]
    spelt = (
        (metric, text.casefold().replace(" ", "_").replace("-", "_"))
        for metric in METRICS.values()
        for text in (metric.short, metric.label)
        if text
    )
    return next((metric for metric, text in spelt if text == folded), None)


def _setting(name: str) -> Setting | None:
    """Return the setting with this key or habitual name; or the only one whose last part, or its initials, are this."""
    from tui.core.schema import all_settings

    settings = all_settings()
    name = _HABITS.get(name, name)
    if name in settings:
        return settings[name]
    group, _, last = name.rpartition(".")
    inside = [one for one in settings.values() if not group or one.group == group]
    for spelt in (_last, _initials):
        found = [one for one in inside if spelt(one.key) == last]
        if len(found) == 1:
            return found[0]
    return None


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _initials(key: str) -> str:
    parts = _last(key).split("_")
    return "".join(part[0] for part in parts if part) if len(parts) > 1 else ""


def _suggestion(name: str) -> str:
    from tui.core.schema import all_settings

    settings = all_settings()
    group, _, last = name.rpartition(".")
    several = [one.key for one in settings.values() if last in (_last(one.key), _initials(one.key))]
    if several and (not group or len(several) == 1):
        return f"There {'are' if len(several) > 1 else 'is'} {', '.join(several[:5])}."
    if known_metric(name) is not None:
        return f"Did you mean best.{known_metric(name).name}?"  # type: ignore[union-attr]
    known: Iterable[str] = (*_OWN, *settings, *map(_last, settings), *(f"best.{metric}" for metric in METRICS))
    hint = did_you_mean(name, known)
    return hint[0].upper() + hint[1:] if hint else "Name a setting, best.METRIC, or state, name, preset, data."


_OWN: dict[str, Field] = {
    field.name: field
    for field in (
        Field("state", "text", lambda s: s.summary.status, get_args(Status)),
        Field("name", "text", lambda s: s.summary.name, other=lambda s: clean(s.summary.run.given_name, 120)),
        Field("preset", "text", lambda s: s.summary.preset),
        Field("data", "text", lambda s: s.summary.dataset),
        Field("task", "text", lambda s: s.summary.task, ("classification", "regression", "multilabel")),
        Field("note", "text", lambda s: s.summary.note),
        Field("pinned", "flag", lambda s: s.summary.pinned),
        Field("step", "number", lambda s: s.summary.step),
        Field("epoch", "number", lambda s: s.summary.epoch),
        Field("loss", "number", lambda s: s.summary.loss),
    )
}
_OWN["status"] = _OWN["state"]
