"""cnntrain runs and status: how each run stands, for people and for programs, and what RUN can be."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import get_args

import pytest
from rich.cells import cell_len

from tests import builders
from tui.cli.states import EXIT_CODES
from tui.core import control
from tui.runs.status import Status

HOSTILE = "20260131-120000-[red] \x1b]52;c;aGk=\x07\u202e\udcff"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "runs"
    monkeypatch.setenv("CNNTRAIN_RUNS", str(path))
    return path


def test_every_status_has_an_exit_code() -> None:
    assert set(EXIT_CODES) == set(get_args(Status))
    assert not {1, 2} & set(EXIT_CODES.values())


@pytest.mark.parametrize("status", get_args(Status))
def test_status_is_one_line_and_an_exit_code(cnntrain, root: Path, monkeypatch, status: Status) -> None:
    run = builders.make_run(root, steps=40, epochs=2, status=status)
    builders.stop_the_clock(monkeypatch, run, after=3600.0 if status == "silent" else 1.0)
    result = cnntrain("status", "example")
    as_json = cnntrain("status", "example", "--json")
    if run in builders._HELD:
        builders.let_go(run)
    assert (result.exit_code, result.stderr) == (EXIT_CODES[status], "")
    assert result.stdout.startswith(f"20260131-120000-example: {status}")
    assert result.stdout.count("\n") == 1
    assert as_json.exit_code == EXIT_CODES[status]
    told = json.loads(as_json.stdout)
    assert (told["status"], told["exit_code"], told["path"]) == (status, EXIT_CODES[status], str(run.path))


def test_status_tells_the_numbers(cnntrain, root: Path) -> None:
    builders.make_run(root, steps=40, epochs=2, nan_from=30)
    line = cnntrain("status", "latest").stdout
    assert "finished" in line
    assert "All epochs are done" in line
    assert "step 40 of 40, loss NaN, accuracy " in line
    assert "; best validation accuracy " in line
    assert " at step 40; test accuracy " in line
    told = json.loads(cnntrain("status", "latest", "--json").stdout)
    assert math.isnan(told["latest"]["loss"])
    assert told["best_validation"]["step"] == 40
    assert told["test"]["accuracy"] > 0
    assert told["ended"] == {"reason": "finished", "exit_code": 0, "text": "All epochs are done."}
    assert (told["preset"], told["epochs"], told["eta_seconds"]) == ("cifar10", 2, None)


def test_the_help_documents_each_code(cnntrain) -> None:
    text = cnntrain("status", "--help").stdout.partition("Exit codes:")[2]
    documented = {int(line.split()[0]) for line in text.strip().splitlines()}
    assert documented == {1, 2, *EXIT_CODES.values()}


def test_runs_is_a_table_newest_first(cnntrain, root: Path) -> None:
    builders.make_run(root, name="20260131-120000-first", steps=40, epochs=2)
    builders.make_run(root, name="20260201-120000-second", steps=40, epochs=2, status="stopped", preset="")
    lines = cnntrain("runs").stdout.splitlines()
    assert lines[0].split() == ["RUN", "STATUS", "PRESET", "EPOCH", "VAL", "LOSS", "ACCURACY", "BEST", "TEST"]
    assert lines[1].split()[:3] == ["20260201-120000-second", "stopped", "–"]
    assert lines[2].split()[:4] == ["20260131-120000-first", "finished", "cifar10", "2.0/2"]
    assert lines[2].split()[-1] == "%"
    assert "\x1b" not in "".join(lines)


def test_runs_as_json_is_for_programs(cnntrain, root: Path) -> None:
    builders.make_run(root, steps=40, epochs=2, nan_from=1)
    assert json.loads(cnntrain("runs", "--json", "--runs", str(root / "none")).stdout) == []
    (one,) = json.loads(cnntrain("runs", "--json").stdout)
    assert one["path"] == str(root / "20260131-120000-example")
    assert (one["status"], one["preset"], one["step"]) == ("finished", "cifar10", 40)
    assert math.isnan(one["loss"])


def test_a_terminal_gets_lines_that_fit(root: Path, monkeypatch, capsys) -> None:
    from tui.cli import runs

    builders.make_run(root, name="20260131-120000-" + "long" * 20, steps=40, epochs=2)
    monkeypatch.setattr(runs, "width", lambda: 80)
    runs.list_runs(root, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(cell_len(line) for line in lines) <= 80
    assert lines[1].startswith("20260131-")
    assert lines[1].rstrip().endswith("%")


@pytest.mark.parametrize("command", [["runs"], ["runs", "--json"], ["status"], ["status", "--json"]])
def test_names_are_never_obeyed(cnntrain, root: Path, command: list[str]) -> None:
    made = builders.make_run(root, steps=40, epochs=2, classes=("[/]", "\x1b[2J", "c" * 200))
    run = builders.RunDir(made.path.rename(root / HOSTILE))
    builders.append_event(run, builders.events.Ended(reason="failed", exit_code=1, text="\x1b[2J[/red]"))
    result = cnntrain(*command, *([] if command[0] == "runs" else [str(run.path)]))
    assert "[red]" in result.stdout
    assert all(character.isprintable() or character == "\n" for character in result.stdout)


def test_no_runs_says_how_to_make_one(cnntrain, root: Path) -> None:
    result = cnntrain("runs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "there are no runs in" in result.stderr
    assert "cnntrain train" in result.stderr


@pytest.mark.parametrize("command", ["status", "stop", "resume", "metrics"])
def test_a_run_that_is_not_there_is_named(cnntrain, root: Path, command: str) -> None:
    view = ["--plain"] if command == "resume" else []
    result = cnntrain(command, "tomorrow\x1b[2J", *view)
    assert result.exit_code == 2
    assert 'No such run: "tomorrow\\x1b[2J"' in result.stderr
    builders.make_run(root, name="20260131-120000-cats", steps=2, epochs=1)
    builders.make_run(root, name="20260131-120000-cows", steps=2, epochs=1)
    result = cnntrain(command, "c", *view)
    assert result.exit_code == 2
    assert "Several runs are meant" in result.stderr
    assert "cats" in result.stderr
    assert "cows" in result.stderr
    assert cnntrain("status", "ca").stdout.startswith("20260131-120000-cats")


def test_a_list_of_many_runs_is_quick(cnntrain, root: Path) -> None:
    for number in range(40):
        builders.make_run(root, name=f"20260131-1200{number:02}-run", steps=20, epochs=2)
    start = time.monotonic()
    assert len(cnntrain("runs").stdout.splitlines()) == 41
    assert time.monotonic() - start < 1.0


def test_a_run_is_asked(cnntrain, root: Path) -> None:
    run = builders.make_run(root, steps=40, status="running")
    assert (
        cnntrain("control", "example", "rate", "0.5").stdout == f"{run.name} was asked: the learning rate times 0.5\n"
    )
    assert cnntrain("control", "example", "validate").exit_code == 0
    assert [(one.action, one.value) for one in control.pending(run)] == [("rate", 0.5), ("validate", None)]
    for arguments, words in (
        (("rate",), "a factor is between 1e-06 and 1,000,000. `rate 0.5` halves it"),
        (("rate", "0"), "a factor is between"),
        (("pause", "3"), "pause takes no number: 3 was given"),
        (("dance",), "'dance'"),
    ):
        refused = cnntrain("control", "example", *arguments)
        assert refused.exit_code == 2
        assert words in refused.stderr
    assert len(control.pending(run)) == 2
    builders.let_go(run)


def test_a_run_that_is_over_is_asked_nothing(cnntrain, root: Path) -> None:
    builders.make_run(root, steps=40, status="finished")
    refused = cnntrain("control", "example", "pause")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "The run does not train: 20260131-120000-example is finished" in refused.stderr
