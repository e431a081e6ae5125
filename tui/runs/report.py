"""What became of a run, in words and in files: what its results screen tells."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tui.core import presets
from tui.core.errors import CnntrainError
from tui.core.evaluations import Detail
from tui.core.events import Ended, Launched
from tui.core.metrics import IMAGES_PER_SECOND, LOSS, Metric
from tui.core.rundir import RunDir
from tui.core.schema import changes, in_words
from tui.core.sentences import duration, epochs
from tui.core.text import clean
from tui.runs import remarks, validations
from tui.runs.follow import RunFollower
from tui.runs.state import RunState
from tui.runs.trial import became, origin, trial
from tui.runs.upkeep import stats_below

_MOST_RATES = 4


@dataclass(frozen=True)
class Stored:
    """A file of a run, or a folder of which only the size is told."""

    name: str
    """Below the run's directory, sanitized."""
    bytes: int
    what: str
    """What it is, in words; may be empty."""


@dataclass(frozen=True)
class Report:
    """Everything about a run that is over. All texts are sanitized."""

    words: tuple[str, ...]
    """Sentences, each for a line of its own."""
    preset: str = ""
    """What the settings are compared with."""
    changed: tuple[tuple[str, str, str], ...] = ()
    """Key, value in the preset, value in the run."""
    stored: tuple[Stored, ...] = ()
    test: Detail | None = None
    validation: Detail | None = None
    """Of the best validation."""
    trouble: tuple[str, ...] = field(default=())
    """What could not be read."""


def report(follower: RunFollower) -> Report:
    """Return the report on a run that the follower has read to its end."""
    state = follower.state
    trouble: list[str] = []
    name, changed = _changed(state, trouble)
    return Report(
        words=tuple(_words(state, follower.batches.series(IMAGES_PER_SECOND.name, points=1).mean.tolist())),
        preset=name,
        changed=changed,
        stored=tuple(_stored(state)),
        test=_detail(state, "test", trouble) if state.test is not None else None,
        validation=_detail(state, "best", trouble) if state.evaluations else None,
        trouble=tuple(trouble),
    )


def _words(state: RunState, speed: list[float]) -> Iterable[str]:
    yield _ending(state)
    yield from _scores(state)
    yield from _derived(state)
    note = remarks.read(state.run).note
    if note:
        yield f"Your note: {note}"
    started = state.started
    if started is not None:
        known = f"{len(started.classes)} classes" if started.task == "classification" else started.task
        pictures = f"{started.images.get('train', 0):,} pictures ({known})"
        pace = f", {IMAGES_PER_SECOND.format(speed[0])} images/s" if speed and speed[0] == speed[0] else ""
        yield f"{started.model} with {started.parameters:,} weights on {started.device}, {pictures}{pace}."
    rates = [one for one in state.controls if one.action == "rate" and one.value is not None]
    if rates:
        told = ", ".join(f"times {one.value:g} after step {one.step:,}" for one in rates[:_MOST_RATES])
        more = f" and {len(rates) - _MOST_RATES} times more" if len(rates) > _MOST_RATES else ""
        yield f"The learning rate was changed by hand: {told}{more}."
    if state.found:
        stands = {found.title or found.code: found.code in state.findings for found in state.found}
        titles = (title if there else f"{title} (no longer)" for title, there in stands.items())
        yield f"The doctor found: {', '.join(titles)}."


def _ending(state: RunState) -> str:
    made = f"{epochs(state.epoch)}{state.of_epochs} epochs, {state.step:,} steps"
    taken = _seconds(state)
    in_validation = sum(event.seconds for event in (*state.evaluations, *([state.test] if state.test else [])))
    time = f" in {duration(taken)}" if taken else ""
    time += f", {duration(in_validation)} of it evaluating" if taken and in_validation > 0.05 * taken else ""
    said = f" {state.status_text}" if state.status != "finished" and state.status_text else ""
    attempts = f", {state.attempt} attempts" if state.attempt > 1 else ""
    return f"{state.status.capitalize()} after {made}{time}{attempts}.{said}"


def _seconds(state: RunState) -> float:
    """Return how long the attempts took, from their launches to their ends."""
    total, begun = 0.0, 0.0
    for event in state.log:
        if isinstance(event, Launched):
            begun = event.time
        elif isinstance(event, Ended) and begun:
            total += max(0.0, event.time - begun)
            begun = 0.0
    return total + (max(0.0, state.last_time - begun) if begun else 0.0)


