"""The results of a run: what is told, what can be done with it, and that the screen only asks for work."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import pytest
from textual.pilot import Pilot
from textual.widgets import Static
from walking import make_app, settle, text_of, until

from tui.app.app import CnntrainApp
from tui.app.screens import results_view
from tui.app.screens.doctor import DoctorScreen
from tui.app.screens.export import ExportDialog
from tui.app.screens.home import HomeScreen
from tui.app.screens.predict import Answers, PredictScreen
from tui.app.screens.results import ResultsScreen
from tui.app.screens.settings import SettingsScreen
from tui.app.screens.tested import TestDialog
from tui.app.screens.validation import ValidationScreen
from tui.app.screens.watch import WatchScreen
from tui.app.widgets.job import JobLine
from tui.app.widgets.path_input import PathInput, completed
from tui.core import events
from tui.core.errors import FailureError, UsageError
from tui.core.metrics import METRICS
from tui.core.records import UPDATES
from tui.core.rundir import RunDir
from tui.runs import remarks
from tui.runs.follow import RunFollower
from tui.runs.report import report

SIZES = [pytest.param((120, 40), id="120x40"), pytest.param((80, 24), id="80x24")]
Snap = Callable[..., bool]


class Engine:
    """Stands where the engine is asked; by default it answers at once."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.items: list[Any] = []
        self.result: dict[str, Any] = {}
        self.error: Exception | None = None
        self.wait = False
        self.given_up = threading.Event()

    def ask(self, module: str, job: dict[str, Any], **ways: Any) -> dict[str, Any]:
        self.asked.append((module, job))
        ways["begun"](self.given_up.set)
        ways["progress"]("working", 1, 2)
        if self.wait:
            self.given_up.wait(30)
            raise FailureError("The engine died", "it was killed")
        if self.error is not None:
            raise self.error
        for one in self.items:
            ways["item"](one)
        return self.result


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    monkeypatch.setattr("tui.runs.service.ask", made.ask)
    return made


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = builders.make_run(tmp_path / "runs", steps=200, settings={"optimizer": {"learning_rate": 0.02}})
    best = run.checkpoint(200)
    best.mkdir()
    (best / "model.safetensors").write_bytes(b"x" * 2_000_000)
    for kind in ("best", "last"):
        run.pointer(kind).write_text(json.dumps({"directory": best.name}))
    return run


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    return make_app(tmp_path, monkeypatch)


async def opened(pilot: Pilot[None]) -> ResultsScreen:
    await settle(pilot)
    await pilot.press("enter")
    await settle(pilot)
    assert isinstance(pilot.app.screen, ResultsScreen)
    return pilot.app.screen


def said(app: CnntrainApp) -> str:
    return str(app.screen.query_one(JobLine).render())


