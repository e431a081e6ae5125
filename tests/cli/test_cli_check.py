"""cnntrain check: what it writes, its exit codes, and the list that it makes for a run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hostile_dataset import make_clean, make_hostile
from picture_sets import class_folders

from tui.core.dataset.exclusions import read_list


def test_a_clean_dataset(cnntrain, tmp_path: Path) -> None:
    result = cnntrain("check", str(make_clean(tmp_path)), "--deep")
    assert result.exit_code == 0
    assert "42 pictures in 3 classes" in result.stdout
    assert "layout   split folders, train 24, validation 9, test 9" in result.stdout
    assert "Clean: 42 pictures checked in" in result.stdout
    assert "every picture decoded" in result.stdout
    assert result.stderr == ""


def test_nothing_to_leave_out(cnntrain, tmp_path: Path) -> None:
    result = cnntrain("check", str(make_clean(tmp_path / "data")), "--fix-list", str(tmp_path / "list.txt"))
    assert result.exit_code == 0
    assert "there is nothing to leave out" in result.stderr
    assert (tmp_path / "list.txt").read_bytes() == b""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile")
    make_hostile(place / "data", place / "outside")
    return place / "data"


ALLOWED = ("--set", "data.empty_classes=leave_out")


def test_findings_and_a_list_that_cleans_them(cnntrain, hostile: Path, tmp_path: Path) -> None:
    target = tmp_path / "leave out.txt"
    result = cnntrain("check", str(hostile), "--deep", "--fix-list", str(target), *ALLOWED)
    assert result.exit_code == 3
    assert result.stdout.isprintable() or all(line.isprintable() for line in result.stdout.split("\n"))
    flat = " ".join(result.stdout.split())
    assert "Findings: - " in flat
    assert "Notes: - " in flat
    assert '1 picture is CMYK (made RGB): "train/cat/cmyk.jpg". [converted]' in flat
    assert "Usable, with findings:" in flat
    assert "13 paths written to" in result.stderr
    assert f"--set 'data.exclude={target}'" in result.stderr
    assert os.fsdecode(b"train/bird/caf\xe9\x1b[2J.jpg") in read_list(target, hostile)
    assert len(target.read_bytes().splitlines()) == 13


def test_json_has_everything_with_the_bytes_of_names(cnntrain, hostile: Path) -> None:
    result = cnntrain("check", str(hostile), "--json", *ALLOWED)
    assert result.exit_code == 3
    table = json.loads(result.stdout)
    assert result.stdout.isascii()
    assert table["verdict"] == "findings"
    assert table["exit_code"] == 3
    assert table["counts"]["validation"][0] == 0
    by_code = {finding["code"]: finding for finding in table["findings"]}
    assert by_code["outside"]["setting"] == "data.follow_links"
    assert by_code["outside"]["action"] == "skip"
    assert sorted(by_code["contradiction"]["groups"][0]) == ["train/cat/002.jpg", "train/dog/a-cat.jpg"]
    assert os.fsencode(table["root"]) == os.fsencode(hostile)


def test_links_are_followed_when_asked(cnntrain, hostile: Path) -> None:
    table = json.loads(cnntrain("check", str(hostile), "--json", "--follow-links").stdout)
    assert "outside" not in {finding["code"] for finding in table["findings"]}
    assert "outside_used" in {finding["code"] for finding in table["findings"]}


def test_what_cannot_be_trained_on(cnntrain, tmp_path: Path) -> None:
    result = cnntrain("check", str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("cnntrain: These pictures cannot be used: there is no directory")
    result = cnntrain("check", str(tmp_path / "nowhere"), "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["findings"][0]["action"] == "refuse"
    result = cnntrain("check", str(class_folders(tmp_path / "small", {"a": 3, "b": 1})))
    assert result.exit_code == 2
    assert "Not usable:\n" in result.stdout


@pytest.mark.parametrize(
    ("place", "words"),
    [("data/list.txt", "nothing is ever written"), ("link/list.txt", "nothing is ever"), ("no/x.txt", "no directory")],
)
def test_a_list_is_never_written_into_the_dataset(cnntrain, tmp_path: Path, place: str, words: str) -> None:
    make_clean(tmp_path / "data")
    os.symlink(tmp_path / "data" / "train", tmp_path / "link")
    result = cnntrain("check", str(tmp_path / "data"), "--fix-list", str(tmp_path / place))
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (tmp_path / place).exists()


def test_the_list_is_honoured_by_train(cnntrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_clean(tmp_path / "data")
    shutil.copyfile(root / "train/cat/000.jpg", root / "train/cat/copy.jpg")
    assert cnntrain("check", str(root), "--fix-list", str(tmp_path / "list.txt")).exit_code == 3
    monkeypatch.setattr("tui.runs.launch.start", lambda run: None)
    monkeypatch.chdir(tmp_path)
    given = ("--set", "data.exclude=list.txt", "--set", "training.batch_size=4")
    result = cnntrain("train", "cpu-quick", "--data", str(root), "--runs", "runs", "--detach", *given)
    assert result.exit_code == 0, result.stderr
    (written,) = (tmp_path / "runs").glob("*/dataset.json")
    paths = json.loads(written.read_text())["splits"]["train"]["paths"]
    assert len(paths) == 24
    assert ("train/cat/000.jpg" in paths) != ("train/cat/copy.jpg" in paths)
