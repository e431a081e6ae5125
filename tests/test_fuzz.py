"""Hostile names through everything that reads, says or shows them: no error, and no control byte.

Some hundreds of them each time, ten thousand where slow tests run.

A name is made of pieces that have broken terminals, parsers and markup before, and of any characters at all. Where
it may go is checked in the bytes that a terminal gets: after the sequences by which Textual moves the cursor and
colours cells, nothing may be left that a terminal obeys.
"""

from __future__ import annotations

import json
import os
import random
import re
import string
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests import builders
from tests.app.emulator import RecordingDriver
from tui.app.app import CnntrainApp
from tui.app.screens.watch import WatchScreen
from tui.core import events, presets, schema
from tui.core.errors import CnntrainError, UsageError
from tui.core.rundir import RunDir, new_run
from tui.core.sentences import sentence
from tui.core.settings import Settings
from tui.core.text import clean, clean_lines, clean_path
from tui.runs.catalog import list_runs
from tui.runs.directory import find
from tui.runs.follow import RunFollower

PIECES = (
    *("\x1b]52;c;ZXZpbA==\x07", "\x1b[2J", "\x1b[31m", "\x1bc", "\x1b]0;title\x1b\\", "\x1bP+q544e\x1b\\", "\x1b[6n"),
    *("\x9b31m", "\x9d52;c;x\x9c", "\x90q", "\x85", "\x7f", "\x00", "\r", "\n", "\t", "\x08", "\x0b", "\x0e", "\x18"),
    *("\u202e", "\u2066", "\u2069", "\u200b", "\u200d", "\ufeff", "\u2028", "\u061c", "\u00ad", "\U000e0041"),
    *("\ud800", "\udcff", "\udc80\udcfe", "\U0010fffe", "\ue000", "\ufff9", "\u0378"),
    *("[/]", "[bold]", "[@click=app.quit]", "[$x]", "[", "]", "\\[", "[link=http://x]", "{}", "%s", "$(id)", "`id`"),
    *(
        "e\u0301\u0301\u0301",
        "写真",
        "👩‍🔬",
        "🏳️‍🌈",
        "ﷺ",
        "\u3000",
        "x" * 300,
        "..",
        "../../etc",
        "~",
        "-rf",
        "--set",
        "con",
    ),
    *("'", '"', "'''", '"""', "=", "#", ",", "1e999", "nan", "[[a]]", "\\u0000", "\\x1b", " ", "", ";", "|", "\ufe0f"),
)
HIDDEN = re.compile("[\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb]")
OURS = re.compile(
    r"\x1b\[[0-9;:]*m"  # colours
    r"|\x1b\[[0-9;]*[ABCDGHd]"  # the cursor's place
    r"|\x1b\[[<>=?]?[0-9;]*[hlu]"  # modes
    r"|\x1b\]22;[a-z-]*\x07"  # the pointer's shape
    r"|\x1b\[\?[0-9;]*\$p"  # questions about modes
    r"|\x1b\[>4;[0-9]m|\x1b\[0 q|\x1b\[\?u|\x1b\[[0-9;]*t"
)


@pytest.fixture(params=[500, pytest.param(10_000, marks=pytest.mark.slow)])
def count(request: pytest.FixtureRequest) -> int:
    """How many names."""
    return int(request.param)


def names(seed: int, count: int) -> Iterator[str]:
    """Yield hostile names."""
    dice = random.Random(seed)
    for _ in range(count):
        parts = []
        for _ in range(dice.randrange(1, 6)):
            match dice.randrange(4):
                case 0 | 1:
                    parts.append(dice.choice(PIECES))
                case 2:
                    parts.append("".join(chr(dice.randrange(0x110000)) for _ in range(dice.randrange(1, 6))))
                case _:
                    parts.append("".join(dice.choices(string.printable, k=dice.randrange(1, 20))))
        yield "".join(parts)


def assert_harmless(text: str, *, lines: bool = False) -> None:
    """Nothing in the text is obeyed by a terminal."""
    allowed = {"\n"} if lines else set()
    bad = [c for c in set(text) - allowed if unicodedata.category(c) in ("Cc", "Cs") or HIDDEN.match(c)]
    assert not bad, ascii((bad, text[:500]))
    text.encode("utf-8")


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(key)
            yield from texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts(item)
    elif isinstance(value, events.Event):
        yield from texts(value.fields())


def hostile_finding(text: str) -> events.Found:
    """Return a finding that says this everywhere."""
    return events.Found(
        time=builders.START,
        step=12,
        code=text,
        severity=text if len(text) % 2 else "critical",
        title=text,
        message=text,
        layer=text,
        evidence=[{"what": text, "value": 1.0, "limit": 2.0, "metric": text}, {text: text}],
        change={text: text, "optimizer.learning_rate": text},
        restart=text,
        effects=[text],
    )


