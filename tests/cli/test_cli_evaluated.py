"""``cnntrain mistakes`` and ``cnntrain confusion`` on made-up runs: what they name, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import make_run, write_evaluation
from tui.core.dataset.manifest import load_manifest
from tui.core.events import Evaluated, decode
from tui.core.rundir import RunDir

HOSTILE = "[/] [red]\x1b]52;c;aGk=\x07\x1b[2J"


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return make_run(tmp_path / "runs", classes=("cat", "dog", "frog"))


def events_of(run: RunDir, split: str = "validation") -> list[Evaluated]:
    found = [decode(line) for line in run.events.read_bytes().splitlines()]
    return [event for event in found if isinstance(event, Evaluated) and event.split == split]


def test_mistakes_as_a_table_and_as_json(cnntrain: Any, run: RunDir) -> None:
    done = cnntrain("mistakes", str(run.path), "--most", "2")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("validation after epoch 4: loss ")
    assert lines[0].endswith("(best); 60 pictures, step 400")
    assert lines[1].split() == ["TRUE", "ANSWER", "CONFIDENCE", "LOSS", "PATH"]
    assert lines[2].split() == ["cat", "dog", "99.0", "%", "4.5000", "cat/validation-0.jpg"]
    assert lines[-1] == "Paths are below /pictures/example."
    assert len(lines) == 5
    table = json.loads(cnntrain("mistakes", str(run.path), "--json", "--at", "test", "--by", "loss").stdout)
    assert (table["split"], table["step"], table["root"]) == ("test", 400, "/pictures/example")
    first = table["pictures"][0]
    assert (first["path"], first["true"], first["answer"]) == ("cat/test-0.jpg", "cat", "dog")
    assert first["top"] == [["dog", 0.99], ["cat", 0.008]]
    assert [one["loss"] for one in table["pictures"]] == sorted((o["loss"] for o in table["pictures"]), reverse=True)


def test_mistakes_of_one_kind(cnntrain: Any, run: RunDir) -> None:
    done = cnntrain("mistakes", str(run.path), "--true", "dog", "--answer", "frog", "--json")
    found = json.loads(done.stdout)["pictures"]
    assert found
    assert {(one["true"], one["answer"]) for one in found} == {("dog", "frog")}
    done = cnntrain("mistakes", str(run.path), "--true", "dgo")
    assert done.exit_code == 2
    assert 'There is no such class: "dgo". Did you mean "dog"?' in done.stderr


def test_confusion_as_a_matrix_and_as_json(cnntrain: Any, run: RunDir) -> None:
    event = events_of(run)[0]
    confusion = [[0, 0, 20], [1, 0, 12], [1, 1, 8], [2, 1, 1], [2, 2, 19]]
    write_evaluation(run, event, confusion=confusion, counts=[20, 20, 20])
    done = cnntrain("confusion", str(run.path), "--at", str(event.step))
    assert done.exit_code == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[2:6] == [
        ["true", "\\", "answer", "cat", "dog", "frog"],
        ["cat", "20", "0", "0"],
        ["dog", "12", "8", "0"],
        ["frog", "0", "1", "19"],
    ]
    assert lines[7:] == [
        ["TRUE", "ANSWER", "PICTURES", "OF", "ITS", "CLASS"],
        ["dog", "cat", "12", "60.0", "%"],
        ["frog", "dog", "1", "5.0", "%"],
    ]
    table = json.loads(cnntrain("confusion", str(run.path), "--at", str(event.step), "--json", "--most", "1").stdout)
    assert table["confusion"] == confusion
    assert table["pairs"] == [{"true": "dog", "answer": "cat", "pictures": 12, "share": 0.6}]
    assert (table["classes"], table["left_out"], len(table["recall"])) == (["cat", "dog", "frog"], 0, 3)


def test_names_from_elsewhere_do_not_reach_the_terminal(cnntrain: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", classes=("cat", HOSTILE))
    for command in ("mistakes", "confusion"):
        for form in ((), ("--json",)):
            done = cnntrain(command, str(run.path), *form)
            assert done.exit_code == 0, done.stderr
            assert "\x1b" not in done.stdout
            assert "\x07" not in done.stdout


def test_what_is_not_there_is_one_sentence(cnntrain: Any, run: RunDir, tmp_path: Path) -> None:
    young = make_run(tmp_path / "young", steps=4, epochs=1, status="stopped", total_steps=40)
    for path, at, code, words in (
        (run.path, "7", 2, '"7" is none. There are best, last, test and the steps 100, 200, 300, 400.'),
        (young.path, "test", 2, "has not been tested yet"),
    ):
        done = cnntrain("mistakes", str(path), "--at", at)
        assert (done.exit_code, done.stdout) == (code, "")
        assert words in done.stderr
    file = run.evaluation("validation", 400)
    file.write_text("{")
    done = cnntrain("confusion", str(run.path))
    assert done.exit_code == 1
    assert f"{file.name} is damaged. Another validation may be whole." in done.stderr
    file.unlink()
    done = cnntrain("confusion", str(run.path))
    assert done.exit_code == 1
    assert f"evaluations/{file.name} is not there" in done.stderr


def test_other_tasks_have_mistakes_but_no_confusion(cnntrain: Any, run: RunDir) -> None:
    event = events_of(run)[-1]
    numbers = {
        "task": "regression", "confusion": [], "counts": [], "recall": [], "precision": [], "f1": [],
        "calibration": None, "thresholds": None, "classes": ["age"], "mae": [1.5],
        "pictures": [{"path": "a.png", "true": [31.0], "answer": [12.5], "loss": 342.25}],
    }  # fmt: skip
    write_evaluation(run, event, **numbers)
    done = cnntrain("mistakes", str(run.path))
    assert done.stdout.splitlines()[2].split() == ["31", "12.5", "342.25", "a.png"]
    done = cnntrain("confusion", str(run.path))
    assert done.exit_code == 2
    assert "This run has no confusion: it learns numbers." in done.stderr


def test_an_older_run_gets_its_paths_from_the_manifest(cnntrain: Any, run: RunDir) -> None:
    event = events_of(run)[-1]
    write_evaluation(run, event, format=1, root="", mistakes=[[25, 1, 2, 0.75, 1.5]], pictures=[])
    done = cnntrain("mistakes", str(run.path), "--json")
    path = load_manifest(run.dataset).splits["validation"][25][0]
    assert [(one["path"], one["true"]) for one in json.loads(done.stdout)["pictures"]] == [(path, "dog")]
