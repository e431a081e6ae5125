"""cnntrain runs --filter, compare, rename, delete, note and pin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import builders


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "runs"
    monkeypatch.setenv("CNNTRAIN_RUNS", str(path))
    builders.make_run(path, name="20260131-120000-slow", steps=40, settings={"optimizer": {"learning_rate": 0.01}})
    builders.make_run(path, name="20260131-130000-fast", steps=40, status="stopped")
    return path


def test_runs_are_filtered_and_sorted(cnntrain, root: Path) -> None:
    lines = cnntrain("runs", "--filter", "lr>0.02").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", "20260131-130000-fast"]
    names = [one["name"] for one in json.loads(cnntrain("runs", "--sort", "best", "--json").stdout)]
    assert names == ["20260131-120000-slow", "20260131-130000-fast"]
    assert json.loads(cnntrain("runs", "--filter", "lr>1", "--json").stdout) == []
    result = cnntrain("runs", "--filter", "lr>1")
    assert (result.exit_code, result.stderr) == (0, "cnntrain: no run fits the filter.\n")
    assert cnntrain("runs", "--filter", "best.acuracy>1").exit_code == 2


def test_a_root_that_cannot_be_read_is_told(cnntrain, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tui.runs.directory.os.scandir", refuse)
    for arguments in (("runs",), ("status", "slow")):
        result = cnntrain(*arguments)
        assert result.exit_code == 1
        assert "The runs cannot be listed" in result.stderr


def test_runs_are_compared(cnntrain, root: Path) -> None:
    lines = cnntrain("compare", "slow", "fast").stdout.splitlines()
    assert lines[0].startswith("A  20260131-120000-slow: finished")
    row = next(line for line in lines if line.startswith("optimizer.learning_rate"))
    assert row.split()[1:] == ["0.01", "0.05"]
    assert any("best validation accuracy" in line and "*" in line for line in lines)
    told = json.loads(cnntrain("compare", "slow", "fast", "--json").stdout)
    assert told["settings"]["optimizer.learning_rate"] == [0.01, 0.05]
    assert len(told["best"]["accuracy"]) == 2
    assert "fewer than two" in cnntrain("compare", "slow", "20260131-120000-slow").stderr


def test_notes_and_pins(cnntrain, root: Path) -> None:
    assert cnntrain("note", "slow").stdout == "(no note)\n"
    assert cnntrain("note", "slow", "keep this").exit_code == 0
    assert cnntrain("note", "slow").stdout == "keep this\n"
    assert cnntrain("pin", "slow").exit_code == 0
    assert cnntrain("runs").stdout.splitlines()[1].startswith("* 20260131-120000-slow")
    assert cnntrain("pin", "slow", "--off").exit_code == 0
    assert cnntrain("runs").stdout.splitlines()[1].startswith("20260131-130000-fast")


def test_renaming_and_deleting(cnntrain, root: Path) -> None:
    assert cnntrain("rename", "slow", "better").stdout == "20260131-120000-slow is called 20260131-120000-better now\n"
    refused = cnntrain("delete", "better")
    assert refused.exit_code == 2
    assert "Add --yes" in refused.stderr
    told = cnntrain("delete", "better", "fast", "--yes").stdout
    assert told.count("deleted ") == 2
    assert "KiB" in told
    assert list(root.iterdir()) == []