@pytest.mark.parametrize("size", SIZES)
def test_pictures_of_results(size: tuple[int, int], run: RunDir, app: CnntrainApp, snap_compare: Snap) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await opened(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("key", ["2", "4", "5"])
def test_pictures_of_pages(key: str, run: RunDir, app: CnntrainApp, snap_compare: Snap) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press(key)
        await settle(pilot)

    assert snap_compare(app, terminal_size=(80, 24), run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_picture_of_an_export(
    size: tuple[int, int], run: RunDir, app: CnntrainApp, engine: Engine, snap_compare: Snap
) -> None:
    engine.result = {"path": "/x/net.onnx", "beside": "/x/net.onnx.json", "bytes": 2_000_000, "difference": 6e-7}

    async def before(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("e", "down")
        await settle(pilot)
        field = pilot.app.screen.query_one(PathInput)
        field.value = "~/net.onnx"
        await pilot.press("enter")
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)
    module, job = engine.asked[0]
    assert (module, job["format"], job["weights"], job["replace"]) == ("exporting", "onnx", "best", False)


@pytest.mark.parametrize("size", SIZES)
def test_picture_of_predictions(
    size: tuple[int, int], run: RunDir, app: CnntrainApp, engine: Engine, tmp_path: Path, snap_compare: Snap
) -> None:
    (tmp_path / "new").mkdir()
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        (tmp_path / "new" / name).write_bytes(b"")
    answers = [["cat", 0.9], ["dog", 0.08], ["frog [red]", 0.02]]
    engine.items = [
        {"path": "/p/1.jpg", "answers": answers},
        {"path": f"/p/{'long' * 40}.jpg", "answers": answers[1:]},
        {"path": "/p/3.jpg", "error": "the file is empty"},
    ]
    engine.result = {"task": "classification", "pictures": 3, "unreadable": 1}

    async def before(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("p")
        await settle(pilot)
        await pilot.press(*"~/n", "tab", "enter")
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)
    assert engine.asked[0][1]["paths"] == [str(tmp_path / "new" / f"{number}.jpg") for number in (1, 2, 3)]


def test_predicted_classes_have_their_whole_names_at_80_columns() -> None:
    panel = Answers()
    panel.answers = [
        {"path": "/p/1.jpg", "answers": [["longsleeve", 0.514], ["t-shirt", 0.215], ["hat", 0.089]]},
        {"path": "/p/2.jpg", "answers": [["x" * 60, 0.5], ["hat", 0.3], ["shoe", 0.1]]},
    ]

    def shown(width: int) -> list[str]:
        return ["".join(run[0] for run in row).rstrip() for row in panel.rows(0, 1, width)]

    [long] = shown(80)
    assert "longsleeve" in long  # one name of 60 letters does not cost the others theirs
    assert "51.4 %" in long
    panel.answers.pop()
    [row] = shown(80)
    assert [word in row for word in ("longsleeve", "t-shirt", "hat")] == [True, True, False]
    [wide] = shown(120)
    assert "hat" in wide
    assert len(wide) <= 120


async def test_the_summary_tells_how_it_ended_and_what_was_changed(
    run: RunDir, app: CnntrainApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        text = " ".join(text_of(app).split())
        await pilot.press("5")
        await settle(pilot)
        text += " ".join(text_of(app).split())
    for words in (
        "Finished after 4 of 4 epochs, 200 steps in",
        "Best validation: accuracy 75.8 %",
        "Test: accuracy 74.8 %",
        "1.0 points below the best validation",
        "optimizer.learning_rate",
        "checkpoints/step-000000200/",
        "the best and last weights",
        "1.9 MiB",
    ):
        assert words in text, words


async def test_what_was_wrong_with_a_path_goes_with_it(run: RunDir, app: CnntrainApp, engine: Engine) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("e")
        await settle(pilot)
        app.screen.query_one(PathInput).value = "/nowhere/net"
        await pilot.press("enter")
        await settle(pilot)
        assert "there is no directory /nowhere" in said(app)
        await pilot.press("backspace")
        await settle(pilot)
        assert said(app).startswith("Arrows choose the format")


async def test_a_note_is_part_of_the_summary(run: RunDir, app: CnntrainApp) -> None:
    remarks.note(run, "half the rate")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "Your note: half the rate" in text_of(app)


def test_a_class_that_was_never_said_has_no_precision() -> None:
    rows = results_view._each(["a", "b"], [(METRICS["precision"], [0.5, math.nan])], [3, 4], 60)
    assert ["".join(text for text, _ in row).split() for row in rows[1:]] == [["a", "50.0", "%", "3"], ["b", "–", "4"]]


async def test_an_export_that_fails_or_is_given_up(run: RunDir, app: CnntrainApp, engine: Engine) -> None:
    engine.error = UsageError("The model is not exported", "/x/net.onnx exists", "Add --force to replace it.")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "Press ^o to replace it" in said(app)
        engine.error = FailureError("The engine died", "it was killed")
        await pilot.press("ctrl+o", "ctrl+b", "enter")
        await settle(pilot)
        assert engine.asked[-1][1]["replace"] is True
        assert engine.asked[-1][1]["weights"] == "last"
        assert "The engine died" in said(app)
        engine.wait = True
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.query_one(JobLine).busy
        await pilot.press("escape")
        await settle(pilot)
        assert engine.given_up.is_set()
        assert "Given up" in said(app)
        assert "died" not in said(app)
        assert isinstance(app.screen, ExportDialog)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, ResultsScreen)


async def test_leaving_a_screen_ends_its_work(run: RunDir, app: CnntrainApp, engine: Engine, tmp_path: Path) -> None:
    engine.wait = True
    (tmp_path / "a.jpg").write_bytes(b"")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("p")
        await pilot.pause()
        await pilot.press(*"a.jpg", "enter")
        await pilot.pause()
        assert app.screen.query_one(JobLine).busy
        app.screen.dismiss()
        await settle(pilot)
        assert engine.given_up.wait(10)


async def test_a_test_on_other_pictures_stands_beside_the_others(
    run: RunDir, app: CnntrainApp, engine: Engine, tmp_path: Path
) -> None:
    engine.result = {
        "task": "classification",
        "root": "/else/where",
        "classes": ["cat", "dog\x1b[31m"],
        "metrics": {"accuracy": 0.123, "loss": 3.0},
        "recall": [0.25, float("nan")],
        "counts": [4, 0],
        "unreadable": [{"path": "x", "error": "y"}],
    }
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("t")
        await settle(pilot)
        assert isinstance(app.screen, TestDialog)
        await pilot.press(*str(tmp_path), "enter")
        await settle(pilot)
        assert isinstance(app.screen, ResultsScreen)
        text = text_of(app)
        assert "other data" in text
        assert "12.3 %" in text
        assert "of /else/where" in text
        assert "dog\\x1b[31m" in text
        assert engine.asked[0][1]["data"] == str(tmp_path)
        assert "1 pictures cannot be read" in " ".join(notice.message for notice in app._notifications)
        await pilot.press("t")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "data" not in engine.asked[1][1]
        assert "test again" in text_of(app)
        assert "of the test again" in text_of(app)
        assert "other data" not in text_of(app)


async def test_nothing_is_predicted_without_pictures(run: RunDir, app: CnntrainApp, engine: Engine) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("p")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press(*"none-*.jpg", "enter")
        await settle(pilot)
        assert isinstance(app.screen, PredictScreen)
        assert "There is nothing to predict" in said(app)
        assert app.screen.query_one(Answers).answers == []
    assert engine.asked == []


async def test_what_can_be_done_depends_on_the_run(tmp_path: Path, app: CnntrainApp) -> None:
    builders.make_run(tmp_path / "runs", steps=40, status="stopped")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, WatchScreen)  # a stopped run has no results yet; they can be asked for
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("f")
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, ResultsScreen)
        assert "Stopped after" in text_of(app)
        assert screen.check_action("resume", ())
        assert not screen.check_action("extend", ())
        await pilot.press("n")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        await pilot.press("escape", "w")
        await settle(pilot)
        assert isinstance(app.screen, WatchScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)


