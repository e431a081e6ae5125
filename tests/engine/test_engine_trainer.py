"""The loop as a whole: what a run leaves behind, and that it can be interrupted anywhere without a trace."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import re
import shutil
from typing import Any

import pytest
import torch

from tui.core import control
from tui.core.dataset.problems import Problem
from tui.core.errors import FailureError
from tui.core.events import CheckpointSaved, Controlled, EpochEnded, Evaluated, Message, Preparing, Rewound, Started
from tui.core.rundir import RunDir
from tui.engine import link as links
from tui.engine import recorder, saving
from tui.engine.link import Stopped, Vanished


@pytest.fixture(autouse=True)
def poll_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "POLL_SECONDS", 0.0)


def weights_of(run: RunDir, which: str = "model") -> str:
    name = json.loads(run.pointer("last").read_bytes())["directory"]
    return hashlib.sha256((run.checkpoints / name / f"{which}.safetensors").read_bytes()).hexdigest()


def comparable(found: dict[int, dict[str, float]]) -> dict[int, list[float]]:
    timing = ("images_per_second", "data_wait", "overhead", "logging")
    return {step: [value for name, value in row.items() if name not in timing] for step, row in found.items()}


def told(events: Any, run: RunDir) -> list[str]:
    """Return the messages of a run, without the one that every attempt begins with."""
    return [event.text for event in events(run, Message) if not event.text.startswith("The arithmetic is ")]


def test_a_whole_run(trainer: Any, settings: Any, run: RunDir, events: Any, records: Any) -> None:
    loop, _, _ = trainer(settings())
    text = loop.run()
    assert "Trained 3 epochs" in text
    assert "test accuracy" in text
    rows = records(run)
    assert list(rows) == list(range(1, 31))
    assert all(math.isfinite(value) for row in rows.values() for value in row.values())
    assert rows[30]["loss"] < rows[1]["loss"]
    assert all(0 <= row["data_wait"] <= 1 and row["images_per_second"] > 0 for row in rows.values())
    started = events(run, Started)[0]
    assert (started.total_steps, started.steps_per_epoch, started.step) == (30, 10, 0)
    layers = records(run, "layers")
    assert list(next(iter(layers.values()))) == started.layers == ["blocks.0.0", "blocks.1.0", "head"]
    # The norm of the whole gradient is at least that of its kernels and matrices.
    for step, row in layers.items():
        assert 0 < math.hypot(*row.values()) <= rows[step]["gradient_norm"] * 1.0001
    ends = events(run, EpochEnded)
    assert [event.epoch for event in ends] == [1, 2, 3]
    first = [rows[step]["loss"] for step in range(1, 11)]
    assert ends[0].loss == pytest.approx(sum(first) / 10, rel=1e-6)
    assert [event.step for event in events(run, Evaluated) if event.split == "validation"] == [10, 20, 30]
    test = next(event for event in events(run, Evaluated) if event.split == "test")
    best = json.loads(run.pointer("best").read_bytes())["directory"]
    assert run.checkpoint(test.step).name == best
    detail = json.loads(run.evaluation("test", test.step).read_bytes())
    assert detail["images"] == 24
    assert sum(n for _, _, n in detail["confusion"]) == 24
    assert events(run, CheckpointSaved)[-1].step == 30


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer.name": "sgd", "optimizer.momentum": 0.9, "schedule.name": "plateau", "schedule.patience": 0},
        {"optimizer.name": "adamw", "optimizer.learning_rate": 0.003, "optimizer.clip_norm": 0.5},
        {"model.name": "mnasnet0_5", "data.image_size": 32, "schedule.name": "plateau", "training.epochs": 2},
        {"data.mixup": 0.4, "data.cutmix": 1.0, "data.sampler": "balanced", "loss.class_weights": "effective"},
        {
            "optimizer.name": "adamw",
            "data.mixup": 0.4,
            "data.auto_augment": "trivialaugment",
            "data.sampler": "balanced",
        },
        {"optimizer.accumulate": 2, "optimizer.ema_decay": 0.9, "optimizer.nesterov": True, "training.epochs": 6},
        {"optimizer.name": "adamw", "optimizer.ema_decay": 0.99, "optimizer.accumulate": 2, "training.epochs": 6}
        | {"schedule.name": "plateau", "schedule.patience": 0, "optimizer.learning_rate": 0.003},
        {"optimizer.name": "muon", "optimizer.learning_rate": 0.002, "optimizer.l1": 1e-4},
        {"optimizer.name": "nadam", "optimizer.learning_rate": 0.002, "optimizer.clip_value": 0.01},
        {"optimizer.learning_rate": 0.5, "optimizer.clip_update": 0.02, "optimizer.ema_decay": 0.9},
        {"optimizer.name": "adagrad", "model.freeze_backbone": True, "model.unfreeze_epoch": 1},
        {"compute.precision": "bfloat16", "schedule.name": "onecycle"},
    ],
    ids=(
        "sgd-plateau adamw-clipped torchvision sgd-mixed-balanced adamw-mixed-balanced "
        "sgd-averaged adamw-averaged muon nadam bounded frozen bfloat16"
    ).split(),
)
def test_a_resumed_run_repeats_the_uninterrupted_one(
    changes: dict[str, Any], trainer: Any, settings: Any, run: RunDir, records: Any, events: Any
) -> None:
    chosen = settings(
        **{"model.dropout": 0.3, "training.validate_unit": "steps", "training.validate_every": 4}, **changes
    )
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    trainer(chosen, where=whole)[0].run()
    stops = iter((7, 12, 15, 10_000))  # in an epoch, where a validation is due, and once more
    for attempt in range(1, 10):
        loop, data, link = trainer(chosen, attempt=attempt)
        at = next(stops)
        data.before = lambda step, link=link, at=at: setattr(link, "_terminations", int(step == at - 1))
        try:
            loop.run()
            break
        except Stopped:
            continue
    assert attempt == 4
    assert weights_of(run) == weights_of(whole)
    if "optimizer.ema_decay" in changes:
        assert weights_of(run, "average") == weights_of(whole, "average") != weights_of(whole)
    assert comparable(records(run)) == comparable(records(whole))
    assert comparable(records(run, "layers")) == comparable(records(whole, "layers"))
    for kind, exact in (
        (EpochEnded, ("step", "loss", "score", "metric")),
        (Evaluated, ("step", "metrics", "best")),
    ):
        told = [[getattr(event, name) for name in exact] for event in events(run, kind)]
        assert told == [[getattr(event, name) for name in exact] for event in events(whole, kind)]
    assert [event.step for event in events(run, Rewound)] == [7, 12, 15]


def at_step(data: Any, step: int, act: Any) -> None:
    """Do something once, when the batch after ``step`` steps is asked for."""
    done: list[int] = []

    def before(now: int) -> None:
        if now == step and not done:
            done.append(now)
            act()

    data.before = before


def test_a_stop_request_saves_and_is_answered(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    loop, data, _ = trainer(settings())
    at_step(data, 13, lambda: control.ask(run, "stop"))
    with pytest.raises(Stopped, match=r"Stopped on request after step 14 of 30. Resume it to go on."):
        loop.run()
    assert [event.action for event in events(run, Controlled)] == ["stop"]
    assert control.pending(run) == []
    assert events(run, CheckpointSaved)[-1].step == 14
    assert "Trained 3 epochs" in trainer(settings(), attempt=2)[0].run()


def test_save_and_validate_on_request(trainer: Any, settings: Any, run: RunDir, events: Any, records: Any) -> None:
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    chosen = settings(**{"schedule.name": "plateau", "schedule.patience": 0, "model.dropout": 0.2})
    trainer(chosen, where=whole)[0].run()
    loop, data, _ = trainer(chosen)
    requests = {3: "save", 6: "validate", 14: "validate"}
    data.before = lambda step: control.ask(run, requests[step]) if step in requests else None
    loop.run()
    assert [event.action for event in events(run, Controlled)] == ["save", "validate", "validate"]
    assert 4 in [event.step for event in events(run, CheckpointSaved)]
    assert [e.step for e in events(run, Evaluated) if e.split == "validation"] == [7, 10, 15, 20, 30]
    assert weights_of(run) == weights_of(whole)  # a look changes nothing
    assert comparable(records(run)) == comparable(records(whole))


def test_pause_and_continue(
    trainer: Any, settings: Any, run: RunDir, events: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, data, _ = trainer(settings())
    slept: list[int] = []

    def sleep(seconds: float) -> None:
        slept.append(loop._progress.step)
        if len(slept) == 3:
            control.ask(run, "save")
        if len(slept) == 5:
            control.ask(run, "continue")

    monkeypatch.setattr("tui.engine.trainer.time.sleep", sleep)
    at_step(data, 4, lambda: control.ask(run, "pause"))
    loop.run()
    assert slept == [5] * 5
    assert [event.action for event in events(run, Controlled)] == ["pause", "save", "continue"]
    assert list(records(run)) == list(range(1, 31))


def test_a_paused_run_can_be_stopped(trainer: Any, settings: Any, run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, data, link = trainer(settings())
    monkeypatch.setattr("tui.engine.trainer.time.sleep", lambda _: setattr(link, "_terminations", 1))
    at_step(data, 4, lambda: control.ask(run, "pause"))
    with pytest.raises(Stopped, match="SIGTERM after step 5"):
        loop.run()


def test_a_stop_during_validation_does_not_skip_it(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    loop, data, _ = trainer(settings())
    batches = data.evaluation_batches

    def asked(split: str, size: int, most: int | None = None) -> Any:
        control.ask(run, "stop")
        return batches(split, size, most)

    data.evaluation_batches = asked
    with pytest.raises(Stopped, match="after step 10"):
        loop.run()
    assert events(run, Evaluated) == []
    trainer(settings(), attempt=2)[0].run()
    assert [e.step for e in events(run, Evaluated) if e.split == "validation"] == [10, 20, 30]
    assert [e.step for e in events(run, EpochEnded)] == [10, 20, 30]


def test_a_stop_between_a_validation_and_its_training_pictures_repeats_both(
    trainer: Any, settings: Any, run: RunDir, events: Any
) -> None:
    chosen = settings(**{"diagnosis.training_pictures": 16})
    loop, data, link = trainer(chosen)
    batches = data.evaluation_batches

    def asked(split: str, *more: Any) -> Any:
        if split == "train":
            link._terminations = 1
        return batches(split, *more)

    data.evaluation_batches = asked
    with pytest.raises(Stopped, match="after step 10"):
        loop.run()
    assert events(run, Evaluated) == []
    trainer(chosen, attempt=2)[0].run()
    validations = [event for event in events(run, Evaluated) if event.split == "validation"]
    assert [event.step for event in validations] == [10, 20, 30]
    assert all("train_loss" in event.metrics for event in validations)


def test_a_stop_during_the_final_test_tests_again(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    loop, data, _ = trainer(settings())
    batches = data.evaluation_batches

    def asked(split: str, size: int, most: int | None = None) -> Any:
        if split == "test":
            control.ask(run, "stop")
        return batches(split, size, most)

    data.evaluation_batches = asked
    with pytest.raises(Stopped, match="final test"):
        loop.run()
    assert control.pending(run) == []
    before = weights_of(run)
    trainer(settings(), attempt=2)[0].run()
    assert weights_of(run) == before
    assert [e.split for e in events(run, Evaluated)].count("test") == 1


def removed(run: RunDir) -> None:
    """Delete a run while its checkpoints are being written."""
    while run.path.exists():
        shutil.rmtree(run.path, ignore_errors=True)


def test_a_deleted_run_is_a_clean_stop(trainer: Any, settings: Any, run: RunDir) -> None:
    loop, data, _ = trainer(settings())
    at_step(data, 12, lambda: removed(run))
    with pytest.raises(Vanished):
        loop.run()


def test_a_run_deleted_at_the_moment_of_saving(trainer: Any, settings: Any, run: RunDir) -> None:
    loop, data, link = trainer(settings())
    link.requests = lambda **_: []
    at_step(data, 9, lambda: removed(run))
    with pytest.raises(Vanished):
        loop.run()


@pytest.mark.parametrize("stop", [True, False])
def test_a_loss_that_is_not_finite(
    stop: bool, trainer: Any, settings: Any, run: RunDir, events: Any, records: Any
) -> None:
    loop, data, _ = trainer(settings(**{"training.stop_on_nonfinite": stop}))
    at_step(data, 14, lambda: loop._attempt.model.head.weight.data.fill_(math.nan))
    if stop:
        with pytest.raises(FailureError, match=r"The loss became NaN in step 15: .*checkpoint of step 10 is kept"):
            loop.run()
        assert list(records(run)) == list(range(1, 16))
    else:
        loop.run()
        assert list(records(run)) == list(range(1, 31))
        # At the end of which epoch it is due depends on how long the one before took.
        said = r"No checkpoint is saved at step \d\d, because the weights are NaN or infinite; .* 10 is kept."
        assert any(re.fullmatch(said, text) for text in told(events, run))
        validations = [event for event in events(run, Evaluated) if event.split == "validation"]
        assert [event.best for event in validations] == [True, False, False]
    assert math.isnan(records(run)[15]["loss"])
    # What is on the disk is the last that was finite.
    assert json.loads(run.pointer("last").read_bytes())["directory"] == "step-000000010"
    assert {event.step for event in events(run, CheckpointSaved)} == {10}


def test_an_exploding_gradient_is_noticed(trainer: Any, settings: Any) -> None:
    loop, data, _ = trainer(settings(**{"model.batch_norm": False}))
    at_step(data, 3, lambda: loop._attempt.model.head.weight.data.fill_(1e30))
    with pytest.raises(FailureError, match=r"became (NaN|infinite) in step 4.*no checkpoint had been saved yet"):
        loop.run()


def test_a_damaged_checkpoint_costs_only_its_steps(
    trainer: Any, settings: Any, run: RunDir, events: Any, records: Any
) -> None:
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    trainer(settings(), where=whole)[0].run()
    loop, data, _ = trainer(settings())
    at_step(data, 13, lambda: control.ask(run, "stop"))
    with pytest.raises(Stopped):
        loop.run()
    with (run.checkpoint(14) / "model.safetensors").open("r+b") as file:
        file.truncate(100)
    trainer(settings(), attempt=2)[0].run()
    text = told(events, run)[0]
    assert "step-000000014 is damaged (model.safetensors has 100 bytes" in text
    assert "continuing from step-000000010" in text
    assert events(run, Rewound)[0].step == 10
    assert comparable(records(run)) == comparable(records(whole))
    assert weights_of(run) == weights_of(whole)


def test_a_damaged_best_checkpoint_is_said(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    loop, _, _ = trainer(settings(**{"training.epochs": 1}))
    load = loop._load_best

    def harm() -> int:
        (run.checkpoint(10) / "model.safetensors").write_bytes(b"")
        return load()

    loop._load_best = harm
    loop.run()
    assert any("The test uses the last weights: the best" in message.text for message in events(run, Message))


def full_disk(loop: Any, data: Any, monkeypatch: pytest.MonkeyPatch, failures: int) -> list[int]:
    """Let the first save through and fail those after it; no save is overtaken by the training."""
    data.before = lambda _: loop._attempt.saver._writer.wait()
    store = loop._attempt.saver.store
    honest, tries = store.save, []

    def save(step: int, *arguments: Any, **more: Any) -> Any:
        tries.append(step)
        if 1 < len(tries) <= 1 + failures:
            raise OSError(errno.ENOSPC, "No space left on device")
        return honest(step, *arguments, **more)

    monkeypatch.setattr(store, "save", save)
    return tries


def test_a_full_disk_is_tried_again(
    trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "RETRY_SECONDS", (0.0,) * 6)
    loop, data, _ = trainer(settings())
    tries = full_disk(loop, data, monkeypatch, 3)
    loop.run()
    texts = told(events, run)
    assert "could not be saved: the disk is full; the one of step 10 is intact. Training goes on" in texts[0]
    assert f"Training goes on; it is tried again in 0 s. Until then, mend that in {run.checkpoints}." in texts[0]
    assert "The disk can be written again" in texts[3]
    saved = [event.step for event in events(run, CheckpointSaved)]
    assert saved[0] == 10
    assert saved[-1] == 30
    assert len(tries) == len(saved) + 3


def test_a_disk_that_stays_full_stops_the_run_resumably(
    trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "RETRY_SECONDS", (0.0,) * 6)
    loop, data, _ = trainer(settings())
    full_disk(loop, data, monkeypatch, 1000)
    with pytest.raises(Stopped, match=r"the one of step 10 is intact. Make room and resume the run."):
        loop.run()
    trainer(settings(), attempt=2)[0].run()
    assert events(run, Rewound)[0].step == 10


def test_the_last_weights_are_worth_waiting_for(
    trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "RETRY_SECONDS", (0.3,) * 6)
    loop, data, _ = trainer(settings(**{"training.epochs": 2}))
    full_disk(loop, data, monkeypatch, 2)
    loop.run()
    assert events(run, CheckpointSaved)[-1].step == 20
    said = "All steps are made; the run waits until the disk takes the last weights. A stop leaves without them."
    assert told(events, run).count(said) == 1
    assert "waiting for the disk" in [event.stage for event in events(run, Preparing)]


def test_out_of_memory_offers_a_smaller_batch(trainer: Any, settings: Any) -> None:
    loop, data, _ = trainer(settings())

    def exhaust() -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    at_step(data, 11, exhaust)
    with pytest.raises(FailureError, match=r"ran out of memory: in step 12 with 8 pictures .*batch_size=4"):
        loop.run()


def test_layer_norms_now_and_then(
    trainer: Any, settings: Any, run: RunDir, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.engine.recorder.FIRST_STEPS", 5)
    trainer(settings(**{"training.layers_every": 8}))[0].run()
    assert list(records(run, "layers")) == [1, 2, 3, 4, 5, 8, 16, 24]
    assert list(records(run)) == list(range(1, 31))


def test_validation_by_epochs_and_at_the_end(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    trainer(settings(**{"training.validate_every": 2}))[0].run()
    assert [e.step for e in events(run, Evaluated) if e.split == "validation"] == [20, 30]


def test_without_a_test_split(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    text = trainer(settings(), counts={"train": 40, "validation": 9, "test": 0})[0].run()
    assert "best validation accuracy" in text
    assert "test" not in text


def test_the_record_on_an_accelerator_is_the_same(
    trainer: Any, settings: Any, run: RunDir, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    trainer(settings(), where=whole)[0].run()
    ring = recorder.Ring
    monkeypatch.setattr(recorder, "Ring", lambda width, device: ring(width, device, rows=7))
    loop, _, _ = trainer(settings())
    loop.run()
    assert comparable(records(run)) == comparable(records(whole))
    assert weights_of(run) == weights_of(whole)


def test_unreadable_pictures_are_named_once(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    loop, data, _ = trainer(settings())
    problem = Problem("unreadable", "warning", "red/1.jpg cannot be read", ("red/1.jpg",))
    at_step(data, 5, lambda: data.skipped.extend([problem] * 30))
    loop.run()
    texts = told(events, run)
    assert texts == ["red/1.jpg cannot be read"] * 20 + ["10 more pictures cannot be read and are left out."]


def test_dropout_without_a_dropout_layer_is_said(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    trainer(settings(**{"model.name": "resnet18", "model.dropout": 0.5, "data.image_size": 32}))
    assert "model.dropout has no effect: resnet18" in events(run, Message)[0].text


def test_a_checkpoint_of_another_network_is_refused(trainer: Any, settings: Any) -> None:
    loop, data, link = trainer(settings())
    at_step(data, 3, lambda: setattr(link, "_terminations", 1))
    with pytest.raises(Stopped):
        loop.run()
    with pytest.raises(FailureError, match="step-000000004 does not fit the settings of this run"):
        trainer(settings(**{"model.width": 5}), attempt=2)


def test_saves_do_not_cost_more_than_a_share_of_short_epochs(
    trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "COST", 1e9)
    trainer(settings(**{"training.epochs": 6, "optimizer.learning_rate": 1e-9, "schedule.warmup_epochs": 0.0}))[0].run()
    saved = [(event.step, event.best) for event in events(run, CheckpointSaved)]
    assert (60, False) in saved or (60, True) in saved
    assert len(saved) < 6


def test_an_attempt_records_once(trainer: Any, settings: Any) -> None:
    trainer(settings())
    with pytest.raises(FailureError, match=r"attempt 1 has recorded before. Use cnntrain resume"):
        trainer(settings())


def test_a_stop_before_the_first_step(trainer: Any, settings: Any, run: RunDir, records: Any) -> None:
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    trainer(settings(), where=whole)[0].run()
    loop, _, _ = trainer(settings())
    control.ask(run, "stop")
    with pytest.raises(Stopped, match="after step 0 of 30"):
        loop.run()
    trainer(settings(), attempt=2)[0].run()
    assert comparable(records(run)) == comparable(records(whole))


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_step_on_an_accelerator_reads_nothing_back(
    name: str, trainer: Any, settings: Any, run: RunDir, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = recorder.Ring
    monkeypatch.setattr(recorder, "Ring", lambda width, device: ring(width, device, rows=8))
    monkeypatch.setattr("tui.engine.probes.SECONDS", 1e9)
    loop, data, _ = trainer(settings(**{"optimizer.name": name, "optimizer.clip_norm": 0.1, "model.dropout": 0.1}))

    def waits(self: torch.Tensor, *_: object) -> None:
        raise AssertionError("the host would wait for the device")

    with data.training_batches(0) as batches:
        loop._recorder.restart_clock()
        loop._step.instruments.begin()
        loop._step.make(batches)  # the optimizer makes its state
        prepared = [next(batches) for _ in range(6)]
        with monkeypatch.context() as patch:
            for reading in ("item", "tolist", "__bool__", "__float__", "__int__", "__index__", "cpu", "numpy"):
                patch.setattr(torch.Tensor, reading, waits)
            for batch in prepared:
                loop._step.make(iter([batch]))
                loop._boundary()
    assert records(run) == {}
    loop._recorder.read(loop._progress, wait=True)
    assert list(records(run)) == list(range(1, 8))
