"""A dataset that is no longer what a run began with: every difference is found and told, and none that is not there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from picture_sets import class_folders, manifest_of, settings_for, write_picture

from tui.core.dataset.changes import all_changes, changes_of
from tui.core.dataset.exclusions import write_list
from tui.core.dataset.manifest import Manifest, load_manifest, save_manifest
from tui.core.settings import Settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "data", {"a": 12, "b": 8})


def reloaded(manifest: Manifest, place: Path) -> Manifest:
    save_manifest(manifest, place / "dataset.json")
    return load_manifest(place / "dataset.json")


def told(manifest: Manifest, settings: Settings, *, kept: bool = False) -> str:
    problem = all_changes(manifest, settings.data).problem(kept)
    return problem.text if problem is not None else ""


def test_nothing_changed(root: Path, tmp_path: Path) -> None:
    settings = settings_for(data={"directory": str(root)})
    manifest = reloaded(manifest_of(root, settings), tmp_path)
    assert manifest.stamps
    assert changes_of(manifest).signature == manifest.signature
    assert told(manifest, settings) == ""


def test_fault_38_every_difference_is_named(root: Path, tmp_path: Path) -> None:
    settings = settings_for(data={"directory": str(root)})
    manifest = reloaded(manifest_of(root, settings), tmp_path)
    write_picture(root / "a" / "new.png")
    (root / "a" / "001.png").unlink()
    write_picture(root / "b" / "002.png", seed="new", size=(31, 17))
    os.utime(root / "b" / "003.png", ns=(0, 0))
    changes = all_changes(manifest, settings.data)
    assert (changes.added, changes.removed) == (("a/new.png",), ("a/001.png",))
    assert (changes.rewritten, changes.touched, changes.relabelled) == (("b/002.png",), ("b/003.png",), ())
    assert changes.signature != manifest.signature
    problem = changes.problem(False)
    assert problem is not None
    assert set(problem.paths) == {"a/new.png", "a/001.png", "b/002.png", "b/003.png"}
    assert problem.text == (
        'The dataset has changed since this run was made: 1 picture was added, not used ("a/new.png"); '
        '1 picture is gone ("a/001.png"); 1 picture was written again ("b/002.png"); '
        '1 picture has its old size and a new time ("b/003.png"). The run goes on with the pictures and labels '
        "that it began with, as they are now; a new run takes all changes."
    )
    assert "as they were decoded before" in told(manifest, settings, kept=True)


def test_labels_of_a_list_that_changed(tmp_path: Path) -> None:
    for number in range(12):
        write_picture(tmp_path / "data" / f"{number}.png", seed=number)
    lines = [f"{number}.png,{'cat' if number % 2 else 'dog'}\n" for number in range(12)]
    labels = tmp_path / "data" / "labels.csv"
    labels.write_text("file,label\n" + "".join(lines))
    settings = settings_for(data={"directory": str(tmp_path / "data")})
    manifest = manifest_of(tmp_path / "data", settings)
    # A class that comes first in the alphabet moves the indices of all others: these are no other labels.
    labels.write_text("file,label\n" + "".join(lines).replace("3.png,cat", "3.png,ant") + "13.png,ant\n")
    write_picture(tmp_path / "data" / "13.png", seed=13)
    changes = all_changes(manifest, settings.data)
    assert (changes.relabelled, changes.added, changes.removed) == (("3.png",), ("13.png",), ())
    assert '1 picture has another label now, not used ("3.png")' in told(manifest, settings)


def test_what_is_left_out_was_not_added(root: Path, tmp_path: Path) -> None:
    write_list(tmp_path / "out.txt", ["a/003.png"])
    settings = settings_for(data={"directory": str(root), "exclude": str(tmp_path / "out.txt")})
    manifest = manifest_of(root, settings)
    assert told(manifest, settings) == ""


def test_a_directory_that_cannot_be_read_any_more(root: Path) -> None:
    settings = settings_for(data={"directory": str(root)})
    manifest = manifest_of(root, settings)
    shutil.rmtree(root / "a")
    text = told(manifest, settings)
    assert "12 pictures are gone" in text
    empty = settings_for(data={"directory": str(root.parent / "elsewhere")})
    assert "there is no directory" in told(manifest, empty)


def test_a_manifest_of_an_older_version_knows_only_that_something_changed(root: Path, tmp_path: Path) -> None:
    settings = settings_for(data={"directory": str(root)})
    manifest = manifest_of(root, settings)
    manifest.stamps.clear()
    manifest = reloaded(manifest, tmp_path)
    assert told(manifest, settings) == ""
    (root / "a" / "001.png").unlink()
    assert told(manifest, settings).startswith("Pictures were changed or removed since this run was made")
