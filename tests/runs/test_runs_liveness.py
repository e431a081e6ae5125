"""Who runs a run: the lock is the truth, and a process id alone is never believed."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tests import builders
from tui.core.errors import UsageError
from tui.core.rundir import RunDir
from tui.runs import host
from tui.runs.liveness import Liveness, look, read_owner
from tui.runs.lock import take_lock
from tui.runs.status import LIVE, Facts, Status, judge

NOW = builders.START


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    run = RunDir(tmp_path / "run")
    run.make()
    yield run
    if run in builders._HELD:
        builders.let_go(run)


def judged(run: RunDir, after: float = 1.0, **facts: object) -> tuple[Status, str]:
    known = {"launched": True, "started": True, "last_sign": NOW, **facts}
    return judge(Facts(**known), look(run), NOW + after)  # type: ignore[arg-type]


def test_a_held_lock_is_alive_whatever_else_is_said(run: RunDir) -> None:
    builders.hold(run)
    builders.own(run, boot_id="another", pid=1)
    assert look(run).alive
    assert judged(run) == ("running", "")
    assert judged(run, after=1e6)[0] == "silent"
    assert judged(run, ended="finished", ended_text="All done.") == ("stopping", "Ending: All done.")
    builders.let_go(run)
    assert not look(run).alive


def test_looking_changes_nothing_and_does_not_wait(run: RunDir) -> None:
    builders.hold(run)
    before = sorted((p.name, p.stat().st_mtime_ns) for p in run.path.iterdir())
    start = time.monotonic()
    look(run)
    assert time.monotonic() - start < 0.1
    assert sorted((p.name, p.stat().st_mtime_ns) for p in run.path.iterdir()) == before
    builders.let_go(run)
    run.lock.unlink()
    assert look(run) == Liveness("free", None)
    assert not run.lock.exists()


def test_two_who_look_do_not_see_each_other(run: RunDir) -> None:
    run.lock.touch()
    handle = os.open(run.lock, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        assert look(run).lock == "free"
    finally:
        os.close(handle)


def test_who_looks_does_not_make_a_start_fail(run: RunDir) -> None:
    run.lock.touch()
    code = (
        "import fcntl, os, sys, time; h = os.open(sys.argv[1], os.O_RDONLY); fcntl.flock(h, fcntl.LOCK_SH);"
        "print('held', flush=True); time.sleep(0.4)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(run.lock)], stdout=subprocess.PIPE) as viewer:
        assert viewer.stdout is not None
        viewer.stdout.readline()
        os.close(take_lock(run))


def test_a_second_owner_is_refused_and_told_who_the_first_is(run: RunDir) -> None:
    builders.hold(run)
    builders.own(run)
    start = time.monotonic()
    with pytest.raises(UsageError) as refusal:
        take_lock(run)
    assert 0.9 < time.monotonic() - start < 3
    text = str(refusal.value)
    assert f"process {os.getpid()}" in text
    assert host.host_name() in text
    assert "2026-01-31 12:00:00 UTC" in text


def test_an_owner_that_is_long_dead_is_not_named(run: RunDir) -> None:
    builders.hold(run)
    builders.own(run, start_time="1")
    with pytest.raises(UsageError, match="another process has just begun"):
        take_lock(run)


def test_after_a_restart_of_the_machine_it_is_interrupted(run: RunDir) -> None:
    run.lock.touch()
    builders.own(run, boot_id="another")
    status, text = judged(run)
    assert status == "interrupted"
    assert "The machine was restarted" in text


def test_a_process_id_that_is_used_again_is_not_the_owner(run: RunDir) -> None:
    run.lock.touch()
    builders.own(run, start_time="12345")
    assert not look(run).alive
    assert judged(run)[0] == "crashed"
    os.close(take_lock(run))


def test_the_owner_counts_where_the_lock_says_nothing(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    run.lock.touch()
    builders.own(run, lock_inode=run.lock.stat().st_ino)

    def no_locks(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert look(run).lock == "unknown"
    assert look(run).alive
    builders.own(run, lock_inode=run.lock.stat().st_ino, start_time="1")
    assert not look(run).alive


def test_a_copy_of_a_running_run_is_not_running(run: RunDir, tmp_path: Path) -> None:
    import shutil

    builders.hold(run)
    builders.own(run, lock_inode=run.lock.stat().st_ino)
    copy = RunDir(Path(shutil.copytree(run.path, tmp_path / "copy")))
    assert look(run).alive
    assert not look(copy).alive


def test_a_run_elsewhere_is_alive_while_it_is_fresh_and_then_silent_never_dead(run: RunDir) -> None:
    run.lock.touch()
    builders.own(run, host="node7", boot_id="another")
    os.utime(run.owner, (NOW + 100, NOW + 100))
    assert judged(run, after=101, last_sign=NOW + 90) == ("running", "On node7.")
    assert judged(run, after=101)[0] == "silent"  # it lives, but nothing comes
    status, text = judged(run, after=1e7)
    assert status == "silent"
    assert "node7" in text
    assert "2026-01-31 12:01:40 UTC" in text
    assert judged(run, after=1e7, ended="stopped", ended_text="Bye.") == ("stopped", "Bye.")


def test_a_fresh_run_elsewhere_is_not_taken_over(run: RunDir) -> None:
    run.lock.touch()
    builders.own(run, host="node7", boot_id="another")
    builders.append_event(run, builders.events.Launched(attempt=1, host="node7", pid=7))
    with pytest.raises(UsageError, match="node7"):
        take_lock(run)
    os.utime(run.owner, (time.time() - 1000,) * 2)
    os.close(take_lock(run))
    os.utime(run.owner)
    builders.append_event(run, builders.events.Ended(reason="stopped", exit_code=75))
    os.close(take_lock(run))


def test_a_wrong_clock_takes_no_run_over(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """The heartbeat of a run on another machine is compared with the clock of the disk, not with this machine's."""
    run.lock.touch()
    builders.own(run, host="node7", boot_id="another")
    builders.append_event(run, builders.events.Launched(attempt=1, host="node7", pid=7))
    wall = time.time
    for hours in (-2, 2):
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda hours=hours: wall() + 3600 * hours)
            with pytest.raises(UsageError, match="node7"):
                take_lock(run)


