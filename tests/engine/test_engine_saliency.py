"""Grad-CAM finds what was planted, in every kind of convolutional network, and says where it is not available."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tui.core.saliency import SaliencyHead, SaliencyRequest, decode_head, decode_request
from tui.core.schema import with_changes
from tui.core.settings import Settings
from tui.engine import models
from tui.engine.saliency import NoFeatureMap, heats

SIZE = 32
QUARTERS = [(0, 0), (0, SIZE // 2), (SIZE // 2, 0), (SIZE // 2, SIZE // 2)]


def planted(count: int, quarter: int | None = None) -> tuple[Tensor, Tensor]:
    """Return noise [count, 1, SIZE, SIZE], half of it with a bright cross in some quarter: those are of class 1."""
    images = torch.randn(count, 1, SIZE, SIZE) * 0.3
    labels = torch.arange(count) % 2 if quarter is None else torch.ones(count, dtype=torch.long)
    for row in labels.nonzero().flatten().tolist():
        top, left = QUARTERS[int(torch.randint(4, (1,))) if quarter is None else quarter]
        images[row, 0, top + 7 : top + 9, left + 3 : left + 13] += 3
        images[row, 0, top + 3 : top + 13, left + 7 : left + 9] += 3
    return images, labels


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """A small network that tells crosses from noise."""
    changes = {"data.image_size": SIZE, "data.channels": 1, "model.width": 8, "model.blocks": 3}
    torch.manual_seed(0)
    model = models.build(with_changes(Settings(), changes, source="test"), 2)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(60):
        images, labels = planted(32)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("quarter", range(4))
def test_the_object_draws_the_heat(trained: nn.Module, quarter: int) -> None:
    torch.manual_seed(1)
    images, _ = planted(8, quarter)
    top, left = QUARTERS[quarter]
    shares = []
    for image in images:
        found, layer, cells = heats(trained, image[None], (1,))
        assert (layer, cells, found.shape) == ("blocks", (8, 8), (1, SIZE, SIZE))
        assert float(found.max()) == 1
        inside = found[0, top : top + SIZE // 2, left : left + SIZE // 2].sum()
        shares.append(float(inside / found.sum()))
    assert min(shares) > 0.6, shares  # a quarter of the area


def test_each_output_has_its_own_map_and_nothing_is_changed(trained: nn.Module) -> None:
    images, _ = planted(1, 2)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    with torch.no_grad():
        answer = trained(images)
    found, _, _ = heats(trained, images, (1, 0))
    assert not torch.equal(found[0], found[1])
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    assert all(parameter.grad is None or not parameter.grad.isnan().any() for parameter in trained.parameters())
    with torch.no_grad():
        assert torch.equal(trained(images), answer)
    assert not any(module._forward_hooks for module in trained.modules())


@pytest.mark.parametrize(
    ("name", "size", "layer"),
    [
        ("resnet18", 32, "layer2"),  # behind it there are fewer than 4 x 4 places
        ("resnet18", 128, "layer4"),
        ("densenet121", 128, "features"),
        ("mobilenet_v3_small", 128, "features"),
        ("shufflenet_v2_x0_5", 128, "conv5"),
        ("squeezenet1_1", 96, "classifier.1"),
        ("convnext_tiny", 128, "features"),
        ("googlenet", 128, "inception5b"),
    ],
)
def test_the_last_feature_map_of_torchvisions_networks_is_found(name: str, size: int, layer: str) -> None:
    settings = with_changes(Settings(), {"model.name": name, "data.image_size": size}, source="test")
    model = models.unloaded(settings, 5).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # as where the backbone was frozen
    found, where, cells = heats(model, torch.randn(1, 3, size, size), (0, 4))
    assert where == layer
    assert min(cells) >= 4
    assert found.shape == (2, size, size)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1


def test_a_transformer_has_none() -> None:
    model = models.unloaded(with_changes(Settings(), {"model.name": "swin_t"}, source="test"), 3).eval()
    with pytest.raises(NoFeatureMap, match="not available for transformers"):
        heats(model, torch.randn(1, 3, 64, 64), (0,))


def test_what_pools_at_once_has_none() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(NoFeatureMap, match="no feature map with places"):
        heats(model, torch.randn(1, 3, 8, 8), (0,))


def test_question_and_answer_survive_the_line() -> None:
    request = SaliencyRequest("/runs/a", "/p", "dog/\udcff.png", (3, 1))
    assert decode_request(request.encode()) == request
    head = SaliencyHead(8, 2, "layer4", (4, 5), 12, "best", "")
    assert decode_head(head.encode()) == head
    assert head.length == 5 * 64
    for line in (b"ready\n", b"{}\n", b'{"cells": [1, 2], "other": 1}\n', b"[]\n"):
        with pytest.raises(ValueError, match=r"."):
            decode_head(line)
