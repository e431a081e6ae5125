"""cnntrain train, resume, stop and demo: what is made of what was typed, and the sentence for each wrong thing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from tests import builders
from tui.cli import views
from tui.core import events, recent
from tui.core.dataset import demo as demo_pictures
from tui.core.files import COMMAND_VARIABLE, WEBHOOK_VARIABLE
from tui.core.rundir import RunDir
from tui.runs import launch


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[RunDir]:
    """Start nothing; keep what would have been started. The working directory is the test's own."""
    runs: list[RunDir] = []
    monkeypatch.setattr(launch, "start", runs.append)
    monkeypatch.chdir(tmp_path)
    return runs


def pictures(directory: Path, *names: str, count: int = 20) -> Path:
    for number, name in enumerate(names):
        (directory / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (16, 16), (40 * number, index, 0)).save(directory / name / f"{index}.png")
    return directory


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return pictures(tmp_path / "pictures", "cats", "dogs")


SMALL = ("--set", "training.batch_size=8")


def settings_of(run: RunDir) -> dict[str, dict[str, object]]:
    return tomllib.loads(run.settings.read_text())


def test_what_was_typed_becomes_a_run(cnntrain, started, data: Path, tmp_path: Path) -> None:
    result = cnntrain(
        "train",
        "cpu-quick",
        "--data",
        "pictures",
        "--set",
        "optimizer.learning_rate=0.5",
        *SMALL,
        "--name",
        "my run",
        "--runs",
        "elsewhere",
        "--detach",
    )
    assert result.exit_code == 0
    (run,) = started
    assert result.stdout == f"{run.path}\n"
    assert run.path.parent == tmp_path / "elsewhere"
    assert run.name.endswith("-my-run")
    assert f"cnntrain watch {run.path}" in result.stderr
    written = settings_of(run)
    assert written["run"]["preset"] == "cpu-quick"
    assert written["data"]["directory"] == str(data)
    assert written["optimizer"]["learning_rate"] == 0.5
    assert written["optimizer"]["name"] == "adamw"
    assert written["training"]["batch_size"] == 8
    assert recent.directories() == [data]


def test_the_default_name_is_the_presets_and_the_default_place_is_runs(
    cnntrain, started, data, tmp_path, monkeypatch
) -> None:
    result = cnntrain("train", "cifar10", "--data", str(data), *SMALL, "--detach")
    assert started[0].path.parent == tmp_path / "runs"
    assert started[0].name.endswith("-cifar10")
    assert f"`cnntrain watch {started[0].name}`" in result.stderr
    monkeypatch.setenv("CNNTRAIN_RUNS", str(tmp_path / "other"))
    cnntrain("train", "cifar10", "--data", str(data), *SMALL, "--detach")
    assert started[1].path.parent == tmp_path / "other"


