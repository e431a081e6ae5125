"""Lists of pictures to leave out, and what a run makes of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from picture_sets import class_folders, manifest_of, settings_for

from tui.core.dataset.exclusions import read_list, without, write_list
from tui.core.dataset.manifest import make_manifest
from tui.core.dataset.scan import scan, signature_of, stamp_now
from tui.core.errors import UsageError

ODD = ["a/ b", "#1.jpg", '"x".jpg', "line\nbreak.jpg", os.fsdecode(b"caf\xe9.jpg"), "é.jpg", "tail ", "nel\x85.jpg"]


def test_any_name_survives_a_list(tmp_path: Path) -> None:
    write_list(tmp_path / "list.txt", ODD)
    assert read_list(tmp_path / "list.txt", tmp_path) == set(ODD)


def test_a_list_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf# from find\r\n\r\n./a/1.png\r\n" + os.fsencode(tmp_path) + b"/data/a/2.png\r\n")
    assert read_list(path, tmp_path / "data") == {"a/1.png", "a/2.png"}


def test_what_is_listed_is_in_no_split(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "data", {"a": 20, "b": 20})
    (tmp_path / "list.txt").write_text("a/003.png\nb/000.png\nb/999.png\n")
    manifest = manifest_of(root, settings_for(data={"exclude": str(tmp_path / "list.txt")}))
    paths = {path for samples in manifest.splits.values() for path, _ in samples}
    assert len(paths) == 38
    assert not paths & {"a/003.png", "b/000.png"}
    assert manifest.signature == signature_of((path, *stamp_now(root, path)) for path in paths)
    texts = {problem.code: problem.text for problem in manifest.problems}
    assert texts["excluded"].startswith("2 pictures listed in ")
    assert "1 line of " in texts["exclude_unknown"]
    assert 'names no picture of this dataset: "b/999.png"' in texts["exclude_unknown"]


def test_the_others_stay_where_they_were(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "data", {"a": 40, "b": 40})
    before = manifest_of(root, settings_for())
    (tmp_path / "list.txt").write_text("a/003.png\n")
    after = manifest_of(root, settings_for(data={"exclude": str(tmp_path / "list.txt")}))
    moved = sum(len(set(before.splits[name]) - set(after.splits[name])) for name in before.splits)
    assert moved <= 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no file"),
        ('"a/1.png', "line 1 of"),
        ("a/000.png\na/001.png\n", 'leaves no picture of "a"'),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path: Path, content: str | None, words: str) -> None:
    root = class_folders(tmp_path / "data", {"a": 2, "b": 2})
    if content is not None:
        (tmp_path / "list.txt").write_text(content)
    with pytest.raises(UsageError) as refused:
        without(scan(root), tmp_path / "list.txt")
    assert words in str(refused.value)
    assert str(refused.value).startswith("The list of pictures to leave out cannot be used")


def test_links_are_followed_as_the_settings_say_whoever_scanned(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "data", {"a": 8, "b": 8})
    os.symlink(class_folders(tmp_path / "other", {"c": 8}) / "c", root / "c")
    found = scan(root)
    assert make_manifest(found, settings_for()).classes == ("a", "b")
    assert make_manifest(found, settings_for(data={"follow_links": True})).classes == ("a", "b", "c")