def write_hostile_run(root: Path, number: int, given: list[str], *, directory: str = "") -> RunDir:
    """Write a run in which everything that is a text is hostile; its events are told in several attempts."""
    third = len(given) // 3
    run = builders.make_run(
        root,
        name=directory or f"20260131-{number:06d}-fuzz",
        steps=12,
        epochs=2,
        status="failed",
        classes=tuple(given[:third]) or ("a",),
        layers=tuple(given[third : 2 * third][:50]) or ("a",),
        preset=clean(given[0]),
    )
    for text in given[2 * third :]:
        builders.append_event(run, events.Message(time=builders.START, step=12, level="error", text=text))
    for text in given[:6]:
        builders.append_event(run, hostile_finding(text))
    builders.append_event(run, events.Ended(time=builders.START, step=12, reason="failed", exit_code=1, text=given[-1]))
    builders.own(run, host=given[1], pid=2**22 + 1, start_time="1")
    return run


def test_the_sanitizer(count: int) -> None:
    for text in names(1, count):
        once = clean(text)
        assert_harmless(once)
        assert clean(once) == once
        assert_harmless(clean_lines(text), lines=True)
        assert_harmless(clean_path("/tmp/" + text, 60))
        for limit in (1, 2, 7, 40):
            assert len(clean(text, limit)) <= limit


def test_names_of_runs_stay_in_their_directory(tmp_path: Path, count: int) -> None:
    for text in names(2, count):
        try:
            run = new_run(tmp_path, text)
        except UsageError as error:
            assert_harmless(str(error))
        else:
            assert run.path.parent == tmp_path
            assert re.fullmatch(r"\d{8}-\d{6}-[^\s/]+", run.name)
            assert_harmless(run.name)
            assert unicodedata.is_normalized("NFC", run.name)
            assert len(os.fsencode(run.name)) < 140


def test_names_of_presets_and_settings(count: int) -> None:
    groups = [*Settings.model_fields, "run", "nothing"]
    keys = [*schema.all_settings(), "training.nothing"]
    dice = random.Random(3)
    for number, text in enumerate(names(3, count)):
        try:
            match number % 4:
                case 0:
                    presets.check_name(text)
                case 1:
                    schema.parse_assignments([text])
                case 2:
                    new = schema.parse_assignments([f"{dice.choice(keys)}={text}"])
                    schema.with_changes(Settings(), new, source=clean(text))
                case _:
                    schema.validated({dice.choice(groups): {text: text}, text: 1}, source="a preset")
        except CnntrainError as error:
            assert_harmless(str(error))


