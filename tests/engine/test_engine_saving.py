"""Saves in the background: what is on the disk is what was at the step boundary, and the training does not wait."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from tests.engine.test_engine_trainer import at_step, weights_of
from tui.core.events import CheckpointSaved, Message
from tui.core.metrics import of_task
from tui.core.rundir import RunDir
from tui.engine import saving
from tui.engine.checkpoint import encoded
from tui.engine.link import Stopped
from tui.engine.progress import Best, Progress
from tui.engine.stopping import Stopping
from tui.engine.store import Store
from tui.engine.writer import Snapshot, Writer, copied


class SlowStore:
    """A store whose saves wait until they are let go, and can be made to fail."""

    def __init__(self, store: Store) -> None:
        self._save = store.save
        self.asked: list[tuple[int, bool]] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.errors: list[BaseException] = []
        store.save = self.save  # type: ignore[method-assign]

    def save(self, step: int, *arguments: Any, best: bool, **more: Any) -> Any:
        self.asked.append((step, best))
        self.begun.set()
        assert self.go.wait(60)
        if self.errors:
            raise self.errors.pop()
        return self._save(step, *arguments, best=best, **more)


def snapshot(step: int, *, best: bool = False, kept: frozenset[int] = frozenset()) -> Snapshot:
    return Snapshot(step, {"weight": torch.full((4,), float(step))}, {}, {"progress": {"step": step}}, best, kept)


def steps_on_disk(run: RunDir) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in run.checkpoints.glob("step-*"))


def test_the_training_goes_on_while_a_save_is_written(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    loop, data, _ = trainer(settings(**{"training.epochs": 1, "schedule.warmup_epochs": 0.0}))
    slow = SlowStore(loop._attempt.saver.store)
    model = loop._attempt.model
    kept: dict[str, torch.Tensor] = {}
    after: list[bool] = []

    def before(step: int) -> None:
        if step == 4:
            loop._attempt.save()
            assert slow.begun.wait(60)
            kept.update(copied(model.state_dict()))
        if step == 7:
            after.append(any(not torch.equal(kept[name], value) for name, value in model.state_dict().items()))
            slow.go.set()

    data.before = before
    loop.run()
    assert after == [True]  # three steps were made while it was written
    assert slow.asked[0] == (4, False)
    assert events(run, CheckpointSaved)[0].step == 4
    saved = safetensors.torch.load_file(run.checkpoint(4) / "model.safetensors")
    assert saved.keys() == kept.keys()
    assert all(torch.equal(saved[name], value) for name, value in kept.items())


def test_of_what_waits_the_newest_and_the_best_are_written_in_their_order(run: RunDir) -> None:
    store = Store(run)
    slow = SlowStore(store)
    writer = Writer(store)
    for step, best in ((1, False), (2, False), (3, True), (4, False), (5, False)):
        writer.submit(snapshot(step, best=best))
        assert slow.begun.wait(60)
    slow.go.set()
    writer.wait()
    assert slow.asked == [(1, False), (3, True), (5, False)]
    assert [outcome.snapshot.step for outcome in writer.outcomes()] == [1, 3, 5]
    assert not writer.busy


def test_a_best_one_that_failed_comes_before_anything_newer(run: RunDir) -> None:
    store = Store(run)
    slow = SlowStore(store)
    slow.errors = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) for _ in range(2)]
    slow.go.set()
    writer = Writer(store)
    for step, best in ((1, True), (2, False), (3, False)):
        writer.submit(snapshot(step, best=best))
        writer.wait()
    assert slow.asked == [(1, True), (1, True), (1, True), (3, False)]
    errors = [outcome.error is None for outcome in writer.outcomes()]
    assert errors == [False, False, True, True]
    found = store.best()
    assert found is not None
    assert found.name == "step-000000001"


def test_a_stop_waits_for_the_save_under_way(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    loop, data, link = trainer(settings())
    slow = SlowStore(loop._attempt.saver.store)
    letting_go = threading.Timer(0.2, slow.go.set)

    def stop() -> None:
        link._terminations = 1
        letting_go.start()

    at_step(data, 4, stop)
    with pytest.raises(Stopped, match=r"Stopped by SIGTERM after step 5 of 30\. Resume it to go on\."):
        loop.run()
    letting_go.join()
    assert [event.step for event in events(run, CheckpointSaved)] == [5]
    found, _ = Store(run).newest()
    assert found is not None
    assert found.state["progress"]["step"] == 5


def test_a_stop_that_cannot_be_saved_says_what_is_there(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    loop, data, link = trainer(settings())
    slow = SlowStore(loop._attempt.saver.store)
    slow.go.set()

    def stop() -> None:
        loop._attempt.saver._writer.wait()  # step 10 is on the disk before the disk becomes read-only
        slow.errors = [OSError(errno.EROFS, os.strerror(errno.EROFS))]
        link._terminations = 1

    at_step(data, 13, stop)
    with pytest.raises(Stopped, match=r"step 14, but that step could not be saved; the last checkpoint is of step 10"):
        loop.run()
    said = [event.text for event in events(run, Message) if event.level != "info"]
    assert said == [
        "The checkpoint of step 14 could not be saved: the disk is read-only; the one of step 10 is intact."
    ]


def test_what_goes_wrong_in_the_thread_is_told_in_the_training(trainer: Any, settings: Any) -> None:
    loop, _, _ = trainer(settings())
    slow = SlowStore(loop._attempt.saver.store)
    slow.errors = [ZeroDivisionError("a defect")]
    slow.go.set()
    with pytest.raises(ZeroDivisionError, match="a defect"):
        loop.run()


def saved_steps(trainer: Any, settings: Any, run: RunDir, events: Any, **changes: Any) -> list[int]:
    """Train 40 steps without validations, waiting for each save; return the steps that were saved."""
    loop, data, _ = trainer(
        settings(**{"training.epochs": 4, **changes}), counts={"train": 80, "validation": 0, "test": 0}
    )
    before = data.before

    def waiting(step: int) -> None:
        before(step)
        loop._attempt.saver._writer.wait()

    data.before = waiting
    loop.run()
    return [event.step for event in events(run, CheckpointSaved)]


@pytest.mark.parametrize(
    ("every", "unit", "expected"),
    [(1, "epochs", [10, 20, 30, 40]), (3, "epochs", [30, 40]), (12, "steps", [12, 24, 36, 40])],
)
def test_a_save_is_due_after_so_many_epochs_or_steps(
    every: int,
    unit: str,
    expected: list[int],
    trainer: Any,
    settings: Any,
    run: RunDir,
    events: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(saving, "COST", 0)
    changes = {"training.checkpoint_every": every, "training.checkpoint_unit": unit}
    assert saved_steps(trainer, settings, run, events, **changes) == expected


def test_a_save_is_due_after_so_many_minutes(settings: Any, run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("tui.engine.saving.time.monotonic", lambda: clock[0])
    chosen = settings(**{"training.checkpoint_every": 3, "training.checkpoint_unit": "minutes"})
    link: Any = type("Link", (), {"sync": lambda: None})
    saver = saving.Saver(link, Store(run), chosen.training)
    for seconds, step, expected in ((100, 10, False), (179, 19, False), (181, 21, True)):
        clock[0] = 1000 + seconds
        assert saver.due(Progress(step=step), 10, 1000) is expected
    assert saver.due(Progress(step=1000), 10, 1000)
    monkeypatch.setattr(Writer, "busy", True)
    owing = saving.Saver(link, Store(run), chosen.training)
    clock[0] += 200
    assert not owing.due(Progress(step=30), 10, 1000)  # one is under way
    clock[0] -= 199
    monkeypatch.setattr(Writer, "busy", False)
    assert owing.due(Progress(step=31), 10, 1000)


def test_the_last_checkpoint_is_never_older_than_ten_minutes(
    settings: Any, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("tui.engine.saving.time.monotonic", lambda: clock[0])
    link: Any = type("Link", (), {"sync": lambda: None})
    for unit in ("epochs", "steps"):
        clock[0] = 0.0
        chosen = settings(**{"training.checkpoint_every": 1000, "training.checkpoint_unit": unit})
        saver = saving.Saver(link, Store(run), chosen.training)
        assert not saver.due(Progress(step=7), 100_000, 1_000_000)
        clock[0] = saving.SAVE_SECONDS
        assert saver.due(Progress(step=8), 100_000, 1_000_000)


def test_the_best_are_ranked(settings: Any) -> None:
    watch = Stopping(settings(**{"training.keep_best": 3}), "classification")
    progress = Progress()
    watch.take_up(progress)
    scores = {10: 0.5, 20: 0.4, 30: 0.6, 40: 0.1, 50: 0.55, 60: float("nan"), 70: 0.7}
    told = []
    for step, score in scores.items():
        progress.step = step
        told.append(watch.ranked({"accuracy": score, "loss": 1.0}, step))
        assert watch.ranked({"accuracy": score, "loss": 1.0}, step) == (False, False)
    assert told == [
        (True, True),
        (False, True),
        (True, True),
        *[(False, False)],
        (False, True),
        (False, False),
        (True, True),
    ]
    assert progress.best == Best(70, 0.7, 1.0)
    assert [other.step for other in progress.others] == [30, 50]
    assert Progress.from_table(progress.to_table()) == progress
    old = progress.to_table()
    del old["others"]
    assert Progress.from_table(old).others == []


def test_checkpoints_of_the_best_are_kept(
    trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "COST", 0)
    chosen = settings(**{"training.keep_best": 3, "training.epochs": 8, "schedule.warmup_epochs": 0.0})
    scores = iter((0.2, 0.9, 0.8, 0.3, 0.85, 0.1, 0.15, 0.05))
    headline = of_task("classification").headline.name
    loop, data, _ = trainer(chosen, counts={"train": 80, "validation": 6, "test": 0})
    evaluate = loop._evaluate

    def scored(split: Any, most: int | None = None) -> Any:
        found = evaluate(split, most)
        if split != "validation":
            return found
        found.metrics[headline] = next(scores)
        return found

    loop._evaluate = scored
    data.before = lambda step: loop._attempt.saver._writer.wait()
    loop.run()
    assert steps_on_disk(run) == [20, 30, 50, 70, 80]
    best = Store(run).best()
    assert best is not None
    assert best.name == "step-000000020"


def test_a_resumed_run_keeps_the_same_best_ones(trainer: Any, settings: Any, run: RunDir) -> None:
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    chosen = settings(**{"training.keep_best": 2, "training.validate_unit": "steps", "training.validate_every": 3})
    trainer(chosen, where=whole)[0].run()
    loop, _, link = trainer(chosen)
    loop._data.before = lambda step: setattr(link, "_terminations", int(step == 16))
    with pytest.raises(Stopped):
        loop.run()
    second, _, _ = trainer(chosen, attempt=2)
    second.run()
    assert weights_of(run) == weights_of(whole)

    def ranked(where: RunDir) -> Any:
        found, _ = Store(where).newest()
        assert found is not None
        return found.state["progress"]["others"]

    assert len(ranked(run)) == 1
    assert ranked(run) == ranked(whole)


def test_what_is_written_piece_by_piece_is_what_the_library_reads(tmp_path: Path) -> None:
    tensors = {
        "weight": torch.randn(3, 5),
        "half": torch.randn(7).half(),
        "brain": torch.randn(2, 2).bfloat16(),
        "double": torch.randn(1).double(),
        "count": torch.tensor(7),
        "flags": torch.tensor([True, False]),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "none": torch.zeros(0, 3),
        "laid out": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        'a "name"\n': torch.arange(3, dtype=torch.int32),
    }
    path = tmp_path / "some.safetensors"
    path.write_bytes(b"".join(encoded(tensors)))
    found = safetensors.torch.load_file(path)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
