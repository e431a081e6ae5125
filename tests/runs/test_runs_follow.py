"""Following a run: one poll brings everything up to date, writes nothing, and a broken run still opens."""

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
from tui.core import control, events
from tui.core.metrics import BATCH
from tui.core.records import BATCHES, LAYERS
from tui.core.rundir import RunDir
from tui.runs.follow import RunFollower
from tui.runs.launched import keep_settings
from tui.runs.status import Status

BATCH_NAMES = tuple(metric.name for metric in BATCH)


@pytest.fixture(autouse=True)
def let_go_of_locks() -> Iterator[None]:
    yield
    for run in list(builders._HELD):
        builders.let_go(run)


def followed(run: RunDir, *, history: bool = True) -> RunFollower:
    follower = RunFollower(run, history=history)
    follower.poll()
    return follower


def rows(first: int, last: int, seconds: float = 0.1, start: float = 0.0) -> list[list[float]]:
    return [[s, start + s * seconds, 1.0, 0.5, 0.1, 1.0, 100.0, 0.0, 0.0] for s in range(first, last + 1)]


@pytest.mark.parametrize("status", get_args(Status))
def test_a_made_up_run_has_the_status_it_was_made_with(
    status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path, status=status)
    builders.stop_the_clock(monkeypatch, run, after=3600.0 if status == "silent" else 1.0)
    state = followed(run).state
    assert state.status == status
    assert state.live == (status in ("preparing", "running", "paused", "stopping", "silent"))
    assert state.status_text or status == "running"
    assert state.settings is not None
    assert state.info["preset"] == "cifar10"
    assert (state.eta_seconds is None) == (status not in ("running", "stopping"))


def test_everything_is_there_after_one_poll(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=400, epochs=4, layers=("a", "b"))
    follower = followed(run)
    state = follower.state
    assert (state.step, state.total_steps, state.epoch, state.attempt) == (400, 400, 4.0, 1)
    assert (len(state.epochs), len(state.evaluations), len(state.checkpoints)) == (4, 4, 4)
    assert state.best is not None
    assert state.best.metrics["accuracy"] == max(e.metrics["accuracy"] for e in state.evaluations)
    assert state.test is not None
    assert set(state.latest) == set(BATCH_NAMES)
    assert state.latest == follower.batches.latest
    assert (follower.batches.count, follower.layers.count, follower.layers.columns) == (400, 400, ("a", "b"))
    assert not follower.behind


def test_a_poll_says_whether_anything_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, steps=100, epochs=1, status="running")
    builders.stop_the_clock(monkeypatch, run)
    follower = followed(run)
    assert follower.poll() is False
    builders.append_records(run, BATCHES, 1, BATCH_NAMES, rows(101, 102))
    assert follower.poll() is True
    assert (follower.state.step, follower.batches.last_step) == (102, 102)
    builders.append_event(run, events.Message(level="info", text="hello"))
    assert follower.poll() is True
    assert follower.poll() is False
    builders.let_go(run)
    follower._looked = -1e9
    assert follower.poll() is True
    assert follower.state.status == "crashed"


def test_the_list_of_changes_is_the_same_with_and_without_history(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=300, attempts=((1, 200), (101, 300)), status="stopped")
    with_series, without = followed(run).state, followed(run, history=False).state
    assert with_series == without
    assert (without.attempt, without.step) == (2, 300)


