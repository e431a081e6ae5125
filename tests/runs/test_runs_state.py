"""One run as it is now: events folded in order, what later attempts made void forgotten, texts sanitized."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui.core import events
from tui.core.rundir import RunDir
from tui.runs.fold import LONGEST_TEXT, cleaned, fold
from tui.runs.state import RunState

HOSTILE = "\x1b]52;c;aGk=\x07[/]\u202e"


def started(attempt: int = 1, step: int = 0) -> events.Started:
    return events.Started(
        step=step,
        attempt=attempt,
        device="cpu",
        model="m",
        parameters=1,
        classes=["a"],
        layers=["l"],
        images={"train": 10},
        steps_per_epoch=10,
        total_steps=100,
        batch_size=1,
        mean=[],
        std=[],
        versions={},
    )


def evaluated(
    step: int, accuracy: float, *, best: bool = False, split: events.Split = "validation"
) -> events.Evaluated:
    return events.Evaluated(
        step=step,
        split=split,
        epoch=step / 10,
        metrics={"accuracy": accuracy},
        recall=[accuracy, math.nan],
        counts=[1, 0],
        seconds=2.0,
        best=best,
    )


def folded(*several: events.Event) -> RunState:
    state = RunState(RunDir.__new__(RunDir))
    for event in several:
        fold(state, event)
    return state


LAUNCHED = events.Launched(attempt=1, host="h", pid=1)


def test_a_story_is_told_in_order() -> None:
    state = folded(LAUNCHED)
    assert (state.attempt, state.launched, state.started) == (1, True, None)
    fold(state, events.Preparing(stage="decoding", done=1, total=2))
    assert state.preparing is not None
    fold(state, started())
    assert state.preparing is None
    assert (state.total_steps, state.epoch) == (100, 0.0)
    for event in (
        events.EpochEnded(step=10, epoch=1, loss=1.0, score=0.5, seconds=1.0),
        evaluated(10, 0.5, best=True),
        events.CheckpointSaved(step=10, directory="step-10", best=True, bytes=1),
        evaluated(20, 0.4),
        evaluated(20, 0.45, split="test"),
        events.Ended(step=20, reason="finished", exit_code=0),
    ):
        fold(state, event)
    assert (state.step, state.epoch, len(state.epochs), len(state.evaluations), len(state.checkpoints)) == (
        20,
        2.0,
        1,
        2,
        1,
    )
    assert state.best is not None
    assert state.test is not None
    assert state.ended is not None
    assert (state.best.step, state.test.metrics["accuracy"], state.ended.reason) == (10, 0.45, "finished")


def test_a_rewind_makes_what_came_later_void() -> None:
    state = folded(
        LAUNCHED,
        started(),
        evaluated(10, 0.5, best=True),
        evaluated(20, 0.6, best=True),
        events.CheckpointSaved(step=20, directory="step-20", best=True, bytes=1),
        evaluated(25, 0.7, split="test"),
        events.Ended(step=27, reason="killed", exit_code=137),
    )
    fold(state, events.Launched(attempt=2, host="h", pid=2))
    assert state.ended is None
    assert state.step == 27
    fold(state, events.Rewound(step=10, attempt=2, checkpoint="step-10"))
    assert (state.step, len(state.evaluations), state.checkpoints, state.test, state.latest) == (10, 1, [], None, {})
    assert state.best is not None
    assert state.best.step == 10
    fold(state, started(attempt=2, step=10))
    assert (state.attempt, state.step) == (2, 10)
    assert any(isinstance(event, events.Ended) for event in state.log)


def test_starting_from_scratch_forgets_everything() -> None:
    state = folded(LAUNCHED, started(), evaluated(10, 0.5, best=True), started(attempt=2, step=0))
    assert (state.evaluations, state.best, state.step) == ([], None, 0)


def test_evaluating_a_step_again_replaces_what_was_known() -> None:
    state = folded(started(), evaluated(10, 0.5, best=True), evaluated(10, 0.6))
    assert [event.metrics["accuracy"] for event in state.evaluations] == [0.6]


def test_a_pause_lasts_until_continue_or_the_end() -> None:
    state = folded(LAUNCHED, started(), events.Controlled(time=5.0, action="pause"))
    assert state.paused
    fold(state, events.Controlled(time=6.0, action="pause"))
    fold(state, events.Controlled(time=8.0, action="continue"))
    assert not state.paused
    assert state.pauses == [(5.0, 8.0)]
    fold(state, events.Controlled(time=9.0, action="pause"))
    fold(state, events.Controlled(time=9.5, action="save"))
    assert state.paused
    fold(state, events.Ended(time=10.0, reason="stopped", exit_code=75))
    assert (state.paused, state.pauses[-1]) == (False, (9.0, 10.0))


@pytest.mark.parametrize(
    "event",
    [
        events.Message(level="info", text=HOSTILE),
        events.Ended(reason="failed", exit_code=1, text=HOSTILE),
        events.Preparing(stage=HOSTILE),
        events.Launched(attempt=1, host=HOSTILE, pid=1),
        events.Controlled(action=HOSTILE),
        events.CheckpointSaved(directory=HOSTILE, best=True, bytes=1),
        events.Unknown(name=HOSTILE),
        started().but(classes=[HOSTILE], layers=[HOSTILE], versions={HOSTILE: HOSTILE}),
        evaluated(1, 0.5).but(metrics={HOSTILE: 1.0}),
    ],
)
def test_every_text_of_an_event_is_sanitized(event: events.Event) -> None:
    texts = list(strings(cleaned(event).fields()))
    assert all(text.isprintable() for text in texts)
    assert any("\\x1b]52;c;aGk=\\x07[/]\\u202e" in text for text in texts)


def strings(value: object) -> Iterator[str]:
    """Yield every text in nested lists and dictionaries, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def test_texts_are_bounded() -> None:
    state = folded(events.Message(level="info", text="x" * 1_000_000))
    assert len(state.log[0].text) <= LONGEST_TEXT