def test_slow_steps_are_no_silence_and_a_pause_is_none_either(run: RunDir) -> None:
    builders.hold(run)
    assert judged(run, after=50)[0] == "running"
    assert judged(run, after=120)[0] == "silent"
    assert judged(run, after=120, slowest=50.0)[0] == "running"
    assert judged(run, after=1e6, paused=True)[0] == "paused"
    assert judged(run, after=1, stop_asked=True)[0] == "stopping"
    assert judged(run, started=False, stage="decoding") == ("preparing", "decoding")


def test_a_run_that_nobody_started_says_so(run: RunDir) -> None:
    assert judged(run, launched=False, started=False) == ("stopped", "It was never started.")


@pytest.mark.parametrize("lock", ["held", "free", "unknown"])
@pytest.mark.parametrize("ended", ["", "finished", "stopped", "failed", "killed", "vanished"])
def test_a_held_lock_is_always_live_and_an_end_without_one_never(lock: str, ended: str) -> None:
    life = Liveness(lock, None)  # type: ignore[arg-type]
    for after in (1.0, 1e6):
        status, text = judge(Facts(launched=True, started=True, ended=ended, last_sign=NOW), life, NOW + after)
        assert status in get_args(Status)
        if lock == "held":
            assert status in LIVE
        elif ended:
            assert status not in LIVE
        assert text or status == "running"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"host": 1}', '{"pid": "x"}', "[" * 5000, '{"host":"h","pid":1e999}']
)
def test_a_broken_owner_file_is_no_owner(run: RunDir, content: str) -> None:
    run.owner.write_text(content)
    assert read_owner(run) == (None, 0.0)


def test_hostile_names_of_hosts_are_made_visible(run: RunDir) -> None:
    builders.own(run, host="\x1b[2Jnode", boot_id="x")
    assert "\x1b" not in judged(run)[1]


def test_a_start_time_belongs_to_one_process() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        first = host.start_time(child.pid)
        assert first
        assert first == host.start_time(child.pid)
        assert child.stdin is not None
        child.stdin.close()
        deadline = time.monotonic() + 10
        while host.start_time(child.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert host.start_time(child.pid) == ""  # dead, though its parent has not collected it
    assert host.start_time(0) == host.start_time(-1) == ""


SESSION = "0::/user.slice/user-1000.slice/session-3.scope\n"
OLD_SESSION = "12:memory:/user.slice\n1:name=systemd:/user.slice/user-1000.slice/session-3.scope\n"
MANAGER = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-u3.scope\n"
LINGER = "`loginctl enable-linger`"
SCOPE = f"{LINGER}, then `systemd-run --user --scope cnntrain resume x`"


@pytest.mark.parametrize(
    ("group", "login", "lingers", "expected"),
    [
        (SESSION, "KillUserProcesses=yes", False, SCOPE),
        (SESSION, "KillUserProcesses=yes", True, SCOPE),  # lingering keeps the manager, never a session
        (OLD_SESSION, "KillUserProcesses=true", False, SCOPE),
        (SESSION, "KillUserProcesses=yes\nKillExcludeUsers=root me", False, ""),
        (SESSION, "KillUserProcesses=yes\nKillOnlyUsers=someone", False, ""),
        (SESSION, "#KillUserProcesses=yes", False, ""),
        (SESSION, "rubbish", False, ""),
        (MANAGER, "", False, LINGER),
        (MANAGER, "", True, ""),
        ("0::/system.slice/cron.service\n", "KillUserProcesses=yes", False, ""),
        ("", "KillUserProcesses=yes", False, ""),
    ],
)
def test_what_keeps_a_training_at_logout(
    group: str, login: str, lingers: bool, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("cgroup", group), ("logind.conf", f"[Login]\n{login}\n")):
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(host, "_OWN_GROUP", tmp_path / "cgroup")
    monkeypatch.setattr(host, "_SYSTEMD", (tmp_path,))
    monkeypatch.setattr(host, "_LINGERING", tmp_path)
    monkeypatch.setattr(host, "_user", lambda: "me")
    if lingers:
        (tmp_path / "me").touch()
    assert host.kept_at_logout_by("cnntrain resume x") == expected


def test_of_the_files_for_logins_the_last_name_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup").write_text(SESSION)
    usr, etc = tmp_path / "usr", tmp_path / "etc"
    for place, name, kills in ((usr, "20-all.conf", "yes"), (etc, "10-mine.conf", "no")):
        (place / "logind.conf.d").mkdir(parents=True)
        (place / "logind.conf.d" / name).write_text(f"[Login]\nKillUserProcesses={kills}\n")
    monkeypatch.setattr(host, "_OWN_GROUP", tmp_path / "cgroup")
    monkeypatch.setattr(host, "_SYSTEMD", (usr, etc))
    monkeypatch.setattr(host, "_user", lambda: "me")
    assert host.kept_at_logout_by("x") != ""
    (etc / "logind.conf.d" / "30-last.conf").write_text("[Login]\nKillUserProcesses=no\n")
    assert host.kept_at_logout_by("x") == ""
