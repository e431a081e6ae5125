"""Why an engine ended that could not say so itself."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tui.core.rundir import RunDir
from tui.runs import host, postmortem
from tui.runs.postmortem import Circumstances, ending, last_words


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "20260131-120000-run")
    run.make()
    return run


def ended(run: RunDir, code: int, kills: tuple[int, int] = (0, 0), *, forced: bool = False) -> tuple[str, int, str]:
    before = Circumstances(0, 0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postmortem, "memory_kills", lambda: kills)
        event = ending(run, 1, code, before, forced=forced)
    return event.reason, event.exit_code, event.text


def test_out_of_memory_is_told_from_any_other_kill(run: RunDir) -> None:
    reason, code, text = ended(run, -9, (1, 1))
    assert (reason, code) == ("killed", 137)
    assert "because the memory that it may use ran out" in text
    assert "training.batch_size" in text
    assert "most likely because the machine ran out of memory" in ended(run, -9, (0, 3))[2]
    assert "from outside" in ended(run, -9)[2]
    assert "memory" not in ended(run, -15, (1, 1))[2]


@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        (-signal.SIGSEGV, ("killed", 139), "crashed with signal 11 (SIGSEGV)"),
        (-signal.SIGBUS, ("killed", 135), "(SIGBUS), which is often a full disk or a full /dev/shm."),
        (-signal.SIGTERM, ("killed", 143), "ended by signal 15 (SIGTERM)"),
        (-64, ("killed", 192), "signal 64"),
        (0, ("failed", 1), "did not say why"),
        (1, ("failed", 1), "exit code 1"),
        (75, ("stopped", 75), "stopped"),
        (137, ("killed", 137), "killed"),
    ],
)
def test_every_way_to_end_has_its_sentence(run: RunDir, code: int, expected: tuple[str, int], words: str) -> None:
    reason, exit_code, text = ended(run, code)
    assert (reason, exit_code) == expected
    assert words in text


def test_who_was_told_to_stop_was_not_killed_from_outside(run: RunDir) -> None:
    assert "told to stop at once" in ended(run, -9, forced=True)[2]


def test_last_words_are_short_clean_and_only_of_this_attempt(run: RunDir) -> None:
    assert last_words(run) == ""
    run.log.write_bytes(b"old words\n" + b"x" * 100_000 + b"\n\nTraceback\n  File\n\xff\x1b]0;t\x07Error: no\n\n")
    words = last_words(run)
    assert words.startswith("Traceback / File / ")
    assert words.endswith("\\x1b]0;t\\x07Error: no")
    assert len(words) <= 400
    run.log.write_bytes(b"old words\n")
    assert last_words(run, since=10) == ""


def test_kills_for_memory_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("pgfault 12\noom_kill 7\n")
    monkeypatch.setattr(host, "_VMSTAT", vmstat)
    assert host.memory_kills()[1] == 7
    vmstat.write_text("oom_kill x\n")
    assert host.memory_kills()[1] == 0
    monkeypatch.setattr(host, "_VMSTAT", tmp_path / "none")
    assert host.memory_kills()[1] == 0