def test_following_a_run_from_its_birth_gives_the_same_as_opening_it_later(tmp_path: Path) -> None:
    finished = builders.make_run(tmp_path / "a", steps=300, attempts=((1, 150), (101, 300)))
    run = RunDir(tmp_path / "b" / finished.name)
    run.make()
    follower = RunFollower(run)
    shutil.copy(finished.settings, run.settings)
    for line in finished.events.read_bytes().splitlines(keepends=True):
        with run.events.open("ab") as file:
            file.write(line[:20])
        follower.poll()
        with run.events.open("ab") as file:
            file.write(line[20:])
        follower.poll()
    for path in sorted(finished.metrics.iterdir()):
        data = path.read_bytes()
        for start in range(0, len(data), 1001):
            with (run.metrics / path.name).open("ab") as file:
                file.write(data[start : start + 1001])
            follower.poll()
    follower.batches._listed = follower.layers._listed = follower._chosen = -1e9
    follower.poll()
    opened = followed(run)
    assert follower.state == opened.state
    assert follower.batches.count == opened.batches.count == 300
    assert follower.layers.latest == opened.layers.latest


def test_a_resumed_run_without_new_records_shows_where_it_stands(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=200, epochs=2, status="stopped")
    follower = followed(run, history=False)
    builders.append_event(run, events.Launched(attempt=2, host="h", pid=1))
    follower.poll()
    assert (follower.state.step, follower.state.latest != {}) == (200, True)
    builders.append_event(run, events.Rewound(step=150, attempt=2, checkpoint="c"))
    follower.poll()
    assert (follower.state.step, follower.state.latest) == (150, {})
    assert followed(run).batches.last_step == 150
    builders.append_records(run, BATCHES, 2, BATCH_NAMES, rows(151, 152))
    follower._chosen = -1e9
    follower.poll()
    assert (follower.state.step, follower.state.latest["loss"]) == (152, 1.0)


def test_nobody_who_looks_writes(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, status="interrupted")

    def everything() -> list[tuple[str, int, int, int]]:
        paths = sorted([run.path, *run.path.rglob("*")])
        return [(str(p), p.stat().st_mtime_ns, p.stat().st_ctime_ns, p.stat().st_size) for p in paths]

    before = everything()
    follower = followed(run)
    for _ in range(3):
        follower._looked = follower._chosen = -1e9
        follower.poll()
    assert everything() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_run_that_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path)
    for path in (run.path, run.metrics, run.control):
        path.chmod(0o500)
    assert followed(run).state.status == "finished"


def test_the_time_left_follows_the_pace_of_the_last_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, steps=200, epochs=2, total_steps=1200, status="running")
    builders.stop_the_clock(monkeypatch, run)
    # 100 steps of 0.05 s and a validation of 2 s make an epoch; ten are left.
    assert followed(run, history=False).state.eta_seconds == pytest.approx(70, rel=0.02)


def test_no_more_time_is_left_than_training_max_minutes_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = {"training": {"max_minutes": 1.0}}
    run = builders.make_run(tmp_path, steps=200, epochs=2, total_steps=1200, status="running", settings=limited)
    builders.stop_the_clock(monkeypatch, run)
    follower = followed(run, history=False)
    state = follower.state
    assert state.started is not None
    trained = state.last_time - state.started.time
    assert 5 < trained < 30
    assert state.eta_seconds == pytest.approx(60 - trained, abs=2.5)  # all steps would take 70 s
    resumed = state.started.but(attempt=2, step=200, time=state.last_time, trained=20.0)
    builders.append_event(run, resumed)
    assert followed(run, history=False).state.eta_seconds == pytest.approx(40, abs=2.5)
    again = events.Extended(time=state.last_time, step=200, epochs=1, total_epochs=13, total_steps=1300)
    builders.append_event(run, again)
    assert followed(run, history=False).state.eta_seconds == pytest.approx(60, abs=2.5)


def test_a_pause_is_not_taken_for_slowness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, steps=0, status="preparing")
    story = builders._Story(run, ("a",), (), 100, 400, None, None)  # type: ignore[arg-type]
    story.event(story.started(1))
    builders.append_records(run, BATCHES, 1, BATCH_NAMES, [*rows(1, 100), *rows(101, 200, start=1000)])
    builders.append_event(run, events.Controlled(time=builders.START + 10.05, step=100, action="pause"))
    builders.append_event(run, events.Controlled(time=builders.START + 1010.05, step=100, action="continue"))
    builders.stop_the_clock(monkeypatch, run)
    monkeypatch.setattr("tui.runs.status.now", lambda: builders.START + 1021)
    state = followed(run).state
    assert state.status == "running"
    assert state.eta_seconds == pytest.approx(20, rel=0.05)