def test_files_of_presets(tmp_path: Path, count: int) -> None:
    good = presets.to_toml(schema.with_changes(Settings(), {"training.epochs": 3, "model.name": "resnet18"}, source=""))
    dice = random.Random(4)
    path = tmp_path / "some.toml"
    for number, text in enumerate(names(4, count // 2)):
        data = bytearray(good.encode())
        piece = text.encode("utf-8", "surrogatepass")
        place = dice.randrange(len(data))
        if number % 3 == 0:
            data[place : place + dice.randrange(9)] = piece
        elif number % 3 == 1:
            data = bytearray(b"# " + piece + b"\n[model]\nname = " + json.dumps(text).encode() + b"\n")
        else:
            data[place] ^= 1 << dice.randrange(8)
        path.write_bytes(data)
        assert_harmless(presets.Preset("some", path, shipped=False).description)
        try:
            settings = presets.read_settings(path)
        except UsageError as error:
            assert_harmless(str(error))
        else:
            assert isinstance(settings, Settings)


def test_runs_whose_texts_are_hostile(tmp_path: Path, count: int) -> None:
    for number in range(10):
        run = write_hostile_run(tmp_path, number, list(names(10 + number, count // 10)))
        follower = RunFollower(run)
        while follower.poll():
            pass
        for part in vars(follower.state).values():
            for text in texts(part):
                assert_harmless(text)
        for event in follower.state.log:
            assert_harmless(sentence(event) or "")
        for name in follower.layers.columns:
            assert_harmless(name)
    summaries = list_runs(tmp_path)
    assert len(summaries) == 10
    for summary in summaries:
        for text in texts([summary.name, summary.preset, summary.status_text, summary.dataset]):
            assert_harmless(text)


def test_files_of_runs_with_any_damage(tmp_path: Path) -> None:
    dice = random.Random(5)
    run = write_hostile_run(tmp_path, 1, list(names(5, 30)))
    kept = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file() and path.stat().st_size}
    for text in names(6, 200):
        path = dice.choice(list(kept))
        data = bytearray(kept[path])
        place = dice.randrange(len(data))
        match dice.randrange(4):
            case 0:
                del data[place:]
            case 1:
                data[place : place + dice.randrange(40)] = text.encode("utf-8", "surrogatepass")
            case 2:
                data[place] ^= 1 << dice.randrange(8)
            case _:
                data = bytearray(text.encode("utf-8", "surrogatepass"))
        path.write_bytes(data)
        follower = RunFollower(run)
        follower.poll()
        for part in vars(follower.state).values():
            for found in texts(part):
                assert_harmless(found)
        (summary,) = list_runs(tmp_path)
        assert_harmless(summary.status_text + summary.name + summary.preset + summary.dataset)
        path.write_bytes(kept[path])


@pytest.mark.long
def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tui.cli.program import app

    monkeypatch.setenv("COLUMNS", "100")
    folders = []
    for number, text in enumerate(names(7, 60)):
        safe = os.fsdecode(text.encode("utf-8", "surrogateescape" if "\ud800" not in text else "replace")[:200])
        folder = f"20260131-{number:06d}-{safe.replace('/', '_').replace(chr(0), '_')[:60]}"
        try:
            run = write_hostile_run(tmp_path, number, list(names(100 + number, 9)), directory=folder)
            run.dataset.unlink()  # so that `resume` refuses instead of training
            folders.append(folder)
        except (OSError, UnicodeError):
            continue
    assert len(folders) > 40
    runner = CliRunner()
    said = [["runs"], ["runs", "--json"], ["presets"]]
    said += [
        [command, str(tmp_path / folder)] for folder in folders[::8] for command in ("status", "metrics", "resume")
    ]
    said += [["status", text] for text in names(8, 40)] + [["train", text] for text in names(9, 40)]
    said += [["train", "simple-cnn", "--set", text, "--data", text] for text in names(10, 40)]
    for arguments in said:
        arguments[1:] = [argument.replace("\0", "") for argument in arguments[1:]]
        if not arguments[-1]:
            continue
        result = runner.invoke(app, ["--runs", str(tmp_path), *arguments], prog_name="cnntrain")
        assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exception)
        assert result.exit_code in (0, 1, 2, 3, 4, 5, 75, 137), arguments
        assert "Traceback" not in result.output
        assert_harmless(result.output, lines=True)


def test_references_to_runs(tmp_path: Path) -> None:
    write_hostile_run(tmp_path, 1, list(names(11, 9)))
    for text in names(12, 2000):
        try:
            find(text, tmp_path)
        except UsageError as error:
            assert_harmless(str(error))


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_the_bytes_that_the_terminal_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """One run with most of the hostile names, watched, and a home screen with others; every panel, some keys."""
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("tui.app.screens.watch_pace.TICK", 0.05)
    monkeypatch.chdir(tmp_path)
    presets.user_directory().mkdir(parents=True)
    for number, text in enumerate(names(13, 20)):
        comment = "".join(c for c in text if c not in "\r\n" and not "\ud800" <= c <= "\udfff")
        (presets.user_directory() / f"fuzz-{number}[b].toml").write_text(f"# {comment}\n", "utf-8")
        write_hostile_run(tmp_path / "runs", number, list(names(200 + number, 12)))
    run = write_hostile_run(tmp_path / "runs", 999, list(names(14, count - 20 * 12)))
    written: list[str] = []
    app = CnntrainApp(runs_root=tmp_path / "runs", open_run=run)
    app.driver_class = RecordingDriver
    async with app.run_test(headless=False, size=(120, 40)) as pilot:
        driver = app._driver
        assert isinstance(driver, RecordingDriver)
        for key in ("", "5", "m", "end", "pageup", "m", "6", "m", "home", "pagedown", "m", "l", "question_mark"):
            await pilot.press(*([key] if key else []))
            assert app._exception is None
        await pilot.press("escape")
        assert isinstance(app.screen, WatchScreen)
        for key in ("d", "down", "down", "end", "escape", "y", "down", "end", "escape"):
            await pilot.press(key)
            await pilot.pause(0.1)
            assert app._exception is None
        while isinstance(app.screen, WatchScreen):
            await pilot.press("escape")
        await pilot.pause(0.2)
        for key in ("end", "pageup", "up", "tab", "end", "up", "r", "escape", "question_mark", "escape"):
            await pilot.press(key)
            assert app._exception is None
        written += driver.written
    stream = "".join(written)
    assert len(stream) > 20_000
    rest = OURS.sub("", stream)
    assert_harmless(rest.replace("\r", ""), lines=True)
    for piece in ("]52;", "ZXZpbA"):
        assert f"\x1b{piece}" not in stream
