"""The probes: they leave the training alone to the last bit, say what is so, and are judged alike live and later."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests import planting
from tui.core.diagnosis.doctor import Doctor
from tui.core.events import Cleared, Ended, Evaluated, Found, Inspected, Nonfinite, Wired
from tui.core.rundir import RunDir
from tui.engine.data.augment import stored_size
from tui.engine.data.batches import Batch
from tui.engine.data.geometry import resized
from tui.engine.diagnosis.activations import ActivationProbe
from tui.engine.diagnosis.agreement import halves
from tui.engine.diagnosis.governor import WINDOW, Governor
from tui.engine.diagnosis.updates import UpdateProbe
from tui.engine.diagnosis.wiring import trace
from tui.runs.signals import read_signals

CLASSES = ["red", "green", "blue"]
COUNTS = {"train": 80, "validation": 21, "test": 0}
OFTEN = {
    "diagnosis.preflight": "warn",
    "diagnosis.updates_every": 1,
    "diagnosis.activations_every": 2,
    "diagnosis.agreement_every": 3,
}


def train(root: Path, name: str, chosen: Any, data: Any, plant: Any = None) -> tuple[RunDir, Ended]:
    run = planting.new_run(root, name, chosen)
    return run, planting.train(run, chosen, data, CLASSES, plant=plant)


def weights_of(run: RunDir) -> bytes:
    name = json.loads(run.pointer("last").read_bytes())["directory"]
    return (run.checkpoints / name / "model.safetensors").read_bytes()


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_probes_leave_the_training_alone(
    batch_norm: bool, tmp_path: Path, settings: Any, pictures: Any, records: Any
) -> None:
    base = {"model.dropout": 0.3, "model.batch_norm": batch_norm, "training.epochs": 2, "optimizer.clip_norm": 0.5}
    off = settings(**base, **{"diagnosis.probes": "off", "diagnosis.training_pictures": 0})
    on = settings(**base, **OFTEN)
    without, _ = train(tmp_path, "off", off, pictures(off, COUNTS))
    with_them, _ = train(tmp_path, "on", on, pictures(on, COUNTS))
    assert weights_of(with_them) == weights_of(without)
    losses = [[row["loss"] for row in records(run).values()] for run in (without, with_them)]
    assert losses[0] == losses[1]
    assert list(records(without, "updates")) == []
    assert list(records(with_them, "updates")) == list(range(1, 21))
    assert list(records(with_them, "dead")) == sorted({1, 3, *range(2, 21, 2)})
    assert records(with_them, "agreement")[3]["batch_size"] == 8


def test_what_was_judged_live_is_judged_again_from_the_records(
    tmp_path: Path, settings: Any, pictures: Any, events: Any
) -> None:
    chosen = settings(**OFTEN)
    run, end = train(tmp_path, "cut", chosen, pictures(chosen, COUNTS), planting.detached("blocks.0"))
    assert end.reason == "finished"
    live = [(type(e), e.code) for e in events(run) if isinstance(e, (Found, Cleared))]
    assert (Found, "unwired") in live
    facts, signals = read_signals(run)
    doctor = Doctor(facts)
    changes = [change for signal in signals for change in doctor.feed(signal)]
    assert [(Found if c.kind == "raised" else Cleared, c.finding.code) for c in changes] == live
    inputs = events(run, Inspected)[0].inputs
    assert inputs.unreached == ("blocks.0.0",)
    assert inputs.first_loss == pytest.approx(math.log(3), abs=0.5)


def test_a_validation_has_training_pictures_beside_it(
    tmp_path: Path, settings: Any, pictures: Any, events: Any
) -> None:
    chosen = settings(**{"diagnosis.training_pictures": 16})
    run, _ = train(tmp_path, "sampled", chosen, pictures(chosen, COUNTS))
    for event in events(run, Evaluated):
        assert event.metrics["train_accuracy"] * 16 == pytest.approx(round(event.metrics["train_accuracy"] * 16))
        assert event.metrics["train_loss"] > 0
        assert 1 / 3 <= event.metrics["largest_answer"] <= 1


def test_a_bad_pixel_is_named(tmp_path: Path, settings: Any, pictures: Any, events: Any) -> None:
    chosen = settings()
    run, end = train(tmp_path, "nan", chosen, pictures(chosen, COUNTS), planting.bad_pixel(math.nan, 5))
    assert end.reason == "failed"
    found = events(run, Nonfinite)[0].found
    assert (found.step, found.where) == (5, "input")
    assert found.detail.startswith("train/")
    assert [event.code for event in events(run, Found)] == ["nonfinite"]


def test_a_layer_that_overflows_is_named(tmp_path: Path, settings: Any, pictures: Any, events: Any) -> None:
    def overflow(name: str, weight: torch.Tensor) -> None:
        if name == "head.weight":
            weight.fill_(3e38)

    chosen = settings()
    run, end = train(tmp_path, "inf", chosen, pictures(chosen, COUNTS), planting.weights(overflow))
    assert end.reason == "failed"
    assert events(run, Nonfinite)[0].found.where in ("output of head", "loss")


def test_validation_pictures_of_another_sharpness_are_seen_before_the_first_step(
    tmp_path: Path, settings: Any, pictures: Any, events: Any
) -> None:
    def coarse(batch: Batch, split: str) -> Batch:
        if split != "validation":
            return batch
        small = functional.avg_pool2d(batch.images.permute(0, 3, 1, 2).float(), 4)
        large = functional.interpolate(small, scale_factor=4).permute(0, 2, 3, 1)
        return replace(batch, images=large.to(torch.uint8).contiguous())

    chosen = settings(**{"diagnosis.preflight": "warn", "training.epochs": 1})
    data = pictures(chosen, COUNTS)
    sound, _ = train(tmp_path, "sound", chosen, data)
    inputs = events(sound, Inspected)[0].inputs
    assert inputs.validation_detail == pytest.approx(inputs.detail, rel=0.15)
    assert not [event for event in events(sound, Found) if event.code == "validation_input"]
    run, _ = train(tmp_path, "coarse", chosen, planting.Changed(data, evaluation=coarse))
    found = next(event for event in events(run, Found) if event.code == "validation_input")
    assert "times as sharp as validation pictures" in found.message


def test_training_pictures_that_are_kept_larger_for_their_crops_are_no_softer_for_that(
    tmp_path: Path, settings: Any, pictures: Any, events: Any
) -> None:
    chosen = settings(**{"diagnosis.preflight": "warn", "training.epochs": 1, "data.crop": "random_resized"})
    size = chosen.data.image_size

    def kept_larger(batch: Batch, split: str) -> Batch:
        if split != "train":
            return batch
        soft = resized(resized(batch.images.numpy(), stored_size(chosen.data)), size)
        return replace(batch, images=torch.from_numpy(soft))

    def coarse(batch: Batch, split: str) -> Batch:
        if split != "validation":
            return kept_larger(batch, split)
        return replace(batch, images=torch.from_numpy(resized(resized(batch.images.numpy(), size // 4), size)))

    data = pictures(chosen, COUNTS)
    sound, _ = train(tmp_path, "sound", chosen, planting.Changed(data, evaluation=kept_larger))
    inputs = events(sound, Inspected)[0].inputs
    assert inputs.validation_detail == pytest.approx(inputs.detail, rel=0.1)
    assert not [event for event in events(sound, Found) if event.code == "validation_input"]
    run, _ = train(tmp_path, "coarse", chosen, planting.Changed(data, evaluation=coarse))
    found = next(event for event in events(run, Found) if event.code == "validation_input")
    assert "times as sharp as validation pictures" in found.message


@pytest.mark.parametrize("mixing", [{"data.mixup": 0.2}, {"data.cutmix": 1.0}, {"data.mixup": 0.2, "data.cutmix": 1.0}])
def test_mixed_pictures_are_shuffled_ones(
    mixing: dict[str, float], tmp_path: Path, settings: Any, pictures: Any, events: Any
) -> None:
    chosen = settings(**{"diagnosis.preflight": "warn", "training.epochs": 1, **mixing})
    run, _ = train(tmp_path, "mixed", chosen, pictures(chosen, COUNTS))
    assert events(run, Inspected)[0].inputs.label_entropy > 0.75 * math.log(3)
    assert not [event for event in events(run, Found) if event.code == "unshuffled"]


def test_the_preflight_stops_once(tmp_path: Path, settings: Any, pictures: Any) -> None:
    def zero(name: str, weight: torch.Tensor) -> None:
        if name == "blocks.0.0.weight":
            weight.zero_()

    chosen = settings(**{"diagnosis.preflight": "stop", "training.epochs": 1})
    run, end = train(tmp_path, "zero", chosen, pictures(chosen, COUNTS), planting.weights(zero))
    assert end.reason == "stopped"
    assert end.text.startswith("Stopped before the first step: ")
    assert "resume this one to train it as it is" in end.text
    assert planting.train(run, chosen, pictures(chosen, COUNTS), CLASSES, attempt=2).reason == "finished"


def test_the_wiring_follows_the_calls() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 2)
    )
    optimizer = torch.optim.SGD([p for name, p in model.named_parameters() if not name.startswith("3.")], lr=0.1)
    wiring = trace(model, optimizer, torch.zeros(2, 3, 8, 8))
    assert [layer.name for layer in wiring.layers] == ["0", "3", "6"]
    assert [layer.feeds_norm for layer in wiring.layers] == [True, False, False]
    assert [layer.activation for layer in wiring.layers] == ["relu", "tanh", ""]
    assert [layer.output for layer in wiring.layers] == [False, False, True]
    assert [layer.trained for layer in wiring.layers] == [True, False, True]
    assert model.training
    probe = ActivationProbe(wiring, torch.device("cpu"))
    with torch.no_grad():
        model[1].bias[:3] = -100  # three of four channels never fire
        model[3].bias[:] = 50  # every unit at the end of its range
    probe.begin()
    model(torch.randn(4, 3, 8, 8))
    row = probe.end().tolist()
    assert row[0] == 0.75
    assert row[3 + 1] == 1
    assert all(math.isnan(row[place]) for place in (1, 2, 3, 5))
    assert not model[2]._forward_hooks


def test_updates_are_exact() -> None:
    weight = nn.Parameter(torch.full((2, 2), 2.0))
    probe = UpdateProbe([weight])
    probe.begin()
    with torch.no_grad():
        weight.add_(0.2)
    assert probe.end().tolist() == pytest.approx([4.4, 0.1])


def test_halves_are_those_of_autograd_and_leave_no_trace() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    x, y = torch.randn(8, 3), torch.randn(8, 1)

    def loss(images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (model(images) - targets).square().mean()

    before = [buffer.clone() for buffer in model.buffers()]
    parameters = list(model.parameters())
    half, whole, size = halves(model, parameters, loss, x, y).tolist()
    assert all(torch.equal(mine, old) for mine, old in zip(model.buffers(), before, strict=True))
    assert all(parameter.grad is None for parameter in parameters)
    parts = [torch.autograd.grad(loss(x[part], y[part]), parameters) for part in (slice(0, 4), slice(4, 8))]
    flat = [torch.cat([gradient.flatten() for gradient in part]) for part in parts]
    assert half == pytest.approx(float(flat[0].square().sum() + flat[1].square().sum()) / 2, rel=1e-4)
    assert whole == pytest.approx(float(((flat[0] + flat[1]) / 2).square().sum()), rel=1e-4)
    assert size == 8


def test_the_governor_doubles_above_the_limit_only() -> None:
    governor = Governor(0.01)
    governor.spend(1e9)
    assert not governor.step(1.0, counts=False)  # looking closely on purpose
    for share, doubles in ((0.009, False), (0.011, True)):
        told = []
        for _ in range(WINDOW):
            governor.spend(share)
            told.append(governor.step(1.0))
        assert any(told) is doubles
        assert governor.share == pytest.approx(share)
    assert governor.factor == 2


def test_a_backbone_that_is_meant_to_stay_is_no_finding(
    tmp_path: Path, settings: Any, pictures: Any, events: Any
) -> None:
    chosen = settings(**OFTEN, **{"model.freeze_backbone": True, "model.unfreeze_epoch": 2})
    run, end = train(tmp_path, "frozen", chosen, pictures(chosen, COUNTS))
    assert end.reason == "finished", end.text
    assert not {"frozen", "unwired"} & {event.code for event in events(run, Found)}
    frozen = {layer.name for layer in events(run, Wired)[0].layers if layer.frozen}
    assert frozen == {"blocks.0.0", "blocks.1.0"}


def test_a_spike_of_the_learning_rate_moves_the_weights_no_farther_than_the_settings_allow(
    tmp_path: Path, settings: Any, pictures: Any, records: Any
) -> None:
    moved = {}
    for limit in (0.0, 0.05):
        chosen = settings(**OFTEN, **{"optimizer.clip_update": limit})
        spike = planting.rate_spike(12, 50, 2)
        run, _ = train(tmp_path, f"spike-{limit}", chosen, pictures(chosen, COUNTS), spike)
        ratios, norms = (
            {step: list(row.values()) for step, row in records(run, kind).items()} for kind in ("updates", "weights")
        )
        moved[limit] = {
            step: math.hypot(*(ratio * norm for ratio, norm in zip(ratios[step], norms[step - 1], strict=True)))
            / math.hypot(*norms[step - 1])
            for step in (11, 12, 13)
        }
    assert moved[0.0][12] > 0.5
    assert moved[0.05][11] == pytest.approx(moved[0.0][11])  # short enough
    assert max(moved[0.05].values()) < 0.07  # the limit is for all parameters together, this is of kernels and matrices
