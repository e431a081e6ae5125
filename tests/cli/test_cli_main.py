"""The door: what is imported, what an error looks like, how the program leaves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import builders
from tui.cli.failures import exit_code_of
from tui.core.errors import FailureError, UsageError

PROGRAM = [sys.executable, "-c", "from tui.cli.main import main; main()"]


def outside(*arguments: str, **extra: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **extra
    )


COMMANDS = tuple(
    "demo train check watch runs compare rename delete note pin status diagnose stop resume extend metrics rates "
    "control test predict mistakes confusion export presets models cache".split()
)


def test_help_names_every_command_and_nothing_else(cnntrain) -> None:
    result = cnntrain("--help")
    assert result.exit_code == 0
    listed = result.stdout.partition("Commands:")[2].split("\n")
    assert tuple(line.split()[0] for line in listed if line.strip()) == COMMANDS
    assert not [line for line in listed if line.endswith("...")]  # each says what it does in its one line


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(cnntrain, command: str) -> None:
    result = cnntrain(command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: cnntrain {command}")
    assert "..." not in re.sub(r"[A-Z]+\.\.\.|[\]}]\.\.\.", "", result.stdout)
    assert not re.search(r"\.\.\.[\]}]|\[\[", result.stdout.splitlines()[0])  # brackets and dots are put once


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["presets", "show", "--help"]])
def test_help_imports_neither_torch_nor_a_user_interface(arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['cnntrain', *{arguments}]\n"
        "from tui.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'textual', 'rich', 'numpy', 'PIL'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60)
    assert out.startswith("Usage: cnntrain")
    assert out.rstrip().endswith("heavy: []")


def test_opening_the_screen_does_not_wait_for_typer() -> None:
    code = (
        "import sys; sys.argv = ['cnntrain']\n"
        "import tui.cli.views as views\n"
        "views.open_app = lambda root: print('opened', root.name, sorted({'typer', 'rich'} & set(sys.modules)))\n"
        "from tui.cli.main import main\n"
        "main()"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60) == "opened runs []\n"


def test_watching_a_run_does_not_wait_for_typer(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=20)
    code = (
        f"import sys; sys.argv = ['cnntrain', 'watch', {run.given_name!r}]\n"
        "import tui.cli.views as views\n"
        "views.require_screen = lambda: None\n"
        "views.open_app = lambda root, run: print('opened', run.name, sorted({'typer', 'rich'} & set(sys.modules)))\n"
        "from tui.cli.main import main\n"
        "main()"
    )
    environment = {**os.environ, "CNNTRAIN_RUNS": str(tmp_path)}
    told = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60, env=environment)
    assert told == f"opened {run.name} []\n"


def test_without_a_terminal_the_screen_says_what_works_instead() -> None:
    result = outside()
    assert result.returncode == 2
    assert result.stderr.startswith("cnntrain: The screen cannot be opened")
    assert "--plain" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], ["No such command 'trian'", "Did you mean 'train'"]),
        (["train"], ["Missing argument", "PRESET", "`cnntrain train --help`"]),
        (["train", "demo", "--dta", "x"], ["No such option: --dta", "--data"]),
        (["metrics", "latest", "--format", "yaml"], ["--format", "yaml", "csv", "jsonl"]),
        (["presets"], ["Missing command", "`cnntrain presets --help`"]),
        (["presets", "lst"], ["No such command 'lst'", "list"]),
        (["--runs", "elsewhere", "status", "y"], ["No such run", "elsewhere"]),
        (["train", "demo", "--plain", "--detach"], ["Only one way", "--detach and --plain"]),
        (["train", "demo", "--watch"], ["screen cannot be opened", "terminal"]),
        (["watch", "nosuch"], ["No such run", "nosuch"]),
    ],
)
def test_what_was_mistyped_is_one_sentence_and_code_2(cnntrain, arguments: list[str], words: list[str]) -> None:
    result = cnntrain(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("cnntrain: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_version(cnntrain) -> None:
    result = cnntrain("--version")
    assert (result.exit_code, result.stdout.split()[0]) == (0, "cnntrain")


def raising(error: BaseException) -> object:
    def action(*_: object, **__: object) -> None:
        raise error

    return action


def test_exit_codes_tell_who_is_at_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(raising(UsageError("No", "this", "Do that."))) == 2
    assert exit_code_of(raising(FailureError("No", "this", "Do that."))) == 1
    assert exit_code_of(raising(KeyboardInterrupt())) == 130
    assert exit_code_of(lambda: 75) == 75
    assert exit_code_of(lambda: None) == 0
    assert capsys.readouterr().err == "cnntrain: No: this. Do that.\n" * 2


def test_a_defect_is_one_sentence_and_its_traceback_is_kept(own_places: Path, capsys) -> None:
    assert exit_code_of(raising(ValueError("\x1b[2Jodd"))) == 1
    said = capsys.readouterr().err
    (kept,) = (own_places / "cache" / "crashes").iterdir()
    assert said.count("\n") == 1
    assert said.startswith("cnntrain: The command cannot go on: this is a defect (ValueError: \\x1b[2Jodd)")
    assert str(kept) in said
    assert "Traceback" in kept.read_text()
    assert "raise error" in kept.read_text()


def test_a_defect_is_told_even_when_nothing_can_be_written(own_places: Path, monkeypatch, capsys) -> None:
    blocked = own_places / "a file"
    blocked.touch()
    monkeypatch.setenv("CNNTRAIN_CACHE", str(blocked))
    monkeypatch.setattr("tempfile.mkdtemp", raising(OSError("full")))
    assert exit_code_of(raising(RuntimeError("odd"))) == 1
    assert "could not be saved" in capsys.readouterr().err


def test_only_the_newest_tracebacks_are_kept(own_places: Path) -> None:
    crashes = own_places / "cache" / "crashes"
    crashes.mkdir(parents=True)
    for day in range(1, 29):
        (crashes / f"202401{day:02}-000000-1.txt").touch()
    exit_code_of(raising(ValueError("odd")))
    names = sorted(path.name for path in crashes.iterdir())
    assert len(names) == 20
    assert names[0].startswith("20240110")


def test_an_error_of_the_system_names_the_file(capsys) -> None:
    assert exit_code_of(raising(OSError(28, "No space left on device", "/data/x"))) == 1
    assert "No space left on device (/data/x)" in capsys.readouterr().err


def test_a_reader_that_has_gone_is_no_error() -> None:
    shell = '"$@" presets show demo --all | head -c 1; echo " ${PIPESTATUS[0]}"'
    result = subprocess.run(
        ["bash", "-c", shell, "bash", *PROGRAM], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert result.stderr == ""
    # The text is longer than one write: the writer either got through before the reader left, or was cut off.
    assert result.stdout in ("# 141\n", "# 0\n")


def test_a_full_disk_is_one_sentence() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [*PROGRAM, "presets", "list"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (result.returncode, result.stderr) == (
        1,
        "cnntrain: The output cannot be written: No space left on device\n",
    )


def test_an_encoding_that_lacks_characters_gets_escapes(tmp_path: Path) -> None:
    path = tmp_path / "preset.toml"
    path.write_text("# prüfen … ∞\n", "utf-8")
    result = outside("presets", "show", str(path), env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (result.returncode, result.stdout) == (0, "# pr\\xfcfen \\u2026 \\u221e\n")


def test_the_shell_is_offered_presets_runs_and_settings(tmp_path: Path) -> None:
    (tmp_path / "runs" / "20260131-120000-first").mkdir(parents=True)
    (tmp_path / "runs" / "20260131-120000-\x1b[2J").mkdir()

    def offered(words: str, *, shell: str = "complete_bash") -> list[str]:
        env = {**os.environ, "_CNNTRAIN_COMPLETE": shell, "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return outside(env=env, cwd=tmp_path).stdout.split()

    assert "resnet18-finetune" in offered("cnntrain train resn")
    assert offered("cnntrain status ") == ["latest", "20260131-120000-first"]
    assert offered("cnntrain train demo --set optimizer.learn") == ["optimizer.learning_rate="]
    assert set(offered("cnntrain tr")) == {"train"}
