"""Networks: any picture size, one or three channels, every head replaced, and clear words when it cannot be."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models as torchvision_models

from tui.core.architectures import TORCHVISION
from tui.core.errors import FailureError, UsageError
from tui.engine import models, zoo
from tui.engine.checkpoint import restore_weights


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 9, 17, 31, 64])
def test_simple_cnn_takes_any_size(settings: Any, size: int, channels: int) -> None:
    chosen = settings(
        **{"data.image_size": size, "data.channels": channels, "model.blocks": 6, "model.pooling": "average"}
    )
    model = models.build(chosen, 5)
    assert model(torch.rand(2, channels, size, size)).shape == (2, 5)
    assert model(torch.rand(2, channels, size + 5, 2 * size)).shape == (2, 5)  # and it is not bound to that size


@pytest.mark.parametrize("activation", list(models.ACTIVATIONS))
@pytest.mark.parametrize("batch_norm", [True, False])
def test_simple_cnn_follows_its_settings(settings: Any, activation: str, batch_norm: bool) -> None:
    chosen = settings(
        **{
            "model.blocks": 3,
            "model.width": 6,
            "model.kernel_size": 5,
            "model.batch_norm": batch_norm,
            "model.activation": activation,
            "model.dropout": 0.4,
        }
    )
    model = models.build(chosen, 4)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == [(3, 6), (6, 12), (12, 24)]
    assert all(m.kernel_size == (5, 5) and (m.bias is None) == batch_norm for m in convolutions)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()) == (3 if batch_norm else 0)
    assert sum(isinstance(m, models.Halve) for m in model.modules()) == 2
    assert sum(isinstance(m, models.ACTIVATIONS[activation]) for m in model.modules()) == 3
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.4]
    loss = nn.functional.cross_entropy(model(torch.rand(4, 3, 16, 16)), torch.tensor([0, 1, 2, 3]))
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_to_pool_before_the_activation_changes_no_bit(
    settings: Any, monkeypatch: pytest.MonkeyPatch, activation: str, memory: torch.memory_format
) -> None:
    chosen = settings(**{"model.activation": activation, "model.width": 8})
    images, targets = torch.randn(8, 3, 19, 19).contiguous(memory_format=memory), torch.arange(8) % 4
    images[:4] = images[:4].round()  # with many pixels alike

    def trained() -> tuple[type[nn.Module], list[torch.Tensor]]:
        model = models.build(chosen, 4).to(memory_format=memory).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        losses = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return type(model.blocks[0][-1]), [*losses, *model.state_dict().values()]

    last, pooled_first = trained()
    monkeypatch.setattr(models, "pools_first", lambda _: False)
    other, pooled_last = trained()
    assert last is models.ACTIVATIONS[activation]
    assert other is models.Halve
    assert all(torch.equal(one, two) for one, two in zip(pooled_first, pooled_last, strict=True))


@pytest.mark.parametrize("change", [{"model.activation": "gelu"}, {"model.pooling": "average"}])
def test_what_does_not_commute_keeps_its_order(settings: Any, change: dict[str, Any]) -> None:
    assert isinstance(models.build(settings(**change), 4).blocks[0][-1], models.Halve)


def test_width_doubles_up_to_512_and_weights_follow_the_seed(settings: Any) -> None:
    chosen = settings(**{"model.blocks": 5, "model.width": 100})
    widths = [m.out_channels for m in models.build(chosen, 2).modules() if isinstance(m, nn.Conv2d)]
    assert widths == [100, 200, 400, 512, 512]
    states = [models.build(settings(**{"training.seed": seed}), 2).state_dict() for seed in (1, 1, 2)]
    first = next(iter(states[0]))
    assert torch.equal(states[0][first], states[1][first])
    assert not torch.equal(states[0][first], states[2][first])


# One of each family of heads and stems; shapes are tried without arithmetic.
FAMILIES = {
    "alexnet": 64,
    "convnext_tiny": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "googlenet": 32,
    "inception_v3": 80,
    "maxvit_t": 224,
    "mnasnet0_5": 32,
    "mobilenet_v3_small": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 32,
    "swin_t": 32,
    "swin_v2_t": 32,
    "vgg11": 32,
    "vit_b_16": 48,
}


@pytest.mark.parametrize("name", FAMILIES)
def test_from_the_smallest_size_that_torchvision_tells_a_network_takes_pictures(settings: Any, name: str) -> None:
    size = max(8, zoo.smallest_size(name))  # data.image_size cannot be less
    multiple, _ = zoo.size_multiple(name)
    size += -size % multiple
    network = models.sketch(settings(**{"model.name": name, "data.image_size": size}), 7)
    assert models._passes(network, 3, size)


@pytest.mark.parametrize(("name", "size"), FAMILIES.items())
def test_every_family_of_torchvision_fits(settings: Any, name: str, size: int) -> None:
    channels = 3 if name in ("swin_t", "densenet121") else 1
    chosen = settings(**{"model.name": name, "data.image_size": size, "data.channels": channels, "model.dropout": 0.25})
    models.check_size(chosen, 7)
    model = models.sketch(chosen, 7).train()
    with torch.device("meta"):
        outputs = model(torch.empty(2, channels, size, size))
    assert isinstance(outputs, torch.Tensor)  # auxiliary heads are gone
    assert outputs.shape == (2, 7)
    assert all(dropout.p == 0.25 for dropout in zoo._dropouts(model))
    dropping = ("alexnet", "efficientnet", "googlenet", "inception", "mnasnet", "mobilenet", "squeezenet", "vgg")
    assert zoo.has_dropout(model) == name.startswith(dropping)


@pytest.mark.slow
def test_every_model_of_torchvision_is_built_with_a_new_head(settings: Any) -> None:
    for name in TORCHVISION:
        chosen = settings(**{"model.name": name, "data.image_size": 224})
        models.check_size(chosen, 7)
        model = models.sketch(chosen, 7)
        assert model(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 7), name
        assert models.head_names(model), name


@pytest.mark.parametrize("kernel", [3, 7])
def test_pictures_of_any_size_go_through_the_small_network(settings: Any, kernel: int) -> None:
    chosen = settings(**{"model.blocks": 6, "model.width": 4, "model.kernel_size": kernel})
    network = models.build(chosen, 3)
    for size in (*range(1, 12), 63, 64, 65):
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("vit_b_16", 40, r"squares of 16 px, so the size must be a multiple of 16. Set data.image_size=48"),
        ("maxvit_t", 64, r"a multiple of 224. Set data.image_size=224"),
        ("alexnet", 32, r"shrink to nothing inside the network. Set data.image_size=63"),
        ("inception_v3", 64, r"Set data.image_size=75"),
    ],
)
def test_an_unsuitable_size_is_explained(settings: Any, name: str, size: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        models.build(settings(**{"model.name": name, "data.image_size": size}), 3)


def test_a_torchvision_model_learns_from_grey_pictures(settings: Any) -> None:
    model = models.build(settings(**{"model.name": "squeezenet1_1", "data.channels": 1, "data.image_size": 32}), 3)
    loss = nn.functional.cross_entropy(model.train()(torch.rand(4, 1, 32, 32)), torch.tensor([0, 1, 2, 0]))
    loss.backward()
    assert next(model.parameters()).grad is not None


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torch hub directory of our own, and no network."""

    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    monkeypatch.setattr(torch.hub, "urlopen", offline)
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_offline_names_the_file_and_where_to_put_it(settings: Any, hub: Path) -> None:
    with pytest.raises(FailureError) as caught:
        models.build(settings(**{"model.name": "resnet18", "model.pretrained": True, "data.image_size": 32}), 3)
    text = str(caught.value)
    assert "The pretrained weights of resnet18 cannot be fetched" in text
    assert "Name or service not known" in text
    assert "put resnet18-f37072fd.pth (from https://download.pytorch.org/" in text
    assert str(hub) in text
    assert "model.pretrained=false" in text


