"""From the first screen to a run, by keyboard only, and every way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import builders
import pytest
from picture_sets import class_folders
from textual.widgets import Static
from walking import make_app, settle, text_of

from tui.app.screens.ask import Confirm
from tui.app.screens.compare import CompareScreen
from tui.app.screens.dataset import DatasetScreen
from tui.app.screens.home import HomeScreen
from tui.app.screens.results import ResultsScreen
from tui.app.screens.settings import SettingsScreen
from tui.app.screens.watch import WatchScreen
from tui.app.widgets.form import Form
from tui.app.widgets.run_list import RunList
from tui.core import presets, recent
from tui.core.errors import FailureError, UsageError
from tui.core.rundir import RunDir
from tui.core.settings import Settings


class Launches:
    """Stands where runs are made and started, and notes what was wanted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.created: list[tuple[Settings, dict[str, Any]]] = []
        self.started: list[RunDir] = []
        self.resumed: list[RunDir] = []
        self.stopped: list[RunDir] = []
        self.error: Exception | None = None

    def create(self, settings: Settings, **arguments: Any) -> RunDir:
        if self.error is not None:
            raise self.error
        self.created.append((settings, arguments))
        return builders.make_run(self.root, name=f"20260131-13000{len(self.created)}-new", steps=20)

    def start(self, run: RunDir) -> None:
        self.started.append(run)

    def resume(self, run: RunDir) -> None:
        if self.error is not None:
            raise self.error
        self.resumed.append(run)

    def stop(self, run: RunDir) -> None:
        if self.error is not None:
            raise self.error
        self.stopped.append(run)


@pytest.fixture
def launches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launches:
    made = Launches(tmp_path / "runs")
    for room, name in (("making", "create"), ("launch", "start"), ("launch", "resume"), ("controls", "stop")):
        monkeypatch.setattr(f"tui.runs.{room}.{name}", getattr(made, name))
    return made


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "pictures", {"cat": 30, "dog": 40, "owl": 30})


async def test_from_home_to_a_started_run_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launches: Launches, pictures: Path
) -> None:
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        await pilot.press("down", "down", "enter")  # the demo is first, then the presets by name
        await settle(pilot)
        assert isinstance(app.screen, DatasetScreen)
        await pilot.press(*"pictures", "enter")
        await settle(pilot)
        assert "3 classes, 100 pictures" in text_of(app)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        app.screen.query_one(Form).enter("training.epochs")
        await pilot.press("7", "escape")
        await settle(pilot)
        assert isinstance(app.screen, DatasetScreen)
        await pilot.press("enter")
        await settle(pilot)
        app.screen.query_one(Form).enter("training.batch_size")
        await pilot.press("8", "ctrl+t")
        await settle(pilot)
        assert isinstance(app.screen, WatchScreen)
        settings, arguments = launches.created[0]
        assert (settings.training.epochs, settings.training.batch_size) == (7, 8)
        assert settings.data.directory == str(pictures)
        preset = presets.available()[1].name
        assert (arguments["preset"], arguments["name"]) == (preset, preset)
        assert arguments["scan"].total == 100
        assert launches.started[0].name == "20260131-130001-new"
        assert recent.directories() == [pictures]
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        assert app.screen.query_one(RunList).has_focus
        assert app.screen.query_one(RunList).summary is not None
        assert app.screen.query_one(RunList).summary.run.name == "20260131-130001-new"
        await pilot.press("enter")  # it is over by now
        await settle(pilot)
        assert isinstance(app.screen, ResultsScreen)
        assert "Finished after 4 of 4 epochs, 20 steps" in text_of(app)
        await pilot.press("4")
        await settle(pilot)
        assert "best validation" in text_of(app)
        await pilot.press("escape")
        await settle(pilot)
        builders.make_run(tmp_path / "runs", name="20260131-110000-older", steps=40)
        assert isinstance(app.screen, HomeScreen)
        app.screen._look_now()
        await settle(pilot)
        await pilot.press("space", "space", "c")
        await settle(pilot)
        assert isinstance(app.screen, CompareScreen)
        assert [one.run.given_name for one in app.screen._shown] == ["new", "older"]
        assert all(f"{letter} ✓ {name}" in text_of(app) for letter, name in (("A", "new"), ("B", "older")))
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)


async def test_a_known_run_is_repeated_with_two_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launches: Launches, pictures: Path
) -> None:
    changes = {"data": {"directory": str(pictures)}, "training": {"epochs": 9}}
    builders.make_run(tmp_path / "runs", steps=20, settings=changes)
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("a", "enter")
        await settle(pilot)
        assert isinstance(app.screen, WatchScreen)
    settings, arguments = launches.created[0]
    assert settings.training.epochs == 9
    assert (arguments["name"], arguments["preset"]) == ("example-2", "cifar10")
    assert arguments["scan"].total == 100
    assert len(launches.started) == 1


async def test_each_question_says_what_its_keys_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(tmp_path, monkeypatch)
    answers: list[bool | None] = []
    async with app.run_test(size=(80, 24)) as pilot:
        for careful, keys, told, answer in (
            (False, (), "Enter Train   y Train   n, Escape Cancel", True),
            (True, (), "Enter Cancel   y Train   n, Escape Cancel", None),
            (True, ("left",), "Enter Train   y Train   n, Escape Cancel", True),
        ):
            app.push_screen(Confirm("Train?", yes="Train", careful=careful), answers.append)
            await pilot.press(*keys)
            await pilot.pause()
            assert told in text_of(app)
            await pilot.press("enter")
            await pilot.pause()
            assert answers.pop() is answer
        for key, answer in (("y", True), ("n", None), ("escape", None)):
            app.push_screen(Confirm("Train?", yes="Train", careful=True), answers.append)
            await pilot.pause()
            await pilot.press(key)
            await pilot.pause()
            assert answers.pop() is answer


