"""What a run's files say at a glance: the few lines and the one record that the list of runs needs.

The events are gone through from the newest back, and only lines that still say something new are decoded,
without the models of `tui.core.events`; what makes no sense is passed over.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tui.core.metrics import of_task, task_of
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path
from tui.runs.event_tail import lines_backwards
from tui.runs.status import Facts
from tui.runs.tail import Record, RecordTail, attempt_of

_SETTINGS = 1 << 20
_HEADING = re.compile(r"^\[(\w+)\][ \t]*\r?$", re.MULTILINE | re.ASCII)
_PAIR = re.compile(r"^(\w+)[ \t]*=[ \t]*(\[\n(?:[ \t].*\n)*\]|.*?)[ \t\r]*$", re.MULTILINE | re.ASCII)


def read_settings(run: RunDir) -> tuple[dict[str, str], str, int]:
    """Return the texts of the ``[run]`` table, the dataset and the epochs; what cannot be read is empty."""
    sections = _sections(run)
    info = dict(_pairs(sections.get("run", "")))
    directory = _value(sections.get("data", ""), "directory")
    epochs = _value(sections.get("training", ""), "epochs")
    return (
        {clean(key, 80): clean(str(value), 200) for key, value in info.items()},
        clean_path(directory, 500) if isinstance(directory, str) else "",
        epochs if type(epochs) is int and 0 < epochs < 1_000_000_000 else 0,
    )


def read_values(run: RunDir) -> dict[str, Any]:
    """Return the run's settings by their dotted keys, as TOML has them; what cannot be read is left out.

    Nothing is checked: this is for looking through many runs, some of them of other versions.
    """
    sections = _sections(run).items()
    return {f"{name}.{key}": value for name, body in sections if name != "run" for key, value in _pairs(body)}


def _sections(run: RunDir) -> dict[str, str]:
    """Return the lines under each heading. Reading all as TOML would take longer than the rest of the list."""
    try:
        with open(run.settings, "rb") as file:
            text = file.read(_SETTINGS).decode("utf-8")
    except (OSError, ValueError):
        return {}
    found = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in found[1:]] + [len(text)]
    return {heading[1]: text[heading.end() : end] for heading, end in zip(found, ends, strict=False)}


def _pairs(body: str) -> Iterator[tuple[str, Any]]:
    for found in _PAIR.finditer(body):
        value = _scalar(found[2])
        if value is not None:
            yield found[1], value


def _value(body: str, key: str) -> Any:
    return next((_scalar(found[2]) for found in _PAIR.finditer(body) if found[1] == key), None)


def _scalar(text: str) -> Any:
    """Return a TOML value, or None if it is none; what most are is read without a parser."""
    if len(text) >= 2 and text[0] == text[-1] == '"' and '"' not in text[1:-1] and "\\" not in text:
        return text[1:-1]
    if text.isdecimal() and text.isascii() and len(text) < 18:
        return int(text)
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return None


@dataclass
class News:
    """What the lines of the events say that count for the list."""

    facts: Facts = field(default_factory=Facts)
    attempt: int = 0
    step: int = 0
    rewound: int = 0
    total_steps: int = 0
    steps_per_epoch: int = 0
    task: str = "classification"
    score: float | None = None
    best_score: float | None = None
    test_score: float | None = None
    last: Mapping[str, float] = field(default_factory=dict)
    """All numbers of the newest validation, by name."""
    best: Mapping[str, float] = field(default_factory=dict)
    """Of the best one."""
    test: Mapping[str, float] = field(default_factory=dict)


def read_events(run: RunDir) -> News:
    """Go through the lines from the newest back, and decode only those that still say something new."""
    news, seen, launched = News(), set[str](), False
    limit = math.inf
    for kind, line in lines_backwards(run.events):
        first = kind not in seen
        if not (_says_more(news, line) if kind == "evaluated" else first or kind in ("rewound", "started")):
            continue
        try:
            fields = json.loads(line)
            step, moment = int(fields.get("step", 0)), float(fields.get("time", 0))
            if step <= limit:
                _note(news, kind, fields, current=not launched, first=first)
                news.step = max(news.step, step)
            if kind in ("rewound", "started"):
                limit = min(limit, step)
            if kind == "controlled" and fields.get("action") not in ("pause", "continue", "stop"):
                continue  # older ones say whether it is paused
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            continue
        seen.add(kind)
        news.facts.last_sign = max(news.facts.last_sign, moment)
        launched = launched or kind == "launched"
    return news


def _says_more(news: News, line: bytes) -> bool:
    if b'"split":"test"' in line:
        return news.test_score is None
    return news.score is None or (news.best_score is None and b'"best":true' in line)


def _note(news: News, kind: str, fields: dict[str, Any], *, current: bool, first: bool) -> None:
    """Take one event; ``current``: of the latest attempt, ``first``: the newest of its kind."""
    facts = news.facts
    if kind in ("started", "rewound") and int(fields["attempt"]) > news.attempt:
        news.attempt, news.rewound = int(fields["attempt"]), int(fields.get("step", 0))
    if kind == "launched":
        facts.launched = True
    elif kind == "started":
        facts.started = facts.started or current
        facts.launched = True
        if first:
            news.total_steps = news.total_steps or max(0, int(fields["total_steps"]))
            news.task = str(fields.get("task", news.task))
            news.steps_per_epoch = max(0, int(fields["steps_per_epoch"]))
    elif kind == "extended" and first:
        news.total_steps = news.total_steps or max(0, int(fields["total_steps"]))
    elif kind == "evaluated":
        _note_evaluation(news, fields)
    elif not current or not first:
        return
    elif kind == "preparing":
        facts.stage = clean(str(fields["stage"]), 200)
    elif kind == "controlled":
        facts.paused, facts.stop_asked = fields["action"] == "pause", fields["action"] == "stop"
    elif kind == "ended":
        facts.ended, facts.ended_text = str(fields["reason"]), str(fields.get("text", ""))


def _note_evaluation(news: News, fields: dict[str, Any]) -> None:
    metrics = {name: float(value) for name, value in fields["metrics"].items()}
    value = metrics[of_task(task_of(metrics)).headline.name]
    news.facts.slowest = max(news.facts.slowest, float(fields.get("seconds", 0)))
    if fields["split"] == "test" and news.test_score is None:
        news.test_score, news.test = value, metrics
    elif fields["split"] == "validation":
        if news.score is None:
            news.score, news.last = value, metrics
        if fields.get("best") and news.best_score is None:
            news.best_score, news.best = value, metrics


def read_newest(run: RunDir) -> tuple[Record | None, tuple[str, ...], float]:
    """Return the newest record, its columns, and the seconds between it and the one before."""
    for path in sorted(run.segments(BATCHES), key=attempt_of, reverse=True)[:8]:
        tail = RecordTail(path)
        record = tail.last()
        if record is not None and tail.header is not None:
            earlier = tail.before(record, 1)
            return record, tail.header.columns, record.time - earlier.time if earlier is not None else 0.0
    return None, (), 0.0