def test_a_clock_that_was_set_back_gives_no_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, steps=100, epochs=1, status="running")
    builders.append_records(run, BATCHES, 1, BATCH_NAMES, rows(101, 150, start=-5000))
    builders.stop_the_clock(monkeypatch, run)
    assert followed(run).state.eta_seconds is None


def test_a_stop_that_was_asked_for_shows_before_the_engine_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path, status="running")
    builders.stop_the_clock(monkeypatch, run)
    follower = followed(run)
    control.ask(run, "stop")
    follower._looked = -1e9
    assert follower.poll() is True
    assert follower.state.status == "stopping"


@pytest.mark.parametrize(
    "content",
    [b"", b"[run]\nformat = 1\n[trai", b"\xff\xfe", b"[training]\nepochs = 'ten'\n", b"[nonsense]\nx = 1\n", None],
)
def test_broken_settings_are_a_sentence_and_not_an_error(tmp_path: Path, content: bytes | None) -> None:
    run = builders.make_run(tmp_path)
    if content is None:
        run.settings.unlink()
    else:
        run.settings.write_bytes(content)
    follower = followed(run)
    assert follower.state.settings is None
    assert "settings" in follower.state.problems[0]
    if content == b"":
        assert "settings.toml is empty or half-written: [run] is missing" in follower.state.problems[0]
    assert (follower.state.status, follower.batches.count) == ("finished", 400)
    assert follower.poll() is False


def test_settings_are_read_again_when_they_are_mended(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path)
    good = run.settings.read_bytes()
    run.settings.write_bytes(good[:100])
    follower = followed(run)
    assert follower.state.settings is None
    run.settings.write_bytes(good)
    follower._looked = -1e9
    assert follower.poll() is True
    assert follower.state.settings is not None
    assert follower.state.problems == []


def test_damage_inside_the_records_is_told_once_and_what_follows_is_shown(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, status="stopped", steps=400)
    for kind in (BATCHES, LAYERS):
        path = run.segment(kind, 1)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
        for summary in path.parent.glob("*.pyr"):
            summary.unlink()
    follower = followed(run)
    for _ in range(3):
        follower.poll()
    said = [event.text for event in follower.state.log if isinstance(event, events.Message) and event.level != "info"]
    assert said[-1] == "2 damaged stretches of the records cannot be read; all others are shown."
    assert len([text for text in said if "damaged" in text]) <= 2
    assert follower.batches.count == 399
    assert follower.state.step == 400


def test_settings_that_are_as_launched_are_not_checked_again(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path)
    keep_settings(run)
    code = (
        "import json, sys; from pathlib import Path; from tui.core.rundir import RunDir;"
        "from tui.runs.follow import RunFollower; f = RunFollower(RunDir(Path(sys.argv[1]))); f.poll();"
        "epochs = f.state.setting('training.epochs'); early = 'pydantic' in sys.modules;"
        "print(json.dumps([early, epochs, f.state.settings.training.epochs]))"
    )
    early, shown, checked = json.loads(subprocess.check_output([sys.executable, "-c", code, str(run.path)], timeout=60))
    assert not early
    assert shown == checked > 0


def test_settings_and_their_copy_that_cannot_be_used_are_told_when_they_are_needed(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path)
    text = run.settings.read_text()
    run.settings.write_text(re.sub("(?m)^epochs = .*$", r'epochs = "\\u001b[2Jten"', text))
    assert "epochs" in followed(run).state.problems[0]
    keep_settings(run)
    follower = followed(run)
    assert follower.state.problems == []
    assert follower.state.setting("training.epochs") == "\\x1b[2Jten"
    assert follower.state.setting("training.nonsense") is None
    assert follower.state.settings is None
    assert "epochs" in follower.state.problems[0]
    assert (follower.state.setting("training.epochs"), follower.state.of_epochs) == (None, "")


