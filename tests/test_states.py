"""How a run stands, in every place that says so: the same words in the lists, the status, the live screen, the results.

Each state is made with files alone: what ended or did not end in the events, who is named as the owner, and the clock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from typer.testing import CliRunner

from tests import builders
from tests.app.walking import breathe, make_app, settle, text_of
from tui.app.screens.results import ResultsScreen
from tui.app.screens.watch import WatchScreen
from tui.core.events import Controlled
from tui.core.rundir import RunDir
from tui.runs.host import start_time
from tui.runs.status import LIVE, Status

DAY = 86_400.0


@dataclass(frozen=True)
class Case:
    """A state, and what is to be said of it."""

    status: Status
    words: str = ""
    """Of its sentence, where there is one."""
    made: Status = "running"
    """As `builders.make_run` has it."""
    early: float = 0.0
    """How much earlier than the present all of it happened."""
    owner: dict[str, Any] = field(default_factory=dict)
    """What differs in ``owner.json`` when the lock is let go; nothing: it is held."""


REUSED = {"start_time": "12345"}
FAR = {"host": "far", "boot_id": "another", "pid": 1}
CASES = {
    "running": Case("running"),
    "bounded": Case("running", "It stops at the end of this epoch"),
    "paused": Case("paused", made="paused"),
    "silent": Case("silent", "its process lives, but nothing has come from it", early=600),
    "finished": Case("finished", "All epochs are done", made="finished"),
    "stopped": Case("stopped", "Stopped on request after a saved step", made="stopped"),
    "killed": Case("crashed", "The engine was killed by signal 9 (SIGKILL)", made="crashed"),
    "rebooted": Case("interrupted", "The machine was restarted", made="interrupted"),
    "reused": Case(
        "crashed", "Nobody noted why it ended: its supervisor was killed, or the disk was full", owner=REUSED
    ),
    "elsewhere": Case("running", "On far", owner=FAR),
    "lost": Case("silent", "which cannot be seen from here", owner=FAR, early=DAY),
    "tomorrow": Case("running", early=-DAY),
    "yesterday": Case("crashed", "Nobody noted why it ended", owner=REUSED, early=-DAY),
}
"""``reused``: the owner's process id belongs to another process now. The last two: the clock was moved meanwhile."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunDir]]:
    """All of them, in one directory, at one moment; nobody changes them."""
    root = tmp_path_factory.mktemp("states") / "runs"
    made, start = {}, builders.START
    with pytest.MonkeyPatch.context() as patch:
        for number, (name, case) in enumerate(CASES.items()):
            patch.setattr(builders, "START", start - case.early)
            stamped = f"20260131-1200{number:02}-{name}"
            run = made[name] = builders.make_run(root, name=stamped, steps=40, epochs=2, status=case.made)
            if case.owner:
                os.close(builders._HELD.pop(run))
                builders.own(run, lock_inode=run.lock.stat().st_ino, **case.owner)
            if name == "bounded":
                builders.append_event(run, Controlled(time=builders.end_of(run), step=40, action="stop_after_epoch"))
            if name == "silent":
                itself = {"engine_pid": os.getpid(), "engine_start": start_time(os.getpid())}
                builders.own(run, lock_inode=run.lock.stat().st_ino, **itself)
            os.utime(run.owner, (start - case.early, start - case.early))
        builders.stop_the_clock(patch, made["running"])
        yield made
    for run in made.values():
        if run in builders._HELD:
            builders.let_go(run)


Place = Callable[..., Any]


async def the_list(runs: dict[str, RunDir], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    lines = _command("runs", "--runs", str(runs["running"].path.parent)).splitlines()
    return {name: next(line for line in lines if f"-{name} " in line) for name in runs}


async def the_status(runs: dict[str, RunDir], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    return {name: _command("status", str(run.path)) for name, run in runs.items()}


async def home(runs: dict[str, RunDir], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    app = make_app(runs["running"].path.parent.parent, monkeypatch)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        lines = text_of(app).splitlines()
    return {name: next(line for line in lines if f" {name} " in line) for name in runs}


async def watch(runs: dict[str, RunDir], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    return await _screens(runs, monkeypatch, WatchScreen)


async def results(runs: dict[str, RunDir], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    over = {name: run for name, run in runs.items() if CASES[name].status not in LIVE}
    return await _screens(over, monkeypatch, ResultsScreen)


def _command(*arguments: str) -> str:
    from tui.cli.program import app

    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments), prog_name="cnntrain").stdout


async def _screens(runs: dict[str, RunDir], monkeypatch: pytest.MonkeyPatch, kind: Callable[[RunDir], Any]) -> Any:
    told = {}
    app = make_app(next(iter(runs.values())).path.parent.parent, monkeypatch)
    async with app.run_test(size=(120, 40)):
        for name, run in runs.items():
            screen = kind(run)
            await app.push_screen(screen)
            for _ in range(200):
                told[name] = " ".join(text_of(app).split())
                case = CASES[name]
                if case.status in told[name] and (kind is ResultsScreen or case.words in told[name]):
                    break
                await breathe()
            await app.pop_screen()
    return told


@pytest.mark.parametrize("place", [the_list, the_status, home, watch, results], ids=lambda place: place.__name__)
async def test_every_place_says_how_a_run_stands(
    place: Place, runs: dict[str, RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await place(runs, monkeypatch)
    said_as_sentences = place in (the_status, watch)
    for name, text in told.items():
        case = CASES[name]
        assert case.status in text, (name, text)
        for other in {each.status for each in CASES.values()} - {case.status}:
            assert other not in text[:200].replace(name, ""), (name, other, text)
        if said_as_sentences:
            assert case.words in text, (name, text)
    if place is watch:
        assert f"`kill -CONT {os.getpid()}` lets one that was suspended go on" in told["silent"]
        assert f"`cnntrain stop --now {runs['silent'].name}` ends it" in told["silent"]
