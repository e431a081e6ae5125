"""From gradient to step: who decays, how clipping reuses the norm, what the learning rate is when."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models as torchvision_models

from tui.core.dataset.targets import targets_of
from tui.core.errors import UsageError
from tui.core.settings import LossSettings, Settings
from tui.engine import losses, models, optim
from tui.engine.probes import GradientNorms
from tui.engine.schedules import Schedule

TARGETS = targets_of([("a", 0), ("b", 1), ("c", 2)], "classification", 3)


def with_gradients(model: nn.Module, scale: float = 1.0) -> nn.Module:
    torch.manual_seed(3)
    for parameter in model.parameters():
        parameter.grad = scale * torch.randn_like(parameter)
    return model


def test_biases_and_norms_do_not_decay(settings: Any) -> None:
    model = models.build(settings(), 3)
    optimizer = optim.make_optimizer(model, settings(**{"optimizer.weight_decay": 0.1}).optimizer)
    names = {parameter: name for name, parameter in model.named_parameters()}
    by_decay = {group["weight_decay"]: {names[p] for p in group["params"]} for group in optimizer.param_groups}
    assert by_decay[0.1] == {"blocks.0.0.weight", "blocks.1.0.weight", "head.weight"}
    assert set().union(*by_decay.values()) == set(names.values())
    assert not by_decay[0.1] & by_decay[0.0]


def test_tokens_positions_and_layer_scales_do_not_decay() -> None:
    for model, spared in (
        (torchvision_models.VisionTransformer(32, 16, 1, 2, 8, 16), ("class_token", "encoder.pos_embedding")),
        (torchvision_models.get_model("convnext_tiny"), ("features.1.0.layer_scale",)),
        (torchvision_models.get_model("swin_t"), ("features.1.0.attn.relative_position_bias_table",)),
    ):
        decides = {name: optim.is_weight(name, parameter) for name, parameter in model.named_parameters()}
        assert not any(decides[name] for name in spared)
        assert sum(decides.values()) > 2
        assert all(p.ndim >= 2 for name, p in model.named_parameters() if decides[name])


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "radam"])
def test_the_optimizer_is_torchs_own_with_our_settings(settings: Any, name: str) -> None:
    chosen = settings(
        **{
            "optimizer.name": name,
            "optimizer.learning_rate": 0.01,
            "optimizer.momentum": 0.8,
            "optimizer.nesterov": True,
            "optimizer.beta1": 0.85,
            "optimizer.beta2": 0.98,
            "optimizer.alpha": 0.95,
            "optimizer.epsilon": 1e-6,
            "optimizer.weight_decay": 0.01,
            "optimizer.decay_all": True,
        }
    ).optimizer
    model = models.build(settings(), 3)
    reference = copy.deepcopy(model)
    ours = optim.make_optimizer(model, chosen)
    adaptive: dict[str, Any] = {"lr": 0.01, "betas": (0.85, 0.98), "eps": 1e-6, "weight_decay": 0.01}
    kinds: dict[str, Any] = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.8, nesterov=True, weight_decay=0.01),
        "adam": lambda p: torch.optim.Adam(p, **adaptive),
        "adamw": lambda p: torch.optim.AdamW(p, **adaptive),
        "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.95, eps=1e-6, momentum=0.8, weight_decay=0.01),
        "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01, eps=1e-6, weight_decay=0.01),
        "nadam": lambda p: torch.optim.NAdam(p, decoupled_weight_decay=True, **adaptive),
        "radam": lambda p: torch.optim.RAdam(p, decoupled_weight_decay=True, **adaptive),
    }
    theirs = kinds[name](reference.parameters())
    for _ in range(3):
        for network, optimizer in ((model, ours), (reference, theirs)):
            with_gradients(network)
            optimizer.step()
    for mine, other in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
def test_muon_steps_kernels_as_matrices_and_leaves_the_rest_to_adamw(
    settings: Any, memory: torch.memory_format
) -> None:
    chosen = settings(
        **{"optimizer.name": "muon", "optimizer.learning_rate": 0.01, "optimizer.weight_decay": 0.1}
        | {"optimizer.nesterov": True}
    ).optimizer
    model = models.build(settings(**{"model.width": 8}), 3).to(memory_format=memory)
    reference = copy.deepcopy(model)
    head = models.head_names(model)
    ours = optim.make_optimizer(model, chosen, head)
    kernels = [p for name, p in reference.named_parameters() if p.ndim == 4]
    matrices = [p.detach().reshape(len(p), -1).clone() for p in kernels]
    muon = torch.optim.Muon(
        matrices, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    rest = {name: p for name, p in reference.named_parameters() if p.ndim != 4}
    groups = [
        {"params": [p for name, p in rest.items() if (p.ndim == 2) == decays], "weight_decay": 0.1 * decays}
        for decays in (True, False)
    ]
    adamw = torch.optim.AdamW(groups, lr=0.01)
    for _ in range(3):
        with_gradients(model)
        with_gradients(reference)
        for matrix, kernel in zip(matrices, kernels, strict=True):
            assert kernel.grad is not None
            matrix.grad = kernel.grad.reshape(matrix.shape)
        ours.step()
        muon.step()
        adamw.step()
    after = dict(model.named_parameters())
    for name, other in rest.items():
        torch.testing.assert_close(after[name], other)
    mine = [p for name, p in model.named_parameters() if p.ndim == 4]
    for kernel, matrix in zip(mine, matrices, strict=True):
        # Newton and Schulz run in bfloat16, and our columns are in another order.
        torch.testing.assert_close(kernel.reshape(matrix.shape), matrix, atol=2e-3, rtol=0.02)


def test_an_old_torch_without_muon_is_said(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(UsageError, match=r"has no Muon\. Install torch 2\.9 or newer, or choose adamw"):
        optim.make_optimizer(models.build(settings(), 3), settings(**{"optimizer.name": "muon"}).optimizer)


def test_the_head_has_its_own_rate(settings: Any) -> None:
    model = models.build(settings(), 3)
    head = models.head_names(model)
    assert head == {"head.weight", "head.bias"}
    optimizer = optim.make_optimizer(model, settings(**{"optimizer.head_factor": 10.0}).optimizer, head)
    optim.set_learning_rate(optimizer, 0.02)
    names = {parameter: name for name, parameter in model.named_parameters()}
    rates = {names[p]: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates.pop("head.weight") == rates.pop("head.bias") == pytest.approx(0.2)
    assert set(rates.values()) == {0.02}


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "vit_b_32", "swin_t", "squeezenet1_1", "convnext_tiny"])
def test_every_head_is_found(settings: Any, name: str) -> None:
    model = models.sketch(settings(**{"model.name": name, "data.image_size": 64}), 7)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters() if name in models.head_names(model)}
    assert len(shapes) == 2
    assert all(shape[0] == 7 for shape in shapes.values())


def test_l1_pulls_every_weight_towards_zero_and_nothing_else(settings: Any) -> None:
    model = with_gradients(models.build(settings(), 3))
    before = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    optim.penalise(GradientNorms(model).weights, 0.01)
    for name, parameter in model.named_parameters():
        pull = 0.01 * parameter.detach().sign() if parameter.ndim >= 2 else 0
        assert torch.equal(parameter.grad, before[name] + pull)


def test_clipping_by_value(settings: Any) -> None:
    model = with_gradients(models.build(settings(), 3))
    before = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    optim.clip_values(GradientNorms(model).gradients(), 0.5)
    assert all(torch.equal(p.grad, b.clamp(-0.5, 0.5)) for p, b in zip(model.parameters(), before, strict=True))


def test_a_step_that_is_too_long_is_shortened_and_keeps_its_direction(settings: Any) -> None:
    model = with_gradients(models.build(settings(), 3))
    weights = [p.detach() for p in model.parameters()]
    before = [each.clone() for each in weights]
    optim.make_optimizer(model, settings(**{"optimizer.learning_rate": 10.0}).optimizer).step()
    whole = torch.cat([(now - was).flatten() for now, was in zip(weights, before, strict=True)])
    length = torch.cat([each.flatten() for each in before]).norm()
    assert whole.norm() > length
    optim.clip_update(weights, before, 0.02)
    step = torch.cat([(now - was).flatten() for now, was in zip(weights, before, strict=True)])
    assert float(step.norm() / length) == pytest.approx(0.02, rel=1e-4)
    assert float(torch.cosine_similarity(step, whole, dim=0)) == pytest.approx(1, abs=1e-5)


def test_a_step_that_is_short_enough_stays_bit_for_bit(settings: Any) -> None:
    model = with_gradients(models.build(settings(), 3), 1e-3)
    weights = [p.detach() for p in model.parameters()]
    before = [each.clone() for each in weights]
    optim.make_optimizer(model, settings(**{"optimizer.learning_rate": 0.01}).optimizer).step()
    made = [each.clone() for each in weights]
    optim.clip_update(weights, before, 0.02)
    assert all(torch.equal(now, then) for now, then in zip(weights, made, strict=True))
    optim.clip_update(weights, weights, 0.02)  # no step at all, as where float16 skips one
    assert all(torch.equal(now, then) for now, then in zip(weights, made, strict=True))


def test_state_of_the_optimizer_survives_bit_for_bit(settings: Any) -> None:
    for name in ("sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "radam", "muon"):
        chosen = settings(**{"optimizer.name": name}).optimizer
        model = with_gradients(models.build(settings(), 3).to(memory_format=torch.channels_last))
        optimizer = optim.make_optimizer(model, chosen)
        optimizer.step()
        tensors = {key: value.clone().contiguous() for key, value in optim.optimizer_tensors(model, optimizer).items()}
        twin = copy.deepcopy(model)
        again = optim.make_optimizer(twin, chosen)
        optim.restore_optimizer(twin, again, tensors)
        for network, each in ((model, optimizer), (twin, again)):
            with_gradients(network)
            each.step()
        for mine, other in zip(model.parameters(), twin.parameters(), strict=True):
            assert torch.equal(mine, other)
        with pytest.raises(KeyError):
            optim.restore_optimizer(twin, again, {"nothing/exp_avg": torch.zeros(1)})


def test_norms_are_those_of_torch_and_clipping_reuses_them(settings: Any) -> None:
    model = with_gradients(models.build(settings(), 3))
    probe = GradientNorms(model)
    total, norms = probe.measure()
    assert len(norms) == probe.width == len(list(model.parameters()))
    expected = [float(p.grad.norm()) for p in model.parameters() if p.grad is not None]
    assert norms.tolist() == pytest.approx(expected, rel=1e-5)
    weights = {name.removesuffix(".weight"): p for name, p in model.named_parameters() if p.ndim >= 2}
    assert probe.layers == tuple(weights)
    assert probe.of_layers(norms.tolist()) == pytest.approx([float(p.grad.norm()) for p in weights.values()], rel=1e-5)
    reference = copy.deepcopy(model)
    for parameter, source in zip(reference.parameters(), model.parameters(), strict=True):
        parameter.grad = source.grad.clone()
    theirs = nn.utils.clip_grad_norm_(reference.parameters(), 0.5)
    assert float(total) == pytest.approx(float(theirs), rel=1e-5)
    optim.clip(probe.gradients(), total, 0.5)
    for mine, other in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)
    before = [p.grad.clone() for p in model.parameters()]
    optim.clip(probe.gradients(), torch.tensor(0.4), 0.5)  # small enough: nothing changes
    assert all(torch.equal(p.grad, old) for p, old in zip(model.parameters(), before, strict=True))


def test_a_parameter_without_a_gradient_counts_as_zero(settings: Any) -> None:
    model = with_gradients(models.build(settings(), 3))
    model.head.weight.grad = None
    probe = GradientNorms(model)
    _, norms = probe.measure()
    assert probe.of_layers(norms.tolist())[-1] == 0
    assert len(probe.gradients()) == probe.width - 1


def test_cosine_with_warm_up(settings: Any) -> None:
    chosen = settings(**{"optimizer.learning_rate": 0.4, "schedule.warmup_epochs": 1, "schedule.final_fraction": 0.1})
    schedule = Schedule(chosen, 10)  # 30 steps
    rates = [schedule.rate(step) for step in range(1, 31)]
    rises = [after - before for before, after in itertools.pairwise(rates[:11])]
    assert rates[0] == pytest.approx(0.4 / 11)
    assert rises == pytest.approx([0.4 / 11] * 10)  # a straight line up to the peak
    assert rates[10] == 0.4 == max(rates)
    assert all(before > after for before, after in itertools.pairwise(rates[10:]))
    middle = 0.4 * (0.1 + 0.9 * 0.5)
    assert rates[20] == pytest.approx(middle)
    assert 0.04 < rates[29] < 0.05


def test_constant_without_warm_up(settings: Any) -> None:
    schedule = Schedule(settings(**{"schedule.name": "constant", "schedule.warmup_epochs": 0.0}), 10)
    assert {schedule.rate(step) for step in range(1, 31)} == {0.05}


def test_plateau_waits_for_its_patience(settings: Any) -> None:
    chosen = settings(
        **{"schedule.name": "plateau", "schedule.patience": 1, "schedule.factor": 0.5, "schedule.warmup_epochs": 1}
    )
    schedule = Schedule(chosen, 10)
    assert not schedule.validated(5, 9.0)
    assert not schedule.validated(8, 9.5)  # in the warm-up a worse loss does not count
    fell = [schedule.validated(20 + i, loss) for i, loss in enumerate((1.0, 1.1, math.nan, 0.9, 1.0, 1.0, 1.0))]
    assert fell == [False, False, True, False, False, True, False]
    assert schedule.rate(40) == pytest.approx(0.05 * 0.25)
    assert schedule.rate(5) == pytest.approx(0.05 * 5 / 11)


def test_losses() -> None:
    outputs = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    labels = torch.tensor([0, 1])
    objective = losses.objective(Settings(), TARGETS)
    each = objective.sample_losses(outputs, labels)
    own = [-math.log(math.exp(2) / (math.exp(2) + 2)), -math.log(1 / (2 + math.e))]
    assert each.tolist() == pytest.approx(own, rel=1e-6)
    assert float(objective.training_loss(outputs, labels)) == pytest.approx(sum(own) / 2, rel=1e-6)
    smooth = losses.objective(Settings(loss=LossSettings(label_smoothing=0.1)), TARGETS).training_loss(outputs, labels)
    logs = outputs.log_softmax(1)
    target = torch.full((2, 3), 0.1 / 3)
    target[range(2), labels] += 0.9
    assert float(smooth) == pytest.approx(float(-(target * logs).sum(1).mean()), rel=1e-6)
    assert float(objective.score(outputs, labels)) == 0.5
