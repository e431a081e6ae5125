"""Layouts as they come from archives, competitions and other people's tables: understood, or told what to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from picture_sets import class_folders, settings_for, write_picture

from tui.core.dataset.manifest import make_manifest
from tui.core.dataset.samples import split_named
from tui.core.dataset.scan import Scan, scan
from tui.core.errors import UsageError


def read(directory: Path, **data: object) -> Scan:
    return scan(directory, settings_for(data=data).data)


def refused(directory: Path, **data: object) -> str:
    settings = settings_for(data=data)
    with pytest.raises(UsageError) as caught:
        make_manifest(scan(directory, settings.data), settings)
    return str(caught.value)


def shown(found: Scan) -> dict[str, str]:
    """Return {name of the file: its class}."""
    return {
        os.path.basename(path): found.classes[target]
        for samples in found.samples.values()
        for path, target in samples
        if isinstance(target, int)
    }


def sizes(found: Scan) -> dict[str, int]:
    return {split: len(samples) for split, samples in found.samples.items()}


def told(found: Scan) -> dict[str, str]:
    return {problem.code: f"{problem.text} {problem.step}".strip() for problem in found.problems}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(("Training", "train"), ("train_images", "train"), ("training_set", "train"), ("trainset", "train")),
        *(("seg_train", "train"), ("train2017", "train"), ("Train Images", "train"), ("TrainSet", "train")),
        *(("VALID", "validation"), ("valData", "validation"), ("eval", "validation"), ("test-images", "test")),
        *(("cat", ""), ("train_cat", ""), ("TEST_SIMPLE", ""), ("images", ""), ("train1", ""), ("traintest", "")),
        *(("", ""), ("sunset", ""), ("测试", ""), ("retrain", "")),
    ],
)
def test_folders_that_are_splits(name: str, split: str) -> None:
    assert split_named(name) == split


@pytest.mark.parametrize("inside", ["", "seg_{}", "images", "data"])
def test_splits_that_an_archive_wraps_once_more(tmp_path: Path, inside: str) -> None:
    for split, count in (("train", 6), ("test", 3)):
        class_folders(tmp_path / "archive" / f"seg_{split}" / inside.format(split), {"a": count, "b": count})
    found = read(tmp_path)
    assert (found.layout, sizes(found), found.classes) == ("split_folders", {"train": 12, "test": 6}, ("a", "b"))


def test_a_class_with_one_folder_inside_is_no_wrapper(tmp_path: Path) -> None:
    for split in ("train", "val"):
        class_folders(tmp_path / split, {"a": 4, "b": 4})
    shutil.rmtree(tmp_path / "val" / "b")
    os.rename(tmp_path / "val" / "a", tmp_path / "val" / "x")
    os.makedirs(tmp_path / "val" / "a")
    os.rename(tmp_path / "val" / "x", tmp_path / "val" / "a" / "indoors")
    found = read(tmp_path)
    assert (found.classes, sizes(found)) == (("a", "b"), {"train": 8, "validation": 4})


def test_a_flat_test_folder_is_told_and_keeps_nobody_from_training(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"a": 6, "b": 6})
    for number in range(3):
        write_picture(tmp_path / "test" / f"{number}.png")
    found = read(tmp_path)
    assert sizes(found) == {"train": 12}
    assert told(found)["flat_split"] == (
        '"test" is a flat folder of 3 pictures without class folders and will not be used. '
        "Nothing can be measured on it without a list file of what each picture shows."
    )


@pytest.mark.parametrize("labels", [("0", "1"), ("n01", "n02")])
def test_class_folders_and_a_flat_validation_folder_with_a_list(tmp_path: Path, labels: tuple[str, str]) -> None:
    class_folders(tmp_path / "train", {"n01": 5, "n02": 5})
    names = [f"ILSVRC2012_val_{number:08d}.png" for number in range(6)]
    for name in names:
        write_picture(tmp_path / "val" / name)
    lines = [f"{name} {labels[number % 2]}\n" for number, name in enumerate(names[:5])]
    (tmp_path / "val.txt").write_text("".join(lines))
    found = read(tmp_path)
    assert (found.layout, found.classes, sizes(found)) == (
        "split_folders",
        ("n01", "n02"),
        {"train": 10, "validation": 5},
    )
    assert [shown(found)[name] for name in names[:4]] == ["n01", "n02", "n01", "n02"]
    assert "1 picture in" in told(found)["loose"]
    assert ("list_places" in told(found)) == (labels[0] == "0")
    assert 'val.txt": paths in' in found.described


def test_labels_of_a_flat_folder_that_train_does_not_have(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"a": 5, "b": 5})
    for number in range(4):
        write_picture(tmp_path / "val" / f"{number}.png")
    # Counted from 1, or in another order: nobody can know.
    (tmp_path / "val.txt").write_text("".join(f"{number}.png {number % 2 + 1}\n" for number in range(4)))
    assert 'has classes that train does not have: "1", "2"' in refused(tmp_path)


def lines_of(count: int, line: str) -> str:
    return "".join(line.format(number=number, label="cat" if number % 2 else "dog") for number in range(count))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "file,label\n" + lines_of(12, "img/{number}.PNG,{label}\n")),
        ("labels.csv", "file,label\n" + lines_of(12, "img/{number}.jpg,{label}\n")),
        ("labels.csv", "Image Name;Finding Labels;Age\n" + lines_of(12, "{number}.png;{label};4{number}\n")),
        ("labels.csv", '"filepaths","labels"\r\n' + lines_of(12, '"C:\\Users\\Bo\\img\\{number}.png","{label}"\r\n')),
        ("img/labels.csv", "file,label\n" + lines_of(12, "{number}.png,{label}\n")),
        ("annotations/all.tsv", "id\tspecies\n" + lines_of(12, "{number}\t{label}\n")),
        ("meta.csv", "image_id,lesion_id,dx,sex,place\n" + lines_of(12, "{number},L{number},{label},f,back\n")),
    ],
)
def test_tables_of_other_people(tmp_path: Path, name: str, text: str) -> None:
    for number in range(12):
        write_picture(tmp_path / "img" / f"{number}.png")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    found = read(tmp_path)
    assert shown(found) == {f"{number}.png": "cat" if number % 2 else "dog" for number in range(12)}
    assert ("list_ending" in told(found)) == (".jpg" in text)


def test_two_pictures_of_one_name_and_other_endings_mean_none(tmp_path: Path) -> None:
    for number in range(6):
        write_picture(tmp_path / "img" / f"{number}.png")
    write_picture(tmp_path / "img" / "0.jpg")
    (tmp_path / "labels.csv").write_text("file,label\n" + lines_of(6, "{number}.jpeg,{label}\n"))
    assert "1 line has a name that several pictures have" in told(read(tmp_path))["list_ambiguous"]


def test_a_column_of_splits_by_any_name(tmp_path: Path) -> None:
    for number in range(12):
        write_picture(tmp_path / f"{number}.png")
    splits = ["Train", "train", "TEST"] * 4
    rows = [f"{number}.png,{'ab'[number % 2]},{split}\n" for number, split in enumerate(splits)]
    (tmp_path / "all.csv").write_text("file,label,where it belongs\n" + "".join(rows))
    assert sizes(read(tmp_path)) == {"train": 8, "test": 4}
    # A heading that promises splits and holds something else is no reason to drop every line.
    (tmp_path / "all.csv").write_text("file,label,set\n" + "".join(row.replace("rain", "x") for row in rows))
    found = read(tmp_path)
    assert (sizes(found), "list_split" in told(found)) == ({"all": 12}, False)


def test_a_list_that_is_not_used_is_named(tmp_path: Path) -> None:
    class_folders(tmp_path, {"part_1": 8, "part_2": 8})
    names = [f"part_{part}/{number:03d}.png" for part in (1, 2) for number in range(8)]
    (tmp_path / "meta.csv").write_text("image,kind,sex\n" + "".join(f"{name},nv,f\n" for name in names))
    ignored = told(read(tmp_path))["list_ignored"]
    assert ignored.startswith("meta.csv looks like a list of pictures and is not used: which column of meta.csv")
    assert "data.list=meta.csv and data.label_columns" in ignored
    (tmp_path / "meta.csv").write_text("image,kind\n" + "".join(f"elsewhere_{name},nv\n" for name in names))
    ignored = told(read(tmp_path))["list_ignored"]
    assert 'too few of its lines name pictures that are there, like "elsewhere_part_1/000.png"' in ignored
    assert "data.list_root" in ignored


def test_numbers_of_which_most_occur_once_are_to_be_learned(tmp_path: Path) -> None:
    for number in range(12):
        write_picture(tmp_path / f"{number}.png")
    (tmp_path / "ages.csv").write_text("file,age\n" + "".join(f"{n}.png,{20 + 3 * n}\n" for n in range(12)))
    found = read(tmp_path)
    assert (found.task, found.target_names) == ("regression", ("age",))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("cat/1.heic", "dog/1.heic"), "no folder in {root} holds a picture, only 2 .heic. Names of pictures end in"),
        (("cat/1", "dog/1"), "only 2 without ending"),
        (("set.zip",), "is not a directory. Unpack it and name the folder."),
        (("train/cat.1.png", "train/dog.1.png"), "or add a list file, like labels.csv"),
        (("only/1.png", "only/2.png"), "or a list file of what each picture shows."),
    ],
)
def test_what_cannot_be_used_is_told_with_the_next_step(tmp_path: Path, names: tuple[str, ...], words: str) -> None:
    for name in names:
        if name.endswith(".png"):
            write_picture(tmp_path / name)
        else:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"something")
    asked = tmp_path / names[0] if len(names) == 1 else tmp_path
    assert words.format(root=tmp_path) in refused(asked)


@pytest.mark.parametrize("name", ["_classes.csv", "metadata.jsonl"])
def test_a_list_in_each_split_folder(tmp_path: Path, name: str) -> None:
    for split in ("train", "valid", "test"):
        lines = ["filename, cat, dog"] if name.endswith(".csv") else []
        for number in range(6):
            write_picture(tmp_path / split / f"{number}.jpg", seed=(split, number))
            row = {"file_name": f"{number}.jpg", "tags": [["cat"], ["cat", "dog"], ["dog"]][number % 3]}
            flags = f"{number}.jpg, {int(number % 3 < 2)}, {int(number % 3 > 0)}"
            lines.append(flags if name.endswith(".csv") else json.dumps(row))
        (tmp_path / split / name).write_text("\n".join(lines))
    (tmp_path / "README.roboflow.txt").write_text("An export\nof pictures\n")
    found = scan(tmp_path)
    assert (found.layout, found.task, found.classes) == ("list", "multilabel", ("cat", "dog"))
    assert {split: len(own) for split, own in found.samples.items()} == {"train": 6, "validation": 6, "test": 6}
    assert found.samples["validation"][:2] == [("valid/0.jpg", (0,)), ("valid/1.jpg", (0, 1))]
    assert found.described.startswith(f'list "test/{name}", "train/{name}", "valid/{name}": paths in "file')
    with open(tmp_path / "valid" / name, "a") as file:
        file.write("\ngone.jpg, 1, 0" if name.endswith(".csv") else '\n{"file_name": "gone.jpg", "tags": ["cat"]}')
    (text,) = (problem.text for problem in scan(tmp_path).problems if problem.code == "list_missing")
    assert f"valid/{name}:" in text


def flat(root: Path, *names: str) -> Path:
    for name in names:
        write_picture(root / name)
    return root


def beside(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("0 0.5 0.5 0.1 0.1")
    return root


CATS = [f"{name}.{number}.jpg" for name in ("cat", "dog") for number in range(4)]
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "classes in names": (
        lambda root: flat(root, *CATS),
        """Their names seem to say what they show ("cat", "dog"): make a folder for each, like `mkdir cat && mv cat""",
    ),
    "classes in names, without an example": (
        lambda root: flat(root, *(f"{name} ({number}).png" for name in ("red ant", "bee") for number in range(3))),
        'Their names seem to say what they show ("bee", "red ant"): make a folder for each; or add',
    ),
    "digits behind": (
        lambda root: flat(root, *(f"{name}{number}.png" for name in ("ant", "bee") for number in range(3))),
        "`mkdir ant && mv ant[0-9]* ant/`",
    ),
    "names that say nothing": (
        lambda root: flat(root, *(f"IMG_{number}.jpg" for number in range(5))),
        "like pictures/",
    ),
    "cats and dogs": (
        lambda root: flat(root, *(f"train/{name}" for name in CATS), "test1/1.jpg", "test1/2.jpg"),
        '"train" is a flat folder of 8 pictures without class folders. Their names seem to say what they show',
    ),
    "hostile names": (
        lambda root: flat(root, *(f"{name}\x1b[2J.{number}.png" for name in ("a", "b") for number in range(3))),
        '("a", "b"): make a folder for each; or add a list file',
    ),
    "captions": (
        lambda root: beside(flat(root, "1.jpg", "2.jpg", "3.jpg"), "1.txt", "2.txt", "3.txt"),
        "is a flat folder of 3 pictures without class folders, and the 3 .txt beside them are not read. Make one",
    ),
    "boxes": (
        lambda root: beside(flat(root, "images/1.jpg", "images/2.jpg"), "labels/1.txt", "labels/2.txt"),
        '"labels" holds no pictures, only 2 .txt: this looks like a set for finding objects in pictures',
    ),
    "boxes in splits": (
        lambda root: beside(flat(root, "train/images/1.jpg", "val/images/2.jpg"), "train/labels/1.xml"),
        '"labels" holds no pictures, only 1 .xml: this looks like',
    ),
    "objects": (
        lambda root: beside(flat(root, "train2017/1.jpg"), "annotations/instances.json"),
        '"annotations" holds no pictures, only 1 .json: this looks like',
    ),
    "a split misspelt": (
        lambda root: flat(root, *(f"{split}/{name}/1.jpg" for split in ("trian", "val") for name in ("a", "b"))),
        'there is "val" but no train folder. "trian" has the same folders inside: call it train, or set data.layout',
    ),
    "pixels in a table": (
        lambda root: beside(root, "mnist_train.csv", "more.npz"),
        "Pictures inside of such files are not read: write each out as a file, in one folder per class. If it is a",
    ),
    "a spreadsheet": (
        lambda root: beside(flat(root, "1.png", "2.png"), "labels.xlsx"),
        'of each picture\'s name and what it shows. If "labels.xlsx" says it, save that as CSV.',
    ),
    "an archive": (lambda root: beside(root, "data.zip"), 'only 1 .zip. Unpack "data.zip" and name the folder.'),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_dataset_yet_is_told_how_to_become_one(tmp_path: Path, kind: str) -> None:
    make, words = REFUSED[kind]
    make(tmp_path)
    with pytest.raises(UsageError) as caught:
        scan(tmp_path)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_classes_that_only_look_like_splits_or_boxes_are_classes(tmp_path: Path) -> None:
    flat(tmp_path, "test/1.jpg", "test/2.jpg", "brain/1.jpg", "brain/2.jpg", "labels/1.jpg", "labels/2.jpg")
    assert scan(tmp_path).classes == ("brain", "labels", "test")


def test_numbers_that_only_count_the_lines_say_nothing(tmp_path: Path) -> None:
    paths = [f"{name}/{name}_{number}.jpg" for name in ("ant", "bee") for number in range(4)]
    flat(tmp_path / "images", *paths)
    for name, last in (("images.txt", paths), ("classes.txt", ["ant", "bee"]), ("split.txt", ["1", "0"] * 4)):
        (tmp_path / name).write_text("".join(f"{line} {word}\n" for line, word in enumerate(last, start=1)))
    found = scan(tmp_path)
    assert (found.task, found.classes) == ("classification", ("ant", "bee"))
    assert read(tmp_path, list="images.txt").described == 'list "images.txt": paths in "2", labels from their folders'


def test_labels_of_minus_one_and_one(tmp_path: Path) -> None:
    flat(tmp_path, *(f"img/{number}.jpg" for number in range(6)))
    rows = [f"{number}.jpg,{-1 if number % 2 else 1},{1 if number > 2 else -1},-1" for number in range(6)]
    (tmp_path / "list_attr.csv").write_text("\n".join(["image_id,Bald,Young,Never", *rows, "0.jpg,2,1,1"]))
    found = scan(tmp_path)
    assert (found.task, found.classes) == ("regression", ())  # a 2 among them: no indicators
    (tmp_path / "list_attr.csv").write_text("\n".join(["image_id,Bald,Young,Never", *rows]))
    found = scan(tmp_path)
    assert (found.task, found.classes) == ("multilabel", ("Bald", "Young"))
    assert [target for _, target in found.samples["all"]] == [(0,), (), (0,), (1,), (0, 1), (1,)]


def test_a_list_that_names_no_picture_is_told(tmp_path: Path) -> None:
    flat(tmp_path, *(f"images/{number:05d}.jpg" for number in range(6)))
    (tmp_path / "labels.csv").write_text("id,label\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(6)))
    (tmp_path / "notes.csv").write_text("day,weather\n1,rain\n2,sun\n")
    told = [problem.text for problem in scan(tmp_path).problems if problem.code == "list_ignored"]
    (text,) = told
    assert text.endswith('is not used: none of its columns names pictures that are there, like "0".')
