"""The home screen: runs are live without moving under the cursor, and everything is reached by keyboard and mouse."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import builders
import pytest
from textual.pilot import Pilot
from textual.widgets import Static
from walking import make_app, settle, text_of, until

from tui.app import starts
from tui.app.app import CnntrainApp
from tui.app.listing import Listing
from tui.app.screens.home import HomeScreen
from tui.app.screens.results import ResultsScreen
from tui.app.screens.watch import WatchScreen
from tui.app.starts import runs_typed
from tui.app.widgets import run_list
from tui.app.widgets.preset_list import DEMO, PresetList
from tui.app.widgets.run_list import RunList, about, ago, headings
from tui.app.widgets.text_field import TextField
from tui.core import events, presets
from tui.core.metrics import LOSS
from tui.core.rundir import RunDir
from tui.runs.catalog import Summary, summary_of
from tui.runs.derive import derive
from tui.runs.filter import Filter, FilterError


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    return make_app(tmp_path, monkeypatch)


async def look(pilot: Pilot[None], *, now: bool = True) -> None:
    """Let the list be read once more, without waiting for its next second."""
    assert isinstance(pilot.app.screen, HomeScreen)
    if now:
        pilot.app.screen._listing.hurry()
    pilot.app.screen._look()
    await settle(pilot)


async def test_numbers_of_a_running_run_follow_it(
    app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = builders.make_run(tmp_path / "runs", name="20260131-110000-old", steps=20)
    run = builders.make_run(tmp_path / "runs", steps=100, epochs=2, status="running")
    builders.stop_the_clock(monkeypatch, run)
    try:
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            assert "1 training" in text_of(app).split("\n")[0]
            await pilot.press("down")
            runs = app.screen.query_one(RunList)
            assert runs.summary is not None
            assert runs.summary.run.name == other.name
            evaluated = events.Evaluated(
                time=builders.end_of(run),
                step=100,
                split="validation",
                epoch=2.0,
                metrics={"accuracy": 0.875},
                recall=[],
                counts=[],
                seconds=0.1,
                best=True,
            )
            builders.append_event(run, evaluated)
            newer = builders.make_run(tmp_path / "runs", name="20260131-130000-newer", steps=20)
            await look(pilot)
            assert "87.5 %" in text_of(app)
            assert runs.summary.run.name == other.name  # the cursor stays on its run
            assert [Path(key).name for key in runs.keys] == [newer.name, run.name, other.name]
            ended = events.Ended(
                time=builders.end_of(run), step=100, reason="failed", exit_code=1, text="The disk is full."
            )
            builders.append_event(run, ended)
            builders.let_go(run)
            await pilot.press("up")
            await look(pilot)
            text = text_of(app)
            assert "✗ failed" in text
            assert "The disk is full." in text
            assert "training" not in text.split("\n")[0]
    finally:
        builders._HELD.pop(run, None)


async def test_rows_that_did_not_change_are_not_drawn_again(
    app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path / "runs", steps=20)
    builders.stop_the_clock(monkeypatch, run)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        runs = app.screen.query_one(RunList)
        monkeypatch.setattr(runs, "replace_option_prompt_at_index", lambda *_: pytest.fail("drawn again"))
        monkeypatch.setattr(runs, "set_options", lambda *_: pytest.fail("filled again"))
        await look(pilot)


async def test_the_cursor_goes_from_the_presets_to_the_runs_and_back(app: CnntrainApp, tmp_path: Path) -> None:
    builders.make_run(tmp_path / "runs", steps=20)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        runs, listed = app.screen.query_one(RunList), app.screen.query_one(PresetList)
        assert runs.has_focus
        await pilot.press("up")
        assert listed.has_focus
        assert listed.row == "simple-cnn"
        await pilot.press("down")
        assert runs.has_focus
        await pilot.press("tab")
        assert listed.has_focus
        await pilot.press("home", "up")
        assert listed.row == DEMO
        await pilot.press("tab", "down", "down")
        assert runs.has_focus


async def test_without_runs_the_presets_have_the_cursor(app: CnntrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.screen.query_one(PresetList).has_focus
        assert "No runs yet" in text_of(app)
        await pilot.press("tab")
        assert app.screen.query_one(PresetList).has_focus


async def test_a_click_opens_a_run(app: CnntrainApp, tmp_path: Path) -> None:
    builders.make_run(tmp_path / "runs", name="20260131-110000-old", steps=20)
    builders.make_run(tmp_path / "runs", steps=20)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.click("#runs", offset=(5, 1))
        await settle(pilot)
        assert isinstance(app.screen, ResultsScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen.query_one(RunList).summary is not None
        assert app.screen.query_one(RunList).summary.run.name == "20260131-110000-old"


async def test_a_preset_of_ones_own_appears_when_one_comes_back(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("question_mark")
        await settle(pilot)
        keys = " ".join(str(line.render()) for line in app.screen.query(Static))
        assert "Show all runs again; where all are shown, clear the marks." in keys
        presets.save("mine", presets.load(presets.find("cifar10")), comment="For the garden.")
        await pilot.press("escape")
        await settle(pilot)
        assert "yours: For the garden." in text_of(app)


def test_a_run_that_is_trained_again_gets_a_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, names = tmp_path / "runs", []
    run = builders.make_run(root, name="20260131-120000-shoes", steps=20)

    def begin(watcher: starts.Watcher, settings: object, *, root: Path, name: str, preset: str) -> RunDir:
        names.append(name)
        return builders.make_run(root, name=f"20260131-12000{len(names)}-{name}", steps=20)

    monkeypatch.setattr(starts, "_begin", begin)
    for _ in range(2):
        starts.again(run, "cifar10", root)(starts.Watcher())
    assert names == ["shoes-2", "shoes-3"]


async def test_marked_runs_are_deleted_together(app: CnntrainApp, tmp_path: Path) -> None:
    for number in range(4):
        status = "running" if number == 3 else "finished"
        builders.make_run(tmp_path / "runs", name=f"20260131-12000{number}-r{number}", steps=20, status=status)  # type: ignore[arg-type]
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        runs = app.screen.query_one(RunList)
        while runs.summary.run.given_name != "r3":
            await pilot.press("up")
        await pilot.press("space", "space", "space", "up")  # the one that trains, and two others
        assert runs.row in runs.ticked
        await pilot.press("x")
        await settle(pilot)
        assert "Delete 2 runs for ever?" in text_of(app)
        assert "r2, r1, " in text_of(app)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen) and len(runs.listed) == 2)
        assert sorted(path.name[-2:] for path in (tmp_path / "runs").iterdir() if path.name[0] != ".") == ["r0", "r3"]
        await pilot.press("end", "x")
        await settle(pilot)
        assert 'Delete "r0" for ever?' in text_of(app)  # not marked: it alone


async def test_a_run_gets_the_name_that_its_directory_can_have(app: CnntrainApp, tmp_path: Path) -> None:
    run = builders.make_run(tmp_path / "runs", name="20260131-120000-old", steps=20)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("m")
        await settle(pilot)
        await pilot.press("ctrl+u", *"Blüten! 2")
        await settle(pilot)
        assert 'As a directory: "Blüten-2".' in text_of(app)
        await pilot.press("enter")
        await settle(pilot)
        assert not run.path.exists()
        assert RunDir(tmp_path / "runs" / "20260131-120000-Blüten-2").exists
        await until(pilot, lambda: "Blüten-2" in text_of(app))


@pytest.mark.parametrize(
    ("step", "epoch", "planned", "told"),
    [
        (60, 0.632, 0.632, "0.63/0.63"),
        (15, 0.158, 0.632, "0.16/0.63"),
        (60, 20.0, 20, "20/20"),
        (30, 10.0, 20, "10.0/20"),
        (30, 10.0, 20.01, "10.0/20.0"),
        (60, 1234.5, 1234.5, "1234/1234"),
    ],
)
def test_epochs_are_those_that_were_made(step: int, epoch: float, planned: float, told: str, tmp_path: Path) -> None:
    made = summary_of(builders.make_run(tmp_path, steps=20))
    assert run_list._epochs(replace(made, step=step, total_steps=60, epoch=epoch, planned=planned), 80) == told


async def test_broken_runs_do_no_harm(app: CnntrainApp, tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"\xff\xfe", b"[run", b"[run]\nname = 3\n")):
        run = tmp_path / "runs" / f"20260131-12000{number}-broken"
        run.mkdir(parents=True)
        (run / "settings.toml").write_bytes(content)
        (run / "events.jsonl").write_bytes(content)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.screen.query_one(RunList).option_count == 4
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("escape", "a", "enter")
        await settle(pilot)
        assert app._exception is None


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (95, 30), (96, 30), (160, 50)])
async def test_columns_fit_every_width(
    size: tuple[int, int], app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path / "runs", name="20260131-120000-" + "name" * 30, steps=20)
    builders.stop_the_clock(monkeypatch, run)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        lines = text_of(app).split("\n")
        at = next(number for number, line in enumerate(lines) if "✓ finished" in line)
        assert all(len(line) <= size[0] for line in lines)
        for title, value in (("best val", "%"), ("val loss", lines[at].split()[-1] if size[0] < 96 else ".")):
            right = lines[at - 1].index(title) + len(title)
            assert value in lines[at][right - len(title) - 2 : right + 1]


async def test_the_loss_of_the_list_is_that_of_the_validation_it_stands_beside(
    app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path / "runs", steps=40, nan_from=40)  # of the last batch it is no number
    builders.stop_the_clock(monkeypatch, run)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        listed = app.screen.query_one(RunList).summary
        assert listed is not None
        assert listed.loss != listed.loss
        row = next(line for line in text_of(app).split("\n") if "finished" in line)
        assert row.split()[-1] == LOSS.format(listed.last["loss"])


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_presets_and_scores_are_told_whole(
    size: tuple[int, int], app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path / "runs", steps=40, preset="a-preset-with-a-long-name")
    builders.stop_the_clock(monkeypatch, run)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        summary = app.screen.query_one(RunList).summary
        assert summary is not None
        assert f"test {summary.scored(summary.test_score)} · best validation {summary.scored(summary.best_score)}" in (
            text_of(app)
        )
        app.screen.query_one(PresetList).focus()
        for preset in presets.available():
            if preset.name != DEMO and preset.name in app.screen.query_one(PresetList).keys:
                app.screen.query_one(PresetList).mark(preset.name)
                await settle(pilot)
                assert " ".join(preset.description.split()) in " ".join(text_of(app).split())


async def test_a_filter_that_is_wrong_is_told_whole_at_80_columns(
    app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path / "runs", steps=40)
    builders.stop_the_clock(monkeypatch, run)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("slash")
        for typed in ("nothing_like_it>3", "best.acuracy>3"):
            field = app.screen.query_one("#text", TextField)
            field.value = typed
            await settle(pilot)
            with pytest.raises(FilterError) as error:
                Filter(typed)
            told = f"{error.value.cause[0].upper()}{error.value.cause[1:]}. {error.value.next_step}"
            assert told in " ".join(text_of(app).split())
        field.value = "example"
        await settle(pilot)
        assert "1 of 1" in text_of(app)
        assert app.screen.query_one("#search").size.height == 1


async def test_a_slow_look_is_not_repeated_every_second(
    app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []

    def slow(root: Path) -> list[object]:
        looks.append(root)
        time.sleep(0.1)
        return []

    monkeypatch.setattr("tui.app.listing.runs_in", slow)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for _ in range(3):
            await look(pilot, now=False)
    assert len(looks) == 1


def test_of_many_runs_the_newest_are_told_before_the_others_are_read(tmp_path: Path) -> None:
    for number in range(100):
        run = tmp_path / f"20260131-12{number // 60:02}{number % 60:02}-many"
        run.mkdir()
        (run / "settings.toml").write_text("[training]\nepochs = 3\n")
    told: list[tuple[list[Summary], str, bool]] = []
    listing = Listing(tmp_path)
    assert listing.begin()
    assert not listing.begin()
    listing.read(lambda *found: told.append(found))
    (some, _, _), (every, _, _) = told
    assert [(len(runs), whole) for runs, _, whole in told] == [(60, False), (100, True)]
    assert every[:60] == some
    assert some[0].run.name.startswith("20260131-120139")
    assert listing.take(*told[0]) == (True, [])
    assert listing.take(*told[1]) == (True, [])
    told.clear()
    listing.read(lambda *found: told.append(found))
    assert [len(runs) for runs, _, _ in told] == [100]
    assert listing.take(*told[0]) == (False, [])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "just now"), (59, "just now"), (60, "1 min ago"), (7300, "2 h ago"), (200_000, "2 d ago"), (9e7, "2 y ago")],
)
def test_ago(seconds: float, words: str) -> None:
    assert ago(seconds) == words


def test_headings_leave_out_what_has_no_room() -> None:
    assert "pictures" in headings(118).plain
    assert headings(198).plain.index("started") - headings(198).plain.index("name") > 45  # names get of the room, too
    assert "pictures" not in headings(78).plain
    assert headings(78).cell_length == 78


def test_runs_are_named_in_the_command_only_where_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert runs_typed(Path("runs")) == ""
    assert runs_typed(tmp_path / "runs") == ""
    assert runs_typed(tmp_path / "else") == str(tmp_path / "else")
    monkeypatch.setenv("CNNTRAIN_RUNS", str(tmp_path / "else"))
    assert runs_typed(tmp_path / "else") == ""


def test_the_first_paint_waits_for_nothing_heavy() -> None:
    code = "import json, sys, tui.app.app, tui.app.screens.home; print(json.dumps(list(sys.modules)))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code], timeout=60)))
    assert not loaded & {"numpy", "PIL", "pydantic", "torch", "tui.core.settings", "tui.app.screens.watch", "tomli_w"}


def test_a_run_that_was_asked_for_waits_for_neither_the_list_nor_numpy() -> None:
    code = (
        "import json, sys; from pathlib import Path; from tui.app.app import CnntrainApp;"
        "from tui.core.rundir import RunDir; from tui.app.screens.watch import WatchScreen;"
        "app = CnntrainApp(runs_root=Path('x'), open_run=RunDir(Path('x/y'))); app.get_default_screen();"
        "WatchScreen(RunDir(Path('x/y'))); print(json.dumps(list(sys.modules)))"
    )
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code], timeout=60)))
    assert not loaded & {"numpy", "PIL", "pydantic", "torch", "tui.app.screens.home", "tui.runs.catalog"}


async def test_behind_a_run_that_was_asked_for_is_the_list_with_the_cursor_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("20260131-100000-first", "20260131-110000-second", "20260131-120000-third"):
        builders.make_run(tmp_path / "runs", name=name, steps=20)
    run = RunDir(tmp_path / "runs" / "20260131-110000-second")
    app = make_app(tmp_path, monkeypatch, open_run=run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert isinstance(app.screen, WatchScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        summary = app.screen.query_one(RunList).summary
        assert summary is not None
        assert summary.run.name == run.name


async def test_names_that_differ_at_their_ends_are_told_apart_at_80_columns(app: CnntrainApp, tmp_path: Path) -> None:
    parent = builders.make_run(tmp_path / "runs", name="20260101-120000-flowers-of-the-garden", steps=40)
    for rate in (0.05, 0.025):
        derive(parent, {"optimizer.learning_rate": rate})
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        names = [row[16:38].strip() for row in text_of(app).split("\n") if row[16:].startswith("flowers")]
        assert len(names) == len(set(names)) == 3
        assert {name.rpartition("-")[2] for name in names} == {"garden", "0.05", "0.025"}


async def test_of_a_derived_run_is_told_where_it_comes_from(app: CnntrainApp, tmp_path: Path) -> None:
    derive(builders.make_run(tmp_path / "runs", name="20260101-120000-shoes"), {"optimizer.learning_rate": 0.01})
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await until(pilot, lambda: "from shoes" in text_of(app))
        assert "from shoes: optimizer.learning_rate 0.05 → 0.01" in text_of(app)


def test_how_a_run_ended_is_told_whole_where_there_is_room(tmp_path: Path) -> None:
    ended = "Trained 8 epochs; best validation accuracy 15.0 % after epoch 1; test accuracy 12.5 %."
    summary = replace(summary_of(builders.make_run(tmp_path / "runs", steps=200)), status_text=ended)
    *state, facts = about(summary, 78, 3).plain.split("\n")
    assert " ".join(row.rstrip() for row in state) == ended
    assert len(state) == 2
    assert facts.startswith("test 74.8 % · best validation 75.8 % · preset cifar10")
    assert max(map(len, (*state, facts))) <= 78
    for height in (0, 2):  # 0: nothing is laid out yet
        first, second = about(summary, 78, height).plain.split("\n")
        assert first.rstrip().endswith("…")
        assert second == facts