def test_a_run_of_a_newer_version_is_only_read(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path)
    text = run.settings.read_text().replace("format = 1", "format = 99")
    run.settings.write_text(text + "\n[quantum]\nqubits = 3\n")
    builders.append_event(run, events.Unknown(name="x"))
    state = followed(run).state
    assert "newer version of cnntrain (format 99" in state.read_only
    assert (state.settings, state.problems, state.status, state.step) == (None, [], "finished", 400)


def test_hostile_texts_of_a_run_are_made_visible(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, status="failed", preset="\x1b[2J[/]", classes=("\x1b]52;c;x\x07", "b" * 500))
    builders.append_event(run, events.Ended(reason="failed", exit_code=1, text="no\x1b[31m \u202ejpg.exe"))
    state = followed(run).state
    assert state.info["preset"] == "\\x1b[2J[/]"
    assert state.started is not None
    assert state.started.classes[0] == "\\x1b]52;c;x\\x07"
    assert len(state.started.classes[1]) <= 200
    assert state.status_text == "no\\x1b[31m \\u202ejpg.exe"


def test_a_run_whose_files_are_rubbish_still_opens(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path)
    for path in (run.events, run.settings, run.owner, run.segment(BATCHES, 1)):
        path.write_bytes(os.urandom(5000))
    state = followed(run).state
    assert (state.settings, state.status, state.step) == (None, "stopped", 0)


def test_a_directory_that_is_not_there_or_goes_away(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path)
    follower = followed(run)
    run.path.rename(tmp_path / "elsewhere")
    follower._looked = -1e9
    assert follower.poll() is True
    assert "gone" in follower.state.status_text
    assert "as soon as the directory is there again" in follower.state.read_only
    assert (follower.state.step, follower.state.total_steps, follower.state.latest != {}) == (400, 400, True)
    assert len(follower.batches.series("loss").steps) > 100
    assert follower.poll() is False
    moved = followed(RunDir(tmp_path / "elsewhere")).state
    assert (moved.status, moved.step) == ("finished", 400)
    assert "gone" in followed(RunDir(tmp_path / "never")).state.status_text
    (tmp_path / "elsewhere").rename(run.path)
    follower._looked = -1e9
    assert follower.poll() is True
    assert (follower.state.status, follower.state.read_only, follower.state.problems) == ("finished", "", [])


def test_the_state_is_known_without_numpy_torch_or_a_screen(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path)
    code = (
        "import json, sys; from pathlib import Path; from tui.core.rundir import RunDir;"
        "from tui.runs.follow import RunFollower; f = RunFollower(RunDir(Path(sys.argv[1])), history=False); f.poll();"
        "assert f.state.step == 400 and f.state.settings is not None; print(json.dumps(list(sys.modules)))"
    )
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code, str(run.path)], timeout=60))
    assert not {"numpy", "torch", "textual", "typer"} & set(loaded)


def test_the_layers_wait_for_the_next_poll_where_the_first_has_no_time(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=300, epochs=1)
    follower = RunFollower(run)
    assert follower.poll(0.0)
    assert follower.batches.count > 0
    assert follower.behind
    assert follower.wanting
    assert not follower.layers.polled
    assert follower.poll(10.0)
    assert (follower.batches.count, follower.layers.count) == (300, 300)
    assert not follower.behind


def test_a_poll_with_nothing_new_is_cheap(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=2000, epochs=2)
    follower = followed(run)
    start = time.perf_counter()
    for _ in range(200):
        follower.poll()
    assert (time.perf_counter() - start) / 200 < 0.001
