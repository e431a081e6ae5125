"""``cnntrain models``: the list, the summary of what a preset trains, and permission for code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from picture_sets import class_folders

from tui.core.permission import allowed
from tui.runs import service, summaries

LAYER = {"name": "head", "kind": "Linear\x1b[2J", "output": [3], "parameters": 195, "trained": 0, "flops": 384}
TABLE = {
    "model": "resnet18",
    "outputs": 3,
    "input": [3, 32, 32],
    "layers": [LAYER],
    "memory": {"weights": 1 << 20, "activations": 9 << 20},
    "batch_size": 64,
    "precision": "float32",
    "device": "CPU",
    "notes": ["model.dropout has no effect."],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Stand in for the engine, and note what it is asked."""
    questions: list[tuple[str, dict[str, Any]]] = []

    def ask(module: str, job: dict[str, Any], **_: Any) -> dict[str, Any]:
        questions.append((module, job))
        return {"names": ["timm:resnet18", "timm:vit_tiny"]} if module == "timm_names" else TABLE

    for module in (service, summaries):
        monkeypatch.setattr(module, "ask", ask)
    return questions


def test_models_are_listed_and_searched(cnntrain: Any) -> None:
    lines = cnntrain("models").stdout.splitlines()
    assert lines[0].split() == ["MODEL", "PARAMETERS"]
    assert len(lines) == 82
    assert cnntrain("models", "list", "RES", "18").stdout.splitlines()[1:] == ["resnet18  11,689,512"]
    assert json.loads(cnntrain("models", "list", "vit_b_16", "--json").stdout) == [
        {"name": "vit_b_16", "parameters": 86_567_656}
    ]
    none = cnntrain("models", "list", "nothing", "18")
    assert (none.exit_code, none.stderr.count("\n")) == (2, 1)
    assert 'no name contains "nothing" and "18"' in none.stderr


def test_models_of_timm_are_asked_for(cnntrain: Any, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused = cnntrain("models", "list", "timm:vit")
    assert refused.exit_code == 2
    assert "pip install 'cnntrain[timm]'" in refused.stderr
    assert asked == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert cnntrain("models", "list", "timm:vit").stdout.splitlines()[1].split() == ["timm:vit_tiny", "–"]


def test_code_is_allowed_and_forgotten(cnntrain: Any) -> None:
    assert "may be run from now on" in cnntrain("models", "allow", "my_nets:Net").stdout
    assert "was allowed before" in cnntrain("models", "allow", "my_nets:Net").stdout
    assert "my_nets:Net" in cnntrain("models", "list", "my_").stdout
    assert cnntrain("models", "forget", "my_nets:Net").exit_code == 0
    assert cnntrain("models", "forget", "my_nets:Net").exit_code == 2
    assert cnntrain("models", "allow", "rm -rf").exit_code == 2
    assert allowed() == []


def test_a_summary_is_written(cnntrain: Any, asked: Any, tmp_path: Path) -> None:
    class_folders(tmp_path / "data", {"a": 2, "b": 2, "c": 2})
    told = cnntrain("models", "summary", "simple-cnn", "--data", str(tmp_path / "data"), "--set", "model.name=resnet18")
    assert told.exit_code == 0
    module, job = asked[-1]
    assert (module, job["outputs"], job["settings"]["model"]["name"]) == ("summary", 3, "resnet18")
    assert told.stdout.splitlines() == [
        "resnet18 for pictures of 3×32×32, 3 outputs",
        "",
        "LAYER  KIND           OUTPUT  PARAMETERS  OPERATIONS",
        "head   Linear\\x1b[2J       3  195 frozen         384",
        "",
        "parameters  195, 0 of them learn from the first step on",
        "operations  384 floating point, for one picture forward",
        "memory      about 10.0 MiB for batches of 64 in float32",
        "            activations 9.0 MiB, weights 1.0 MiB",
    ]
    assert told.stderr == "cnntrain: model.dropout has no effect.\n"
    assert json.loads(cnntrain("models", "summary", "simple-cnn", "--json", "--outputs", "7").stdout) == TABLE
    assert asked[-1][1]["outputs"] == 7


def test_code_typed_for_a_summary_is_allowed_and_a_presets_is_not(cnntrain: Any, asked: Any, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.toml"
    theirs.write_text('[model]\nname = "my_nets:Net"\n')
    refused = cnntrain("models", "summary", str(theirs))
    assert refused.exit_code == 2
    assert "a preset loads no code" in refused.stderr
    assert (allowed(), asked) == ([], [])
    told = cnntrain("models", "summary", "simple-cnn", "--set", "model.name=wave:Net")
    assert "`cnntrain models forget wave:Net` ends that" in told.stderr
    assert allowed() == ["wave:Net"]


def test_code_that_is_not_there_is_not_allowed(cnntrain: Any, asked: Any) -> None:
    told = cnntrain("models", "summary", "simple-cnn", "--set", "model.name=no_nets.small:Net")
    assert told.exit_code == 2
    assert told.stderr.startswith("cnntrain: no_nets.small:Net cannot be used: there is no module no_nets.small.")
    assert "may be run" not in told.stderr
    assert (allowed(), asked) == ([], [])


def test_a_real_engine_answers(cnntrain: Any) -> None:
    told = cnntrain("models", "summary", "simple-cnn", "--set", "training.device=cpu", "--set", "model.width=8")
    assert told.exit_code == 0
    assert "\nblocks.0.0  Conv2d" in told.stdout
    wrong = cnntrain("models", "summary", "simple-cnn", "--set=model.name=inception_v3", "--set=data.image_size=64")
    assert wrong.exit_code == 2
    assert "Set data.image_size=75" in wrong.stderr
