"""dataset.json: what is written comes back, and what is not ours is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_sets import class_folders, manifest_of, settings_for

from tui.core.dataset.containment import check_contained, leading_out
from tui.core.dataset.manifest import Manifest, load_manifest, save_manifest
from tui.core.dataset.targets import targets_of
from tui.core.errors import FailureError, UsageError
from tui.core.metrics import Task

NAMES = {"[red]": 4, "\x1b]52;c;x\x07": 4, os.fsdecode(b"\xff\xe9"): 4, "n" * 200: 4, "ünï": 4}


def test_round_trip_with_any_names(tmp_path: Path) -> None:
    manifest = manifest_of(class_folders(tmp_path / "data", NAMES), settings_for())
    save_manifest(manifest, tmp_path / "dataset.json")
    loaded = load_manifest(tmp_path / "dataset.json")
    assert loaded == manifest
    assert all(os.path.isfile(loaded.root / path) for samples in loaded.splits.values() for path, _ in samples)
    assert (tmp_path / "dataset.json").read_bytes().isascii()
    assert sum(loaded.counts("train")) == len(loaded.splits["train"])


def test_a_batch_larger_than_the_data(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 10, "b": 10})
    with pytest.raises(UsageError) as caught:
        manifest_of(tmp_path, settings_for(training={"batch_size": 512}))
    assert "training.batch_size is 512 but there are only 12 training pictures" in str(caught.value)
    assert "Set training.batch_size to 2 or add pictures" in str(caught.value)


def test_what_the_message_suggests_is_accepted(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 10, "b": 10})
    manifest = manifest_of(tmp_path, settings_for(training={"batch_size": 2}))
    assert len(manifest.splits["train"]) == 12


def test_class_names_of_a_foreign_manifest_are_only_text(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    save_manifest(manifest_of(class_folders(tmp_path / "data", {"a": 9, "b": 9}), settings_for()), path)
    _damaged(lambda table: table.__setitem__("classes", ["[/]", "../x"]))(path)
    assert load_manifest(path).classes == ("[/]", "../x")


def _damaged(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        table = json.loads(path.read_text())
        change(table)
        path.write_text(json.dumps(table))

    return apply


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_bytes(b"\xff\xff"),
        _damaged(lambda table: table.pop("classes")),
        _damaged(lambda table: table["splits"]["train"]["labels"].pop()),
        _damaged(lambda table: table["splits"]["train"]["labels"].__setitem__(0, 7)),
        _damaged(lambda table: table["splits"]["train"]["labels"].__setitem__(0, True)),
        _damaged(lambda table: table["splits"]["train"]["paths"].__setitem__(0, "../../etc/passwd")),
        _damaged(lambda table: table["splits"]["train"]["paths"].__setitem__(0, "a/../../b")),
        _damaged(lambda table: table["splits"]["test"]["paths"].__setitem__(0, "/etc/passwd")),
        _damaged(lambda table: table.__setitem__("root", "relative")),
        _damaged(lambda table: table.__setitem__("layout", "other")),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "dataset.json"
    save_manifest(manifest_of(class_folders(tmp_path / "data", {"a": 9, "b": 9}), settings_for()), path)
    damage(path)
    with pytest.raises(FailureError, match="is damaged"):
        load_manifest(path)


@pytest.mark.parametrize("path", ["../../etc/passwd", "a/../../b.png", "/etc/passwd", "a\0b"])
def test_fault_60_paths_of_a_foreign_manifest_stay_inside(tmp_path: Path, path: str) -> None:
    file = tmp_path / "dataset.json"
    save_manifest(manifest_of(class_folders(tmp_path / "data", {"a": 9, "b": 9}), settings_for()), file)
    _damaged(lambda table: table["splits"]["train"]["paths"].__setitem__(0, path))(file)
    with pytest.raises(FailureError) as caught:
        load_manifest(file)
    assert str(caught.value).endswith("dataset.json is damaged. Start the run again from its preset.")


@pytest.mark.parametrize("linked", ["picture", "class folder"])
def test_fault_60_links_in_a_foreign_manifest_that_lead_out_are_refused(tmp_path: Path, linked: str) -> None:
    root = class_folders(tmp_path / "data", {"a": 5, "b": 5})
    manifest = manifest_of(root, settings_for())
    paths = [path for samples in manifest.splits.values() for path, _ in samples]
    os.rename(root / "a" / "004.png", root / "b" / "inner.png")
    os.symlink(root / "b" / "inner.png", root / "a" / "004.png")  # stays inside
    assert leading_out(root, paths) == []
    elsewhere = tmp_path / "secrets \x1b[2J"
    if linked == "picture":
        os.rename(root / "b" / "003.png", elsewhere)
        os.symlink(elsewhere, root / "b" / "003.png")
        out = ["b/003.png"]
    else:
        os.rename(root / "b", elsewhere)
        os.symlink(elsewhere, root / "b")
        out = sorted(path for path in paths if path.startswith("b/"))
        os.remove(root / "a" / "004.png")
    assert sorted(leading_out(root, paths)) == out
    with pytest.raises(FailureError) as caught:
        check_contained(root, paths, follow_links=False)
    told = str(caught.value)
    assert "The pictures cannot be read: " in told
    assert f'out of {root}: "b/00' in told
    assert told.endswith("Put the pictures themselves there, or start a new run with data.follow_links set to true.")
    assert told.isprintable()
    check_contained(root, paths, follow_links=True)
    os.symlink(root, tmp_path / "another name")
    assert sorted(leading_out(tmp_path / "another name", paths)) == out


def test_a_newer_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    save_manifest(manifest_of(class_folders(tmp_path / "data", {"a": 9, "b": 9}), settings_for()), path)
    _damaged(lambda table: table.__setitem__("format", 99))(path)
    with pytest.raises(FailureError, match="newer version"):
        load_manifest(path)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailureError, match=r"dataset\.json: No such file"):
        load_manifest(tmp_path / "dataset.json")


def test_a_manifest_of_the_first_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    manifest = manifest_of(class_folders(tmp_path / "data", {"a": 9, "b": 9}), settings_for())
    save_manifest(manifest, path)

    def older(table: dict[str, Any]) -> None:
        table["format"] = 1
        for added in ("task", "target_names"):
            del table[added]

    _damaged(older)(path)
    assert load_manifest(path) == replace(manifest, gradual=False)


@pytest.mark.parametrize(
    ("task", "classes", "names", "targets"),
    [
        ("regression", (), ("age", "height"), [(1.5, -2.0), (0.1, 3e10), (7.0, 0.0)]),
        ("multilabel", ("red", "wet", "big"), (), [(0, 2), (), (1,)]),
    ],
)
def test_targets_of_other_tasks_come_back(
    tmp_path: Path, task: Task, classes: tuple[str, ...], names: tuple[str, ...], targets: list[Any]
) -> None:
    splits = {split: [(f"{split}/{n}.png", t) for n, t in enumerate(targets)] for split in ("train", "validation")}
    manifest = Manifest(tmp_path, classes, {**splits, "test": []}, "s", "list", [], task, names)
    save_manifest(manifest, tmp_path / "dataset.json")
    loaded = load_manifest(tmp_path / "dataset.json")
    assert loaded == manifest
    assert loaded.outputs == len(targets[0]) if task == "regression" else 3
    found = targets_of(loaded.splits["train"], loaded.task, loaded.outputs)
    assert found.all().dtype == np.float32
    expected = [(1, 0, 1), (0, 0, 0), (0, 1, 0)] if task == "multilabel" else targets
    assert found.take(np.array([2, 0])).tolist() == np.array(expected, dtype=np.float32)[[2, 0]].tolist()
    assert loaded.counts("train") == ([1, 1, 1] if task == "multilabel" else [])
    assert found.per_class().tolist() == loaded.counts("train")
    assert targets_of([], loaded.task, loaded.outputs).all().shape == (0, loaded.outputs)


@pytest.mark.parametrize(
    ("task", "target"),
    [
        ("regression", [1.0]),
        ("regression", [1.0, float("nan")]),
        ("regression", [1.0, "2"]),
        ("regression", 1.0),
        ("multilabel", [3]),
        ("multilabel", [True]),
        ("multilabel", 1),
        ("classification", [1]),
        ("poetry", 1),
    ],
)
def test_targets_that_do_not_fit_the_task_are_refused(tmp_path: Path, task: str, target: object) -> None:
    manifest = Manifest(tmp_path, ("a", "b", "c"), {"train": [], "validation": [], "test": []}, "s", "list", [])
    save_manifest(manifest, tmp_path / "dataset.json")

    def change(table: dict[str, Any]) -> None:
        table.update(task=task, target_names=["x", "y"])
        table["splits"]["train"] = {"paths": ["a.png"], "labels": [target]}

    _damaged(change)(tmp_path / "dataset.json")
    with pytest.raises(FailureError, match="is damaged"):
        load_manifest(tmp_path / "dataset.json")
