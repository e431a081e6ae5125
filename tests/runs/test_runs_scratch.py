"""Folders for what is thrown away: gone at the end, and those of who was killed are gone at the next beginning."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tui.core.errors import FailureError
from tui.core.settings import Settings
from tui.runs import rehearsals
from tui.runs.scratch import PREFIX, scratch

WORKER = """
import time
from tui.runs.scratch import scratch
with scratch() as folder:
    (folder / "run").mkdir()
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_what_a_killed_one_left_goes_and_what_is_in_use_or_not_ours_stays(place: Path) -> None:
    link, young, old = (place / f"{PREFIX}{name}" for name in ("link", "young", "old"))
    elsewhere = place / "elsewhere"
    for folder in (elsewhere, young, old):
        folder.mkdir()
    link.symlink_to(elsewhere)
    os.utime(old, (0, 0))
    workers = [subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        killed, busy = (Path(w.stdout.readline().strip()) for w in workers if w.stdout is not None)
        workers[0].kill()
        workers[0].wait()
        assert killed.is_dir()
        with scratch() as mine:
            assert sorted(place.iterdir()) == sorted([elsewhere, link, young, busy, mine])
        assert not mine.exists()
        assert busy.is_dir()
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()


def test_a_place_for_temporary_files_that_is_full_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(place / "cnntrain-trial-x"))

    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    with pytest.raises(FailureError, match=r"dry run cannot be made: .*cnntrain-trial-x: the disk is full\. .*TMPDIR"):
        rehearsals.dry_run(Settings(), root=place)
