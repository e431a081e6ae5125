"""Precision, loss scaling, memory format, compilation: that each has its effect, and what is said of it."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from tui.core.events import Evaluated, Message
from tui.core.rundir import RunDir
from tui.engine import compute, device, failures, models
from tui.engine.average import Average
from tui.engine.store import Store

CPU = torch.device("cpu")


def texts(events: Any, run: RunDir) -> list[str]:
    return [event.text for event in events(run, Message)]


def test_auto_chooses_by_the_device_and_says_what(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings().compute
    assert compute.choose(chosen, CPU).sentence() == "The arithmetic is float32, channels_last on cpu."
    assert compute.choose(chosen, torch.device("mps")).sentence() == "The arithmetic is float32, contiguous on mps."
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    assert compute.choose(chosen, torch.device("cuda")).precision == torch.bfloat16
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert compute.choose(chosen, torch.device("cuda")).precision == torch.float32


def test_what_is_asked_for_is_done(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = settings(**{"compute.precision": "float16", "compute.memory_format": "contiguous", "compute.compile": True})
    chosen = compute.choose(asked.compute, CPU)
    assert chosen.scaler is not None
    assert chosen.sentence() == "The arithmetic is float16, contiguous, compiled on cpu."
    images = torch.rand(2, 3, 8, 8).to(memory_format=torch.channels_last)
    assert chosen.arranged(images).is_contiguous()
    assert compute.choose(settings().compute, CPU).arranged(images) is images
    for name, last in (("channels_last", True), ("contiguous", False)):
        placed = compute.choose(settings(**{"compute.memory_format": name}).compute, CPU).place(nn.Conv2d(3, 4, 3))
        assert placed.weight.is_contiguous(memory_format=torch.channels_last) == last


def test_the_network_runs_in_bfloat16_and_its_outputs_are_float32(settings: Any) -> None:
    chosen = compute.choose(settings(**{"compute.precision": "bfloat16"}).compute, CPU)
    seen: list[torch.dtype] = []
    model = models.build(settings(), 3)
    model.blocks.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    outputs = chosen.run(model, torch.rand(2, 3, 16, 16))
    assert seen == [torch.bfloat16]
    assert outputs.dtype == torch.float32


def test_tf32_and_determinism_are_set(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    for tf32 in (False, True):
        compute.choose(settings(**{"compute.tf32": tf32}).compute, torch.device("cuda"))
        assert torch.get_float32_matmul_precision() == ("high" if tf32 else "highest")
    torch.set_float32_matmul_precision("highest")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(device, "keep_memory", lambda: True)
    try:
        device.prepare(CPU, settings(**{"training.threads": 1}).training, deterministic=True)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        device.prepare(CPU, settings(**{"training.threads": 1}).training)
    assert not torch.are_deterministic_algorithms_enabled()


def test_float16_leaves_steps_out_and_records_it(
    trainer: Any, settings: Any, run: RunDir, events: Any, records: Any
) -> None:
    loop, _, _ = trainer(settings(**{"compute.precision": "float16"}))
    scaler = loop._attempt.compute.scaler
    scaler.load_state_dict({**scaler.state_dict(), "scale": 2.0**24})  # overflows, until it is small enough
    loop.run()
    rows = records(run)
    left_out = [step for step, row in rows.items() if row["skipped"]]
    assert left_out[:3] == [1, 2, 3]
    assert len(left_out) < 15
    assert all(math.isfinite(row["gradient_norm"]) == (not row["skipped"]) for row in rows.values())
    assert rows[30]["loss"] < rows[1]["loss"]
    assert sum("was left out: its float16 gradient overflowed" in text for text in texts(events, run)) == 1
    saved, _ = Store(run).newest()
    assert saved is not None
    assert saved.state["scaler"]["scale"] == 2.0 ** (24 - len(left_out))


def test_only_float16_has_a_column_of_skipped_steps(trainer: Any, settings: Any, run: RunDir, records: Any) -> None:
    trainer(settings(**{"training.epochs": 1}))[0].run()
    assert "skipped" not in records(run)[1]


def test_a_network_that_cannot_be_compiled_is_trained_without(
    trainer: Any, settings: Any, run: RunDir, events: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    trainer(settings(**{"model.dropout": 0.2}), where=whole)[0].run()

    def broken(model: nn.Module) -> Any:
        def call(images: torch.Tensor) -> torch.Tensor:
            model(images)  # it has gone a long way, and changed statistics and random numbers, before it fails
            raise RuntimeError("Failed to find C++ compiler\nmore of it")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    trainer(settings(**{"compute.compile": True, "model.dropout": 0.2}))[0].run()
    told = [text for text in texts(events, run) if "compute.compile" in text]
    assert told == [
        "compute.compile does not work here (RuntimeError: Failed to find C++ compiler). Training goes on without it."
    ]
    losses = [[row["loss"] for row in records(where).values()] for where in (run, whole)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("thrown", "words"),
    [
        (
            "backend='inductor' raised:\nTypeError: no such thing\n\nSet TORCHDYNAMO",
            "(RuntimeError: TypeError: no such",
        ),
        (
            "InvalidCxxCompiler: No working C++ compiler found in torch._ind: (None, 'g++')\n",
            ": it needs a C++ compiler",
        ),
        ("", "(RuntimeError: )"),
    ],
)
def test_why_nothing_was_compiled_is_found_in_what_was_thrown(thrown: str, words: str) -> None:
    assert f"does not work here{'' if words[0] == ':' else ' '}{words}" in failures.not_compiled(RuntimeError(thrown))


def test_the_average_follows_the_weights(settings: Any) -> None:
    model = models.build(settings(), 3)
    average = Average(model, 0.9)
    expected = copy.deepcopy(model).state_dict()
    for step in range(1, 101):
        with torch.no_grad():
            for tensor in model.state_dict().values():
                tensor.add_(1)
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        for key, tensor in model.state_dict().items():
            expected[key] = tensor.clone() if key.endswith("tracked") else decay * expected[key] + (1 - decay) * tensor
    for key, tensor in average.tensors().items():
        torch.testing.assert_close(tensor, expected[key])
    assert not any(p.requires_grad for p in average.model.parameters())


def test_the_average_is_validated_beside_the_weights_and_saved(
    trainer: Any, settings: Any, run: RunDir, events: Any
) -> None:
    loop, _, _ = trainer(settings(**{"optimizer.ema_decay": 0.99}))
    loop.run()
    validation = [event for event in events(run, Evaluated) if event.split == "validation"][-1]
    assert {"accuracy", "ema_accuracy", "loss", "ema_loss"} <= set(validation.metrics)
    assert validation.metrics["ema_loss"] != validation.metrics["loss"]
    saved, problems = Store(run).newest()
    assert saved is not None
    assert problems == []
    assert saved.average is not None
    assert saved.average.keys() == saved.model.keys()
    assert any(not torch.equal(saved.average[key], saved.model[key]) for key in saved.model)


def test_the_best_may_be_the_average(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    chosen = settings(**{"optimizer.ema_decay": 0.99, "training.best_by": "ema_loss"})
    loop, _, _ = trainer(chosen)
    loop.run()
    validations = [event for event in events(run, Evaluated) if event.split == "validation"]
    lowest = min(validations, key=lambda event: event.metrics["ema_loss"])
    best = Store(run).best()  # the pointer leads to the step whose average was the best
    assert best is not None
    assert best.name == run.checkpoint(lowest.step).name
    assert best.average is not None
    for key, tensor in loop._attempt.model.state_dict().items():  # as they were tested
        assert torch.equal(tensor, best.average[key])


def test_a_checkpoint_without_an_average_starts_one(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    trainer(settings(**{"training.epochs": 1}))[0].run()
    loop, _, _ = trainer(settings(**{"optimizer.ema_decay": 0.99}), attempt=2)
    average = loop._attempt.average
    for key, tensor in loop._attempt.model.state_dict().items():
        assert torch.equal(average.tensors()[key], tensor)
    loop.run()


def test_an_older_checkpoint_without_a_loss_scale_is_taken_up(trainer: Any, settings: Any, run: RunDir) -> None:
    trainer(settings(**{"training.epochs": 1}))[0].run()
    trainer(settings(**{"compute.precision": "float16", "training.epochs": 2}), attempt=2)[0].run()


def test_a_frozen_backbone_keeps_weights_and_statistics_until_its_epoch(
    trainer: Any, settings: Any, run: RunDir, events: Any, records: Any
) -> None:
    loop, data, _ = trainer(settings(**{"model.freeze_backbone": True, "model.unfreeze_epoch": 2}))
    model = loop._attempt.model
    start = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    changed: dict[int, set[str]] = {}

    def look(step: int) -> None:
        state = model.state_dict()
        changed[step] = {key for key in state if not torch.equal(state[key], start[key])}

    data.before = look
    loop.run()
    assert changed[20] == {"head.weight", "head.bias"}
    assert {"blocks.0.0.weight", "blocks.0.1.running_mean", "blocks.1.1.weight"} <= changed[22]
    layers = records(run, "layers")
    assert layers[20]["blocks.0.0"] == 0 < layers[20]["head"]
    assert layers[21]["blocks.0.0"] > 0
    assert "From step 21 on the backbone is trained too." in texts(events, run)


def test_a_backbone_frozen_for_good_is_not_counted_or_recorded(
    trainer: Any, settings: Any, run: RunDir, records: Any
) -> None:
    loop, _, _ = trainer(settings(**{"model.freeze_backbone": True, "training.epochs": 1}))
    loop.run()
    assert list(records(run, "layers")[1]) == ["head"]


def test_accumulated_steps_are_those_of_one_large_batch(trainer: Any, settings: Any, run: RunDir, records: Any) -> None:
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    chosen = {"model.batch_norm": False, "training.epochs": 2}
    trainer(settings(**chosen, **{"training.batch_size": 16}), where=whole)[0].run()
    trainer(settings(**chosen, **{"training.batch_size": 4, "optimizer.accumulate": 4}))[0].run()
    ours, theirs = records(run), records(whole)
    assert len(ours) == len(theirs) == 10
    for step, row in ours.items():
        for name in ("loss", "accuracy", "gradient_norm"):
            assert row[name] == pytest.approx(theirs[step][name], rel=1e-4), (step, name)
