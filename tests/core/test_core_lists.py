"""List files of every kind that people have: what they mean, and what is said about bad ones."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picture_sets import class_folders, settings_for, write_picture

from tui.core.dataset.manifest import load_manifest, make_manifest, save_manifest
from tui.core.dataset.scan import Scan, scan
from tui.core.errors import UsageError

LABELS = ("cat", "dog", "cat", "owl", "dog", "owl", "cat", "dog", "owl")


def pictures(root: Path, count: int = 9, folder: str = "images") -> list[str]:
    """Make pictures in one folder and return their names."""
    names = [f"{number:03d}.png" for number in range(count)]
    for name in names:
        write_picture(root / folder / name)
    return names


def read(directory: Path, **data: object) -> Scan:
    return scan(directory, settings_for(data=data).data)


def refused(directory: Path, **data: object) -> str:
    settings = settings_for(data=data)
    with pytest.raises(UsageError) as caught:
        make_manifest(scan(directory, settings.data), settings)
    return str(caught.value)


def shown(found: Scan) -> dict[str, object]:
    """Return {name of the file: what it shows, in words}."""
    return {
        os.path.basename(path): found.classes[target] if isinstance(target, int) else target
        for samples in found.samples.values()
        for path, target in samples
    }


def texts(found: Scan) -> dict[str, str]:
    return {problem.code: problem.text for problem in found.problems}


EXPECTED = {f"{number:03d}.png": label for number, label in enumerate(LABELS)}


@pytest.mark.parametrize(
    ("name", "heading", "line"),
    [
        ("labels.csv", "image,label", "images/{name},{label}"),
        ("labels.csv", "", "images/{name},{label}"),
        ("labels.csv", "id,file_name,label,width", "7,{name},{label},640"),
        ("labels.csv", '"label","path"', '"{label}","./images/{name}"'),
        ("labels.csv", "Filename;Class", "images\\{name};{label}"),
        ("labels.tsv", "path\tlabel", "images/{name}\t{label}"),
        ("labels.txt", "", "images/{name} {label}"),
        ("labels.txt", "", "images/{name}\t{label}"),
        ("labels.csv", "id,breed", "{stem},{label}"),
        ("labels.csv", "", "/home/somebody/set/images/{name},{label}"),
        ("labels.jsonl", "", '{{"label": "{label}", "file_name": "images/{name}"}}'),
        ("labels.jsonl", "", '{{"image": "{name}", "label": ["{label}"], "size": {{"w": 1}}}}'),
        ("images/metadata.csv", "file_name,label", "{name},{label}"),
        ("meta/labels.csv", "file_name,label", "../images/{name},{label}"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_of_classes(tmp_path: Path, name: str, heading: str, line: str, ending: str, encoding: str) -> None:
    lines = [heading] if heading else []
    for picture, label in zip(pictures(tmp_path), LABELS, strict=True):
        lines.append(line.format(name=picture, label=label, stem=picture[:-4]))
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(ending.join(lines).encode(encoding))
    task = "classification" if "[" in line else "auto"
    found = read(tmp_path, task=task, **({} if "/" not in name else {"list": name}))
    assert found.layout == "list"
    assert found.root == tmp_path
    assert found.classes == ("cat", "dog", "owl")
    assert shown(found) == EXPECTED
    assert found.counts == {"all": [3, 3, 3]}
    assert found.problems == []
    assert found.described.startswith(f'list "{os.path.basename(name)}": paths in ')


def write_list(root: Path, rows: list[str], name: str = "labels.csv") -> Path:
    (root / name).write_text("\n".join(rows) + "\n")
    return root


def test_the_directory_may_be_the_list_itself(tmp_path: Path) -> None:
    names = pictures(tmp_path)
    write_list(tmp_path, [f"{n},{label}" for n, label in zip(names, LABELS, strict=True)])
    write_list(tmp_path, [f"{n},x" for n in names], "other.csv")
    assert shown(read(tmp_path / "labels.csv")) == EXPECTED
    assert "there are several lists of pictures" in refused(tmp_path)
    assert shown(read(tmp_path, list="labels.csv")) == EXPECTED


def test_a_list_beside_pictures_that_lie_elsewhere(tmp_path: Path) -> None:
    names = pictures(tmp_path / "store")
    (tmp_path / "lists").mkdir()
    write_list(tmp_path / "lists", [f"{n},{label}" for n, label in zip(names, LABELS, strict=True)])
    message = refused(tmp_path / "lists", layout="list")
    assert "names its pictures" in message or "holds no pictures" in message
    found = read(tmp_path / "lists", list_root="../store/images", list="labels.csv")
    assert found.root == tmp_path / "store" / "images"
    assert shown(found) == EXPECTED


def test_one_list_for_each_split(tmp_path: Path) -> None:
    names = pictures(tmp_path, 12)
    for split, part in (("train", names[:6]), ("val", names[6:9]), ("test", names[9:])):
        rows = [f"images/{n},{('cat', 'dog', 'owl')[place % 3]}" for place, n in enumerate(part)]
        write_list(tmp_path, ["image,label", *rows], f"{split}.csv")
    found = read(tmp_path)
    assert {split: len(samples) for split, samples in found.samples.items()} == {
        "train": 6,
        "validation": 3,
        "test": 3,
    }
    assert found.problems == []


def test_the_test_list_of_a_competition_has_no_labels(tmp_path: Path) -> None:
    names = pictures(tmp_path, 9, "train")
    for number in range(3):
        write_picture(tmp_path / "test" / f"{number:03d}.png")
    write_list(
        tmp_path, ["id,label", *[f"{n[:-4]},{label}" for n, label in zip(names, LABELS, strict=True)]], "train.csv"
    )
    write_list(tmp_path, ["id", "000", "001", "002"], "test.csv")
    write_list(tmp_path, ["id,label", "000,cat", "001,cat", "002,cat"], "sample_submission.csv")
    found = read(tmp_path)
    assert len(found.samples["train"]) == 9
    assert {path.split("/")[0] for path, _ in found.samples["train"]} == {"train"}
    assert texts(found)["list_unused"] == "test.csv has no column of labels and will not be used."


def test_a_split_column_and_a_group_column(tmp_path: Path) -> None:
    rows = ["image,label,split,patient_id"]
    splits = ("train", "train", "train", "TRAIN", "val", "valid", "test", "testing", "train")
    rows += [
        f"images/{n},{label},{split},p{number // 2}"
        for number, (n, label, split) in enumerate(zip(pictures(tmp_path), LABELS, splits, strict=True))
    ]
    found = read(write_list(tmp_path, rows))
    assert {split: len(samples) for split, samples in found.samples.items()} == {
        "train": 5,
        "validation": 2,
        "test": 2,
    }
    assert found.groups["images/003.png"] == "p1"
    assert 'splits in "split", groups in "patient_id"' in found.described
    assert read(tmp_path, split_column="none", group_column="none").groups == {}


def test_paths_alone_divide_class_folders(tmp_path: Path) -> None:
    class_folders(tmp_path / "images", {"apple_pie": 4, "baklava": 4})
    (tmp_path / "meta").mkdir()
    write_list(tmp_path / "meta", [f"{c}/{n:03d}" for c in ("apple_pie", "baklava") for n in range(3)], "train.txt")
    write_list(tmp_path / "meta", ["apple_pie/003", "baklava/003"], "test.txt")
    found = read(tmp_path, list="meta/train.txt, meta/test.txt")
    assert found.classes == ("apple_pie", "baklava")
    assert found.counts == {"train": [3, 3], "test": [1, 1]}


def test_whole_numbers_are_classes_in_the_order_of_numbers(tmp_path: Path) -> None:
    labels = (10, 2, 1, 10, 2, 1, 10, 2, 1)
    rows = [f"images/{n},{label}" for n, label in zip(pictures(tmp_path), labels, strict=True)]
    found = read(write_list(tmp_path, rows))
    assert (found.task, found.classes) == ("classification", ("1", "2", "10"))
    assert shown(found)["000.png"] == "10"


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (["image,age", *[f"images/{n:03d}.png,{n}.5" for n in range(9)]], ("age",)),
        (["image,x,y", *[f"images/{n:03d}.png,{n},{-n}" for n in range(9)]], ("x", "y")),
        ([f"images/{n:03d}.png {n}.25 1e-3" for n in range(9)], ("2", "3")),
        ([json.dumps({"file": f"{n:03d}.png", "point": [n + 0.5, 2]}) for n in range(9)], ("point[0]", "point[1]")),
        (["image;age", *[f"images/{n:03d}.png;{n},5" for n in range(9)]], ("age",)),
    ],
)
def test_numbers_to_learn(tmp_path: Path, rows: list[str], names: tuple[str, ...]) -> None:
    pictures(tmp_path)
    suffix = "jsonl" if rows[0].startswith("{") else "txt" if "," not in rows[0] and ";" not in rows[0] else "csv"
    found = read(write_list(tmp_path, rows, f"numbers.{suffix}"))
    assert (found.task, found.target_names, found.classes) == ("regression", names, ())
    assert all(isinstance(target, tuple) and len(target) == len(names) for _, target in found.samples["all"])
    assert found.counts == {"all": []}


def test_the_task_may_be_said(tmp_path: Path) -> None:
    write_list(tmp_path, ["image,age", *[f"images/{n},{number % 3}" for number, n in enumerate(pictures(tmp_path))]])
    assert read(tmp_path).task == "classification"
    found = read(tmp_path, task="regression")
    assert (found.task, found.target_names) == ("regression", ("age",))
    write_list(tmp_path, ["image,age", *[f"images/{n},{label}" for n, label in zip(EXPECTED, LABELS, strict=True)]])
    assert "data.task is regression, and in labels.csv its values are no numbers" in refused(
        tmp_path, task="regression"
    )


@pytest.mark.parametrize(
    ("rows", "suffix", "task"),
    [
        (["image,tags", *[f"{n:03d}.png,{('a|b', 'b', '')[n % 3]}" for n in range(9)]], "csv", "auto"),
        (["image,tags", *[f'{n:03d}.png,"{("a, b", "b", "")[n % 3]}"' for n in range(9)]], "csv", "multilabel"),
        (["image,a,b", *[f"{n:03d}.png,{('1,1', '0,1', '0,0')[n % 3]}" for n in range(9)]], "csv", "auto"),
        (
            [json.dumps({"f": f"{n:03d}.png", "l": (["a", "b"], ["b"], [])[n % 3]}) for n in range(9)],
            "jsonl",
            "auto",
        ),
    ],
)
def test_several_labels(tmp_path: Path, rows: list[str], suffix: str, task: str) -> None:
    pictures(tmp_path)
    found = read(write_list(tmp_path, rows, f"labels.{suffix}"), task=task)
    assert (found.task, found.classes) == ("multilabel", ("a", "b"))
    assert [target for _, target in found.samples["all"]] == [(0, 1), (1,), ()] * 3
    assert found.counts == {"all": [3, 6]}


def test_one_line_for_each_label(tmp_path: Path) -> None:
    pictures(tmp_path, 2)
    rows = ["images/000.png,a", "images/000.png,b", "images/001.png,b", "images/001.png,b"]
    found = read(write_list(tmp_path, rows), task="multilabel")
    assert [target for _, target in found.samples["all"]] == [(0, 1), (1,)]
    assert set(texts(found)) == {"list_duplicate"}


def test_a_column_for_each_class_with_one_1_in_each_line(tmp_path: Path) -> None:
    pictures(tmp_path, 3)
    found = read(write_list(tmp_path, ["image,MEL,BCC", "000.png,1.0,0.0", "001.png,0.0,1.0", "002.png,1.0,0.0"]))
    assert (found.task, found.classes) == ("classification", ("MEL", "BCC"))
    assert [target for _, target in found.samples["all"]] == [0, 1, 0]


def test_columns_by_heading_and_by_number(tmp_path: Path) -> None:
    names = pictures(tmp_path)
    rows = [f"x,{label},images/{n},{number % 2}.5" for number, (n, label) in enumerate(zip(names, LABELS, strict=True))]
    write_list(tmp_path, ["a,kind,where,size", *rows])
    assert "is unclear" in refused(tmp_path)
    assert shown(read(tmp_path, label_columns="kind")) == EXPECTED
    assert shown(read(tmp_path, label_columns="2", path_column="3")) == EXPECTED
    found = read(tmp_path, label_columns="size", path_column="where")
    assert found.task == "regression"
    message = refused(tmp_path, label_columns="kinds")
    assert 'labels.csv has no column "kinds" (data.label_columns)' in message
    assert 'Did you mean "kind"?' in message


def test_folders_win_when_they_are_named_and_lists_when_they_fit(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 3, "b": 3})
    write_list(tmp_path, [f"{c}/{n:03d}.png,{n}.5" for c in "ab" for n in range(3)])
    assert read(tmp_path).task == "regression"
    found = read(tmp_path, layout="class_folders")
    assert (found.layout, found.classes) == ("class_folders", ("a", "b"))


@pytest.mark.parametrize("text", ["", "readme\n", "cat\ndog\n", "a/000.png\nb/001.png\n", "x,y\n1,2\n" * 50, "\0\1\2"])
def test_other_text_files_are_no_lists(tmp_path: Path, text: str) -> None:
    class_folders(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "notes.txt").write_text(text)
    assert read(tmp_path).layout == "class_folders"


# -- what is wrong ------------------------------------------------------------------------------------------

BAD: dict[str, tuple[list[str], str]] = {
    "list_missing": (["gone.png,cat"], '1 line names a picture that is not there: line 11 ("gone.png").'),
    "list_outside": (["../out.png,cat"], "1 line leads out of the directory and will not be used (data.list_root, "),
    "list_label": (["images/009.png,"], "1 line has no usable label and will not be used: line 11 (it has no label)."),
    "list_line": (
        ['images/009.png,"cat', "images/009.png", "a,b,c,d", "x" * 70_000],
        "line 11 (a quotation mark in it is not closed), line 12 (it has 1 column instead of 2), line 13 (it has 4",
    ),
    "list_duplicate": (
        ["images/000.png,cat"],
        '1 line says again what a line before it says: line 11 ("images/000.png").',
    ),
    "list_contradiction": (
        ["images/000.png,dog"],
        "2 lines name a picture of which another line says something else; none is used: line 2 ",
    ),
}


@pytest.mark.parametrize("code", BAD)
def test_a_bad_line_costs_itself_and_is_named(tmp_path: Path, code: str) -> None:
    names = pictures(tmp_path, 10)
    write_picture(tmp_path.parent / "out.png")
    rows, words = BAD[code]
    good = [f"images/{n},{label}" for n, label in zip(names, LABELS, strict=False)]
    found = read(write_list(tmp_path, ["image,label", *good, *rows]))
    assert words in texts(found)[code]
    assert set(texts(found)) == {code, "list_unlisted"}
    assert found.total == (8 if code == "list_contradiction" else 9)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "abc", "", "1e999", "1" * 500])
def test_a_number_that_is_none(tmp_path: Path, value: str) -> None:
    rows = [f"images/{n},{number}.5" for number, n in enumerate(pictures(tmp_path, 12))]
    rows[3] = f"images/003.png,{value}"
    found = read(write_list(tmp_path, rows))
    assert found.task == "regression"
    assert found.total == 11
    assert texts(found)["list_label"].startswith("1 line has no usable label and will not be used: line 4 (")


def test_unknown_splits_and_pictures_in_two(tmp_path: Path) -> None:
    rows = [f"images/{n},{label},train" for n, label in zip(pictures(tmp_path), LABELS, strict=True)]
    rows += ["images/000.png,cat,test", "images/001.png,dog,holdout", "images/001.png,dog,"]
    found = read(write_list(tmp_path, ["image,label,split", *rows]))
    assert '(its split is "holdout"), line 13 (it has no split)' in texts(found)["list_split"]
    assert 'line 2 ("images/000.png")' in texts(found)["list_two_splits"]
    assert [path for path, _ in found.samples["test"]] == ["images/000.png"]
    assert found.total == 9


def test_paths_out_of_the_root_are_used_when_asked(tmp_path: Path) -> None:
    pictures(tmp_path / "set", 4)
    write_picture(tmp_path / "elsewhere" / "a.png")
    write_picture(tmp_path / "elsewhere" / "b.png")
    rows = ["images/000.png,x", "images/001.png,y", "../elsewhere/a.png,x", f"{tmp_path}/elsewhere/b.png,y"]
    write_list(tmp_path / "set", rows)
    found = read(tmp_path / "set")
    assert found.total == 2
    assert texts(found)["list_outside"].startswith("2 lines lead out of the directory")
    settings = settings_for(data={"follow_links": True}, training={"batch_size": 2})
    found = scan(tmp_path / "set", settings.data)
    assert found.root == tmp_path
    manifest = make_manifest(found, settings)
    assert all((manifest.root / path).is_file() for own in manifest.splits.values() for path, _ in own)
    save_manifest(manifest, tmp_path / "dataset.json")
    assert load_manifest(tmp_path / "dataset.json") == manifest


def test_a_linked_picture_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    pictures(tmp_path / "set", 4)
    os.symlink(write_picture(tmp_path / "out.png"), tmp_path / "set" / "images" / "linked.png")
    rows = [f"images/00{n}.png,{'xy'[n % 2]}" for n in range(4)] + ["images/linked.png,x"]
    found = read(write_list(tmp_path / "set", rows))
    assert found.total == 4
    assert {"outside", "list_missing"} <= set(texts(found))


def test_a_name_that_several_pictures_have(tmp_path: Path) -> None:
    pictures(tmp_path, 3, "a")
    pictures(tmp_path, 1, "b")
    found = read(write_list(tmp_path, ["000.png,x", "001.png,x", "002.png,y", "001.png,x"]))
    assert texts(found)["list_ambiguous"].endswith('line 1 ("000.png").')
    assert found.total == 2


def test_names_in_another_encoding(tmp_path: Path) -> None:
    write_picture(tmp_path / "café.png")
    write_picture(tmp_path / os.fsdecode(b"caf\xe8.png"))
    write_picture(tmp_path / "b.png")
    (tmp_path / "labels.csv").write_bytes(b"caf\xe9.png,x\ncaf\xe8.png,y\nb.png,x\n")
    found = read(tmp_path)
    assert found.total == 3
    assert texts(found)["list_encoding"] == "labels.csv is no UTF-8 from line 1 on: names in it keep their bytes."


HOSTILE: dict[str, tuple[bytes | None, str]] = {
    "empty": (b"", "labels.csv is empty"),
    "blank": (b"\n  \r\n", "labels.csv is empty"),
    "heading only": (b"image,label\n", "no column of labels.csv names pictures"),
    "binary": (b"\x00\x01" * 50, "is no text"),
    "nothing there": (b"image,label\nx.png,cat\ny.png,dog\n", "no column of labels.csv names pictures"),
    "json": (b'{"a": [1,', "no column of labels.csv names pictures"),
    "missing": (None, "there is no file"),
    "one class": (b"000.png,cat\n001.png,cat\n", 'has only one class, "cat"'),
    "escapes": (b"000.png,\x1b]52;c;x\x07\n001.png,\x1b]52;c;x\x07\n", 'has only one class, "\\x1b]52;c;x\\x07"'),
    "no labels": (b"000.png,\n001.png,\n", 'no line of "labels.csv" can be used: line 1: it has no label'),
    "single pictures": (b"000.png,a\n001.png,b\n", "have only one picture"),
    "no training": (b"000.png,a,val\n001.png,b,test\n", "unclear"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_list_that_cannot_be_used_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    pictures(tmp_path, 3)
    content, words = HOSTILE[kind]
    if content is not None:
        (tmp_path / "labels.csv").write_bytes(content)
    message = refused(tmp_path, list="labels.csv")
    assert words in message
    assert message.isprintable()
    assert len(message) < 700


def test_a_list_that_may_not_be_one(tmp_path: Path) -> None:
    pictures(tmp_path, 3)
    os.mkfifo(tmp_path / "labels.csv")
    assert "is a flat folder" in refused(tmp_path) or "only one class" in refused(tmp_path)
    assert "there is no file" in refused(tmp_path, list="labels.csv")
    assert "there is no list file" in refused(tmp_path, layout="list")


PAIRS = [(f"{number:03d}.png", label) for number, label in enumerate(LABELS)]
DOCUMENTS: dict[str, Any] = {
    "objects": [{"path": f"images/{name}", "label": label, "size": {"w": 1}} for name, label in PAIRS],
    "labels by path": dict(PAIRS),
    "objects by path": {name: {"class": label, "width": 12} for name, label in PAIRS},
    "pairs": PAIRS,
    "pairs below a heading": [("file_name", "label"), *PAIRS],
}


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_that_is_a_json_document(tmp_path: Path, kind: str, indent: int | None, encoding: str) -> None:
    pictures(tmp_path)
    (tmp_path / "labels.json").write_text(json.dumps(DOCUMENTS[kind], indent=indent), encoding=encoding)
    (tmp_path / "classes.json").write_text('{"cat": 0, "dog": 1, "owl": 2}')
    found = read(tmp_path)
    assert found.classes == ("cat", "dog", "owl")
    assert shown(found) == EXPECTED
    assert texts(found) == {"not_pictures": "1 file is no picture and will not be used (.json)."}


def test_other_json_lists(tmp_path: Path) -> None:
    pictures(tmp_path)
    one = [json.dumps({"file": name, "label": label}) for name, label in PAIRS]
    assert shown(read(write_list(tmp_path, one, "lines.json"), list="lines.json")) == EXPECTED
    assert shown(read(write_list(tmp_path, ["[", ",\n".join(one), "]"], "array.jsonl"), list="array.jsonl")) == EXPECTED
    lines = [json.dumps(pair) for pair in PAIRS]
    assert "no column" in refused(write_list(tmp_path, lines, "arrays.jsonl"), list="arrays.jsonl")
    numbers = json.dumps({name: [place / 2, 1.5] for place, (name, _) in enumerate(PAIRS)})
    found = read(write_list(tmp_path, [numbers], "numbers.json"), list="numbers.json")
    assert (found.task, found.target_names) == ("regression", ("label[0]", "label[1]"))
    paths = json.dumps([f"images/{name}" for name, _ in PAIRS])
    assert 'only one class, "images"' in refused(write_list(tmp_path, [paths], "paths.json"), list="paths.json")


@pytest.mark.parametrize(
    ("text", "count", "words"),
    [
        (f"[{{}}, {json.dumps(PAIRS)[1:]}", 0, "no column of labels.json names pictures"),
        (json.dumps(PAIRS)[:-40], 7, "entry 8 (the file ends in the middle of the list)"),
        (json.dumps(PAIRS)[:-1], 9, "entry 10 (the file ends in the middle of the list)"),
        (json.dumps(PAIRS)[:-30], 7, "entry 8 (it is no JSON, and what follows it is not read)"),
        (json.dumps(dict(PAIRS))[:-24], 7, "entry 8 (it is no JSON, and what follows it is not read)"),
        (json.dumps([*PAIRS[:4], ["[" * 70_000]]), 4, "entry 5 (it is no JSON or has more than 65,536 characters,"),
        (json.dumps(PAIRS[:4])[:-1] + ", " + "[" * 5000, 4, "entry 5 (it is no JSON, and what follows it is not read)"),
        (json.dumps(PAIRS[:4])[:-1] + " [1]]", 4, "entry 5 (a comma before it is missing, and what follows is not"),
        (json.dumps([*PAIRS[:4], None, {"path": "\ud800"}, 1]), 4, "3 entries cannot be read"),
        (json.dumps([*PAIRS, ["gone \x1b[2J.png", "cat"]]), 9, 'a picture that is not there: entry 10 ("gone \\x1b[2J'),
        ("[", 0, "no column of labels.json names pictures"),
        ("{", 0, "no column of labels.json names pictures"),
        ('"', 0, "no column of labels.json names pictures"),
        ("[" * 100_000, 0, "no column of labels.json names pictures"),
        (
            '{"images": [{"id": 1, "file_name": "000.png"}], "annotations": [{"image_id": 1, "category_id": 2}]}',
            0,
            "labels.json is in COCO's format, of objects or captions in pictures. Write a list of each picture's path",
        ),
    ],
)
def test_what_a_damaged_json_document_costs(tmp_path: Path, text: str, count: int, words: str) -> None:
    pictures(tmp_path)
    (tmp_path / "labels.json").write_text(text)
    if count:
        found = read(tmp_path, list="labels.json")
        assert found.total == count
        told = " ".join(texts(found).values())
    else:
        told = refused(tmp_path, list="labels.json")
    assert words in told
    assert told.isprintable()


def test_the_beginning_of_a_large_json_document_tells_what_it_is(tmp_path: Path) -> None:
    for name in pictures(tmp_path, 4):
        os.link(tmp_path / "images" / name, tmp_path / name)
    rows = [{"path": f"00{n % 4}.png", "label": "ab"[n % 2], "note": "x" * 200} for n in range(3000)]
    (tmp_path / "labels.json").write_text(json.dumps(rows, indent=1))
    found = read(tmp_path)
    assert (found.layout, found.total, found.classes) == ("list", 4, ("a", "b"))


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"file": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"file": "000.png", "label": {"a": 1}}',
        '{"file": "\\ud800.png", "label": "x"}',
        '{"file": 7, "label": 1e999}',
        '{"file": "001.png\\u0000", "label": "x"}',
        "null",
        '"x"',
    ],
)
def test_hostile_json_lines_cost_themselves(tmp_path: Path, line: str) -> None:
    pictures(tmp_path, 4)
    good = [json.dumps({"file": f"00{n}.png", "label": "ab"[n % 2]}) for n in range(4)]
    found = read(write_list(tmp_path, [*good, line], "labels.jsonl"))
    assert found.total == 4
    assert len(found.problems) == 1
    assert "line 5" in found.problems[0].text
    assert found.problems[0].text.isprintable()


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("[1.5]", "line 4 (it has 1 number instead of 2)"),
        ("[1.5, 2.5, 3.5]", "line 4 (it has 3 numbers instead of 2)"),
        ("[]", "line 4 (it has 0 numbers instead of 2)"),
        ("null", "line 4 (it has 0 numbers instead of 2)"),
        ("12", "line 4 (it has 1 number instead of 2)"),
        ('"1.5"', "line 4 (it has 1 number instead of 2)"),
        ('[1.5, "x"]', "line 4 (its value is no number)"),
        ("[1.5, [2]]", "line 4 (its value is no number)"),
        ('{"x": 1.5}', "line 4 (its value is no number)"),
    ],
)
def test_numbers_of_another_count_cost_their_line(tmp_path: Path, odd: str, words: str) -> None:
    names = pictures(tmp_path, 8)
    rows = [f'{{"file": "{name}", "xy": [{number}.5, 2.5]}}' for number, name in enumerate(names)]
    rows[3] = f'{{"file": "{names[3]}", "xy": {odd}}}'
    found = read(write_list(tmp_path, rows, "labels.jsonl"))
    assert found.target_names == ("xy[0]", "xy[1]")
    assert {len(target) for _, target in found.samples["all"] if isinstance(target, tuple)} == {2}
    assert found.total == 7
    assert words in texts(found)["list_label"]


def test_a_label_that_is_no_list_among_lists_is_one_label(tmp_path: Path) -> None:
    names = pictures(tmp_path, 6)
    labels = ['["cat", "dog"]', '"cat"', "null", '["dog"]', "[]", '["cat"]']
    rows = [f'{{"file": "{name}", "tags": {label}}}' for name, label in zip(names, labels, strict=True)]
    found = read(write_list(tmp_path, rows, "labels.jsonl"))
    assert (found.task, found.classes) == ("multilabel", ("cat", "dog"))
    assert [target for _, target in found.samples["all"]] == [(0, 1), (0,), (), (1,), (), (0,)]


def test_regression_manifest_round_trip(tmp_path: Path) -> None:
    rows: list[Any] = [f"images/{n},{number}.5,{number}" for number, n in enumerate(pictures(tmp_path, 20))]
    settings = settings_for()
    manifest = make_manifest(scan(write_list(tmp_path, ["f,x,y", *rows])), settings)
    assert {split: len(own) for split, own in manifest.splits.items()} == {"train": 14, "validation": 3, "test": 3}
    assert (manifest.task, manifest.outputs) == ("regression", 2)
    save_manifest(manifest, tmp_path / "dataset.json")
    assert load_manifest(tmp_path / "dataset.json") == manifest


def any_value(dice: random.Random, depth: int = 0) -> Any:
    kinds: list[Callable[[], Any]] = [
        *(lambda: None, lambda: True, lambda: dice.randrange(5), lambda: dice.random() * 10),
        *(lambda: dice.choice(("cat", "dog", "1.5", "cat|dog", "train", "")), lambda: f"00{dice.randrange(9)}.png"),
        lambda: [any_value(dice, depth + 1) for _ in range(dice.randrange(4))],
        lambda: {"a": any_value(dice, depth + 1)},
    ]
    return dice.choice(kinds if depth < 2 else kinds[:6])()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_stands_in_a_list_is_read_or_refused_in_a_sentence(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    names, told, read_whole = pictures(tmp_path, 8), [], 0
    for number in range(60):
        keys = dice.sample(("path", "label", "split", "group", "x"), dice.randrange(1, 5))
        rows: list[dict[str, Any]] = []
        for name in names:
            usual = dice.choice(("cat", "dog", 1.5, [1.0, 2.0]))
            rows.append({key: usual if dice.random() < 0.7 else any_value(dice) for key in keys})
            if dice.random() < 0.9:
                rows[-1]["path"] = name
        text = (
            json.dumps(rows),
            "\n".join(map(json.dumps, rows)),
            json.dumps(dict(zip(names, rows, strict=True))),
            json.dumps([list(row.values()) for row in rows]),
            "\n".join(",".join(map(str, row.values())) for row in rows),
        )[number % 5]
        if dice.random() < 0.3:
            place = dice.randrange(len(text))
            text = text[:place] + dice.choice(("", '"', "{", "[", ",", "\x1b")) + text[place + dice.randrange(3) :]
        path = tmp_path / ("labels.csv" if number % 5 == 4 else dice.choice(("labels.json", "labels.jsonl")))
        path.write_text(text)
        data = {"task": dice.choice(("auto", "auto", "classification", "multilabel", "regression"))}
        data |= {"list": path.name} if dice.random() < 0.5 else {}
        settings = settings_for(data=data, training={"batch_size": 2})
        try:
            manifest = make_manifest(scan(tmp_path, settings.data), settings)
        except UsageError as error:
            told.append(str(error))
        else:
            save_manifest(manifest, tmp_path / "dataset.out")
            assert load_manifest(tmp_path / "dataset.out") == manifest
            read_whole += 1
        path.unlink()
    assert all(text.isprintable() for text in told)
    assert read_whole > 5
    assert len(told) > 5
