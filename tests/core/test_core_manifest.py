"""dataset.json: what is written comes back, and what is not ours is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picture_sets import class_folders, manifest_of, settings_for

from tui.core.dataset.manifest import load_manifest, save_manifest
from tui.core.errors import FailureError, UsageError

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


def test_a_newer_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    save_manifest(manifest_of(class_folders(tmp_path / "data", {"a": 9, "b": 9}), settings_for()), path)
    _damaged(lambda table: table.__setitem__("format", 99))(path)
    with pytest.raises(FailureError, match="newer version"):
        load_manifest(path)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailureError, match=r"dataset\.json: No such file"):
        load_manifest(tmp_path / "dataset.json")
