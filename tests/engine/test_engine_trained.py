"""A trained run is good for something: tested again, asked about pictures, written for other programs."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from tui.core import saliency
from tui.core.dataset.demo import make_demo
from tui.core.dataset.manifest import load_manifest, save_manifest
from tui.core.errors import FailureError, UsageError
from tui.core.events import Evaluated, decode
from tui.core.presets import read_settings
from tui.core.rundir import RunDir
from tui.core.schema import with_changes
from tui.core.settings import Settings
from tui.engine import exporting
from tui.engine.attempt import begin
from tui.engine.data.training import TrainingData
from tui.engine.link import Link
from tui.engine.predicting import predict
from tui.engine.testing import evaluate_run
from tui.engine.trained import load
from tui.engine.trainer import Trainer
from tui.runs.companion import Companion
from tui.runs.making import create

CHANGES = {
    "data.image_size": 16,
    "data.crop": "random_resized",
    "data.cache_gib": 0.0,
    "data.workers": 1,
    "data.test_fraction": 0.3,
    "model.width": 4,
    "model.blocks": 2,
    "model.dropout": 0.5,
    "optimizer.ema_decay": 0.9,
    "training.epochs": 2,
    "training.batch_size": 8,
    "training.device": "cpu",
    "training.threads": 1,
}


class Ear:
    """Hears what the engine says."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.warnings: list[str] = []

    def progress(self, stage: str, done: int = 0, total: int = 0) -> None:
        pass

    def item(self, value: dict[str, Any]) -> None:
        self.items.append(value)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run on real files, trained once for this module."""
    place = tmp_path_factory.mktemp("trained")
    pictures = make_demo(place / "demo", per_class=8)
    settings = with_changes(Settings(), {**CHANGES, "data.directory": str(pictures)}, source="test")
    run = create(settings, root=place / "runs", name="small")
    train(run)
    return run


def train(run: RunDir) -> None:
    settings, manifest = read_settings(run.settings), load_manifest(run.dataset)
    link = Link(run, 1)
    with TrainingData(manifest, settings, progress=link.preparing, stopping=lambda: False) as data:
        names = list(manifest.classes or manifest.target_names)
        Trainer(begin(link, settings, data, names, torch.device("cpu"))).run()
    link.close()


@pytest.fixture
def copy(finished: RunDir, tmp_path: Path) -> RunDir:
    """A copy that may be spoilt."""
    return RunDir(Path(shutil.copytree(finished.path, tmp_path / "copy")))


def events_of(run: RunDir) -> list[Any]:
    return [decode(line) for line in run.events.read_bytes().splitlines()]


def test_testing_again_gives_the_numbers_of_the_run(finished: RunDir) -> None:
    told = next(event for event in events_of(finished) if isinstance(event, Evaluated) and event.split == "test")
    before = sorted((path, path.stat().st_mtime_ns) for path in finished.path.rglob("*"))
    table = evaluate_run({"run": str(finished.path), "weights": "best", "split": "test"}, Ear())
    assert table["images"] == sum(told.counts)
    for name, value in told.metrics.items():
        assert table["metrics"][name] == pytest.approx(value, abs=1e-6), name
    assert table["step"] == told.step
    assert table["counts"] == told.counts
    assert sorted((path, path.stat().st_mtime_ns) for path in finished.path.rglob("*")) == before


def test_the_moving_average_is_tested_and_exported_whatever_was_the_best(
    finished: RunDir, copy: RunDir, tmp_path: Path
) -> None:
    told = [event for event in events_of(finished) if isinstance(event, Evaluated) and event.split == "validation"][-1]
    table = evaluate_run({"run": str(finished.path), "weights": "averaged", "split": "validation"}, Ear())
    assert (table["step"], table["weights"]) == (told.step, "averaged")
    assert table["metrics"]["loss"] == pytest.approx(told.metrics["ema_loss"], abs=1e-6)
    assert table["metrics"]["loss"] != pytest.approx(told.metrics["loss"], abs=1e-4)
    output = tmp_path / "averaged.safetensors"
    job = {"run": str(finished.path), "weights": "averaged", "format": "safetensors", "output": str(output)}
    exporting.export({**job, "replace": False}, Ear())
    name = json.loads(finished.pointer("last").read_bytes())["directory"]
    kept = safetensors.torch.load_file(finished.checkpoints / name / "average.safetensors")
    assert all(torch.equal(tensor, kept[key]) for key, tensor in safetensors.torch.load_file(output).items())
    text = (copy.checkpoints / name / "manifest.json").read_text()
    table = json.loads(text)
    del table["files"]["average.safetensors"]
    (copy.checkpoints / name / "manifest.json").write_text(json.dumps(table))
    with pytest.raises(UsageError, match=r"no averaged weights: .* optimizer\.ema_decay is 0\. Use --weights best"):
        load(copy.path, "averaged")


def test_other_pictures_are_judged_by_the_runs_class_map(finished: RunDir, tmp_path: Path) -> None:
    manifest = load_manifest(finished.dataset)
    for path, label in manifest.splits["validation"]:
        if label in (1, 4):
            target = tmp_path / "other" / manifest.classes[label] / Path(path).name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(manifest.root / path, target)
    job = {"run": str(finished.path), "weights": "last", "data": str(tmp_path / "other")}
    table = evaluate_run(job, Ear())
    counts = manifest.counts("validation")
    assert table["counts"] == [count if label in (1, 4) else 0 for label, count in enumerate(counts)]
    (tmp_path / "other" / manifest.classes[1]).rename(tmp_path / "other" / "unicorn")
    with pytest.raises(UsageError, match=r'was not trained on "unicorn".*It knows'):
        evaluate_run(job, Ear())
    with pytest.raises(UsageError, match=r"optimizer\.name is no setting of how a folder is read"):
        evaluate_run({**job, "set": ["optimizer.name=sgd"]}, Ear())


def test_labels_that_are_numbers_are_told_as_such(finished: RunDir, tmp_path: Path) -> None:
    manifest = load_manifest(finished.dataset)
    root = tmp_path / "other"
    root.mkdir()
    rows = ["image,number,name"]
    for place, (path, label) in enumerate(manifest.splits["validation"][:20]):
        assert isinstance(label, int)
        shutil.copy(manifest.root / path, root / f"{place}.png")
        rows.append(f"{place}.png,{label},{manifest.classes[label]}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    job = {"run": str(finished.path), "weights": "last", "data": str(root)}
    with pytest.raises(UsageError) as refused:
        evaluate_run({**job, "set": ["data.label_columns=number"]}, Ear())
    assert refused.value.cause.startswith('its labels are numbers, "0", "1"')
    assert 'where the run expects names of classes (list "labels.csv"' in refused.value.cause
    assert "--set data.label_columns=COLUMN" in refused.value.next_step
    assert evaluate_run({**job, "set": ["data.label_columns=name"]}, Ear())["images"] == len(rows) - 1
    for path in root.glob("*.png"):
        folder = root / "folders" / str(int(path.stem) % 2)
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    with pytest.raises(UsageError, match=r'the class folders are numbers, "0", "1", where.*Give the folders'):
        evaluate_run({**job, "data": str(root / "folders")}, Ear())


def test_fault_60_a_link_that_leads_out_of_the_dataset_is_not_tested_on(copy: RunDir, tmp_path: Path) -> None:
    table = json.loads(copy.dataset.read_bytes())
    (tmp_path / "given").mkdir()
    os.symlink(table["root"], tmp_path / "given" / "planted")
    for split in table["splits"].values():
        split["paths"] = [f"planted/{path}" for path in split["paths"]]
    copy.dataset.write_text(json.dumps({**table, "root": str(tmp_path / "given")}))
    job = {"run": str(copy.path), "weights": "best", "split": "test"}
    with pytest.raises(FailureError, match=r'links lead out of .*: "planted/.*data\.follow_links'):
        evaluate_run(job, Ear())
    copy.settings.write_text(copy.settings.read_text().replace("follow_links = false", "follow_links = true"))
    assert evaluate_run(job, Ear())["images"] == len(table["splits"]["test"]["paths"])


def test_answers_are_those_of_the_evaluation(finished: RunDir) -> None:
    manifest = load_manifest(finished.dataset)
    samples = manifest.splits["test"]
    missing = str(manifest.root / "gone.png")
    paths = [str(manifest.root / path) for path, _ in samples]
    paths.insert(3, missing)
    ear = Ear()
    done = predict({"run": str(finished.path), "weights": "best", "paths": paths, "top": 3}, ear)
    assert (done["pictures"], done["unreadable"]) == (len(paths), 1)
    assert [item["path"] for item in ear.items] == paths
    assert ear.items[3] == {"path": missing, "error": "there is no such file"}
    answers = [item["answers"] for item in ear.items if "answers" in item]
    for three in answers:
        assert len(three) == 3
        shares = [share for _, share in three]
        assert shares == sorted(shares, reverse=True)
        assert 0 <= sum(shares) <= 1 + 1e-6
    right = sum(three[0][0] == manifest.classes[int(label)] for three, (_, label) in zip(answers, samples, strict=True))
    table = evaluate_run({"run": str(finished.path), "weights": "best", "split": "test"}, Ear())
    assert right / len(samples) == pytest.approx(table["metrics"]["accuracy"])


def test_where_it_looked_is_told_by_a_process_of_its_own(finished: RunDir, tmp_path: Path) -> None:
    manifest = load_manifest(finished.dataset)
    path = manifest.splits["validation"][0][0]
    asked = Companion(saliency.MODULE, saliency.decode_head, "It cannot be shown", timeout=110)
    try:
        request = saliency.SaliencyRequest(str(finished.path), str(manifest.root), path, (0, 2))
        head, content = asked.exchange(request.encode())
        assert (head.reason, head.size, head.maps, head.layer, head.cells) == ("", 16, 2, "blocks", (8, 8))
        assert head.weights in ("best", "last")
        assert len(content) == head.length == 5 * 16 * 16
        for changes, words in (
            ({"path": "gone.png"}, "gone"),
            ({"outputs": (999,)}, "out of bounds"),
            ({"run": str(tmp_path)}, "No such run"),
        ):
            head, content = asked.exchange(replace(request, **changes).encode())
            assert words in head.reason
            assert content == b""
        child = asked._child
    finally:
        asked.close()
    assert child is not None
    assert child.poll() is not None


@pytest.mark.parametrize("form", ["safetensors", "torchscript", "pt2", "onnx"])
def test_an_exported_network_answers_alike_and_carries_its_preprocessing(
    form: str, finished: RunDir, tmp_path: Path
) -> None:
    if form == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    output = tmp_path / f"model.{form}"
    job = {"run": str(finished.path), "weights": "best", "format": form, "output": str(output), "replace": False}
    done = exporting.export(job, Ear())
    assert done["difference"] <= 1e-5
    assert done["largest"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [output.name, f"{output.name}.json"]
    beside = json.loads((tmp_path / f"{output.name}.json").read_text())
    trained = load(finished.path, "best")
    assert beside["outputs"] == list(load_manifest(finished.dataset).classes)
    assert beside["input"]["mean"] == trained.mean
    assert beside["input"]["std"] == trained.std
    assert (beside["input"]["size"], beside["input"]["channels"], beside["input"]["resize"]) == (16, 3, "crop")
    if form == "safetensors":
        with safetensors.safe_open(output, "pt") as file:
            assert json.loads(file.metadata()["cnntrain"]) == beside
    with pytest.raises(UsageError, match="exists"):
        exporting.export(job, Ear())
    exporting.export({**job, "replace": True}, Ear())


def test_an_export_that_answers_differently_is_not_kept(
    finished: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(trained: Any, model: Any, path: Path, text: str) -> Any:
        path.write_bytes(b"model")
        return lambda images: model(images) + 0.5

    monkeypatch.setitem(exporting._WRITERS, "pt2", wrong)
    job = {"run": str(finished.path), "weights": "best", "format": "pt2", "output": str(tmp_path / "a.pt2")}
    with pytest.raises(FailureError, match=r"differ by up to 0\.5"):
        exporting.export({**job, "replace": False}, Ear())
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_one_sentence(monkeypatch: pytest.MonkeyPatch, finished: RunDir, tmp_path: Path) -> None:
    monkeypatch.setattr(exporting.importlib.util, "find_spec", lambda name: None)
    job = {"run": str(finished.path), "weights": "best", "format": "onnx", "output": str(tmp_path / "a.onnx")}
    with pytest.raises(UsageError, match=r"onnxruntime are not installed.*pip install 'cnntrain\[onnx\]'"):
        exporting.export({**job, "replace": False}, Ear())


def test_a_run_that_cannot_be_used_says_why(copy: RunDir, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such run"):
        load(tmp_path / "nothing", "best")
    text = copy.settings.read_text()
    copy.settings.write_text(text.replace("width = 4", "width = 5"))
    with pytest.raises(FailureError, match=r"does not fit the network in settings\.toml"):
        load(copy.path, "best")
    copy.settings.write_text(text)
    events = copy.events.read_bytes()
    copy.events.write_bytes(b"")
    with pytest.raises(FailureError, match="does not say with which mean and deviation"):
        load(copy.path, "best")
    copy.events.write_bytes(events)
    copy.pointer("best").write_text('{"directory": "../../../../etc"}')
    assert load(copy.path, "best").weights == "last"  # a name that leads elsewhere is no name
    name = json.loads(copy.pointer("last").read_bytes())["directory"]
    moved = (copy.checkpoints / name).rename(tmp_path / "elsewhere")
    (copy.checkpoints / name).symlink_to(moved)
    with pytest.raises(FailureError, match="is a link"):
        load(copy.path, "last")
    shutil.rmtree(copy.checkpoints)
    with pytest.raises(FailureError, match="no checkpoint yet"):
        load(copy.path, "best")


def test_a_damaged_checkpoint_is_not_used(copy: RunDir) -> None:
    name = json.loads(copy.pointer("best").read_bytes())["directory"]
    weights = copy.checkpoints / name / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(FailureError, match=r"the best checkpoint is damaged.*--weights last"):
        load(copy.path, "best")


def test_a_regression_is_predicted_and_exported_in_its_own_units(finished: RunDir, tmp_path: Path) -> None:
    """Targets far from zero: standardised inside, in their own units outside."""
    changes = {**CHANGES, "data.directory": str(load_manifest(finished.dataset).root), "training.epochs": 1}
    run = create(with_changes(Settings(), changes, source="test"), root=tmp_path / "runs", name="weights")
    found = load_manifest(run.dataset)
    splits = {
        split: [(path, (5000.0 + 100 * index,)) for index, (path, _) in enumerate(samples)]
        for split, samples in found.splits.items()
    }
    manifest = replace(found, task="regression", classes=(), target_names=("weight",), splits=splits)
    save_manifest(manifest, run.dataset)
    paths = [path for path, _ in splits["test"]]
    train(run)
    ear = Ear()
    job = {"run": str(run.path), "weights": "last"}
    predict({**job, "paths": [str(manifest.root / path) for path in paths[:4]], "top": None}, ear)
    values = [item["answers"][0][1] for item in ear.items]
    assert [item["answers"][0][0] for item in ear.items] == ["weight"] * 4
    assert all(5000 - 20_000 < value < 5000 + 20_000 and abs(value) > 100 for value in values)
    table = evaluate_run({**job, "split": "validation"}, Ear())
    assert table["metrics"]["mae"] < 20_000
    output = tmp_path / "model.pt2"
    exporting.export({**job, "format": "pt2", "output": str(output), "replace": False}, Ear())
    trained = load(run.path, "last", device="cpu")
    images = exporting._pictures(trained, 4)
    with torch.inference_mode():
        expected = trained.objective.predictions(trained.model(images))
        found = torch.export.load(output).module()(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-2)
    weights = tmp_path / "model.safetensors"
    exporting.export({**job, "format": "safetensors", "output": str(weights), "replace": False}, Ear())
    beside = json.loads((tmp_path / "model.safetensors.json").read_text())
    assert beside["output_mean"][0] > 5000
    assert "targets' units" in beside["output_meaning"]
