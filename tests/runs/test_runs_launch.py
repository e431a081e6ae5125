"""Making a run, and what is refused when one is started, resumed or stopped, each with its sentence."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests import builders
from tests.runs.processes import over, state_of, training, until
from tui.core import control, events
from tui.core.dataset.manifest import load_manifest
from tui.core.dataset.scan import scan
from tui.core.errors import FailureError, UsageError
from tui.core.presets import read_settings
from tui.core.rundir import FORMAT, RunDir
from tui.core.schema import validated
from tui.core.settings import Settings
from tui.runs import controls, launch, making
from tui.runs.attempt import check_can_start


@pytest.fixture(autouse=True)
def let_go_of_locks() -> Iterator[None]:
    yield
    for run in list(builders._HELD):
        builders.let_go(run)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (8, 8), (number * 20, 0, 0)).save(folder / f"{number}.png")
    return tmp_path / "pictures"


def settings_for(pictures: Path | str, batch_size: int = 4) -> Settings:
    table = {"data": {"directory": str(pictures)}, "training": {"batch_size": batch_size, "epochs": 3}}
    return validated(table, source="a test")


def test_a_new_run_states_everything_that_decides_it(pictures: Path, tmp_path: Path) -> None:
    settings = settings_for(pictures)
    run = making.create(settings, root=tmp_path / "deep" / "runs", name="my run", preset="cpu-quick")
    assert run.name.endswith("-my-run")
    assert run.exists
    assert read_settings(run.settings) == settings
    table = tomllib.loads(run.settings.read_text())
    assert (table["run"]["format"], table["run"]["preset"], table["run"]["name"]) == (FORMAT, "cpu-quick", run.name)
    assert table["run"]["created"].endswith("+00:00")
    assert {"python", "torch", "torchvision"} <= set(table["run"])
    assert table["optimizer"]["momentum"] == 0.9  # defaults too
    manifest = load_manifest(run.dataset)
    assert manifest.classes == ("cat", "dog")
    assert sum(map(len, manifest.splits.values())) == 20
    assert stat.S_IMODE(run.control.stat().st_mode) == 0o700
    assert state_of(run).status_text == "It was never started."


def test_a_scan_that_was_made_is_not_made_again(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scan(pictures)
    monkeypatch.setattr("tui.core.dataset.scan.scan", lambda *_: pytest.fail("looked through again"))
    assert making.create(settings_for(pictures), root=tmp_path / "runs", name="x", scan=found).exists


def test_the_folder_of_pictures_is_kept_as_an_absolute_path(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = making.create(settings_for("pictures"), root=Path("runs"), name="x")
    assert run.path.is_absolute()
    assert read_settings(run.settings).data.directory == str(pictures)


def test_runs_of_the_same_second_do_not_meet(pictures: Path, tmp_path: Path) -> None:
    made = {making.create(settings_for(pictures), root=tmp_path / "runs", name="x").path for _ in range(3)}
    assert len(made) == 3


@pytest.mark.parametrize(
    ("settings", "name", "message"),
    [
        (lambda p: settings_for(p / "missing"), "x", "missing"),
        (lambda p: settings_for(p, batch_size=512), "x", "training.batch_size is 512 but there are only 12"),
        (lambda p: settings_for(p), "../..", "no letter or digit"),
    ],
)
def test_what_cannot_be_trained_makes_no_directory(
    pictures: Path, tmp_path: Path, settings: Callable[[Path], Settings], name: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        making.create(settings(pictures), root=tmp_path / "runs", name=name)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_root_that_is_a_file_is_a_failure_with_its_path(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("x")
    with pytest.raises(FailureError, match=r"cannot be made: .*runs.*--runs DIR"):
        making.create(settings_for(pictures), root=tmp_path / "runs", name="x")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (13, "permission was denied"),
        (28, "the disk is full"),
        (30, "the disk is read-only"),
        (122, "your disk quota is used up"),
    ],
)
def test_a_disk_that_cannot_be_written_leaves_nothing_behind(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(making, "write_atomic", fails)
    with pytest.raises(FailureError) as failure:
        making.create(settings_for(pictures), root=tmp_path / "runs", name="x")
    assert words in str(failure.value)
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_read_only_root_is_a_failure_with_its_path(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o500)
    with pytest.raises(FailureError, match="permission was denied"):
        making.create(settings_for(pictures), root=tmp_path / "runs", name="x")


def test_a_folder_that_settings_cannot_name_is_refused(tmp_path: Path) -> None:
    settings = Settings().model_copy(deep=True)
    data = settings.data.model_copy(update={"directory": "/pic\udcfftures"})
    with pytest.raises(UsageError, match=r"/pic\\xfftures is not valid UTF-8"):
        making.create(settings.model_copy(update={"data": data}), root=tmp_path, name="x")


@pytest.mark.parametrize(
    ("status", "message"),
    [("finished", "The run is finished"), ("running", "already running: it is run by .*process")],
)
def test_a_run_that_is_over_or_running_is_not_resumed(tmp_path: Path, status: str, message: str) -> None:
    run = builders.make_run(tmp_path, status=status)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        launch.resume(run)


def test_what_is_no_run_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such run"):
        launch.resume(RunDir(tmp_path))


def test_a_run_of_a_newer_version_is_neither_resumed_nor_stopped(tmp_path: Path) -> None:
    for status in ("stopped", "running"):
        run = builders.make_run(tmp_path / status, status=status)  # type: ignore[arg-type]
        run.settings.write_text(run.settings.read_text().replace("format = 1", "format = 2") + "[new]\nx=1\n")
        with pytest.raises(
            UsageError, match="The run can only be read: It was made by a newer version of cnntrain"
        ) as refusal:
            (launch.resume if status == "stopped" else controls.stop)(run)
        assert "Upgrade" in str(refusal.value)
    assert control.pending(run) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", r"The settings cannot be read: .*settings\.toml is empty or half-written: \[run\] is missing"),
        ("[run]\nformat = 1\n[trai", r"The settings cannot be read: .*settings\.toml is not TOML"),
        ("[training]\nepochs = -1\n", r"settings\.toml cannot be used: training\.epochs is -1"),
    ],
)
def test_half_written_settings_are_refused_with_their_path(tmp_path: Path, content: str, words: str) -> None:
    run = builders.make_run(tmp_path, status="stopped")
    run.settings.write_text(content)
    with pytest.raises(UsageError, match=words):
        launch.resume(run)


def test_settings_that_end_too_early_are_not_filled_up_with_defaults(fake: Callable[..., RunDir]) -> None:
    """Each such file is valid by itself: it ends between two lines, or in the middle of a number."""
    run = fake(steps=5)
    launch.start(run)
    until(over(run))
    whole = run.settings.read_text("utf-8")
    lines = whole.splitlines(keepends=True)
    refused = 0
    for count in range(len(lines)):
        run.settings.write_text("".join(lines[:count]))
        if lines[count].strip():
            with pytest.raises(UsageError, match=r"settings\.toml.*Copy launched\.toml over it"):
                check_can_start(run)
            refused += 1
    assert refused > 100
    run.settings.write_text(whole.replace("epochs = ", "epochs = 1"))  # a change of a value is a person's
    with pytest.raises(UsageError, match="The run is finished"):
        check_can_start(run)


def test_damaged_settings_have_a_copy_from_the_launch(fake: Callable[..., RunDir]) -> None:
    run = fake(steps=5)
    launch.start(run)
    until(over(run))
    whole = run.settings.read_bytes()
    assert run.launched.read_bytes() == whole
    run.settings.write_bytes(whole[: len(whole) // 2] + b"[")
    with pytest.raises(UsageError, match=r"settings\.toml is not TOML.*Copy launched\.toml over it"):
        launch.resume(run)
    assert "Copy launched.toml over it" in state_of(run).problems[0]
    assert "is what it was last launched with." in state_of(run).problems[0]
    run.launched.write_bytes(b"[")  # damaged too: not recommended
    with pytest.raises(UsageError, match=r"settings\.toml is not TOML.*Mend that line\."):
        launch.resume(run)


def test_a_run_without_its_dataset_is_not_resumed(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, status="stopped")
    run.dataset.unlink()
    with pytest.raises(FailureError, match=r"dataset\.json is missing"):
        launch.resume(run)


def test_a_run_of_code_that_is_not_allowed_is_neither_resumed_nor_made_longer(tmp_path: Path) -> None:
    for status, again in (("stopped", launch.resume), ("finished", lambda run: controls.extend(run, 2))):
        settings = {"model": {"name": "wave:Net"}}
        run = builders.make_run(tmp_path / status, status=status, settings=settings)  # type: ignore[arg-type]
        before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
        with pytest.raises(UsageError, match=r"wave:Net is not run: .*`cnntrain models allow wave:Net`"):
            again(run)
        assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("status", ["finished", "stopped", "failed", "crashed", "interrupted"])
def test_what_does_not_run_cannot_be_stopped(tmp_path: Path, status: str) -> None:
    run = builders.make_run(tmp_path, status=status)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=f"is not running: .* is {status}"):
        controls.stop(run)
    assert control.pending(run) == []


def test_asking_twice_is_asking_once(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, status="running")
    controls.stop(run)
    controls.stop(run)
    assert [request.action for request in control.pending(run)] == ["stop"]


def test_a_run_that_is_about_to_stop_is_not_made_longer(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, status="running")
    controls.stop(run)
    with pytest.raises(UsageError, match=r"is stopping.*extend it while it trains"):
        controls.extend(run, 2)
    assert [request.action for request in control.pending(run)] == ["stop"]


def test_a_run_that_trains_is_asked_and_no_other(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, status="running")
    controls.ask(run, "rate", 0.5)
    assert [(request.action, request.value) for request in control.pending(run)] == [("rate", 0.5)]
    over = builders.make_run(tmp_path, name="20260131-130000-over", status="finished")
    with pytest.raises(UsageError, match=r"does not train: .* is finished"):
        controls.ask(over, "pause")
    assert control.pending(over) == []


def test_a_run_elsewhere_is_asked_but_not_killed(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, status="interrupted")
    builders.own(run, host="node7", boot_id="another")
    controls.stop(run)
    assert [request.action for request in control.pending(run)] == ["stop"]
    with pytest.raises(UsageError, match="it runs on node7"):
        controls.stop(run, now=True)


def test_a_supervisor_that_is_not_the_owner_is_never_signalled(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, status="running")
    builders.own(run, start_time="1")
    with pytest.raises(UsageError, match="owner is unknown"):
        controls.stop(run, now=True)


def test_relative_module_paths_are_made_absolute_for_the_supervisor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"lib{os.pathsep}/abs{os.pathsep}")
    expected = f"{tmp_path}/lib{os.pathsep}/abs{os.pathsep}{tmp_path}"
    assert launch._environment()["PYTHONPATH"] == expected


def test_an_interrupted_run_is_resumed_under_a_hostile_name(fake: Callable[..., RunDir]) -> None:
    made = fake(steps=50)
    run = RunDir(made.path.rename(made.path.with_name("na me;$(x)\x1b[2J")))
    builders.append_event(run, events.Launched(attempt=1, host="h", pid=1))
    launch.resume(run)
    until(training(run, 1))
    controls.stop(run)
    until(over(run))
    assert state_of(run).attempt == 2
