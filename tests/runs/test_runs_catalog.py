"""The list of runs: quick, tolerant, and of one mind with the follower."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tests import builders
from tui.core import events
from tui.core.rundir import RunDir
from tui.runs.catalog import list_runs
from tui.runs.follow import RunFollower
from tui.runs.status import Status


@pytest.fixture(autouse=True)
def let_go_of_locks() -> Iterator[None]:
    yield
    for run in list(builders._HELD):
        builders.let_go(run)


@pytest.mark.parametrize("status", get_args(Status))
@pytest.mark.parametrize("attempts", [(), ((1, 150), (101, 200)), ((1, 150), (101, 120), (1, 0))])
def test_the_list_says_what_the_follower_says(
    status: Status, attempts: tuple[tuple[int, int], ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path, steps=200, status=status, attempts=attempts if status != "preparing" else ())
    builders.stop_the_clock(monkeypatch, run, after=3600.0 if status == "silent" else 1.0)
    follower = RunFollower(run, history=False)
    follower.poll()
    state = follower.state
    (summary,) = list_runs(tmp_path)
    assert summary.status == state.status
    assert summary.status_text in state.status_text
    assert (summary.step, summary.total_steps, summary.epoch) == (state.step, state.total_steps, state.epoch)
    assert summary.loss == state.latest.get("loss")
    assert summary.best_score == (state.best.metrics["accuracy"] if state.best else None)
    assert summary.score == (state.evaluations[-1].metrics["accuracy"] if state.evaluations else None)
    assert summary.test_score == (state.test.metrics["accuracy"] if state.test else None)
    assert state.settings is not None
    assert summary.epochs == state.settings.training.epochs
    assert (summary.preset, summary.dataset) == ("cifar10", "/pictures/example")
    assert summary.created == builders.START


@pytest.mark.parametrize(("total", "planned"), [(150, "1.12"), (268, "2"), (402, "3")])
def test_the_epochs_of_a_run_are_those_that_its_steps_make(
    total: int, planned: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``training.max_steps`` may end a run long before the epochs that are set."""
    run = builders.make_run(tmp_path, steps=134, epochs=1, total_steps=total, status="interrupted")
    settings = run.settings.read_text("utf-8")
    run.settings.write_text(re.sub(r"(?m)^epochs = \d+$", "epochs = 3", settings), "utf-8")
    builders.stop_the_clock(monkeypatch, run)
    follower = RunFollower(run, history=False)
    follower.poll()
    (summary,) = list_runs(tmp_path)
    assert (summary.epochs, summary.planned, follower.state.of_epochs) == (3, total / 134, f" of {planned}")


def test_a_pause_is_seen_behind_other_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, status="paused")
    builders.append_event(run, events.Controlled(time=builders.START, action="save"))
    builders.stop_the_clock(monkeypatch, run)
    assert list_runs(tmp_path)[0].status == "paused"


def test_newest_first_and_what_is_no_run_is_left_out(tmp_path: Path) -> None:
    for name in ("20260131-120000-old", "20260201-090000-new", "20260131-120001-middle"):
        builders.make_run(tmp_path, name=name, steps=4, epochs=1)
    (tmp_path / "notes").mkdir()
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert [summary.name[16:] for summary in list_runs(tmp_path)] == ["new", "middle", "old"]
    assert list_runs(tmp_path / "missing") == []
    assert list_runs(tmp_path / "file.txt") == []


@pytest.mark.parametrize("broken", ["settings.toml", "events.jsonl", "owner.json", "metrics/batches-0001.seg"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00\x1b[2J\n{}\n[]\n" * 20, None])
def test_a_broken_run_is_listed_as_far_as_it_can_be_read(tmp_path: Path, broken: str, content: bytes | None) -> None:
    run = builders.make_run(tmp_path, steps=40, epochs=2)
    if content is None:
        (run.path / broken).unlink()
    else:
        (run.path / broken).write_bytes(content)
    (summary,) = list_runs(tmp_path)
    assert summary.name == run.name
    if broken != "settings.toml":
        assert summary.epochs == 2
    if broken not in ("events.jsonl", "metrics/batches-0001.seg"):
        assert (summary.status, summary.loss is None) == ("finished", False)


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind":"started","time":"x"}',
        b'{"kind":"evaluated","step":1,"metrics":[]}',
        b'{"kind":"launched"}',
        b'{"kind":"ended","reason":["x"]}',
        b'{"kind":"controlled","step":1e999}',
        b'{"kind":"rewound","step":5,"attempt":"NaN"}',
        b'{"kind":"preparing","stage":' + b"[" * 10_000 + b"}",
    ],
)
def test_hostile_lines_do_no_harm(tmp_path: Path, line: bytes) -> None:
    run = builders.make_run(tmp_path, steps=40, epochs=2, status="interrupted")
    with run.events.open("ab") as file:
        file.write(line + b"\n")
    assert len(list_runs(tmp_path)) == 1


def test_texts_in_the_list_are_sanitized(tmp_path: Path) -> None:
    run = builders.make_run(
        tmp_path, status="interrupted", preset="\x1b[2J", settings={"data": {"directory": "/a\x07"}}
    )
    builders.append_event(run, events.Ended(reason="failed", exit_code=1, text="\x1b[2J"))
    run.path.rename(tmp_path / "na\x1b[2Jme")
    (summary,) = list_runs(tmp_path)
    assert (summary.name, summary.preset, summary.dataset) == ("na\\x1b[2Jme", "\\x1b[2J", "/a\\x07")
    assert summary.status_text == "\\x1b[2J"


def test_two_hundred_runs_are_listed_quickly_and_without_numpy_or_pydantic(tmp_path: Path) -> None:
    first = builders.make_run(tmp_path, steps=2000, epochs=50)
    for number in range(199):
        shutil.copytree(first.path, tmp_path / f"20260131-12{number // 60:02}{number % 60:02}-copy")
    code = (
        "import json, sys, time; from pathlib import Path; from tui.runs import catalog; times = []\n"
        "for _ in range(3):\n"
        "    catalog._over.clear(); start = time.process_time(); found = catalog.list_runs(Path(sys.argv[1]))\n"
        "    times.append(time.process_time() - start)\n"
        "print(json.dumps([len(found), times, list(sys.modules)]))"
    )
    start = time.perf_counter()
    count, times, loaded = json.loads(subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], timeout=60))
    assert time.perf_counter() - start < 30
    assert count == 200
    assert not {"numpy", "pydantic", "torch", "textual"} & set(loaded)
    assert min(times) < 0.3, times  # seconds of a processor; 0.15 where this was written
    assert RunDir(tmp_path / first.name).exists


def test_another_users_private_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.make_run(tmp_path, steps=4, epochs=1)
    private = builders.make_run(tmp_path, name="20260131-120001-private", steps=4, epochs=1)
    original = os.stat

    def refusing(path: object, *rest: object, **named: object) -> os.stat_result:
        if str(path).startswith(f"{private.path}/"):
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *rest, **named)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "stat", refusing)
    assert [summary.name for summary in list_runs(tmp_path)] == ["20260131-120000-example"]
