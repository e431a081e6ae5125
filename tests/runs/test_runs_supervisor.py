"""The supervisor, in real processes: what survives what, and that the end is always explained."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import builders
from tests.runs.processes import SUPERVISOR, is_fake_engine, over, state_of, training, until
from tui.core import control, events
from tui.core.errors import FailureError, UsageError
from tui.core.rundir import RunDir
from tui.runs import controls, host, launch
from tui.runs.liveness import Owner, look, read_owner

Fake = Callable[..., RunDir]


def owner_of(run: RunDir) -> Owner:
    owner, _ = read_owner(run)
    assert owner is not None
    return owner


def kinds(run: RunDir) -> list[str]:
    return [json.loads(line)["kind"] for line in run.events.read_bytes().splitlines() if line.strip()]


def test_a_run_is_started_and_trains_to_its_end(fake: Fake) -> None:
    run = fake(steps=20)
    launch.start(run)
    owner = owner_of(run)
    assert owner.pid != os.getpid()
    assert (owner.host, owner.boot_id) == (host.host_name(), host.boot_id())
    until(over(run))
    state = state_of(run)
    assert (state.status, state.step, state.attempt) == ("finished", 20, 1)
    assert kinds(run) == ["launched", "preparing", "started", "ended"]
    assert not host.start_time(owner.pid)


def test_the_engine_has_its_own_group_no_terminal_and_not_the_lock(fake: Fake) -> None:
    run = fake()
    launch.start(run)
    until(training(run))
    owner = owner_of(run)
    assert os.getsid(owner.pid) != os.getsid(0)
    assert os.getsid(owner.pid) != owner.pid  # no session's leader: it can never get a terminal
    assert os.getpgid(owner.engine_pid) == owner.engine_pid
    files = {os.readlink(f"/proc/{owner.engine_pid}/fd/{fd}") for fd in os.listdir(f"/proc/{owner.engine_pid}/fd")}
    assert str(run.lock) not in files
    assert str(run.log) in files
    assert os.readlink(f"/proc/{owner.engine_pid}/cwd") == os.readlink(f"/proc/{owner.pid}/cwd") == "/"


def test_the_lock_is_held_while_it_runs_and_a_second_start_names_the_owner(fake: Fake) -> None:
    run = fake()
    launch.start(run)
    until(training(run))
    pid = owner_of(run).pid
    for attempt in (launch.start, launch.resume):
        with pytest.raises(UsageError, match=f"The run is already running: it is run by .*process {pid}, since 2"):
            attempt(run)
    assert state_of(run).status == "running"
    assert kinds(run).count("launched") == 1


def test_of_starts_at_the_same_time_exactly_one_wins(fake: Fake) -> None:
    run = fake()
    outcomes: list[object] = []

    def begin() -> None:
        try:
            launch.start(run)
            outcomes.append("started")
        except UsageError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("started") == 1
    assert all("already running" in str(outcome) for outcome in outcomes if outcome != "started")
    assert kinds(run).count("launched") == 1


def test_a_stop_is_asked_for_and_a_resume_goes_on_where_it_stopped(fake: Fake) -> None:
    run = fake(steps=60, seconds=0.02)
    launch.start(run)
    until(training(run))
    controls.stop(run)
    until(over(run))
    stopped = state_of(run)
    assert (stopped.status, stopped.status_text) == ("stopped", "Stopped on request.")
    launch.resume(run)
    until(over(run))
    state = state_of(run)
    assert (state.status, state.attempt, state.step) == ("finished", 2, 60)
    with pytest.raises(UsageError, match="The run is finished"):
        launch.resume(run)
    with pytest.raises(UsageError, match="is finished"):
        controls.stop(run)


def test_requests_of_a_dead_attempt_are_not_obeyed_by_the_next(fake: Fake) -> None:
    run = fake(steps=30)
    control.ask(run, "stop")
    control.ask(run, "pause")
    launch.start(run)
    until(over(run))
    assert state_of(run).status == "finished"


def test_when_the_supervisor_is_killed_the_engine_leaves(fake: Fake) -> None:
    run = fake()
    launch.start(run)
    until(training(run))
    owner = owner_of(run)
    os.kill(owner.pid, signal.SIGKILL)
    begun = time.monotonic()
    until(lambda: not is_fake_engine(owner.engine_pid, run), 5)
    assert time.monotonic() - begun < 5
    until(over(run))
    assert state_of(run).status == "stopped"  # the engine could still say so
    launch.resume(run)
    until(lambda: state_of(run).attempt == 2)


def test_an_engine_that_cannot_hear_is_ended_with_its_supervisor(fake: Fake) -> None:
    run = fake(importing=True)
    launch.start(run)
    owner = owner_of(run)
    assert is_fake_engine(owner.engine_pid, run)
    os.kill(owner.pid, signal.SIGKILL)
    until(lambda: not is_fake_engine(owner.engine_pid, run), 5)
    until(over(run))
    state = state_of(run)
    assert (state.status, state.status_text) == (
        "crashed",
        "Nobody noted why it ended: its supervisor was killed, or the disk was full. It can be resumed.",
    )


def test_when_both_are_killed_the_run_is_crashed_and_can_be_resumed(fake: Fake) -> None:
    run = fake()
    launch.start(run)
    until(training(run))
    owner = owner_of(run)
    os.kill(owner.pid, signal.SIGSTOP)  # so that it cannot note the engine's end
    os.kill(owner.engine_pid, signal.SIGKILL)
    assert look(run).alive
    os.kill(owner.pid, signal.SIGKILL)
    until(over(run))
    state = state_of(run)
    assert state.status == "crashed"
    assert "can be resumed" in state.status_text
    launch.resume(run)
    until(training(run))
    assert state_of(run).attempt == 2


def test_when_the_engine_is_killed_the_reason_is_noted(fake: Fake) -> None:
    run = fake()
    launch.start(run)
    until(training(run))
    owner = owner_of(run)
    with run.events.open("ab") as file:
        file.write(b'{"kind":"epoch","time":17')  # torn in the middle of a line
    os.kill(owner.engine_pid, signal.SIGKILL)
    until(over(run))
    state = state_of(run)
    assert state.status == "crashed"
    assert state.status_text == (
        "The engine was killed from outside by signal 9 (SIGKILL). "
        f"`cnntrain resume {run.name}` continues from the newest checkpoint."
    )
    assert state.ended is not None
    assert (state.ended.exit_code, state.ended.reason) == (137, "killed")
    assert state.ended.step >= 3


def test_the_last_words_of_a_crash_are_kept_and_sanitized(fake: Fake) -> None:
    run = fake(name="20260131-120002-third", steps=3, then="kill")
    launch.start(run)
    until(over(run))
    assert "words" not in state_of(run).status_text  # what is killed says nothing about it
    run = fake(steps=3, then="signal")
    launch.start(run)
    until(over(run))
    text = state_of(run).status_text
    assert 'Its last words: "about to go\\x1b[2J"' in text
    run = fake(name="20260131-120001-other", steps=3, then="raise")
    launch.start(run)
    until(over(run))
    state = state_of(run)
    assert state.status == "failed"
    assert "exit code 1" in state.status_text
    assert "ValueError: something odd" in state.status_text


def test_an_engine_that_leaves_without_a_word_is_not_called_finished(fake: Fake) -> None:
    run = fake(steps=3, then="vanish")
    launch.start(run)
    until(over(run))
    assert state_of(run).status == "failed"


def test_what_the_engine_started_is_cleared_away_with_it(fake: Fake) -> None:
    run = fake(child=True)
    launch.start(run)
    until(training(run))
    child = int((run.path / "child.pid").read_text())
    born = host.start_time(child)
    assert born
    os.kill(owner_of(run).engine_pid, signal.SIGKILL)
    until(over(run))
    until(lambda: host.start_time(child) != born, 5)


def test_sigterm_is_passed_on_and_the_engine_stops_in_order(fake: Fake) -> None:
    run = fake()
    launch.start(run)
    until(training(run))
    os.kill(owner_of(run).pid, signal.SIGTERM)
    until(over(run))
    assert state_of(run).status_text == "Stopped by SIGTERM."


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_the_end_of_a_terminal_and_ctrl_c_do_nothing(fake: Fake, number: int) -> None:
    run = fake()
    launch.start(run)
    until(training(run))
    owner = owner_of(run)
    os.kill(owner.pid, number)
    os.kill(owner.engine_pid, number)
    step = state_of(run).step
    until(training(run, step + 5))


def test_closing_the_terminal_of_who_started_it_does_nothing(fake: Fake) -> None:
    run = fake()
    code = f"""
