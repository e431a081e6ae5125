"""Networks of timm and of a package of one's own: built, tried, frozen; and one sentence for all that can be wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tui.core.errors import CnntrainError, FailureError, UsageError
from tui.core.permission import allow
from tui.engine import initial, models
from tui.engine.freezing import Freezing

CODE = """
from pathlib import Path
import torch
from torch import nn

Path(__file__).with_name("imported").touch()

class Net(nn.Module):
    def __init__(self, num_classes, in_channels=3, dropout=0.0):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(dropout)
        self.last = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.last(self.drop(self.norm(self.stem(x)).relu().mean((-2, -1))))

class Makers:
    @staticmethod
    def two(classes): return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))
    @staticmethod
    def silent(width): return Net(width)
    @staticmethod
    def text(num_classes): return "no network"
    @staticmethod
    def broken(num_classes): raise RuntimeError("no such luck\\nsecond line")
    @staticmethod
    def leaving(num_classes): raise SystemExit(3)
    @staticmethod
    def wide(num_classes): return Net(num_classes + 1)
    @staticmethod
    def picky(num_classes): return nn.Sequential(nn.Flatten(), nn.Linear(7, num_classes))
    @staticmethod
    def plain(num_classes): return nn.Sequential(nn.Conv2d(3, num_classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of one's own, importable."""
    home = tmp_path / "site" / "my_nets"
    home.mkdir(parents=True)
    (home / "__init__.py").write_text("")
    (home / "small.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(home.parent))
    for name in [name for name in sys.modules if name.startswith("my_nets")]:
        monkeypatch.delitem(sys.modules, name)
    return home


def test_a_network_of_ones_own_gets_what_it_asks_for(settings: Any, package: Path) -> None:
    allow("my_nets.small:Net")
    chosen = settings(**{"model.name": "my_nets.small:Net", "data.channels": 1, "model.dropout": 0.25})
    model = models.build(chosen, 5)
    assert model.norm.num_batches_tracked == 0  # trying it has changed nothing
    assert model(torch.rand(2, 1, 16, 16)).shape == (2, 5)
    assert model.drop.p == 0.25
    assert models.head_names(model) == {"last.weight", "last.bias"}
    assert model.training
    again = models.build(chosen, 5)
    assert all(torch.equal(*pair) for pair in zip(model.parameters(), again.parameters(), strict=True))
    assert all(value.device.type == "meta" for value in models.sketch(chosen, 5).parameters())


def test_it_is_frozen_and_initialised_like_any_other(settings: Any, package: Path) -> None:
    allow("my_nets.small:Net")
    chosen = settings(**{"model.name": "my_nets.small:Net", "model.init": "orthogonal", "model.freeze_backbone": True})
    model = models.build(chosen, 3)
    assert torch.allclose(model.last.weight @ model.last.weight.T, torch.eye(3), atol=1e-5)
    assert not model.stem.bias.any()
    Freezing(model, models.head_names(model), chosen.model, 4).hold(1)
    assert [name for name, value in model.named_parameters() if value.requires_grad] == ["last.weight", "last.bias"]


def test_code_that_is_not_allowed_is_not_even_imported(settings: Any, package: Path) -> None:
    allow("my_nets.small:Makers.two")
    chosen = settings(**{"model.name": "my_nets.small:Net"})
    for make in (models.build, models.unloaded, models.sketch):
        with pytest.raises(
            UsageError, match=r"my_nets.small:Net is not run: .* `cnntrain models allow my_nets.small:Net`"
        ):
            make(chosen, 3)
    assert not (package / "imported").exists()


def test_sizes_that_a_network_finds_out_by_itself_are_there(settings: Any, package: Path) -> None:
    allow("my_nets.small:Makers.two")
    chosen = settings(**{"model.name": "my_nets.small:Makers.two"})
    for make in (models.build, models.unloaded, models.sketch):
        assert make(chosen, 4)[1].weight.shape == (4, 3 * 16 * 16)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_nets.small:Net", "there is no module no_nets. Install its package"),
        ("my_nets.small:Nett", 'my_nets.small has no Nett. Did you mean "Net"?'),
        ("my_nets.small:Makers.zzz", "Makers has no zzz. Name a class or a function of it."),
        ("my_nets.small:Makers.silent", "it has no parameter num_classes or classes or num_outputs"),
        ("my_nets.small:Makers.text", "it makes no nn.Module but str"),
        ("my_nets.small:Makers.broken", "cannot be made: RuntimeError: no such luck. It is called with num_classes"),
        ("my_nets.small:Makers.leaving", "cannot be made: SystemExit: 3"),
        ("my_nets.small:Makers.wide", r"it answers \[2, 4\] instead of \[2, 3\]"),
        ("my_nets.small:Makers.picky", r"two pictures \[2, 3, 16, 16\] do not go through: RuntimeError"),
        ("my_nets.small:Makers.plain", "has no last linear layer, so nothing would learn"),
    ],
)
def test_what_is_wrong_with_it_is_one_sentence(settings: Any, package: Path, name: str, words: str) -> None:
    allow(name)
    with pytest.raises(CnntrainError, match=words) as caught:
        models.build(settings(**{"model.name": name, "model.freeze_backbone": True}), 3)
    assert "\n" not in str(caught.value)


TIMM = """
from types import SimpleNamespace
from torch import nn
asked = []
def is_model(name): return name.split(".")[0] in list_models()
def list_models(): return ["resnet18", "vit_tiny_patch16_224"]
def get_pretrained_cfg(name, allow_unregistered=True): return SimpleNamespace(fixed_input_size="vit" in name)
class Small(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        self.conv1, self.fc, self.last = nn.Conv2d(channels, 4, 3), nn.Linear(4, classes), nn.Linear(2, 2)
    def get_classifier(self): return self.fc
    def forward(self, x): return self.fc(self.conv1(x).mean((-2, -1)))
def create_model(name, pretrained=False, num_classes=0, in_chans=3, **options):
    asked.append((name, pretrained, options))
    if pretrained: raise OSError("We couldn't connect to the hub")
    if options.get("drop_path_rate"): raise TypeError("unexpected keyword argument 'drop_path_rate'")
    return Small(num_classes, in_chans)
"""


@pytest.fixture
def timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package that answers as timm does."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "timm.py").write_text(TIMM)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        monkeypatch.delitem(sys.modules, name)
    import timm

    yield timm
    del sys.modules["timm"]


def test_a_model_of_timm_gets_our_settings_and_its_own_head(settings: Any, timm: Any) -> None:
    chosen = {"model.name": "timm:resnet18.a1_in1k", "model.dropout": 0.2, "data.channels": 1}
    model = models.build(settings(**chosen), 6)
    assert model(torch.rand(2, 1, 16, 16)).shape == (2, 6)
    assert timm.asked[-1] == ("resnet18.a1_in1k", False, {"drop_rate": 0.2})
    assert models.head_names(model) == {"fc.weight", "fc.bias"}
    models.build(settings(**{"model.name": "timm:vit_tiny_patch16_224"}), 6)
    assert timm.asked[-1][2]["img_size"] == 16


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"model.name": "timm:resnet19"}, UsageError, 'timm knows no "resnet19". Did you mean "resnet18"?'),
        ({"model.name": "timm:zzz"}, UsageError, "`cnntrain models list timm:` lists them."),
        ({"model.pretrained": True}, FailureError, "weights of timm:resnet18 cannot be fetched: OSError: We couldn't"),
        ({"model.stochastic_depth": 0.1}, FailureError, "TypeError: unexpected keyword argument 'drop_path_rate'"),
    ],
)
def test_what_timm_does_not_have_is_one_sentence(
    settings: Any, timm: Any, changes: dict[str, Any], kind: type[CnntrainError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        models.build(settings(**{"model.name": "timm:resnet18", **changes}), 3)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "mobilenetv3_small_100", "convnext_atto"])
def test_real_models_of_timm(settings: Any, name: str) -> None:
    pytest.importorskip("timm")
    chosen = settings(**{"model.name": f"timm:{name}", "data.image_size": 64, "model.stochastic_depth": 0.1})
    model = models.build(chosen, 4)
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 4)
    assert models.head_names(model)
    assert models.lacking(chosen, model) == []
    silent = name == "resnet18"
    assert bool(initial.last_norms(model)) == silent
    assert isinstance(model, nn.Module)