def test_an_unchanged_event_is_not_copied() -> None:
    event = evaluated(1, 0.5)
    assert cleaned(event) is event


def test_a_very_long_run_stays_small() -> None:
    state = RunState(RunDir.__new__(RunDir))
    fold(state, started())
    wide = [0.5] * 1000
    for step in range(1, 12_001):
        fold(state, evaluated(step, step / 12_000, best=True).but(recall=wide, counts=[1] * 1000))
        fold(state, events.Message(level="info", text="hello"))
    assert len(state.evaluations) <= 10_001
    assert len(state.log) <= 1001
    assert sum(len(event.recall) for event in state.evaluations) <= 201_000
    assert state.evaluations[-1].recall == wide
    assert state.best is not None
    assert state.best.step == 12_000


def test_numbers_that_make_no_sense_do_no_harm() -> None:
    state = folded(started().but(steps_per_epoch=0, total_steps=-5), evaluated(10, math.nan))
    assert (state.epoch, state.total_steps) == (0.0, 0)


def test_findings_stand_until_they_are_cleared_or_another_attempt_starts() -> None:
    state = RunState(RunDir(Path("nowhere")))
    warning = events.Found(step=10, code="overfit", title="o", severity="warning", message="\x1b[31mw")
    critical = events.Found(
        step=20, code="vanishing", title="v", severity="critical", message="c", evidence=[{"what": "\x1b[2J"}]
    )
    for event in (warning, critical):
        fold(state, event)
    assert list(state.findings) == ["vanishing", "overfit"]
    assert "\x1b" not in state.findings["overfit"].message
    assert "\x1b" not in state.findings["vanishing"].evidence[0]["what"]
    fold(state, critical.but(step=25, effects=["died"]))
    assert state.findings["vanishing"].effects == ["died"]
    assert state.findings["vanishing"].step == 20  # told again, and found when it was found
    fold(state, events.Cleared(step=30, code="overfit"))
    assert list(state.findings) == ["vanishing"]
    assert [found.code for found in state.found] == ["overfit", "vanishing"]
    assert state.step == 30
