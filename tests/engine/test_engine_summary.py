"""The summary of a network counts what is really there, without a number of it being made."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tui.core.errors import UsageError
from tui.core.settings import Settings
from tui.core.summary import Summary, from_table, operations
from tui.engine import models, optim
from tui.engine.summary import summarise


class Silent:
    def progress(self, *told: Any) -> None:
        """Nobody listens."""


def summary(settings: Settings, outputs: int = 5) -> Summary:
    job = {"settings": settings.model_dump(mode="json"), "outputs": outputs}
    return from_table(summarise(job, Silent()))  # type: ignore[arg-type]


def test_a_small_network_is_counted_by_hand(settings: Any) -> None:
    found = summary(settings(**{"model.width": 4, "model.blocks": 2, "data.image_size": 16}))
    assert [(layer.name, layer.kind, layer.output, layer.parameters) for layer in found.layers] == [
        ("blocks.0.0", "Conv2d", (4, 16, 16), 3 * 4 * 9),
        ("blocks.0.1", "BatchNorm2d", (4, 16, 16), 8),
        ("blocks.0.2", "Halve", (4, 8, 8), 0),
        ("blocks.0.3", "ReLU", (4, 8, 8), 0),
        ("blocks.1.0", "Conv2d", (8, 8, 8), 4 * 8 * 9),
        ("blocks.1.1", "BatchNorm2d", (8, 8, 8), 16),
        ("blocks.1.2", "ReLU", (8, 8, 8), 0),
        ("dropout", "Dropout", (8,), 0),
        ("head", "Linear", (5,), 8 * 5 + 5),
    ]
    flops = {layer.name: layer.flops for layer in found.layers if layer.flops}
    assert flops == {"blocks.0.0": 2 * 256 * 108, "blocks.1.0": 2 * 64 * 288, "head": 2 * 8 * 5}
    assert found.parameters == found.trained == 465
    assert found.layers[0].words == ("blocks.0.0", "Conv2d", "4×16×16", "108", "55.3 k")


@pytest.mark.parametrize(
    ("name", "optimizer"), [("simple_cnn", "muon"), ("squeezenet1_1", "sgd"), ("shufflenet_v2_x0_5", "adamw")]
)
def test_memory_is_what_a_real_step_keeps(settings: Any, name: str, optimizer: str) -> None:
    chosen = settings(
        **{
            "model.name": name,
            "data.image_size": 32,
            "training.batch_size": 4,
            "optimizer.name": optimizer,
            "optimizer.ema_decay": 0.99,
        }
    )
    found = summary(chosen)
    model = models.build(chosen, 5).train()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(torch.rand(4, 3, 32, 32))
    outputs.sum().backward()
    optimizer_ = optim.make_optimizer(model, chosen.optimizer, models.head_names(model))
    optimizer_.step()
    state = [tensor for tensor in optim.optimizer_tensors(model, optimizer_).values() if tensor.ndim]
    # Kernels for the CPU keep some more, or less, than the reference does.
    assert found.memory["activations"] == pytest.approx(sum(kept.values()), rel=0.15)
    assert found.memory["optimizer"] == sum(tensor.nbytes for tensor in state)
    assert found.memory["gradients"] == sum(parameter.nbytes for parameter in model.parameters())
    assert found.memory["weights"] == found.memory["average"] >= found.memory["gradients"]
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_what_is_not_called_by_itself_is_counted_around_it(settings: Any) -> None:
    found = summary(settings(**{"model.name": "vit_b_32", "data.image_size": 32}))
    attention = next(layer for layer in found.layers if layer.kind == "MultiheadAttention")
    assert attention.parameters == 4 * 768 * 768 + 4 * 768
    assert (found.layers[-1].name, found.layers[-1].parameters) == ("", 768)  # the class token
    assert found.layers[-1].words[0] == "(the rest)"
    assert all(layer.flops >= 0 for layer in found.layers)
    names = [layer.name for layer in found.layers]
    assert len(names) == len(set(names))


def test_resnet18_is_what_the_books_say(settings: Any) -> None:
    chosen = {"model.name": "resnet18", "data.image_size": 224}
    found = summary(settings(**chosen), 1000)
    assert found.parameters == 11_689_512
    assert found.flops == pytest.approx(2 * 1.814e9, rel=0.001)
    assert ("operations", "3.63 G floating point, for one picture forward") in found.facts()
    frozen = summary(settings(**chosen, **{"model.freeze_backbone": True}), 1000)
    assert (frozen.parameters, frozen.trained) == (11_689_512, 513_000)
    assert frozen.memory["activations"] < 0.3 * found.memory["activations"]
    assert frozen.layers[0].words[3] == "9,408 frozen"
    assert "513,000 of them learn from the first step on" in frozen.facts()[0][1]


def test_settings_change_the_memory(settings: Any) -> None:
    plain = summary(settings(**{"training.batch_size": 8})).memory
    double = summary(settings(**{"training.batch_size": 16})).memory
    assert double["activations"] == pytest.approx(2 * plain["activations"], rel=0.01)  # BatchNorm's own stay
    assert double["weights"] == plain["weights"]
    short = summary(settings(**{"training.batch_size": 8, "compute.precision": "bfloat16"}))
    assert short.precision == "bfloat16"
    assert short.memory["activations"] < 0.7 * plain["activations"]
    more = summary(settings(**{"training.batch_size": 8, "optimizer.accumulate": 4})).memory
    assert more["activations"] == plain["activations"]
    assert more["pictures"] == 4 * plain["pictures"]


def test_what_is_asked_for_in_vain_is_told(settings: Any) -> None:
    chosen = settings(**{"model.name": "densenet121", "data.image_size": 32, "model.dropout": 0.5})
    assert summary(chosen).notes == ("model.dropout has no effect: densenet121 has no dropout layer.",)
    with pytest.raises(UsageError, match=r"Set data.image_size=75"):
        summary(settings(**{"model.name": "inception_v3", "data.image_size": 64}))


def test_operations_have_a_unit() -> None:
    assert [operations(count) for count in (0, 12, 1500, 2_000_000, 3.63e9, 5e12)] == [
        "", "12", "1.5 k", "2 M", "3.63 G", "5 T",
    ]  # fmt: skip


def test_a_network_on_the_meta_device_holds_no_numbers(settings: Any) -> None:
    for name in ("regnet_y_128gf", "maxvit_t"):
        model = models.sketch(settings(**{"model.name": name, "data.image_size": 224}), 5)
        assert {value.device.type for value in (*model.parameters(), *model.buffers())} == {"meta"}
        assert isinstance(model, nn.Module)