def _scores(state: RunState) -> Iterable[str]:
    headline = state.metrics.headline
    best, test = state.best, state.test
    if best is not None:
        last = state.evaluations[-1]
        later = ""
        if last.step > best.step:
            later = f"; the last one had {headline.format(last.metrics.get(headline.name))}"
        yield f"Best validation: {_told(best.metrics, headline)} after epoch {epochs(best.epoch)}{later}."
    if test is not None:
        yield f"Test: {_told(test.metrics, headline)}{_against(headline, test.metrics, best.metrics if best else {})}."
    elif state.status == "finished":
        yield "There was no test; t evaluates it on other pictures."


def _derived(state: RunState) -> Iterable[str]:
    """Yield which run it comes from and what was changed, then what became of the trial."""
    source, tried = origin(state.info), trial(state)
    if source:
        start = f", with its checkpoint of step {state.begun:,}" if state.begun else ""
        yield f"Derived {source}{start}."
    if tried is not None:
        yield became(tried)


def _told(metrics: dict[str, float], headline: Metric) -> str:
    shown = dict.fromkeys((headline, LOSS))
    return ", ".join(f"{one.label} {one.format(metrics[one.name])}" for one in shown if one.name in metrics)


def _against(headline: Metric, test: dict[str, float], best: dict[str, float]) -> str:
    """Return how the test stands against the best validation, which was chosen for being good."""
    if headline.name not in test or headline.name not in best or headline.form != "percent":
        return ""
    points = 100 * (test[headline.name] - best[headline.name])
    if abs(points) < 0.05:
        return ", as good as the best validation"
    return f", {abs(points):.1f} points {'above' if points > 0 else 'below'} the best validation"


def _changed(state: RunState, trouble: list[str]) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    name = state.info.get("preset", "")
    if state.settings is None or not name:
        return "", ()
    try:
        base = presets.load(presets.find(name))
    except CnntrainError:
        trouble.append(f'The preset "{name}" is not there any more, so what was changed cannot be told.')
        return "", ()
    found = changes(base, state.settings)
    found.pop("data.directory", None)
    return name, tuple((key, clean(in_words(old), 60), clean(in_words(new), 60)) for key, (old, new) in found.items())


def _detail(state: RunState, at: str, trouble: list[str]) -> Detail | None:
    try:
        return validations.read(state.run, validations.choose(state, at))
    except CnntrainError as error:
        trouble.append(clean(str(error), 400))
        return None


def _stored(state: RunState) -> Iterable[Stored]:
    """Yield the checkpoints, then the rest of the directory."""
    run = state.run
    pointers: dict[str, list[str]] = {}
    for kind in ("best", "last"):
        target = _pointed(run, kind)
        if target:
            pointers.setdefault(target, []).append(kind)
    for path in _inside(run.checkpoints):
        if path.is_dir():
            what = " and ".join(pointers.get(path.name, ()))
            yield _sized(path, run, f"the {what} weights" if what else "a checkpoint")
    about: dict[str, str] = {
        run.settings.name: "all settings, with the versions",
        run.dataset.name: "classes and splits",
        run.metrics.name: "a record for every step",
        run.events.name: "what happened",
        run.evaluations.name: "each evaluation in detail",
        run.log.name: "what the processes printed",
        run.tensorboard.name: "event files for TensorBoard",
        run.remarks.name: "your note",
    }
    own = run.own_names
    for path in _inside(run.path):
        if path.name in about or path.name not in own:
            yield _sized(path, run, about.get(path.name, "not of the run"))


def _pointed(run: RunDir, kind: str) -> str:
    try:
        found: Any = json.loads(run.pointer(kind).read_bytes())["directory"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return str(found)


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder / name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return []


def _sized(path: Path, run: RunDir, what: str) -> Stored:
    try:
        folder = path.is_dir() and not path.is_symlink()
        count = sum(found.st_size for found in stats_below(path)) if folder else path.lstat().st_size
    except OSError:
        count = 0
    name = clean(str(path.relative_to(run.path)), 200)
    return Stored(f"{name}/" if path.is_dir() else name, count, what)
