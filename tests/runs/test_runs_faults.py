"""What happens to processes, hosts and directories of runs, with the message that a person sees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import builders
from tests.runs.processes import over, state_of, training, until
from tui.core import events
from tui.core.errors import FailureError, UsageError
from tui.core.metrics import BATCH
from tui.core.records import BATCHES
from tui.core.rundir import KNOWN, RunDir
from tui.runs import launch
from tui.runs.catalog import list_runs
from tui.runs.directory import find
from tui.runs.follow import RunFollower
from tui.runs.host import start_time
from tui.runs.liveness import read_owner
from tui.runs.lock import outlast_engine, take_lock
from tui.runs.scratch import PREFIX

Fake = Callable[..., RunDir]
ENGINE = [sys.executable, str(Path(__file__).with_name("fake_engine.py"))]


def supervisor(place: Path, *lines: str, engine: list[str] = ENGINE) -> tuple[str, str]:
    """Return the command of a supervisor with the pretended engine, or another one, after these lines of code."""
    script = place / "supervisor.py"
    code = ["import sys", "from tui.runs import supervisor", *lines, f"sys.exit(supervisor.main(engine={engine!r}))"]
    script.write_text("\n".join(code))
    return sys.executable, str(script)


def test_a_machine_that_was_paused_is_silent_and_never_dead(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake()
    launch.start(run)
    until(training(run))
    owner, _ = read_owner(run)
    assert owner is not None
    for pid in (owner.pid, owner.engine_pid):
        os.kill(pid, signal.SIGSTOP)
    try:
        monkeypatch.setattr("tui.runs.status.now", lambda: time.time() + 3600)
        state = state_of(run)
        assert state.status == "silent"
        assert state.status_text.startswith("Silent since 2")
        assert state.status_text.endswith(": its process lives, but nothing has come from it.")
        with pytest.raises(UsageError, match=f"already running: it is run by .*process {owner.pid}"):
            launch.resume(run)
    finally:
        for pid in (owner.engine_pid, owner.pid):
            os.kill(pid, signal.SIGCONT)
    monkeypatch.undo()
    until(training(run, state.step + 3))


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_moved_while_training_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    run = builders.make_run(tmp_path, status="running", steps=400, total_steps=4000)
    moment = builders.stop_the_clock(monkeypatch, run)
    follower = RunFollower(run)
    follower.poll()
    left = follower.state.eta_seconds
    assert left is not None
    monkeypatch.setattr("tui.runs.status.now", lambda: moment + 3600 * hours)
    follower._looked = 0.0
    follower.poll()
    # Nothing has come since the clock was moved: it is at most silent.
    assert follower.state.status == ("silent" if hours > 0 else "running")
    began = moment - builders.START + 3600 * hours
    columns = tuple(metric.name for metric in BATCH)
    rows = [[step, began + 0.05 * (step - 400), *[0.5] * len(columns)] for step in range(401, 901)]
    builders.append_records(run, BATCHES, 1, columns, rows)
    monkeypatch.setattr("tui.runs.status.now", lambda: moment + 3600 * hours + 30)
    for _ in range(3):
        follower.poll()
    assert follower.state.status == "running"
    assert list_runs(tmp_path)[0].status == "running"
    assert follower.state.step == 900
    assert follower.batches.count == 900
    assert follower.state.eta_seconds == pytest.approx(3100 * 0.05, rel=0.01)
    assert state_of(run).status_text == follower.state.status_text
    builders.let_go(run)


def test_a_new_supervisor_outlasts_the_engine_of_one_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.runs.lock.ENGINE_SECONDS", 0.2)
    run = builders.make_run(tmp_path, status="running")
    builders.let_go(run)
    engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
    try:
        handle = take_lock(run)
        inode = os.fstat(handle).st_ino
        alive = {"pid": 2**22 + 1, "engine_pid": engine.pid, "engine_start": start_time(engine.pid)}
        builders.own(run, lock_inode=inode + 1, **alive)
        outlast_engine(run, handle)  # the engine of another run, of which this is a copy
        assert engine.poll() is None
        builders.own(run, lock_inode=inode, **alive)
        os.close(handle)
        state = state_of(run)
        assert (state.status, state.status_text) == (
            "stopping",
            "Its supervisor was killed; the engine saves and leaves within seconds.",
        )
        handle = take_lock(run)
        outlast_engine(run, handle)
        os.close(handle)
        assert engine.wait(10) == -signal.SIGKILL
    finally:
        engine.kill()
        engine.wait()
    assert state_of(run).status == "crashed"


OWN_WORD = """
import json, os, sys
told = os.read(0, 100)
owner = json.load(open(os.path.join(sys.argv[1], "owner.json")))
print(told, owner["engine_pid"] == os.getpid(), owner["engine_start"] != "")
"""


def test_an_engine_is_told_to_begin_when_the_owner_file_names_it(fake: Fake, tmp_path: Path) -> None:
    run = fake()
    launch.start(run, supervisor=supervisor(tmp_path, engine=[sys.executable, "-c", OWN_WORD]))
    until(over(run))
    assert f"{KNOWN!r} True True" in run.log.read_text()


def test_an_engine_that_is_stopped_before_it_can_listen_is_stopped(fake: Fake, tmp_path: Path) -> None:
    run = fake()
    launch.start(run, supervisor=supervisor(tmp_path, engine=[sys.executable, "-c", "import time; time.sleep(600)"]))
    owner, _ = read_owner(run)
    assert owner is not None
    os.kill(owner.pid, signal.SIGTERM)
    until(over(run))
    state = state_of(run)
    assert state.status == "stopped"
    assert state.ended is not None
    assert state.ended.exit_code == 75


ENDS = "This machine ends your processes when you log out, this training too."
KEEPER = "supervisor.kept_at_logout_by = lambda command: f'`keep {command}`'"


def test_a_machine_that_kills_at_logout_is_told_with_the_remedy(fake: Fake, tmp_path: Path) -> None:
    run = fake(steps=5)
    launch.start(run, supervisor=supervisor(tmp_path, KEEPER))
    until(over(run))
    said = [event.text for event in state_of(run).log if isinstance(event, events.Message)]
    assert said == [
        f"{ENDS} What keeps it: `keep cnntrain resume {run.name}`.",
    ]


def test_too_few_file_handles_are_named(fake: Fake, tmp_path: Path) -> None:
    run = fake(steps=5)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))"
    with pytest.raises(FailureError, match="too many files are open"):
        launch.start(run, supervisor=supervisor(tmp_path, limit))
    launch.start(run)
    until(over(run))
    assert state_of(run).status == "finished"


def test_a_path_longer_than_any_socket_allows(fake: Fake, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*("long" * 50 for _ in range(4)))
    deep.mkdir(parents=True)
    run = RunDir(fake(steps=30).path.rename(deep / "20260131-120000-deep"))
    assert len(os.fsencode(run.path)) > 800
    launch.start(run)
    until(over(run))
    assert state_of(run).status == "finished"


def test_a_run_that_was_moved_or_renamed_opens_as_it_is(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path / "runs", status="crashed")
    before = RunFollower(run)
    before.poll()
    elsewhere = tmp_path / "other disk" / "archive"
    elsewhere.mkdir(parents=True)
    moved = RunDir(run.path.rename(elsewhere / "my best run"))
    after = RunFollower(moved)
    after.poll()
    assert (after.state.status, after.state.status_text) == (before.state.status, before.state.status_text)
    assert (after.state.step, after.state.latest) == (before.state.step, before.state.latest)
    assert after.batches.count == before.batches.count > 0
    assert find("my best", elsewhere) == moved
    assert [summary.name for summary in list_runs(elsewhere)] == ["my best run"]


def test_what_a_killed_write_left_is_taken_away_at_the_next_start(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake(steps=5)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    trial = tmp_path / f"{PREFIX}killed"
    trial.mkdir()
    (trial / "lock").touch()
    left = [trial, run.path / ".owner.json.abc.tmp", run.evaluations / ".test-000000001.json.abc.tmp"]
    for path in left[1:]:
        path.write_text("half")
    other = run.path / "notes.tmp"
    other.write_text("mine")
    launch.start(run)
    until(over(run))
    assert not any(path.exists() for path in left)
    assert other.read_text() == "mine"


def test_an_unreadable_moment_of_the_disk_is_no_end_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handles run out in the process that watches: what it knew stays, and it goes on when there are some again."""
    run = builders.make_run(tmp_path, status="running")
    builders.stop_the_clock(monkeypatch, run)
    follower = RunFollower(run)
    follower.poll()
    known = follower.state.step, follower.batches.count
    opened, handles = os.open, [True]

    def scarce(*args: object, **more: object) -> int:
        if handles[0]:
            raise OSError(24, "Too many open files")
        return opened(*args, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", scarce)
        for _ in range(3):
            follower.poll()
        assert (follower.state.step, follower.batches.count) == known
        assert follower.state.live
    builders.append_event(run, events.Message(time=builders.START, step=1, level="info", text="again"))
    follower.poll()
    assert isinstance(follower.state.log[-1], events.Message)
    assert follower.state.status == "running"
    builders.let_go(run)
