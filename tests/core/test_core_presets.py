"""Presets: shipped ones are valid and say when to use them, the user's are saved whole, bad ones are explained."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tui.core import presets, schema
from tui.core.errors import FailureError, UsageError
from tui.core.settings import Settings

SHIPPED = {"simple-cnn", "resnet18-scratch", "resnet18-finetune", "cpu-quick", "cifar10", "demo"}


def test_the_shipped_presets_are_there() -> None:
    assert {preset.name for preset in presets.available() if preset.shipped} >= SHIPPED


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_preset_is_valid_and_says_when_to_use_it(name: str) -> None:
    preset = presets.find(name)
    settings = presets.load(preset)
    assert len(preset.description) > 40
    stated = presets.read_toml(preset.path)
    assert stated == schema.nested(settings, base=Settings()), "a preset states only what differs from the defaults"


def test_an_unknown_name_is_met_with_the_closest() -> None:
    with pytest.raises(UsageError, match='Did you mean "cifar10"'):
        presets.find("cifar1")
    with pytest.raises(UsageError, match="There are: "):
        presets.find("zzzz")


def test_a_saved_preset_is_found_and_equal() -> None:
    new = schema.with_changes(Settings(), {"training.epochs": 3, "data.mean": (0.1, 0.2, 0.3)}, source="test")
    saved = presets.save("mine", new, comment="For trials.")
    assert presets.load(presets.find("mine")) == new
    assert presets.find("mine").description == "For trials."
    assert not saved.shipped


def test_a_users_preset_is_never_overwritten_unasked() -> None:
    presets.save("mine", Settings())
    longer = schema.with_changes(Settings(), {"training.epochs": 99}, source="test")
    with pytest.raises(UsageError, match="already have"):
        presets.save("mine", longer)
    assert presets.load(presets.find("mine")) == Settings()
    presets.save("mine", longer, replace=True)
    assert presets.load(presets.find("mine")) == longer


@pytest.mark.parametrize("name", ["", "../up", "/etc/x", "a/b", "Größe", ".hidden", "x" * 100, "\x1b[2J"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        presets.save(name, Settings())
    assert "is not a usable name" in str(refused.value)
    assert "\x1b" not in str(refused.value)


def test_a_shipped_name_is_not_taken() -> None:
    with pytest.raises(UsageError, match="shipped with cnntrain"):
        presets.save("cifar10", Settings(), replace=True)


def test_a_directory_that_cannot_be_made_is_a_sentence() -> None:
    Path(os.environ["CNNTRAIN_CONFIG"]).write_text("a file in the way")
    with pytest.raises(FailureError, match="cannot be saved"):
        presets.save("mine", Settings())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[training\nepochs=3", "is not TOML"),
        (b"\xff\xfe\x00", "is not TOML"),
        (b"[training]\nepoch = 3", 'did you mean "training.epochs"?'),
        (b"[training]\nepochs = 'many'", "must be a whole number"),
        (b"[optimizer]\nlearning_rate = -1.0", "above 0"),
        (b"training = 3", "must be a table"),
        (b"x = " + b"[" * 5000, "is not TOML"),
    ],
)
def test_a_broken_file_is_explained_with_its_path(tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(text)
    with pytest.raises(UsageError) as refused:
        presets.load(presets.find(str(path)))
    assert words in str(refused.value)
    assert "broken.toml" in str(refused.value)


def test_an_empty_preset_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_bytes(b"")
    assert presets.load(presets.find(str(path))) == Settings()


def test_a_huge_or_missing_file_is_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (2 << 20))
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        presets.load(presets.find(str(huge)))
    with pytest.raises(UsageError, match="No such preset"):
        presets.find(str(tmp_path / "absent.toml"))


@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "timm:resnet10t"])
def test_a_network_that_is_named_instead_of_a_preset_is_recognised(name: str) -> None:
    with pytest.raises(UsageError, match=f"No such preset.*That is a network.*--set model.name={name}"):
        presets.find(name)
    with pytest.raises(UsageError, match=r'Did you mean "simple-cnn"'):
        presets.find("simple_cnn")


def test_a_hostile_description_is_made_harmless(tmp_path: Path) -> None:
    path = tmp_path / "evil.toml"
    path.write_text("# \x1b]52;c;AAAA\x07 [/] hello\n")
    assert presets.find(str(path)).description == "\\x1b]52;c;AAAA\\x07 [/] hello"