def test_weights_that_were_put_there_are_used(settings: Any, hub: Path) -> None:
    hub.mkdir(parents=True)
    source = torchvision_models.get_model("mnasnet0_5", weights=None)
    torch.save(source.state_dict(), hub / zoo.weights_file("mnasnet0_5")[1].name)
    chosen = {"model.name": "mnasnet0_5", "model.pretrained": True, "data.image_size": 32}
    model = models.build(settings(**chosen), 3)
    assert model.classifier[1].out_features == 3
    first, loaded = next(source.parameters()), next(model.parameters())
    assert torch.equal(first, loaded)
    # A network for grey pictures computes what the coloured one would of the same picture repeated.
    grey = models.build(settings(**{**chosen, "data.channels": 1}), 3)
    assert torch.equal(next(grey.parameters()), first.sum(1, keepdim=True))


def test_densenets_old_names_and_googlenets_auxiliary_heads(settings: Any, hub: Path) -> None:
    hub.mkdir(parents=True)
    source = torchvision_models.get_model("densenet121", weights=None).state_dict()
    old = {key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value for key, value in source.items()}
    assert old.keys() != source.keys()
    torch.save(old, hub / zoo.weights_file("densenet121")[1].name)
    models.build(settings(**{"model.name": "densenet121", "model.pretrained": True, "data.image_size": 32}), 3)
    source = torchvision_models.get_model("googlenet", weights=None, aux_logits=True, init_weights=False).state_dict()
    torch.save(source, hub / zoo.weights_file("googlenet")[1].name)
    model = models.build(settings(**{"model.name": "googlenet", "model.pretrained": True, "data.image_size": 32}), 3)
    assert model.transform_input
    assert isinstance(model.train()(torch.rand(2, 3, 32, 32)), torch.Tensor)


