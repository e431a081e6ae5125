"""Names from outside are shown, never obeyed: neither by the terminal nor as markup."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import builders
import pytest
from picture_sets import class_folders
from rich.segment import Segment
from walking import make_app, settle, text_of

from tui.app.app import CnntrainApp
from tui.app.draft import Draft
from tui.app.screens.dataset import DatasetScreen
from tui.app.screens.home import HomeScreen
from tui.app.screens.settings import SettingsScreen
from tui.app.widgets.folder_tree import FolderTree
from tui.app.widgets.form import Form
from tui.app.widgets.path_input import PathInput
from tui.core import presets, recent
from tui.core.errors import FailureError

NAMES = (
    "[@click=app.quit]x",
    "[$nosuch]",
    "[b]bold",
    "x\x1b[2J\x1b]52;c;ZXZpbA==\x07",
    "\x9b31mred",
    "a\u202egnp.exe",
    "two\nlines",
    "tab\tstop",
    os.fsdecode(b"\xff\xfe"),
    "long" * 50,
    "日本語のとても長い名前" * 4,
    "   ",
)


def segments(app: CnntrainApp) -> Iterable[Segment]:
    for strip in app.screen._compositor.render_strips():
        yield from strip


def check_screen(app: CnntrainApp) -> str:
    """Check that nothing on the screen is obeyed, and return its text."""
    assert app._exception is None
    for segment in segments(app):
        assert segment.text.isprintable(), segment
        assert not segment.control
        for action in (segment.style.meta if segment.style is not None else {}).values():
            assert "app.quit" not in str(action)
    text = text_of(app)
    assert all(len(line) <= app.size.width for line in text.split("\n"))
    return text


async def test_fault_57_fault_58_class_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recent.remember(class_folders(tmp_path / "pictures", dict.fromkeys(NAMES, 12)))
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        assert isinstance(app.screen, DatasetScreen)
        text = check_screen(app)
        assert f"{len(NAMES)} classes" in text
        assert "[$nosuch]" in text
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        check_screen(app)


@pytest.mark.parametrize("name", [NAMES[index] for index in (0, 3, 5, 8, 9, 11)], ids=ascii)
async def test_fault_57_fault_58_a_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = class_folders(tmp_path / "data" / name, {"cat": 90, "dog": 90})
    recent.remember(folder)
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        check_screen(app)
        assert app.screen.query_one(PathInput).path == folder
        cursor = app.screen.query_one(FolderTree).cursor_node
        assert cursor is not None
        assert cursor.data == folder
        await pilot.press("enter")
        await settle(pilot)
        check_screen(app)
        if "\udcff" in name:
            assert "not valid UTF-8" in text_of(app)
        else:
            assert isinstance(app.screen, SettingsScreen)
            form = app.screen.query_one(Form)
            form.enter("data.directory")
            await pilot.pause()
            await pilot.press("ctrl+r", "ctrl+s")
            await settle(pilot)
            check_screen(app)
            assert app.screen_stack[2]._draft.directory == str(folder)  # type: ignore[attr-defined]


async def test_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    presets.user_directory().mkdir(parents=True)
    for name in NAMES[:9]:
        path = presets.user_directory() / f"{name}.toml"
        path.write_text(f"# [/] {''.join(c for c in name if c >= ' ' and c < chr(0xD800))}\n[training]\nepochs = 3\n")
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(120, 60)) as pilot:
        await settle(pilot)
        text = check_screen(app)
        assert "yours: [/]" in text
        for _ in NAMES[:9]:
            await pilot.press("down")
            await pilot.pause()
            check_screen(app)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, DatasetScreen)
        check_screen(app)


@pytest.mark.parametrize("name", [NAMES[index] for index in (0, 1, 3, 6, 10)], ids=ascii)
async def test_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.make_run(
        tmp_path / "runs",
        name=f"20260131-120000-{name}",
        steps=20,
        status="failed",
        preset=f"[/]{name}",
        settings={"data": {"directory": f"/pictures/[/]{name}"}},
    )
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert "failed" in check_screen(app)
        await pilot.press("a")
        await pilot.pause()
        check_screen(app)
        await pilot.press("escape", "e")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        check_screen(app)
        await pilot.press("question_mark")
        await settle(pilot)
        check_screen(app)


async def test_errors_and_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tui.app.screens.begin import explain

    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        for name in NAMES:
            explain(app, FailureError("[/] It failed", name, "Do [b]that."))
        await pilot.pause(0.2)
        check_screen(app)
        app.clear_notifications()


async def test_what_is_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from textual import events

    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        app.screen.query_one(PathInput).post_message(events.Paste("/tmp/\x1b[2J\x9b31m[/]"))
        await pilot.pause(0.1)
        check_screen(app)
        assert app.screen.query_one(PathInput).value.isprintable()


async def test_a_path_of_the_command_line_is_kept_for_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        draft = Draft("simple-cnn", presets.load(presets.find("simple-cnn")), root=tmp_path / "runs")
        draft.use_directory(tmp_path / "x\x1b[2J y")
        app.push_screen(SettingsScreen(draft))
        await settle(pilot)
        check_screen(app)
        await pilot.press("f6")
        assert app.clipboard.endswith("~/'x\x1b[2J y'")