def test_broken_runs_have_a_report_too(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=40, preset="gone")
    run.evaluation("test", 40).write_bytes(b"{")
    run.pointer("best").write_bytes(b"[]")
    (run.path / "mine").symlink_to(tmp_path)
    follower = RunFollower(run)
    follower.poll()
    found = report(follower)
    assert any("gone" in one for one in found.trouble)
    assert any(one.what == "not of the run" for one in found.stored)
    run.settings.write_bytes(b"\xff")
    run.events.write_bytes(b"")
    follower = RunFollower(run)
    follower.poll()
    assert report(follower).words


def test_what_was_done_to_the_learning_rate_by_hand_is_told(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=400)
    follower = RunFollower(run)
    follower.poll()
    assert "by hand" not in " ".join(report(follower).words)
    follower.state.controls += [
        events.Controlled(time=1.0, step=step, action=action, value=value)
        for step, action, value in ((120, "rate", 0.5), (200, "pause", None), (300, "rate", 2.0))
    ]
    told = "The learning rate was changed by hand: times 0.5 after step 120, times 2 after step 300."
    assert told in report(follower).words
    follower.state.controls += [events.Controlled(time=1.0, step=350, action="rate", value=0.9) for _ in range(5)]
    assert any("times 0.9 after step 350 and 3 times more." in one for one in report(follower).words)


