"""cnntrain presets: what it shows, and the sentence for each way in which a preset can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.core import presets
from tui.core.schema import all_settings, in_words
from tui.core.settings import Settings


@pytest.fixture
def mine(own_places: Path) -> Path:
    directory = own_places / "config" / "presets"
    directory.mkdir(parents=True)
    return directory


def test_list_names_each_preset_and_its_use(cnntrain, mine: Path) -> None:
    (mine / "zebra.toml").write_text("# For striped \x1b[31manimals.\n")
    lines = cnntrain("presets", "list").stdout.splitlines()
    assert lines[0].split() == ["PRESET", "FROM", "USE", "IT", "FOR"]
    assert lines[1].startswith("zebra ")
    assert "you" in lines[1]
    assert lines[1].endswith("For striped \\x1b[31manimals.")
    assert {preset.name for preset in presets.available()} == {line.split()[0] for line in lines[1:]}
    column = lines[0].index("USE")
    assert all(line[column - 1] == " " != line[column] for line in lines)


def test_show_writes_the_file_itself(cnntrain) -> None:
    result = cnntrain("presets", "show", "cpu-quick")
    assert result.exit_code == 0
    assert result.stdout == presets.find("cpu-quick").path.read_text()


def test_show_all_has_every_setting_with_help_limits_and_default(cnntrain) -> None:
    text = cnntrain("presets", "show", "cpu-quick", "--all").stdout
    flat = " ".join(text.split())
    for setting in all_settings().values():
        assert f" {setting.key} = " in text
        assert " ".join(f"{setting.title}: {setting.help}".split()) in flat
        assert (
            f"(default {in_words(setting.default) or 'empty'}"
            in text.partition(f" {setting.key} = ")[2].partition("\n")[0]
        )
        assert setting.limits in flat
    assert "* optimizer.name = adamw  (default sgd; sgd, adam, adamw, rmsprop, " in text
    assert "Has an effect when optimizer.name is sgd or rmsprop or muon, so not in this preset." in flat


def test_what_show_writes_is_safe_for_a_terminal(cnntrain, tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text("# right\u202eleft\u200b\n[training]\nepochs = 3\n", "utf-8")
    assert cnntrain("presets", "show", str(path)).stdout == "# right\\u202eleft\\u200b\n[training]\nepochs = 3\n"


def test_show_of_a_wrong_preset_shows_it_and_says_why(cnntrain, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("[training]\nepochs = 0\n")
    result = cnntrain("presets", "show", str(path))
    assert (result.exit_code, result.stdout) == (2, "[training]\nepochs = 0\n")
    assert "training.epochs is 0 but must be a whole number: 1 to 100,000" in result.stderr


WRONG = {
    "a wrong type": ('[training]\nepochs = "many"\n', ["training.epochs", "'many'", "a whole number"]),
    "a float for an int": ("[training]\nepochs = 2.5\n", ["training.epochs is 2.5", "a whole number"]),
    "an unknown key": ("[optimizer]\nlr = 0.1\n", ['"optimizer.lr"', 'did you mean "optimizer.learning_rate"?']),
    "an unknown group": ("[optimiser]\n", ['unknown group "optimiser"', 'did you mean "optimizer"?']),
    "a key without a group": ("epochs = 3\n", ['unknown group "epochs"']),
    "out of range": ("[data]\nimage_size = 4\n", ["data.image_size is 4", "8 to 1,024 px"]),
    "not a number": ("[optimizer]\nlearning_rate = nan\n", ["optimizer.learning_rate is nan", "a number"]),
    "a wrong choice": ('[schedule]\nname = "cosin"\n', ["schedule.name", "cosine, plateau", 'did you mean "cosine"?']),
    "an unknown model": ('[model]\nname = "resnet19"\n', ['"resnet19"', "not a known model", "did you mean"]),
    "broken TOML": ("[training\nepochs = 3\n", ["is not TOML", "line 1"]),
    "not text": (b"\xff\xfe\x00\x01", ["is not TOML"]),
    "a hostile key": ('[model]\n"\\u001b[2J" = 1\n', ["\\x1b[2J"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_check_says_what_is_wrong(cnntrain, tmp_path: Path, case: str) -> None:
    text, words = WRONG[case]
    path = tmp_path / "wrong.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = cnntrain("presets", "check", str(path))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("cnntrain: The settings")
    assert result.stderr.count("\n") == 1
    assert str(path) in result.stderr
    assert "\x1b" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_check_names_every_problem_on_a_line_of_its_own(cnntrain, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(
        '[optimizer]\nlr = 0.1\nmomentum = 2.0\n[training]\nepochs = "many"\n[model]\nname = "resnet19"\n'
        '[optimiser]\nname = "sgd"\n'
    )
    result = cnntrain("presets", "check", str(path))
    head, *lines = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, "")
    assert head == f"cnntrain: The settings in {path} cannot be used, 5 problems:"
    for word in ("optimizer.lr", "optimizer.momentum is 2.0", "training.epochs is 'many'", '"resnet19"', "optimiser"):
        assert sum(word in line for line in lines) == 1, word
    assert len(lines) == 5


def test_check_goes_through_all_files(cnntrain, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text("[training]\nepochs = 3\n")
    bad.write_text("[training]\nepoch = 3\n")
    result = cnntrain("presets", "check", str(bad), str(good), str(tmp_path / "none.toml"), "cifar10")
    assert result.exit_code == 2
    assert f"{good}: valid, 1 setting other than the default" in result.stdout
    assert "no effect" not in result.stderr
    good.write_text('[training]\nstop_metric = "accuracy"\n')
    told = "warning: training.stop_metric has no effect: training.stop_patience is 0."
    assert told in cnntrain("presets", "check", str(good)).stderr
    assert "cifar10: valid" in result.stdout
    assert 'did you mean "training.epochs"?' in result.stderr
    assert "none.toml" in result.stderr
    assert cnntrain("presets", "check", str(good)).exit_code == 0


def test_diff_names_what_differs(cnntrain, tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text("[training]\nepochs = 3\n[data]\nmean = [0.4, 0.5, 0.5]\n")
    other.write_text("[training]\nepochs = 3\n[optimizer]\nlearning_rate = 0.5\n")
    lines = cnntrain("presets", "diff", str(one), str(other)).stdout.splitlines()
    default = in_words(Settings().optimizer.learning_rate)
    assert [line.split() for line in lines] == [
        ["SETTING", "one", "other"],
        ["data.mean", "0.4,", "0.5,", "0.5", "empty"],
        ["optimizer.learning_rate", default, "0.5"],
    ]
    assert "same settings" in cnntrain("presets", "diff", str(one), str(one)).stdout


def test_an_unknown_preset_suggests_one(cnntrain) -> None:
    for command in (["presets", "show"], ["train"]):
        result = cnntrain(*command, "cifar1")
        assert result.exit_code == 2
        assert result.stderr == 'cnntrain: No such preset: "cifar1". Did you mean "cifar10"?\n'
