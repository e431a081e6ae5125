"""The draft behind the form: every setting is checked by the one validator, and the command line says the same."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from picture_sets import class_folders

from tui.app.draft import DIRECTORY, NAME, Draft, fields, problem_words
from tui.core import presets
from tui.core.dataset.scan import scan
from tui.core.schema import Setting, all_settings, in_words, parse_assignments, value_of, with_changes
from tui.core.settings import Settings

SETTINGS = list(all_settings().values())


def draft(tmp_path: Path, preset: str = "simple-cnn", **arguments: Any) -> Draft:
    made = Draft(preset, presets.load(presets.find(preset)), root=tmp_path / "runs", **arguments)
    made.use_directory(tmp_path)
    return made


def other_value(setting: Setting, settings: Settings) -> Any:
    """Return a value that is right and differs from the one that is set."""
    now = value_of(settings, setting.key)
    if setting.kind == "choice":
        return next(choice for choice in setting.choices if choice != now)
    if setting.kind == "bool":
        return not now
    if setting.kind == "numbers":
        return (0.25, 0.5, 0.75)
    if setting.key == "model.name":
        return "resnet34" if now == "resnet18" else "resnet18"
    if setting.key in ("training.best_by", "training.stop_metric"):
        return "macro_f1"
    if setting.kind == "text":
        return "/somewhere/else"
    limits = (setting.minimum, setting.maximum, setting.above, setting.below)
    low, high = limits[0] if limits[0] is not None else limits[2], limits[1] if limits[1] is not None else limits[3]
    assert low is not None
    assert high is not None
    candidates = (now + 1, now - 1, now * 0.75, now + 0.02) if setting.kind == "float" else (now + 1, now - 1)
    return next(value for value in candidates if low < value < high)


def wrong_text(setting: Setting) -> str:
    if setting.kind in ("int", "float"):
        return "1e999"
    return {"numbers": "a, b", "bool": "perhaps", "choice": "no such choice", "text": "no_such_model"}[setting.kind]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_a_right_value_is_taken_and_shown_as_a_difference(setting: Setting, tmp_path: Path) -> None:
    ours = draft(tmp_path)
    if setting.key == "model.pretrained":
        ours.write("model.name", "resnet18")  # simple_cnn has no pretrained weights
    value = other_value(setting, ours.settings)
    ours.write(setting.key, in_words(value))
    assert ours.problems == {}
    assert value_of(ours.settings, setting.key) == value
    assert (setting.key in ours.changes()) == (setting.key != DIRECTORY)
    assert ours.differs(setting.key) == (setting.key != DIRECTORY)
    ours.write(setting.key, ours.original(setting.key))
    if setting.key != DIRECTORY:
        assert not ours.differs(setting.key)
        assert setting.key not in ours.changes()


@pytest.mark.parametrize(
    "setting", [s for s in SETTINGS if s.kind != "text" or s.key == "model.name"], ids=lambda setting: setting.key
)
def test_a_wrong_value_is_explained_and_not_taken(setting: Setting, tmp_path: Path) -> None:
    ours = draft(tmp_path)
    before = ours.settings
    ours.write(setting.key, wrong_text(setting))
    assert setting.key in ours.problems
    words = problem_words(ours, setting.key)
    assert setting.key in words.replace(words[:1], words[:1].lower(), 1)
    assert ours.settings == before
    assert ours.texts[setting.key] == wrong_text(setting)
    ours.write(setting.key, ours.original(setting.key))
    assert ours.problems == {}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_the_command_line_says_what_the_form_says(setting: Setting, tmp_path: Path) -> None:
    ours = draft(tmp_path, "resnet18-scratch")
    if setting.key == "model.pretrained":
        ours.write("model.name", "resnet18")
    ours.write(setting.key, in_words(other_value(setting, ours.settings)))
    words = shlex.split(ours.command_line())
    assert words[:3] == ["cnntrain", "train", "resnet18-scratch"]
    assigned = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
    new = {**parse_assignments(assigned), DIRECTORY: words[words.index("--data") + 1]}
    said = with_changes(presets.load(presets.find(words[2])), new, source="the command line")
    assert said == ours.settings


def test_two_settings_that_contradict_each_other_are_both_marked(tmp_path: Path) -> None:
    ours = draft(tmp_path)
    ours.write("schedule.warmup_epochs", "90")
    assert set(ours.problems) == {"schedule.warmup_epochs", "training.epochs"}
    ours.write("training.epochs", "100")
    assert ours.problems == {}


def test_what_has_no_effect_is_known_even_while_something_else_is_wrong(tmp_path: Path) -> None:
    ours = draft(tmp_path)
    assert ours.in_effect("optimizer.momentum")
    ours.write("training.epochs", "many")
    ours.write("optimizer.name", "adamw")
    assert set(ours.problems) == {"training.epochs"}
    assert not ours.in_effect("optimizer.momentum")
    assert ours.in_effect("optimizer.beta1")


def test_a_model_that_does_not_exist_gets_a_suggestion(tmp_path: Path) -> None:
    ours = draft(tmp_path)
    ours.write("model.name", "resnt18")
    assert "resnet18" in ours.problems["model.name"]


@pytest.mark.parametrize("name", ["with blank", "it's", "$(id)", "a;b", "-dash", '"quoted"', "ünï", " end "])
def test_the_command_line_can_be_pasted_into_a_shell(name: str, tmp_path: Path) -> None:
    ours = draft(tmp_path, root_typed=f"/runs/{name}")
    ours.use_directory(tmp_path / name)
    assert ours.directory == str(tmp_path / name)
    words = shlex.split(ours.command_line())
    assert words[words.index("--data") + 1] == str(tmp_path / name)
    assert words[words.index("--runs") + 1] == f"/runs/{name}"


def test_the_home_directory_stays_short_in_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ours = draft(tmp_path)
    ours.use_directory(tmp_path / "my pictures")
    assert "--data ~/'my pictures'" in ours.command_line()
    ours.use_directory(tmp_path)
    assert f"--data {tmp_path}" in ours.command_line()


def test_a_folder_whose_name_cannot_be_shown_is_kept_as_it_is(tmp_path: Path) -> None:
    ours = draft(tmp_path)
    ours.use_directory(tmp_path / "a\x1b[2Jb")
    assert ours.texts[DIRECTORY].isprintable()
    assert ours.directory == str(tmp_path / "a\x1b[2Jb")
    ours.write("training.epochs", "3")
    assert ours.directory == str(tmp_path / "a\x1b[2Jb")


def test_a_typed_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.chdir(tmp_path)
    ours = draft(tmp_path)
    ours.write(DIRECTORY, "~/pictures")
    assert ours.directory == "/home/somebody/pictures"
    ours.write(DIRECTORY, "pictures")
    assert ours.directory == os.path.join(tmp_path, "pictures")
    ours.write(DIRECTORY, "  ")
    assert "folder" in ours.problems[DIRECTORY]


def test_a_name_without_letters_is_refused(tmp_path: Path) -> None:
    ours = draft(tmp_path)
    assert ours.name == "simple-cnn"
    ours.write(NAME, "///")
    assert NAME in ours.problems
    ours.write(NAME, "mine")
    assert ours.problems == {}
    assert shlex.split(ours.command_line())[-2:] == ["--name", "mine"]


def test_a_saved_preset_is_what_is_compared_with_from_then_on(tmp_path: Path) -> None:
    ours = draft(tmp_path)
    ours.write("training.epochs", "3")
    presets.save("mine", ours.settings)
    ours.rebase("mine")
    assert ours.changes() == {}
    assert ours.settings.training.epochs == 3
    assert shlex.split(ours.command_line())[:3] == ["cnntrain", "train", "mine"]
    assert presets.load(presets.find("mine")) == ours.base


def test_a_draft_can_start_from_a_run(tmp_path: Path) -> None:
    base = presets.load(presets.find("cifar10"))
    settings = with_changes(base, {"training.epochs": 2, DIRECTORY: str(tmp_path)}, source="a test")
    ours = Draft("cifar10", base, root=tmp_path, settings=settings, name="again")
    assert (ours.directory, ours.name) == (str(tmp_path), "again")
    assert set(ours.changes()) == {"training.epochs"}


def test_the_form_has_every_setting_once() -> None:
    assert list(fields()) == [NAME, *all_settings()]


def test_shares_that_the_folders_decide_have_no_effect(tmp_path: Path) -> None:
    shares = ("data.validation_fraction", "data.test_fraction")
    for folders, effects in (({"train": 4, "val": 2}, [False, False]), ({"train": 4, "test": 2}, [True, False])):
        top = tmp_path / "-".join(folders)
        for folder, count in folders.items():
            class_folders(top / folder, {"a": count, "b": count})
        made = draft(tmp_path)
        made.use_directory(top, scan(top))
        assert [made.in_effect(key) for key in shares] == effects
        made.use_directory(tmp_path)
        assert [made.in_effect(key) for key in shares] == [True, True]


def test_shares_that_folders_in_classes_or_a_list_decide_have_no_effect(tmp_path: Path) -> None:
    shares = ("data.validation_fraction", "data.test_fraction")
    for name in ("a", "b"):
        class_folders(tmp_path / "classes" / name, {"train": 4, "val": 2})
    pictures = class_folders(tmp_path / "listed", {"a": 4, "b": 4})
    lines = [f"{path.relative_to(pictures)},{path.parent.name}" for path in sorted(pictures.rglob("*.*"))]
    splits = ("train", "train", "test", "test") * 2
    listed = ["path,label,split", *(f"{line},{split}" for line, split in zip(lines, splits, strict=True))]
    for place, effects in (("classes", [False, False]), ("listed", [True, False])):
        if place == "listed":
            (pictures / "labels.csv").write_text("\n".join(listed) + "\n")
        made = draft(tmp_path)
        made.use_directory(tmp_path / place, scan(tmp_path / place))
        assert [made.in_effect(key) for key in shares] == effects, place


def test_changes_are_taken_back_and_made_again_field_by_field(tmp_path: Path) -> None:
    ours = draft(tmp_path)
    start = dict(ours.texts)
    assert (ours.undo(), ours.redo(), ours.texts) == (None, None, start)  # choosing the folder was no edit
    for key, *texts in (("training.epochs", "1", "12"), ("optimizer.name", "adam"), ("training.epochs", "12x")):
        for text in texts:
            ours.write(key, text)
        ours.leave()
    assert "training.epochs" in ours.problems
    assert ours.undo() == "training.epochs"
    assert (ours.texts["training.epochs"], ours.problems) == ("12", {})
    assert ours.undo() == "optimizer.name"
    assert ours.settings.optimizer.name == "sgd"
    assert ours.undo() == "training.epochs"
    assert ours.texts["training.epochs"] == start["training.epochs"]
    assert ours.redo() == "training.epochs"
    assert ours.settings.training.epochs == 12
    assert ours.redo() == "optimizer.name"
    ours.write("model.width", "8")
    assert ours.redo() is None  # another change was made meanwhile
    assert ours.undo() == "model.width"


def test_what_was_typed_and_deleted_again_is_no_step(tmp_path: Path) -> None:
    ours = draft(tmp_path)
    while ours.undo():
        pass
    ours.write("training.epochs", "1")
    ours.leave()
    before = ours.original("training.batch_size")
    ours.write("training.batch_size", "9")
    ours.write("training.batch_size", before)
    ours.leave()
    assert ours.undo() == "training.epochs"


def test_outputs_and_steps_are_known_from_the_pictures(tmp_path: Path) -> None:
    ours = draft(tmp_path)
    assert (ours.outputs, ours.epoch_steps) == (None, None)
    root = class_folders(tmp_path / "p", {"a": 40, "b": 40, "c": 20})
    ours.use_directory(root, scan(root))
    ours.write("training.batch_size", "10")
    ours.write("data.validation_fraction", "0.2")
    ours.write("data.test_fraction", "0")
    assert (ours.outputs, ours.epoch_steps) == (3, 8)
    root = class_folders(tmp_path / "q", {"train/a": 30, "train/b": 30, "val/a": 5, "val/b": 5})
    ours.use_directory(root, scan(root))
    assert (ours.outputs, ours.epoch_steps) == (2, 6)
    class_folders(tmp_path / "undivided" / "train", {"a": 100, "b": 100})
    ours.use_directory(tmp_path / "undivided", scan(tmp_path / "undivided"))
    ours.write("data.validation_fraction", "0.5")
    assert ours.epoch_steps == 100 // ours.settings.step_images