import os, sys, time
from pathlib import Path
from tui.core.rundir import RunDir
from tui.runs import controls, launch
launch.SUPERVISOR = {SUPERVISOR!r}
launch.start(RunDir(Path(sys.argv[1])))
print("started", flush=True)
time.sleep(60)
"""
    pid, terminal = os.forkpty()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # who runs the tests may ignore it (nohup)
        os.execv(sys.executable, [sys.executable, "-c", code, str(run.path)])
    output = b""
    while b"started" not in output:
        output += os.read(terminal, 4096)
    os.close(terminal)  # the terminal is gone: everybody in its session gets SIGHUP
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGHUP
    step = state_of(run).step
    until(training(run, step + 5))


def test_to_stop_now_kills_an_engine_that_does_not_listen(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake(deaf=True, kill_seconds=1)
    launch.start(run)
    until(lambda: "started" in kinds(run))
    controls.stop(run)
    time.sleep(0.3)
    assert look(run).alive
    begun = time.monotonic()
    controls.stop(run, now=True)
    until(over(run), 20)
    assert time.monotonic() - begun < 10
    state = state_of(run)
    assert state.status == "stopped"  # as it was asked to
    assert "told to stop at once" in state.status_text


def test_a_run_that_is_deleted_while_it_trains_ends(fake: Fake) -> None:
    run = fake()
    launch.start(run)
    until(training(run))
    owner = owner_of(run)
    shutil.rmtree(run.path, ignore_errors=True)
    until(lambda: not host.start_time(owner.pid))
    assert not host.start_time(owner.engine_pid)


def test_a_sign_of_life_is_given_while_the_engine_is_silent(fake: Fake) -> None:
    run = fake()
    code = (
        "import sys; from tui.runs import supervisor; supervisor.HEARTBEAT = 0.1; sys.exit(supervisor.main(engine={}))"
    )
    engine = [sys.executable, str(Path(__file__).with_name("fake_engine.py"))]
    with subprocess.Popen([sys.executable, "-c", code.format(engine), str(run.path)]) as process:
        until(training(run))
        first = run.owner.stat().st_mtime_ns
        until(lambda: run.owner.stat().st_mtime_ns > first)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == events.Exit.STOPPED


def test_an_engine_that_cannot_be_started_is_a_failure_that_is_noted(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake()
    script = tmp_path / "supervisor.py"
    script.write_text("import sys; from tui.runs import supervisor; sys.exit(supervisor.main(engine=['/no/such']))")
    monkeypatch.setattr(launch, "SUPERVISOR", (sys.executable, str(script)))
    with pytest.raises(FailureError, match="cannot be started: /no/such: No such file"):
        launch.start(run)
    until(over(run))
    assert state_of(run).status == "failed"


def test_a_supervisor_that_dies_at_once_says_its_last_words(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake()
    monkeypatch.setattr(launch, "SUPERVISOR", (sys.executable, "-c", "raise SystemExit('no \\x1b[2J luck')"))
    with pytest.raises(FailureError, match=r"its supervisor died: \"no \\x1b\[2J luck\""):
        launch.start(run)


def test_a_supervisor_that_is_never_ready_is_given_up(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake()
    monkeypatch.setattr(launch, "READY_SECONDS", 0.3)
    code = "import os, sys, time; os.fork() and os._exit(0); print(os.getpid(), flush=True); time.sleep(60)"
    monkeypatch.setattr(launch, "SUPERVISOR", (sys.executable, "-c", code))
    with pytest.raises(FailureError, match="was not ready"):
        launch.start(run)
    until(lambda: not host.start_time(int(run.log.read_text().split()[0])))


def test_the_requests_of_a_run_belong_to_its_owner_alone(fake: Fake) -> None:
    run = fake(steps=5)
    run.control.chmod(0o777)
    launch.start(run)
    assert run.control.stat().st_mode & 0o777 == 0o700
    until(over(run))
    run = fake(name="20260131-120001-other", steps=5)
    run.control.rmdir()
    run.control.symlink_to("/tmp")
    with pytest.raises(FailureError, match="is not a folder of yours"):
        launch.start(run)


def test_a_planted_link_is_not_followed(fake: Fake, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    run = fake(steps=5)
    run.log.symlink_to(victim)
    with pytest.raises(FailureError, match=r"engine\.log"):
        launch.start(run)
    run.log.unlink()
    run.lock.unlink(missing_ok=True)
    run.lock.symlink_to(victim)
    with pytest.raises(FailureError, match="lock"):
        launch.start(run)
    assert victim.read_text() == "precious"
    assert look(run).lock == "unknown"


def test_attempts_are_numbered_past_everything_that_left_a_trace(fake: Fake) -> None:
    run = fake(steps=3)
    builders.append_records(run, "batches", 4, ("loss",), [])
    builders.append_event(run, events.Launched(attempt=2, host="h", pid=1))
    launch.start(run)
    until(over(run))
    assert state_of(run).attempt == 5
