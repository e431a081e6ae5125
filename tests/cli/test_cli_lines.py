"""A run in words: each event's line, how far it is, and the bar."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace

import pyte
import pytest
from rich.console import Console

from tui.cli.bar import Bar
from tui.cli.lines import progress
from tui.core import events
from tui.core.metrics import of_task
from tui.core.sentences import duration, sentence

HOSTILE = "[/] [red]\x1b]52;c;aGk=\x07\x1b[2J\u202e\udcff"


def evaluated(**changes: object) -> events.Evaluated:
    metrics = {"loss": 0.5, "accuracy": 0.8125, "balanced_accuracy": 0.75}
    fields = {"split": "validation", "epoch": 2.0, "metrics": metrics, "recall": [], "counts": [], "seconds": 1.0}
    return events.Evaluated(step=46, **{**fields, **changes})


def state(**changes: object) -> SimpleNamespace:
    fields = {
        "status": "running",
        "status_text": "",
        "preparing": None,
        "of_epochs": " of 10",
        "epoch": 2.345,
        "step": 1200,
        "total_steps": 5000,
        "metrics": of_task("classification"),
        "latest": {"loss": 0.8123, "accuracy": 0.711, "images_per_second": 1234.0, "gradient_norm": 2.0},
        "eta_seconds": 83.0,
    }
    return SimpleNamespace(**{**fields, **changes})


def test_durations() -> None:
    assert [duration(s) for s in (0, 7.4, 59.6, 3600, 10931)] == ["0:00", "0:07", "1:00", "1:00:00", "3:02:11"]
    assert duration(math.nan) == "0:00"
    assert duration(-3) == "0:00"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (events.Preparing(stage="decoding pictures", done=3, total=9), "preparing: decoding pictures"),
        (
            events.EpochEnded(epoch=3, loss=0.25, score=0.9, seconds=61),
            "epoch 3: training loss 0.2500, accuracy 90.0 %, took 1:01",
        ),
        (
            evaluated(best=True),
            "validation after epoch 2: loss 0.5000, accuracy 81.2 %, balanced accuracy 75.0 % (best)",
        ),
        (
            evaluated(metrics={"loss": 0.5, "accuracy": 0.8, "ema_loss": 0.4, "ema_accuracy": 0.9}),
            "validation after epoch 2: loss 0.5000, accuracy 80.0 %, accuracy (EMA) 90.0 %",
        ),
        (
            evaluated(split="test", metrics={"loss": math.nan, "accuracy": 0.1}),
            "test at step 46: loss NaN, accuracy 10.0 %",
        ),
        (events.Message(level="warning", text="Two files."), "warning: Two files."),
        (events.Message(level="info", text="Two files."), "Two files."),
        (events.Ended(reason="stopped", exit_code=75, text="As asked."), "stopped: As asked."),
        (events.CheckpointSaved(directory="step-000000046", best=True, bytes=1), ""),
        (events.Launched(attempt=1, host="here", pid=1), ""),
        (events.Unknown(name="tomorrow"), ""),
    ],
)
def test_each_event_has_its_line(event: events.Event, line: str) -> None:
    assert sentence(event) == line


def test_the_start_tells_what_trains_on_what() -> None:
    event = events.Started(
        step=120,
        attempt=2,
        device="cpu",
        model="simple_cnn",
        parameters=94_698,
        classes=["a", "b"],
        layers=[],
        images={"train": 2940},
        steps_per_epoch=91,
        total_steps=728,
        batch_size=32,
        mean=[],
        std=[],
        versions={},
    )
    assert sentence(event) == (
        "continuing after step 120: simple_cnn with 94,698 weights on cpu, 2 classes, 2,940 training pictures, "
        "91 steps of 32 an epoch"
    )
    assert sentence(event.but(step=0)).startswith("simple_cnn with")
    assert sentence(event.but(steps_per_epoch=1)).endswith("1 step of 32 an epoch")


def test_progress_says_how_far_it_is() -> None:
    assert progress(state()) == (
        "epoch 2.35 of 10, step 1,200 of 5,000, loss 0.8123, accuracy 71.1 %, 1,234 images/s, 1:23 left"
    )
    assert progress(state(latest={"loss": math.nan}, eta_seconds=None, of_epochs="")) == (
        "epoch 2.35, step 1,200 of 5,000, loss NaN"
    )
    assert progress(state(status="stopped", total_steps=0)) == ""


def test_progress_before_the_first_step() -> None:
    assert progress(state(status="preparing")) == "preparing"
    stage = events.Preparing(stage="decoding", done=1500, total=3000)
    assert progress(state(status="preparing", preparing=stage)) == "preparing: decoding, 1,500 of 3,000"


def drawn(width: int, *shown: SimpleNamespace, lines: tuple[str, ...] = ()) -> str:
    out = io.StringIO()
    bar = Bar(Console(file=out, width=width, force_terminal=True, color_system=None, legacy_windows=False))
    for one in shown:
        bar.show(one)
    for line in lines:
        bar.line(line)
    bar.close()
    return out.getvalue()


def test_the_bar_shows_numbers_and_leaves_the_lines() -> None:
    text = drawn(120, state(), lines=("epoch 1: done",))
    assert "epoch 2.3 of 10" in text
    assert "1:23 left, loss 0.8123, accuracy 71.1 %, 1,234 images/s" in text
    assert text.rstrip("\x1b[?25h\n").count("epoch 1: done") == 1


def test_the_bar_obeys_nothing_that_it_is_given() -> None:
    stage = events.Preparing(stage=HOSTILE.encode("ascii", "ignore").decode(), done=1, total=2)
    text = drawn(120, state(status="preparing", preparing=stage), lines=(HOSTILE,))
    assert "\x1b]52" not in text
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "[/] [red]\\x1b]52" in text


@pytest.mark.parametrize("width", [20, 40, 80])
def test_the_bar_keeps_to_one_line_of_the_terminal(width: int) -> None:
    screen = pyte.Screen(width, 5)
    stream = pyte.Stream(screen)
    text = drawn(width, state(), state(step=1300))
    drawing, wipe, rest = text.rpartition("\r\x1b[2K")
    stream.feed(drawing.replace("\n", "\r\n"))
    assert screen.display[0].startswith("epoch 2.3 of 10")
    assert not "".join(screen.display[1:]).strip()
    assert width < 80 or "1:23 left, loss 0.8123, accuracy 71.1 %" in screen.display[0]
    stream.feed((wipe + rest).replace("\n", "\r\n"))
    assert not "".join(screen.display).strip()


def test_the_bar_draws_only_what_changed() -> None:
    once, thrice = drawn(100, state()), drawn(100, state(), state(), state())
    assert once == thrice