def test_a_vision_transformers_positions_are_stretched(settings: Any) -> None:
    source = torchvision_models.VisionTransformer(64, 16, 1, 2, 8, 16).state_dict()
    stretched = zoo._with_positions(source, "vit_b_16", 96)
    assert stretched["encoder.pos_embedding"].shape == (1, 37, 8)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"<html>please log in</html>"])
def test_damaged_weights_are_named(settings: Any, hub: Path, content: bytes) -> None:
    hub.mkdir(parents=True)
    path = hub / zoo.weights_file("resnet18")[1].name
    path.write_bytes(content)
    with pytest.raises(FailureError, match=r"resnet18-f37072fd.pth is damaged .* Delete that file") as caught:
        models.build(settings(**{"model.name": "resnet18", "model.pretrained": True, "data.image_size": 32}), 3)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content  # the person's file is theirs to delete


def test_weights_of_another_network_are_refused(settings: Any, hub: Path) -> None:
    hub.mkdir(parents=True)
    torch.save({"conv1.weight": torch.zeros(1)}, hub / zoo.weights_file("resnet18")[1].name)
    with pytest.raises(FailureError, match="does not fit resnet18"):
        models.build(settings(**{"model.name": "resnet18", "model.pretrained": True, "data.image_size": 32}), 3)


def test_a_pickle_that_runs_code_is_refused(settings: Any, hub: Path, tmp_path: Path) -> None:
    hub.mkdir(parents=True)
    torch.save({"conv1.weight": _Touch(tmp_path / "touched")}, hub / zoo.weights_file("resnet18")[1].name)
    with pytest.raises(FailureError, match="damaged"):
        models.build(settings(**{"model.name": "resnet18", "model.pretrained": True, "data.image_size": 32}), 3)
    assert not (tmp_path / "touched").exists()


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_restored_weights_keep_the_models_memory_layout(settings: Any) -> None:
    model = models.build(settings(), 3).to(memory_format=torch.channels_last)
    saved = {name: tensor.clone().contiguous() + 1 for name, tensor in model.state_dict().items()}
    restore_weights(model, saved)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, saved[name])
    assert model.blocks[0][0].weight.is_contiguous(memory_format=torch.channels_last)
    with pytest.raises(KeyError):
        restore_weights(model, {**saved, "more": torch.zeros(1)})
    with pytest.raises(RuntimeError, match="head"):
        restore_weights(model, {**saved, "head.weight": torch.zeros(1)})