async def test_a_repeat_can_be_declined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launches: Launches) -> None:
    builders.make_run(tmp_path / "runs", steps=20)
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("a")
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
    assert launches.created == []


async def test_a_run_is_watched_edited_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launches: Launches, pictures: Path
) -> None:
    changes = {"data": {"directory": str(pictures)}, "training": {"epochs": 9}}
    run = builders.make_run(tmp_path / "runs", steps=20, status="stopped", settings=changes)
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, WatchScreen)
        await pilot.press("escape", "e")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        form = app.screen.query_one(Form)
        assert form.lines.look_of("training.epochs").value == "9"
        assert form._draft.epoch_steps == 5  # as the run had, though nobody has looked at the pictures
        await pilot.press("5", "escape")
        await settle(pilot)
        assert "What was typed here is lost" in text_of(app)
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen.query_one(Form) is form
        await pilot.press("ctrl+z", "escape")  # nothing is lost now
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        await pilot.press("r")
        await settle(pilot)
        assert isinstance(app.screen, WatchScreen)
    assert [resumed.path.resolve() for resumed in launches.resumed] == [run.path]


async def test_only_what_lives_is_stopped_and_only_what_ended_early_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launches: Launches
) -> None:
    run = builders.make_run(tmp_path / "runs", steps=20, status="running")
    builders.stop_the_clock(monkeypatch, run)
    try:
        app = make_app(tmp_path, monkeypatch)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            await pilot.press("r")
            await settle(pilot)
            assert isinstance(app.screen, HomeScreen)
            await pilot.press("s", "y")
            await settle(pilot)
    finally:
        builders.let_go(run)
    assert launches.resumed == []
    assert [stopped.path.resolve() for stopped in launches.stopped] == [run.path]


@pytest.mark.parametrize(
    "error",
    [
        UsageError("A batch is larger than the dataset", "training.batch_size is 512 but there are 60", "Set it to 8."),
        FailureError("The run directory cannot be made", "[/]runs: Permission denied", "Name another place."),
    ],
)
async def test_a_start_that_fails_is_one_sentence(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launches: Launches, pictures: Path
) -> None:
    builders.make_run(tmp_path / "runs", steps=20, settings={"data": {"directory": str(pictures)}})
    launches.error = error
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        await pilot.press("a", "enter")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        assert [notice.message for notice in app._notifications] == [str(error)]
        assert "Traceback" not in text_of(app)


async def test_pictures_that_are_gone_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launches: Launches
) -> None:
    builders.make_run(tmp_path / "runs", steps=20, settings={"data": {"directory": str(tmp_path / "gone")}})
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("a", "enter")
        await settle(pilot)
        assert "there is no directory ~/gone" in " ".join(notice.message for notice in app._notifications)
    assert launches.created == []


async def test_the_demo_makes_its_pictures_and_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launches: Launches
) -> None:
    def make_demo(directory: Path, *, progress: Any) -> Path:
        progress(3, 60)
        return class_folders(directory / "shapes", {"disc": 20, "ring": 20, "star": 20})

    monkeypatch.setattr("tui.core.dataset.demo.make_demo", make_demo)
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, WatchScreen)
    settings, arguments = launches.created[0]
    assert Path(settings.data.directory).name == "shapes"
    assert arguments["preset"] == "demo"
    assert recent.directories() == []


async def test_a_broken_preset_of_ones_own_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    presets.user_directory().mkdir(parents=True)
    (presets.user_directory() / "broken.toml").write_text("[training\nepochs = 3")
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        assert "is not TOML" in " ".join(notice.message for notice in app._notifications)


async def test_the_app_opens_on_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path / "runs", steps=20)
    app = make_app(tmp_path, monkeypatch, open_run=run)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert isinstance(app.screen, WatchScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        assert app.screen.query_one(RunList).summary is not None


async def test_the_legend_below_the_keys_has_the_whole_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f1")
        await settle(pilot)
        heading, legend, more = (app.screen.query_one(name) for name in ("#heading", "#legend", "#more"))
        assert legend.outer_size.width == heading.outer_size.width == more.outer_size.width
        assert legend.virtual_region.bottom <= more.virtual_region.y


async def test_help_and_palette_say_what_the_keys_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.make_run(tmp_path / "runs", steps=20)
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        listed = [command.title for command in app.get_system_commands(app.screen)]
        assert len(set(listed)) == len(listed)
        commands = {command.title: command.help for command in app.get_system_commands(app.screen)}
        assert commands["Delete"].startswith("x: ")  # of its two keys the one that is told
        await pilot.press("question_mark")
        await settle(pilot)
        shown = " ".join(str(line.render()) for line in app.screen.query(Static))
        for binding in (*RunList.BINDINGS, *HomeScreen.BINDINGS, *app.BINDINGS):
            active = app.screen_stack[0].active_bindings.get(binding.key.split(",")[0])
            if active is None or not active.enabled:
                continue
            assert binding.tooltip in shown
            assert commands[binding.description].endswith(f": {binding.tooltip}")
        await pilot.press("escape")
        assert isinstance(app.screen, HomeScreen)
