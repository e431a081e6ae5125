"""What an open screen does when a run ends: only what was asked for, and nothing that a name could smuggle in."""

from __future__ import annotations

from pathlib import Path

import builders
import pytest
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static
from walking import make_app, settle, text_of, until

from tui.app import notices
from tui.app.screens.home import HomeScreen
from tui.core import events
from tui.core.rundir import RunDir
from tui.runs.follow import RunFollower


class Terminal:
    """Stands where the app is."""

    def __init__(self) -> None:
        self.rung = 0
        self.written: list[str] = []
        self._driver = self

    def bell(self) -> None:
        self.rung += 1

    def write(self, text: str) -> None:
        self.written.append(text)


@pytest.fixture(autouse=True)
def no_wishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNTRAIN_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("TMUX", raising=False)
    notices._own_wish.cache_clear()


def running(tmp_path: Path, screen: str) -> RunDir:
    wish = {"notices": {"screen": screen}}
    return builders.make_run(tmp_path / "runs", steps=20, status="running", settings=wish)


def finish(run: RunDir) -> None:
    event = events.Ended(time=builders.end_of(run), step=20, reason="failed", exit_code=1, text="Out of \x07 memory.")
    builders.append_event(run, event)
    builders.let_go(run)


@pytest.mark.parametrize(("screen", "rung", "written"), [("off", 0, 0), ("bell", 1, 0), ("desktop", 0, 1)])
def test_the_end_of_a_watched_run(
    screen: str, rung: int, written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = running(tmp_path, screen)
    builders.stop_the_clock(monkeypatch, run)
    follower, alarm, terminal = RunFollower(run, history=False), notices.Alarm(), Terminal()
    follower.poll()
    alarm.look(terminal, follower.state)  # type: ignore[arg-type]
    alarm.look(terminal, follower.state)  # type: ignore[arg-type]
    assert (terminal.rung, terminal.written) == (0, [])
    finish(run)
    follower.poll()
    for _ in range(2):
        alarm.look(terminal, follower.state)  # type: ignore[arg-type]
    assert (terminal.rung, len(terminal.written)) == (rung, written)
    for text in terminal.written:
        assert text == "\x1b]9;example: failed. Out of \\x07 memory.\x07"


def test_a_critical_finding_rings_and_an_old_one_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = running(tmp_path, "bell")
    builders.stop_the_clock(monkeypatch, run)
    for code in ("old", "new"):
        moment = builders.end_of(run)
        builders.append_event(run, events.Found(time=moment, code=code, severity="critical", message="Bad."))
        if code == "old":
            follower, alarm, terminal = RunFollower(run, history=False), notices.Alarm(), Terminal()
        follower.poll()
        alarm.look(terminal, follower.state)  # type: ignore[arg-type]
    builders.let_go(run)
    assert terminal.rung == 1


def test_the_own_file_speaks_for_all_runs(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "notices.toml").write_text('screen = "bell"')
    (tmp_path / "config" / "notices.toml").chmod(0o600)
    terminal = Terminal()
    notices.call_back(terminal, "off", "x")  # type: ignore[arg-type]
    assert terminal.rung == 1


def test_tmux_hands_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "x")
    # What is handed on is dropped without `allow-passthrough`, which is off at first: the bell comes through.
    assert notices.desktop_notice("done") == "\x1bPtmux;\x1b\x1b]9;done\x07\x1b\\\x07"


async def test_the_first_screen_rings_for_runs_that_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = running(tmp_path, "bell")
    builders.stop_the_clock(monkeypatch, run)
    app = make_app(tmp_path, monkeypatch)
    rung: list[bool] = []
    monkeypatch.setattr(app, "bell", lambda: rung.append(True))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        assert rung == []
        finish(run)
        app.screen._look_now()
        await settle(pilot)
    assert rung == [True]


class Full(Screen[None]):
    """Has something in every cell."""

    def compose(self) -> ComposeResult:
        yield Static("\n".join("X" * 80 for _ in range(23)))


async def test_a_notice_covers_its_rows_to_the_edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        app.push_screen(Full())
        await settle(pilot)
        assert "X" * 80 in text_of(app)
        app.notify("The learning rate times 0.5 after this step, and some words more than one line has.", timeout=60)
        await until(pilot, lambda: "The learning rate times" in text_of(app))
        rows = [row for row in text_of(app).split("\n") if "▌" in row]
        assert len(rows) == 4
        assert not any(row.rstrip().endswith("X") for row in rows)
