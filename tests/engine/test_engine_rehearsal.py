"""Before the start: a dry run tells the truth, a batch that fits is found, and what was tried leaves no trace."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tui.core import memory
from tui.core.rate_range import LOWEST
from tui.core.rehearsal import report
from tui.core.rundir import RunDir
from tui.engine import bfloat16, capacity, optim, rehearsal
from tui.engine.attempt import Attempt
from tui.engine.ranging import range_test
from tui.engine.rehearsal import rehearse
from tui.engine.step import Step
from tui.engine.untouched import untouched


def fingerprint(attempt: Attempt) -> str:
    """Return a hash of everything that a later step depends on."""
    found = hashlib.sha256()
    tensors = {**attempt.model.state_dict(), **optim.optimizer_tensors(attempt.model, attempt.optimizer)}
    tensors |= attempt.average.tensors() if attempt.average is not None else {}
    for parameter, name in ((p, n) for n, p in attempt.model.named_parameters()):
        if parameter.grad is not None:
            tensors[f"gradient of {name}"] = parameter.grad
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].detach().contiguous().numpy().tobytes())
    groups = [
        {key: value for key, value in group.items() if key != "params"} for group in attempt.optimizer.param_groups
    ]
    found.update(json.dumps([groups, attempt.progress.to_table(), attempt.model.training], default=str).encode())
    found.update(torch.get_rng_state().numpy().tobytes())
    return found.hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer.name": "sgd", "optimizer.momentum": 0.9},
        {"optimizer.name": "adamw", "optimizer.ema_decay": 0.9, "optimizer.accumulate": 2, "training.epochs": 6},
        {"optimizer.name": "muon", "data.mixup": 0.4, "optimizer.clip_norm": 1.0},
        {
            "model.name": "shufflenet_v2_x0_5",
            "data.image_size": 32,
            "model.freeze_backbone": True,
            "model.unfreeze_epoch": 1,
        },
    ],
    ids=["sgd", "adamw-averaged-accumulated", "muon-mixed-clipped", "frozen"],
)
def test_a_range_test_within_a_run_leaves_it_as_it_was(
    changes: dict[str, Any], trainer: Any, settings: Any, run: RunDir, records: Any
) -> None:
    chosen = settings(**{"model.dropout": 0.3}, **changes)
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    other, _, _ = trainer(chosen, where=whole)
    other.run()
    loop, data, _ = trainer(chosen)
    found: list[Any] = []
    begun: list[int] = []

    def test_rates(step: int) -> None:
        if step == 7 and not begun:
            begun.append(step)
            before = fingerprint(loop._attempt)
            found.append(range_test(loop._attempt))
            assert fingerprint(loop._attempt) == before
            torch.manual_seed(4)
            with untouched(loop._attempt):
                torch.rand(3)
            assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(4)))

    data.before = test_rates
    loop.run()
    assert found[0].rates[0] == LOWEST
    assert len(found[0].losses) == len(found[0].rates) == len(found[0].smoothed) > 10
    ends = [{name: tensor.clone() for name, tensor in one._attempt.model.state_dict().items()} for one in (loop, other)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[1])
    timing = ("images_per_second", "data_wait", "overhead", "logging")
    rows = [{s: [v for k, v in row.items() if k not in timing] for s, row in records(w).items()} for w in (run, whole)]
    assert rows[0] == rows[1]


def rehearsed(trainer: Any, chosen: Any, run: RunDir, **more: Any) -> Any:
    attempt = trainer(chosen, **more)[0]._attempt
    return rehearse(attempt, began=0.0, place=run.path.parent / "not" / "there", tell=lambda *_: None), attempt


def test_a_dry_run_says_what_a_run_does(trainer: Any, settings: Any, run: RunDir) -> None:
    chosen = settings(**{"optimizer.ema_decay": 0.9, "training.keep_best": 2, "diagnosis.preflight": "warn"})
    found, attempt = rehearsed(trainer, chosen, run)
    assert (found.batch_size, found.epoch_steps, found.total_steps) == (8, 10, 30)
    assert found.images == {"train": 80, "validation": 21, "test": 24}
    assert found.fits
    assert 0 < found.wait_seconds < found.step_seconds < 5
    assert found.validations == 3
    assert found.validation_seconds > found.test_seconds > 0  # twice 21 pictures and those of the training beside them
    assert memory.peak() >= found.peak > 50 << 20
    assert found.disk_free > 0
    assert found.label_entropy == pytest.approx(math.log(3), rel=1e-3)
    assert found.first_loss == pytest.approx(math.log(3), rel=0.5)
    assert found.overfit is not None
    assert found.overfit.learned
    weights = sum(t.numel() * t.element_size() for t in attempt.model.state_dict().values())
    assert found.checkpoint_bytes > 2.5 * weights  # the network, its average, momentum
    assert found.checkpoints == 5
    assert found.record_bytes == pytest.approx(30 * (24 + 4 * 8 + 24 + 4 * 3))
    assert not any(line.tone == "bad" for line in report(found))


def test_the_first_loss_is_held_against_that_of_the_loss_in_force(trainer: Any, settings: Any, run: RunDir) -> None:
    found, _ = rehearsed(trainer, settings(**{"loss.name": "focal", "diagnosis.preflight": "warn"}), run)
    assert found.blank_loss == pytest.approx(math.log(3) * (1 - 1 / 3) ** 2, rel=1e-3)
    assert found.first_loss == pytest.approx(found.blank_loss, rel=0.5)
    said = next(line.text for line in report(found) if line.label == "first loss")
    assert f"a network that knows nothing has {found.blank_loss:.3g}" in said


def test_labels_that_cannot_be_learned_are_seen_in_one_batch(trainer: Any, settings: Any, run: RunDir) -> None:
    """With a learning rate of nothing not even one batch is learned; with ten times too much, a tenth is found."""
    found, _ = rehearsed(trainer, settings(**{"optimizer.learning_rate": 1e-9}), run)
    assert not found.overfit.learned
    assert any(line.label == "learning" and line.tone == "bad" for line in report(found))


def test_too_few_steps_on_a_slow_machine_prove_nothing(
    trainer: Any, settings: Any, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "_LEARNING_SECONDS", 0.0)
    found, _ = rehearsed(trainer, settings(**{"optimizer.learning_rate": 1e-9}), run)
    assert (found.overfit.steps, found.overfit.unknown) == (8, True)
    assert any(line.label == "learning" and line.tone == "plain" for line in report(found))


class FullError(RuntimeError):
    """What the allocator of an accelerator raises."""


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Let no more than so many pictures through the network; return how many were tried."""

    def limit(most: int) -> list[int]:
        tried: list[int] = []
        forward = Step._forward

        def through(self: Step, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            tried.append(len(images))
            if len(images) > most:
                raise FullError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return forward(self, images, targets)

        monkeypatch.setattr(Step, "_forward", through)
        return tried

    return limit


@pytest.mark.parametrize(
    ("seconds", "share", "pairs"),
    [
        ({"float32": 0.04, "bfloat16": 0.01}, 0.25, 7),
        ({"float32": 0.01, "bfloat16": 0.03}, 3.0, 7),
        ({"float32": 4.0, "bfloat16": 2.0}, 0.5, 3),  # a slow machine: one pair to prepare, and two that count
    ],
)
def test_bfloat16_is_compared_step_by_step(
    seconds: dict[str, float],
    share: float,
    pairs: int,
    trainer: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, data, _ = trainer(settings())
    attempt, seen, clock = loop._attempt, list[str](), [0.0]
    step = Step(attempt)
    with data.training_batches(0) as batches:
        batch = next(batches)

    def try_out(batch: Any, rate: float, number: int = 1) -> Tensor:
        seen.append(str(attempt.compute.precision).removeprefix("torch."))
        clock[0] += seconds[seen[-1]]
        return torch.zeros(())

    def now() -> float:
        return clock[0]

    monkeypatch.setattr(bfloat16, "has_units", lambda device: True)
    monkeypatch.setattr(bfloat16, "time", SimpleNamespace(perf_counter=now, monotonic=now))
    monkeypatch.setattr(step, "try_out", try_out)
    assert bfloat16.time_share(attempt, step, batch, 0.01, lambda: None) == pytest.approx(share)
    assert seen == ["float32", "bfloat16"] * pairs


def test_bfloat16_is_tried_on_a_real_step_and_leaves_no_trace(
    trainer: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, data, _ = trainer(settings(**{"model.dropout": 0.3}))
    attempt = loop._attempt
    step, outputs = Step(attempt), set[torch.dtype]()
    attempt.model.register_forward_hook(lambda module, inputs, output: outputs.add(output.dtype))
    with data.training_batches(0) as batches:
        batch = next(batches)
    monkeypatch.setattr(bfloat16, "has_units", lambda device: True)
    before = fingerprint(attempt)
    found = bfloat16.time_share(attempt, step, batch, 0.01, lambda: None)
    assert found is not None
    assert found > 0
    assert outputs == {torch.float32, torch.bfloat16}
    assert attempt.compute.precision == torch.float32
    assert fingerprint(attempt) == before


@pytest.mark.parametrize("changes", [{"compute.precision": "float32"}, {"compute.precision": "bfloat16"}])
def test_a_precision_that_was_chosen_is_not_questioned(
    changes: dict[str, Any], trainer: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, data, _ = trainer(settings(**changes))
    with data.training_batches(0) as batches:
        batch = next(batches)
    monkeypatch.setattr(bfloat16, "has_units", lambda device: pytest.fail("nobody asked"))
    assert bfloat16.time_share(loop._attempt, Step(loop._attempt), batch, 0.01, lambda: None) is None


@pytest.mark.parametrize(
    ("seconds", "units"),
    [({torch.float32: 2, torch.bfloat16: 1}, True), ({torch.float32: 1, torch.bfloat16: 1}, False)],
)
def test_a_processor_has_units_if_its_products_are_faster(
    seconds: dict[torch.dtype, float], units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    class Matrix:
        def __init__(self, *shape: int, dtype: torch.dtype) -> None:
            self.dtype = dtype

        def __matmul__(self, other: Any) -> None:
            clock[0] += seconds[self.dtype]

    monkeypatch.setattr(bfloat16.torch, "ones", Matrix)
    monkeypatch.setattr(bfloat16.time, "perf_counter", lambda: clock[0])
    assert bfloat16.has_units(torch.device("cpu")) is units
    assert not bfloat16.has_units(torch.device("cuda"))


@pytest.mark.parametrize(
    ("size", "most", "expected"), [(32, 19, (17, 19)), (64, 9, (8, 9)), (8, 2, (2, 2)), (8, 1, (0, 0))]
)
def test_the_largest_batch_is_found_where_the_one_asked_for_does_not_fit(
    size: int, most: int, expected: tuple[int, int], trainer: Any, settings: Any, run: RunDir, small_memory: Any
) -> None:
    tried = small_memory(most)
    found, _ = rehearsed(trainer, settings(**{"training.batch_size": size}), run)
    assert not found.fits
    assert expected[0] <= found.largest_batch <= expected[1]
    assert found.tried
    assert len(tried) <= 12
    said = " ".join(line.text for line in report(found))
    assert f"{size} do not fit" in said
    assert ("training.batch_size=" in said) == (expected[1] > 0)


def test_what_fits_by_the_line_through_two_sizes() -> None:
    # 100 bytes and 10 a picture: 0.9 of 1,100 leave room for 89.
    assert capacity._computed(8, 32, [180, 420], 1100, 1000) == 88
    assert capacity._computed(8, 32, [180, 420], 1100, 50) == 48 + 2
    assert capacity._computed(8, 32, [420, 420], 1100, 1000) == 0  # nothing is known
    assert capacity._computed(8, 32, [180, 420], 0, 1000) == 0


@pytest.mark.long
def test_a_dry_run_in_a_process_of_its_own_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.picture_sets import class_folders
    from tui.core import presets
    from tui.core.errors import CnntrainError
    from tui.core.schema import with_changes
    from tui.runs import rehearsals

    pictures = class_folders(tmp_path / "pictures", {"cat": 40, "dog": 30})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("CNNTRAIN_CACHE", str(tmp_path / "cache"))
    small = {"data.directory": str(pictures), "data.image_size": 16, "training.batch_size": 8, "training.threads": 1}
    settings = with_changes(presets.load(presets.find("simple-cnn")), small, source="test")
    stages: list[str] = []
    found = rehearsals.dry_run(settings, root=tmp_path / "runs", progress=lambda stage, *_: stages.append(stage))
    assert found.fits
    assert found.steps >= 5
    assert {"importing", "measuring the memory", "timing the steps"} <= set(stages)
    assert not (tmp_path / "runs").exists()
    assert list(scratch.iterdir()) == []
    with pytest.raises(CnntrainError, match="only 50 training pictures"):
        rehearsals.dry_run(with_changes(settings, {"training.batch_size": 256}, source="test"), root=tmp_path / "runs")
    assert list(scratch.iterdir()) == []
