"""What the scan makes of folders, good and bad: each message is what a person reads."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from picture_sets import class_folders, settings_for, write_picture

from tui.core.dataset import scan as scanning
from tui.core.dataset.manifest import make_manifest
from tui.core.dataset.scan import Cancelled, Scan, measure_sizes, scan
from tui.core.errors import UsageError

# A folder cannot be called "[/]": that is a folder "]" in a folder "[".
HOSTILE = ["[", "[red]x", "\x1b]52;c;aGk=\x07", "\x9b2J", "\u202egpj", "n" * 200, os.fsdecode(b"caf\xe9")]


def refused(directory: Path, **data: object) -> str:
    settings = settings_for(data=data)
    with pytest.raises(UsageError) as caught:
        make_manifest(scan(directory, settings.data), settings)
    return str(caught.value)


def codes(found: Scan) -> set[str]:
    return {problem.code for problem in found.problems}


def text_of(found: Scan, code: str) -> str:
    return next(problem.text for problem in found.problems if problem.code == code)


def test_class_folders(tmp_path: Path) -> None:
    found = scan(class_folders(tmp_path, {"dog": 3, "cat": 2}))
    assert found.layout == "class_folders"
    assert found.classes == ("cat", "dog")
    assert found.samples["all"][0] == ("cat/000.png", 0)
    assert found.counts == {"all": [2, 3]}
    assert found.total == 5
    assert found.problems == []
    assert found.root == tmp_path


def test_pictures_in_folders_inside_a_class_belong_to_it(tmp_path: Path) -> None:
    class_folders(tmp_path, {"dog": 1, "cat": 1})
    write_picture(tmp_path / "cat" / "indoors" / "old" / "x.JPEG")
    assert scan(tmp_path).counts == {"all": [2, 1]}


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Training", "VALID", "testing"),
        ("train", "validation", "Test"),
        ("train", "dev", "test"),
    ],
)
def test_split_folders_in_every_spelling(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for name, count in zip(names, (3, 2, 1), strict=True):
        class_folders(tmp_path / name, {"a": count, "b": count})
    found = scan(tmp_path)
    assert found.layout == "split_folders"
    assert found.counts == {"train": [3, 3], "validation": [2, 2], "test": [1, 1]}
    assert found.samples["test"] == [(f"{names[2]}/a/000.png", 0), (f"{names[2]}/b/000.png", 1)]


def test_missing_and_empty_splits_are_named(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"a": 3, "b": 3})
    (tmp_path / "val").mkdir()
    found = scan(tmp_path)
    assert set(found.samples) == {"train"}
    assert "kept for validation" in text_of(found, "no_validation")
    assert "no_test" in codes(found)


def test_a_class_named_train_is_a_class(tmp_path: Path) -> None:
    found = scan(class_folders(tmp_path, {"train": 2, "bus": 2, "car": 2}))
    assert found.layout == "class_folders"
    assert found.classes == ("bus", "car", "train")


def test_a_folder_of_datasets_is_told_from_a_dataset(tmp_path: Path) -> None:
    for dataset in ("cifar10", "clothing"):
        for split in ("train", "val" if dataset == "clothing" else "Test"):
            class_folders(tmp_path / dataset / split, {"a": 1, "b": 1})
    assert text_of(scan(tmp_path), "datasets") == (
        '"cifar10" and "clothing" hold train and test folders themselves: '
        "this looks like a folder of datasets; choose one of them."
    )
    class_folders(tmp_path, {"odd": 2})
    assert '"cifar10" and "clothing" hold' in text_of(scan(tmp_path), "datasets")


def test_folders_of_class_folders_are_told_from_classes(tmp_path: Path) -> None:
    for dataset in ("birds", "fish"):
        class_folders(tmp_path / dataset, {"a": 1, "b": 1})
    assert "if this is a folder of datasets, choose one" in text_of(scan(tmp_path), "datasets")
    write_picture(tmp_path / "birds" / "x.png")
    assert "datasets" not in codes(scan(tmp_path))


def test_wrapper_folders_are_followed(tmp_path: Path) -> None:
    class_folders(tmp_path / "download" / "pictures", {"a": 2, "b": 2})
    found = scan(tmp_path)
    assert found.root == tmp_path / "download" / "pictures"
    assert '"download/pictures"' in text_of(found, "wrapped")


def test_a_wrapped_train_folder_alone_is_a_split(tmp_path: Path) -> None:
    class_folders(tmp_path / "wrap" / "train", {"a": 2, "b": 2})
    assert scan(tmp_path).layout == "split_folders"


def test_no_such_directory_suggests_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    message = refused(tmp_path / "picturse")
    assert "there is no directory" in message
    assert 'Did you mean "pictures"?' in message


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    assert "is not a directory" in refused(write_picture(tmp_path / "x.png"))


def test_an_empty_directory(tmp_path: Path) -> None:
    message = refused(tmp_path)
    assert "is empty" in message
    assert "one folder per class" in message


def test_only_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert "holds no pictures, only 1 .txt. Names of pictures end in .jpg" in refused(tmp_path)


def test_a_flat_folder_is_explained(tmp_path: Path) -> None:
    for number in range(3):
        write_picture(tmp_path / f"{number}.png")
    message = refused(tmp_path)
    assert "is a flat folder of 3 pictures without class folders" in message
    assert "Make one folder per class" in message


def test_a_class_that_was_chosen_in_place_of_its_dataset_is_told(tmp_path: Path) -> None:
    class_folders(tmp_path / "pets", {"cat": 3, "dog": 2, "emu": 2})
    message = refused(tmp_path / "pets" / "cat")
    assert f'If "cat" is one class beside "dog", "emu", choose {tmp_path / "pets"}.' in message
    assert "Make one folder per class" in message
    (tmp_path / "pets" / "emu" / "notes.doc").write_text("x")  # no folders of the same kind
    assert "one class beside" not in refused(tmp_path / "pets" / "cat")


def test_a_flat_train_folder_is_explained(tmp_path: Path) -> None:
    write_picture(tmp_path / "train" / "1.png")
    class_folders(tmp_path / "val", {"a": 1})
    write_picture(tmp_path / "train" / "2.png")
    # With nothing else beside it, a train folder of pictures is a split that lacks class folders.
    message = refused(tmp_path)
    assert '"train" is a flat folder of 2 pictures' in message


def test_one_class(tmp_path: Path) -> None:
    message = refused(class_folders(tmp_path, {"cat": 3}))
    assert 'only one class with pictures, "cat"' in message
    assert "at least two" in message


def test_one_class_and_an_empty_one(tmp_path: Path) -> None:
    assert 'only one class with pictures, "cat"' in refused(
        class_folders(tmp_path, {"cat": 3, "dog": 0}), empty_classes="leave_out"
    )


def test_folders_without_any_picture(tmp_path: Path) -> None:
    assert "no folder in" in refused(class_folders(tmp_path, {"cat": 0, "dog": 0}))


def test_no_train_folder(tmp_path: Path) -> None:
    class_folders(tmp_path / "val", {"a": 1, "b": 1})
    class_folders(tmp_path / "test", {"a": 1, "b": 1})
    assert "but no train folder" in refused(tmp_path)


def test_two_folders_for_one_split(tmp_path: Path) -> None:
    for name in ("train", "val", "valid"):
        class_folders(tmp_path / name, {"a": 1, "b": 1})
    assert 'both "val" and "valid" are validation folders' in refused(tmp_path)


def test_classes_that_train_does_not_have_are_named(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"cat": 2, "dog": 2})
    class_folders(tmp_path / "val", {"cat": 1, "Dog": 1, "[b]": 1})
    message = refused(tmp_path)
    assert '"val" has classes that train does not have: "Dog", "[b]"' in message
    assert 'Did you mean "dog"?' in message


def test_classes_that_a_split_lacks_are_reported(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"cat": 2, "dog": 2})
    class_folders(tmp_path / "val", {"cat": 1})
    assert '"dog"' in text_of(scan(tmp_path), "class_missing")


def test_litter_is_ignored_and_reported(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2, ".ipynb_checkpoints": 1, "__MACOSX": 1})
    write_picture(tmp_path / "a" / "._0.png")
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "a" / "notes.txt").write_bytes(b"x")
    (tmp_path / "a" / "none.png").touch()
    (tmp_path / "empty").mkdir()
    write_picture(tmp_path / "loose.png")
    os.symlink(tmp_path / "nowhere", tmp_path / "b" / "gone.png")
    found = scan(tmp_path)
    assert found.counts == {"all": [2, 2]}
    assert codes(found) == {"hidden", "not_pictures", "empty_file", "empty_class", "loose", "broken_link"}
    assert "4 hidden or system entries" in text_of(found, "hidden")
    assert text_of(found, "not_pictures") == "1 file is no picture and will not be used (.txt)."
    (tmp_path / "a" / "README").write_bytes(b"x")
    (tmp_path / "b" / "notes.txt").write_bytes(b"x")
    several = "3 files are no pictures and will not be used (2 .txt, 1 without ending)."
    assert text_of(scan(tmp_path), "not_pictures") == several
    assert '"a/none.png"' in text_of(found, "empty_file")
    assert '"empty"' in text_of(found, "empty_class")


def test_folders_beside_the_splits_are_reported(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"a": 2, "b": 2})
    class_folders(tmp_path / "labels", {"a": 2})
    assert '"labels"' in text_of(scan(tmp_path), "extra_folder")


def test_a_loop_of_links_is_visited_once(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2})
    os.symlink(tmp_path / "a", tmp_path / "a" / "again")
    os.symlink(tmp_path, tmp_path / "b" / "up")
    found = scan(tmp_path)
    assert found.counts["all"][0] == 2
    assert "visited_before" in codes(found)
    assert len({os.path.realpath(tmp_path / path) for path, _ in found.samples["all"]}) == found.total


def test_a_link_up_takes_no_pictures_from_other_classes(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 2, "b": 3})
    os.symlink(tmp_path, tmp_path / "a" / "up")
    found = scan(tmp_path)
    assert found.counts == {"all": [2, 3]}
    assert '"a/up"' in text_of(found, "visited_before")


def test_a_link_out_of_the_root_is_used_and_reported(tmp_path: Path) -> None:
    outside = class_folders(tmp_path / "elsewhere", {"x": 3})
    root = class_folders(tmp_path / "data", {"a": 2})
    os.symlink(outside / "x", root / "linked")
    class_folders(root, {"b": 2})
    os.symlink(outside / "x" / "000.png", root / "b" / "linked.png")
    found = scan(root)
    assert found.counts == {"all": [2, 2]}
    assert text_of(found, "outside") == (
        '2 links out of the directory not followed (data.follow_links): "linked", "b/linked.png".'
    )
    found = scan(root, settings_for(data={"follow_links": True}).data)
    assert found.counts == {"all": [2, 3, 3]}
    assert text_of(found, "outside_used").startswith("2 links out of the directory followed")


def test_a_dataset_of_links_says_how_to_follow_them(tmp_path: Path) -> None:
    outside = class_folders(tmp_path / "elsewhere", {"x": 3, "y": 3})
    root = tmp_path / "data"
    root.mkdir()
    os.symlink(outside, root / "train")
    message = refused(root)
    assert '1 link leads out of it and was not followed: "train"' in message
    assert "Set data.follow_links to true to use them." in message
    assert scan(root, settings_for(data={"follow_links": True}).data).counts == {"train": [3, 3]}


def test_names_that_differ_in_case_only_are_reported(tmp_path: Path) -> None:
    class_folders(tmp_path, {"Cat": 1, "cat": 1, "caf\u00e9": 1, "cafe\u0301": 1})
    found = scan(tmp_path)
    assert len(found.classes) == 4
    assert [problem.code for problem in found.problems].count("name_collision") == 2


def test_hostile_names_are_kept_raw_and_never_shown_raw(tmp_path: Path) -> None:
    root = class_folders(tmp_path, dict.fromkeys(HOSTILE, 1))
    for name in HOSTILE:
        (root / name / "0.txt").write_text("x")
        (root / name / "\x1b[2J.png").touch()
    found = scan(root)
    assert set(found.classes) == set(HOSTILE)
    assert all(os.path.exists(root / path) for path, _ in found.samples["all"])
    for problem in found.problems:
        assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]*", problem.text), problem.text
        assert len(problem.text) < 700


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_messages(tmp_path: Path, name: str) -> None:
    message = refused(class_folders(tmp_path, {name: 2}))
    assert "only one class" in message
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]*", message)


def test_special_files_are_not_opened(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2})
    os.mkfifo(tmp_path / "a" / "pipe.png")
    assert scan(tmp_path).counts == {"all": [2, 2]}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_that_may_not_be_read(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2, "c": 2})
    (tmp_path / "c").chmod(0)
    try:
        assert '"c"' in text_of(scan(tmp_path), "closed")
        tmp_path.chmod(0)
        assert "Permission denied" in refused(tmp_path)
    finally:
        tmp_path.chmod(0o700)
        (tmp_path / "c").chmod(0o700)


def test_a_directory_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def denied(path: str) -> object:
        if str(path).rstrip("/") == str(tmp_path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert "Permission denied" in refused(tmp_path)


def test_progress_is_told_and_cancelling_works(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2})
    seen: list[int] = []
    scan(tmp_path, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] >= 4
    with pytest.raises(Cancelled):
        scan(tmp_path, cancelled=lambda: True)


def test_the_signature_follows_the_files(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2})
    first = scan(tmp_path)
    assert scan(tmp_path).signature == first.signature
    assert first.is_current()
    write_picture(tmp_path / "a" / "000.png", seed="other", size=(13, 12))
    changed = scan(tmp_path).signature
    assert changed != first.signature
    (tmp_path / "a" / "000.png").unlink()
    assert scan(tmp_path).signature not in (first.signature, changed)
    assert not first.is_current()


def test_sizes_are_measured_from_headers(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 3, "b": 3})
    write_picture(tmp_path / "a" / "wide.jpg", size=(40, 10), mode="L")
    (tmp_path / "b" / "broken.jpg").write_text("no picture")
    sizes = measure_sizes(scan(tmp_path))
    assert sizes.measured == 7
    assert sizes.width == (12, 12, 40)
    assert sizes.height == (10, 12, 12)
    assert sizes.modes == {"RGB": 6, "L": 1}
    assert sizes.unreadable == ["b/broken.jpg"]


def test_sizes_of_a_sample(tmp_path: Path) -> None:
    found = scan(class_folders(tmp_path, {"a": 20, "b": 20}))
    assert measure_sizes(found, limit=7).measured == 7


def test_the_module_gives_out_what_others_import() -> None:
    assert {"Problem", "Scan", "Sizes", "measure_sizes", "scan"} <= set(scanning.__all__)