def test_paths_of_files_are_completed(tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(b"")
    (tmp_path / "plain").mkdir()
    assert completed(f"{tmp_path}/p", files=True) == f"{tmp_path}/plain/"
    assert completed(f"{tmp_path}/pi", files=True) == f"{tmp_path}/picture.jpg"
    assert completed(f"{tmp_path}/pi") is None


async def test_validations_that_are_being_closed_are_not_shown_any_more(run: RunDir, app: CnntrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("a")
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, ValidationScreen)
        await screen.query("*").remove()  # as the app does at its end; what was to follow still comes
        assert screen.is_attached
        screen.look()
        screen._keep([])
        await settle(pilot)


def test_static_is_not_markup(app: CnntrainApp) -> None:
    line = JobLine()
    line.say("[red]text[/]")
    assert isinstance(line, Static)
    assert "[red]" in str(line.render())


async def test_its_validations_and_the_way_to_the_curves_and_back(run: RunDir, app: CnntrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("a")
        await settle(pilot)
        assert isinstance(app.screen, ValidationScreen)
        assert "Test" in text_of(app)
        await pilot.press("escape", "w")
        await settle(pilot)
        assert isinstance(app.screen, WatchScreen)
        await pilot.press("w")
        await settle(pilot)
        assert isinstance(app.screen, ResultsScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, HomeScreen)


async def test_d_leads_to_the_doctor_who_reads_what_it_shows(run: RunDir, app: CnntrainApp) -> None:
    found = events.Found(
        time=builders.START + 9,
        step=140,
        code="rate_low",
        title="Learning rate too low",
        severity="warning",
        message="Each step moves the weights by 0.001 %.",
        change={"optimizer.learning_rate": 0.05},
        restart="checkpoint",
    )
    builders.append_event(run, found)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("d")
        await settle(pilot)
        assert isinstance(pilot.app.screen, DoctorScreen)
        assert "1 thing is wrong with" in text_of(app)
        assert screen.follower is not None
        follower = screen.follower
        for _ in range(200):
            if follower.history(UPDATES).polled and not follower.wanting:
                break
            await pilot.pause(0.03)
        assert follower.history(UPDATES).polled  # nobody but this screen's reader reads them
        assert not follower.wanting
        await pilot.press("escape")
        await settle(pilot)
        assert pilot.app.screen is screen


@pytest.mark.parametrize("width", [80, 90])
async def test_the_keys_of_an_interrupted_run_fit_into_80_columns_but_for_the_last(
    run: RunDir, app: CnntrainApp, width: int
) -> None:
    builders.append_event(run, events.Ended(time=builders.START + 99, reason="stopped", exit_code=75, text="Stopped."))
    async with app.run_test(size=(width, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter", "w")
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, ResultsScreen)
        assert screen.check_action("resume", ())
        keys = text_of(app).splitlines()[-1]
        for label in ("Back", "Answers", "Doctor", "Export", "Predict", "Resume", "New run", "? Help", "q Quit"):
            assert label in keys
        assert ("w Watch" in keys) == (width == 90)


async def test_the_footer_tells_how_to_leave_at_80_columns(run: RunDir, app: CnntrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await until(pilot, lambda: "Export" in text_of(app).split("\n")[-1])
        keys = text_of(app).split("\n")[-1]
        for key in ("esc Back", "d Doctor", "e Export", "n New run", "w Watch", "? Help", "q Quit"):
            assert key in keys, keys
