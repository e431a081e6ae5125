"""Renaming and deleting: nothing but runs, nothing beyond links, nothing that trains."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import builders
import pytest

from tui.core.errors import CnntrainError, FailureError, UsageError
from tui.core.rundir import RunDir
from tui.runs import upkeep
from tui.runs.catalog import list_runs, summary_of


def test_a_run_is_deleted_whole(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=20)
    other = builders.make_run(tmp_path, name="20260131-130000-other", steps=20)
    found = upkeep.contents(run)
    assert found.files == sum(len(files) for _, _, files in os.walk(run.path))
    assert found.bytes > 1000
    assert found.foreign == ()
    upkeep.delete(run)
    assert [path.name for path in tmp_path.iterdir()] == [other.name]


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "precious.bin").write_bytes(b"x" * 100_000)
    run = builders.make_run(tmp_path / "runs", steps=20)
    (run.checkpoints / "elsewhere").symlink_to(kept)
    (run.path / "mine.txt").write_text("a note")
    found = upkeep.contents(run)
    assert found.bytes < 100_000
    assert found.foreign == ("mine.txt",)
    upkeep.delete(run)
    assert (kept / "precious.bin").stat().st_size == 100_000
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_is_no_run_is_left_alone(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path / "runs", steps=20)
    project = tmp_path / "project"
    project.mkdir()
    (project / "settings.toml").write_text("[run]\ncommand = 'make'\n")
    (project / "events.jsonl").write_text('{"kind":"launched"}\n')
    link = tmp_path / "runs" / "link"
    link.symlink_to(run.path)
    inside = builders.make_run(tmp_path / "runs", name="outer", steps=20)
    shutil.copytree(run.path, inside.path / "inner")
    torn = builders.make_run(tmp_path / "runs", name="torn", steps=20)
    torn.settings.write_bytes(b"")
    torn.events.write_bytes(b"\x00\xff")
    for place, words in (
        (project, "not recognisably a run"),
        (link, "is a link"),
        (inside.path, "there are runs inside"),
        (torn.path, "not recognisably a run"),
        (tmp_path / "gone", "is not there"),
        (tmp_path, "not recognisably a run"),
    ):
        for act in (upkeep.contents, upkeep.delete, lambda run: upkeep.rename(run, "new")):
            with pytest.raises(UsageError, match=words):
                act(RunDir(place))
    assert run.exists
    assert (project / "settings.toml").exists()


@pytest.mark.parametrize("status", ["running", "paused", "stopping", "silent", "preparing"])
def test_a_run_that_trains_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    run = builders.make_run(tmp_path, steps=20, status=status)  # type: ignore[arg-type]
    builders.stop_the_clock(monkeypatch, run, after=3600.0 if status == "silent" else 1.0)
    try:
        with pytest.raises(UsageError, match=f"is {status}"):
            upkeep.delete(run)
        with pytest.raises(UsageError, match=f"is {status}"):
            upkeep.rename(run, "other")
    finally:
        builders.let_go(run)
    assert run.exists


def test_a_run_that_begins_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, steps=20)
    monkeypatch.setattr("tui.runs.upkeep.summary_of", lambda run: summary_of(run))
    known = summary_of(run)
    builders.hold(run)
    monkeypatch.setattr("tui.runs.upkeep.summary_of", lambda run: known)
    monkeypatch.setattr("tui.runs.lock.LOCK_SECONDS", 0.05)
    try:
        with pytest.raises(UsageError, match="The run cannot be deleted"):
            upkeep.delete(run)
    finally:
        os.close(builders._HELD.pop(run))
    assert run.exists


def test_a_deletion_cut_short_leaves_no_half_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, steps=20)
    other = builders.make_run(tmp_path, name="20260131-130000-other", steps=20)

    def broken(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", broken)
        with pytest.raises(FailureError, match="out of the list but not all"):
            upkeep.delete(run)
    assert [one.run for one in list_runs(tmp_path)] == [other]
    assert [path.name.startswith(upkeep.ASIDE) for path in sorted(tmp_path.iterdir())] == [True, False]
    upkeep.delete(other)  # which takes what was left with it
    assert list(tmp_path.iterdir()) == []


def test_a_new_name_keeps_the_time_stamp(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=20)
    new = upkeep.rename(run, "the best of/all")
    assert new.name == "20260131-120000-the-best-of-all"
    assert new.exists
    assert not run.path.exists()
    assert summary_of(new).status == "finished"
    plain = builders.make_run(tmp_path, name="plain", steps=20)
    assert upkeep.rename(plain, "other").name == "other"
    assert upkeep.rename(new, "the-best-of-all") == new


@pytest.mark.parametrize(("name", "words"), [("", "no letter"), ("...", "no letter"), ("taken", "there is already")])
def test_a_name_that_cannot_be(tmp_path: Path, name: str, words: str) -> None:
    run = builders.make_run(tmp_path, steps=20)
    (tmp_path / "20260131-120000-taken").mkdir()
    with pytest.raises(CnntrainError, match=words):
        upkeep.rename(run, name)
    assert run.exists
