"""TensorBoard's files: written live beside the records, read by TensorBoard itself, and never in the way."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from tui.core.events import Message
from tui.core.rundir import RunDir
from tui.engine import mirror
from tui.engine.link import Link, Stopped

LIVE = {"logging.tensorboard": True}


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "SECONDS", {"batches": 0.0})
    monkeypatch.setattr(mirror, "_OTHERS", 0.0)


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Read the files as TensorBoard does."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder), size_guidance={accumulator.SCALARS: 0})
    found.Reload()
    return {tag: {one.step: one.value for one in found.Scalars(tag)} for tag in found.Tags()["scalars"]}


def test_what_is_recorded_is_in_tensorboard_too_after_a_resume_as_well(
    trainer: Any, settings: Any, run: RunDir, records: Any, events: Any
) -> None:
    loop, data, link = trainer(settings(**LIVE))
    data.before = lambda step: setattr(link, "_terminations", int(step == 14))
    with pytest.raises(Stopped):
        loop.run()
    link.mirror.close(60)
    loop, _, link = trainer(settings(**LIVE), attempt=2)
    loop.run()
    link.mirror.close(60)
    found, written = scalars(run.tensorboard), records(run)
    assert found["batch/loss"] == {step: pytest.approx(row["loss"]) for step, row in written.items()}
    assert list(found["layers/head"]) == list(written)
    assert set(found["validation/accuracy"]) == {10, 20, 30}
    assert len(found["test/loss"]) == 1
    assert not [event for event in events(run, Message) if "TensorBoard" in event.text]


@pytest.mark.parametrize("trouble", ["missing", "disk"])
def test_trouble_with_it_never_stops_a_training(
    trouble: str, trainer: Any, settings: Any, run: RunDir, events: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if trouble == "missing":
        monkeypatch.setitem(sys.modules, "tensorboard.compat.proto", None)
        words = "pip install 'cnntrain[tensorboard]'"
    else:
        pytest.importorskip("tensorboard")
        run.tensorboard.write_text("a file where the folder should be")
        words = "TensorBoard's files are no longer written"
    loop, _, link = trainer(settings(**LIVE))
    assert "Trained 3 epochs" in loop.run()
    link.mirror.close(60)
    (told,) = [event for event in events(run, Message) if "Training goes on" in event.text]
    assert words in told.text
    assert len(records(run)) == 30


def test_the_queue_never_grows_and_points_are_thinned(
    run: RunDir, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "SECONDS", {"batches": 3600.0})
    monkeypatch.setattr(mirror, "EventFile", lambda *_, **__: pytest.fail("not yet"))
    monkeypatch.setattr(mirror.threading.Thread, "start", lambda self: None)
    watcher = mirror.Mirror(run, 1, 1, lambda text: None)
    for step in range(1, 10_000):
        watcher.record("batches", ("loss",), step, 0.0, [math.nan])
        watcher.record("layers", ("head",), step, 0.0, [1.0])
    assert len(watcher._waiting) == mirror._MOST_WAITING


def test_nothing_is_written_unless_asked(trainer: Any, settings: Any, run: RunDir) -> None:
    link: Link = trainer(settings())[2]
    assert link.mirror is None
    assert not run.tensorboard.exists()
