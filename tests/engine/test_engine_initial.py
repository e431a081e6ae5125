"""How weights begin: each rule gives what its paper promises, pretrained weights stay, and blocks can begin silent."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models as torchvision_models
from torchvision.ops import StochasticDepth

from tui.engine import initial, models, zoo

WIDE = {"model.width": 64, "model.blocks": 3, "model.batch_norm": False}


def kernels(model: nn.Module) -> list[torch.Tensor]:
    return [module.weight for module in model.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize(
    ("rule", "uniform", "variance"),
    [
        ("xavier_uniform", True, lambda i, o: 2 / (i + o)),
        ("xavier_normal", False, lambda i, o: 2 / (i + o)),
        ("kaiming_uniform", True, lambda i, o: 2 / i),
        ("kaiming_normal", False, lambda i, o: 2 / i),
        ("torch", True, lambda i, o: 1 / (3 * i)),
    ],
)
def test_kernels_have_the_variance_of_their_rule(settings: Any, rule: str, uniform: bool, variance: Any) -> None:
    for kernel in kernels(models.build(settings(**WIDE, **{"model.init": rule}), 3)):
        size = kernel.shape[2] * kernel.shape[3]
        expected = variance(kernel.shape[1] * size, kernel.shape[0] * size)
        assert kernel.var().item() == pytest.approx(expected, rel=0.1)
        # All of a uniform draw lies within sqrt(3) deviations; of a normal one a twelfth lies outside.
        outside = (kernel.abs() > 1.01 * math.sqrt(3 * expected)).float().mean().item()
        assert outside == 0 if uniform else 0.05 < outside < 0.12


def test_orthogonal_kernels_keep_lengths(settings: Any) -> None:
    chosen = settings(**WIDE, **{"model.init": "orthogonal", "model.activation": "tanh"})
    model = models.build(chosen, 3)
    for kernel in kernels(model):
        rows = kernel.flatten(1)
        gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
        assert torch.allclose(gram, (5 / 3) ** 2 * torch.eye(len(gram)), atol=1e-4)
    assert torch.allclose(model.head.weight @ model.head.weight.T, torch.eye(3), atol=1e-4)


def test_rules_follow_the_seed_and_biases_begin_at_zero(settings: Any) -> None:
    def built(rule: str, seed: int = 1) -> nn.Module:
        return models.build(settings(**WIDE, **{"model.init": rule, "training.seed": seed}), 3)

    states = [built(rule).state_dict() for rule in ("auto", "torch", "kaiming_normal", "kaiming_normal")]
    key = "blocks.1.0.weight"
    assert not torch.equal(states[0][key], states[1][key])
    assert not torch.equal(states[1][key], states[2][key])
    assert torch.equal(states[2][key], states[3][key])
    assert not torch.equal(states[2][key], built("kaiming_normal", 2).state_dict()[key])
    assert states[1]["head.bias"].abs().sum() > 0
    assert all(not value.any() for name, value in states[2].items() if name.endswith("bias"))


@pytest.mark.parametrize(("rule", "left"), [("auto", -8.0), ("kaiming_normal", 0.0), ("torch", 0.0)])
def test_norm_layers_that_shift_are_set_back_where_weights_are_drawn(settings: Any, rule: str, left: float) -> None:
    chosen = settings(**{"model.width": 8, "model.batch_norm": True, "model.init": rule})
    model = models.build(chosen, 3)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.constant_(norm.bias, -8.0)
        nn.init.constant_(norm.weight, 0.5)
    initial.draw(model, chosen.model, models.head_names(model))
    assert norms
    assert all(bool((norm.bias == left).all()) for norm in norms)
    assert all(bool((norm.weight == 0.5).all()) for norm in norms)


def test_transformers_are_drawn_too_and_their_embeddings_stay(settings: Any) -> None:
    chosen = settings(**{"model.name": "vit_b_32", "data.image_size": 32, "model.init": "xavier_normal"})
    plain = models.build(chosen.model_copy(update={"model": chosen.model.model_copy(update={"init": "auto"})}), 3)
    drawn = models.build(chosen, 3)
    attention = drawn.encoder.layers[0].self_attention
    assert attention.in_proj_weight.var().item() == pytest.approx(2 / (768 + 3 * 768), rel=0.05)
    assert drawn.heads.head.weight.std() > 0.03  # zero by its authors
    assert torch.equal(drawn.encoder.pos_embedding, plain.encoder.pos_embedding)


def test_pretrained_weights_stay_and_only_the_new_head_is_drawn(
    settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    source = torchvision_models.get_model("resnet18", weights=None)
    file = zoo.weights_file("resnet18")[1]
    file.parent.mkdir(parents=True)
    torch.save(source.state_dict(), file)
    common = {"model.name": "resnet18", "model.pretrained": True, "data.image_size": 32}
    chosen = settings(**common, **{"model.init": "orthogonal", "model.zero_last_norm": True})
    model, before = models.build(chosen, 3).state_dict(), source.state_dict()
    assert all(torch.equal(model[name], before[name]) for name in before if not name.startswith("fc."))
    assert torch.allclose(model["fc.weight"] @ model["fc.weight"].T, torch.eye(3), atol=1e-4)


# How many residual blocks that end with a BatchNorm there are.
BLOCKS = {
    "resnet18": 8,
    "resnet50": 16,
    "regnet_y_400mf": 16,
    "mobilenet_v2": 10,
    "mobilenet_v3_small": 6,
    "efficientnet_b0": 9,
    "mnasnet0_5": 10,
    "vgg11_bn": 0,
    "convnext_tiny": 0,
}


@pytest.mark.parametrize(("name", "count"), BLOCKS.items())
def test_the_last_norm_of_each_residual_block_is_found(settings: Any, name: str, count: int) -> None:
    sketched = models.sketch(settings(**{"model.name": name, "data.image_size": 32}), 3)
    assert len(initial.last_norms(sketched)) == count


def test_silent_blocks_pass_their_input_on(settings: Any) -> None:
    chosen = settings(**{"model.name": "resnet18", "data.image_size": 32, "model.zero_last_norm": True})
    model = models.build(chosen, 3).eval()
    block = model.layer1[0]
    images = torch.rand(2, 64, 8, 8)
    assert torch.equal(block(images), images)
    assert not torch.equal(model.layer2[0](images), images[:, :, ::2, ::2].repeat(1, 2, 1, 1))  # it has a shortcut
    assert models.lacking(chosen, model) == []


@pytest.mark.parametrize("name", ["convnext_tiny", "efficientnet_b0", "swin_t", "maxvit_t"])
def test_stochastic_depth_rises_to_its_share(settings: Any, name: str) -> None:
    size = 224 if name == "maxvit_t" else 32
    chosen = settings(**{"model.name": name, "data.image_size": size, "model.stochastic_depth": 0.3})
    model = models.sketch(chosen, 3)
    shares = [module.p for module in model.modules() if isinstance(module, StochasticDepth)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 0.3)
    assert models.lacking(chosen, model) == []
    off = models.sketch(settings(**{"model.name": name, "data.image_size": size}), 3)
    assert all(module.p == 0 for module in off.modules() if isinstance(module, StochasticDepth))


def test_what_a_network_lacks_is_told(settings: Any) -> None:
    asked = {"model.stochastic_depth": 0.1, "model.zero_last_norm": True, "model.dropout": 0.1}
    chosen = settings(**{"model.name": "densenet121", "data.image_size": 32}, **asked)
    assert models.lacking(chosen, models.sketch(chosen, 3)) == [
        "model.dropout has no effect: densenet121 has no dropout layer.",
        "model.stochastic_depth has no effect: densenet121 has no stochastic depth.",
        "model.zero_last_norm has no effect: densenet121 has no residual blocks that end with a BatchNorm.",
    ]
    assert models.lacking(settings(), models.build(settings(), 3)) == []