def test_a_file_is_as_good_as_a_presets_name(cnntrain, started, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(f'[data]\ndirectory = "{data}"\n[training]\nbatch_size = 8\nepochs = 3\n')
    assert cnntrain("train", "./mine.toml", "--detach").exit_code == 0
    assert settings_of(started[0])["training"]["epochs"] == 3
    assert settings_of(started[0])["run"]["preset"] == "mine"


WRONG_SETTINGS = {
    "training.epochs": ["Write --set section.key=value"],
    "training.epoch=3": ['Unknown setting: "training.epoch"', 'Did you mean "training.epochs"?'],
    "run.name=mine": ["a run's name is none", "Give it with --name NAME."],
    "optimizer.lr=0.1": ['Did you mean "optimizer.learning_rate"?'],
    "training.epochs=many": ["--set", "training.epochs is 'many'", "a whole number"],
    "training.epochs=0": ["training.epochs is 0", "1 to 100,000"],
    "optimizer.learning_rate=nan": ["optimizer.learning_rate is nan"],
    "model.name=resnet19": ['"resnet19", which is not a known model', "did you mean"],
    "model.name=\x1b[2J[/]": ["\\x1b[2J[/]", "not a known model"],
    "data.std=[0,0,0]": ["data.std must be positive"],
}


@pytest.mark.parametrize("assignment", WRONG_SETTINGS)
def test_a_wrong_setting_is_refused_in_a_sentence(cnntrain, started, data: Path, assignment: str) -> None:
    result = cnntrain("train", "simple-cnn", "--data", str(data), "--set", assignment, "--detach")
    refused(result, 2, *WRONG_SETTINGS[assignment])
    assert not started


def refused(result, code: int, *words: str) -> None:
    assert result.exit_code == code
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last.startswith("cnntrain: ")
    assert last.isprintable()
    for word in words:
        assert word in last


def test_a_setting_that_another_one_leaves_without_effect_is_told(cnntrain, started, data: Path) -> None:
    command = ("train", "cpu-quick", "--data", str(data), "--detach", "--set", "optimizer.momentum=0.5")
    told = "warning: optimizer.momentum has no effect: optimizer.name is not sgd or rmsprop or muon."
    assert told in cnntrain(*command).stderr
    assert "no effect" not in cnntrain(*command, "--set", "optimizer.name=sgd").stderr
    told = "warning: training.stop_metric has no effect: training.stop_patience is 0."
    command = ("train", "cpu-quick", "--data", str(data), "--detach", "--set", "training.stop_metric=accuracy")
    assert told in cnntrain(*command).stderr
    assert "no effect" not in cnntrain(*command, "--set", "training.stop_patience=3").stderr


def test_notices_that_would_go_nowhere_are_told(cnntrain, started, data: Path) -> None:
    command = ("train", "cpu-quick", "--data", str(data), "--detach", "--set")
    told = "notices.toml, so notices.send=all tells nobody."
    assert told in cnntrain(*command, "notices.send=all").stderr
    assert told not in cnntrain(*command, "notices.send=off").stderr


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--notify-webhook", "chat.example/hook", "the webhook is no http or https address"),
        ("--notify-command", "/does/not/exist now", "There is no program /does/not/exist. Name one"),
        ("--notify-command", "say 'done", "has no closing quotation"),
    ],
)
def test_notices_that_cannot_be_sent_are_refused(
    option: str, value: str, told: str, cnntrain, started, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (WEBHOOK_VARIABLE, COMMAND_VARIABLE):
        monkeypatch.setenv(name, "")
    refused(cnntrain(option, value, "train", "cpu-quick", "--data", str(data), "--detach"), 2, told)
    assert not started


def test_no_pictures_are_named(cnntrain, started) -> None:
    refused(cnntrain("train", "simple-cnn"), 2, "no folder of pictures is named", "Add --data DIR.")


def test_wrong_pictures_are_explained(cnntrain, started, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.doc").write_text("no folder")
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.new("RGB", (8, 8)).save(flat / "a.png")
    pictures(tmp_path / "one", "cats")
    pictures(tmp_path / "lonely", "cats", "dogs")
    for index in range(1, 20):
        (tmp_path / "lonely" / "dogs" / f"{index}.png").unlink()
    pictures(tmp_path / "uneven" / "train", "cats", "dogs")
    pictures(tmp_path / "uneven" / "val", "cats", "birds")
    cases = {
        "missing": ["there is no directory", "Check the path."],
        "file.doc": ["is not a directory", "the folder that holds the class folders"],
        "empty": ["is empty", "Make one folder per class"],
        "flat": ["is a flat folder of 1 picture without class folders", "Make one folder per class"],
        "one": ['has only one class with pictures, "cats"', "at least two classes"],
        "lonely": ['the class "dogs" has only one picture', "add pictures"],
        "uneven": ['"val" has a class that train does not have: "birds"', "the same name in each split"],
    }
    for name, words in cases.items():
        result = cnntrain("train", "simple-cnn", "--data", str(tmp_path / name), *SMALL, "--detach")
        refused(result, 2, name.partition("/")[0] if name not in ("lonely", "uneven") else "", *words)
    assert not started
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_batch_larger_than_the_data_is_refused(cnntrain, started, data: Path) -> None:
    result = cnntrain("train", "simple-cnn", "--data", str(data), "--set", "training.batch_size=512", "--detach")
    refused(result, 2, "training.batch_size is 512", "training pictures")


def test_a_name_of_nothing_is_refused(cnntrain, started, data: Path) -> None:
    refused(cnntrain("train", "simple-cnn", "--data", str(data), *SMALL, "--name", "///", "--detach"), 2, "--name")


def test_what_is_odd_about_the_pictures_is_told(cnntrain, started, data: Path) -> None:
    (data / "cats" / "not a picture.png").write_bytes(b"")
    (data / "cats" / "notes\x1b[2J.txt").write_text("hello")
    (data / "nothing").mkdir()
    result = cnntrain("train", "simple-cnn", "--data", str(data), *SMALL, "--detach")
    assert result.exit_code == 2
    assert "Put pictures there, take it away, or set data.empty_classes to leave_out." in result.stderr
    allowed = ("--set", "data.empty_classes=leave_out")
    result = cnntrain("train", "simple-cnn", "--data", str(data), *SMALL, "--detach", *allowed)
    assert result.exit_code == 0
    assert len(started) == 1
    assert 'warning: 1 class folder has no pictures and will be left out: "nothing".' in result.stderr
    assert 'warning: 1 empty file will not be used: "cats/not a picture.png".' in result.stderr
    assert "\x1b" not in result.stderr
    assert all(line.startswith("cnntrain: ") for line in result.stderr.splitlines())


def test_hostile_class_names_are_only_names(cnntrain, started, tmp_path: Path) -> None:
    names = ("[red]x", "\x1b]52;c;aGk=\x07", "c" * 200, "\u202eabc")
    result = cnntrain("train", "simple-cnn", "--data", str(pictures(tmp_path / "odd", *names)), *SMALL, "--detach")
    assert result.exit_code == 0
    assert result.output.replace("\n", "").isprintable()
    for index in range(20):
        (tmp_path / "odd" / names[1] / f"{index}.png").unlink(missing_ok=index > 0)
    refused(
        cnntrain("train", "simple-cnn", "--data", str(tmp_path / "odd" / names[0]), *SMALL, "--detach"), 2, "[red]x"
    )


def test_a_place_that_cannot_be_written_is_named(cnntrain, started, data: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file in the place of the directory")
    result = cnntrain("train", "simple-cnn", "--data", str(data), *SMALL, "--detach")
    refused(result, 1, "The run directory cannot be made", str(tmp_path / "runs"), "--runs DIR")


def test_a_folder_whose_name_is_no_text_is_refused(cnntrain, started, tmp_path: Path) -> None:
    result = cnntrain("train", "simple-cnn", "--data", str(tmp_path / "\udcff"), "--detach")
    refused(result, 2, "\\xff is not valid UTF-8")


def test_a_finished_run_cannot_be_resumed(cnntrain, tmp_path: Path) -> None:
    builders.make_run(tmp_path / "runs", steps=4, epochs=1)
    refused(cnntrain("resume", "latest", "--plain"), 2, "The run is finished", "cnntrain extend")


def test_a_running_run_cannot_be_resumed_and_its_owner_is_named(cnntrain, tmp_path: Path) -> None:
    run = builders.make_run(tmp_path / "runs", steps=4, epochs=1, status="running")
    result = cnntrain("resume", "latest", "--detach")
    builders.let_go(run)
    refused(result, 2, "already running", "process ", f"`cnntrain watch {run.name}`")


def test_a_run_of_a_newer_version_cannot_be_resumed(cnntrain, tmp_path: Path) -> None:
    run = builders.make_run(tmp_path / "runs", steps=4, epochs=1, status="stopped")
    run.settings.write_text(run.settings.read_text().replace("format = 1", "format = 99"))
    refused(cnntrain("resume", "latest", "--detach"), 2, "newer version", "Upgrade")


def test_stop_leaves_a_request(cnntrain, tmp_path: Path, monkeypatch) -> None:
    run = builders.make_run(tmp_path / "runs", steps=4, epochs=1, status="running")
    builders.stop_the_clock(monkeypatch, run)
    result = cnntrain("stop", "example")
    builders.let_go(run)
    assert (result.exit_code, result.stdout) == (0, f"{run.name} was told to stop after a saved step\n")
    assert len(list(run.control.glob("*-stop.json"))) == 1


def test_stop_of_a_run_that_is_over_is_refused(cnntrain, tmp_path: Path) -> None:
    builders.make_run(tmp_path / "runs", steps=4, epochs=1)
    refused(cnntrain("stop", "latest"), 2, "not running", "finished")
    refused(cnntrain("stop", "latest", "--now"), 2, "not running", "finished")


def test_plain_ends_with_the_engines_code(cnntrain, monkeypatch, data: Path) -> None:
    def start(run: RunDir) -> None:
        builders.append_event(run, events.Launched(attempt=1, host="here", pid=1))
        builders.append_event(run, events.Ended(reason="failed", exit_code=1, text="The loss became NaN."))

    monkeypatch.setattr(launch, "start", start)
    result = cnntrain("train", "simple-cnn", "--data", str(data), *SMALL, "--plain")
    assert result.exit_code == 1
    assert result.stdout.endswith("failed: The loss became NaN.\n")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, RunDir | None]]:
    """A terminal, and a screen that is left at once."""
    opened: list[tuple[Path, RunDir | None]] = []

    class App:
        return_code = 0

        def __init__(self, *, runs_root: Path, open_run: RunDir | None = None) -> None:
            opened.append((runs_root, open_run))

        def run(self) -> None:
            pass

    monkeypatch.setattr(views, "can_show_screen", lambda: True)
    monkeypatch.setitem(__import__("sys").modules, "tui.app.app", SimpleNamespace(CnntrainApp=App))
    return opened


def test_on_a_terminal_the_screen_opens(cnntrain, started, screen, data: Path, tmp_path: Path) -> None:
    assert cnntrain("train", "simple-cnn", "--data", str(data), *SMALL).exit_code == 0
    assert screen == [(tmp_path / "runs", started[0])]
    assert cnntrain("watch", "latest").exit_code == 0
    assert cnntrain("--runs", "other").exit_code == 0
    assert screen[1:] == [(tmp_path / "runs", started[0]), (tmp_path / "other", None)]


def test_leaving_the_screen_says_that_the_training_goes_on(cnntrain, screen, tmp_path: Path) -> None:
    run = builders.make_run(tmp_path / "runs", steps=4, epochs=1, status="running")
    result = cnntrain("watch", "latest")
    builders.let_go(run)
    assert result.stdout == (
        f"The training goes on: `cnntrain watch {run.name}` shows it again, `cnntrain stop {run.name}` ends it.\n"
    )
    assert cnntrain("watch", "latest").stdout == ""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo with few pictures."""
    real = demo_pictures.make_demo
    monkeypatch.setattr(
        demo_pictures, "make_demo", lambda directory, progress=None: real(directory, per_class=40, progress=progress)
    )


def test_the_demo_makes_its_own_pictures(cnntrain, started, few, tmp_path: Path, own_places: Path) -> None:
    result = cnntrain("demo", "--detach")
    assert result.exit_code == 0
    (run,) = started
    assert run.path.parent == tmp_path / "runs"
    written = settings_of(run)
    assert Path(written["data"]["directory"]).is_relative_to(own_places / "cache" / "demo")
    assert written["run"]["preset"] == "demo"
    assert recent.directories() == []


def test_the_demo_finds_another_place_for_its_run(cnntrain, started, few, tmp_path: Path, own_places: Path) -> None:
    (tmp_path / "runs").write_text("a file in the place of the directory")
    result = cnntrain("demo", "--detach")
    assert result.exit_code == 0
    assert started[0].path.parent == own_places / "cache" / "runs"
    assert f"cnntrain: {tmp_path / 'runs'} cannot be written" in result.stderr


def test_the_demo_says_when_it_has_no_place_at_all(cnntrain, started, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "cache").write_text("a file in the place of the directory")
    monkeypatch.setenv("CNNTRAIN_CACHE", str(tmp_path / "cache"))
    refused(cnntrain("demo", "--detach"), 1, "pictures cannot be made", "CNNTRAIN_CACHE")
