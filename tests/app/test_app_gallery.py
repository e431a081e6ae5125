"""The gallery: by keyboard and mouse, a thousand classes, hostile names and files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from picture_sets import class_folders, write_picture
from textual.pilot import Pilot
from textual.widgets import Static
from walking import breathe, make_app, settle, text_of

from tui.app.app import CnntrainApp
from tui.app.draft import Draft
from tui.app.samples import grouped, labeller, mixed
from tui.app.screens.gallery import GalleryScreen
from tui.app.widgets.gallery import Gallery
from tui.app.widgets.row_list import RowList
from tui.core import presets
from tui.core.dataset.scan import Scan, scan
from tui.core.groups.data import DataSettings


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    return make_app(tmp_path, monkeypatch)


def draft(tmp_path: Path) -> Draft:
    return Draft("simple-cnn", presets.load(presets.find("simple-cnn")), root=tmp_path / "runs")


async def opened(pilot: Pilot[None], tmp_path: Path, found: Scan) -> GalleryScreen:
    await settle(pilot)
    screen = GalleryScreen(draft(tmp_path), found)
    pilot.app.push_screen(screen)
    await settle(pilot)
    await whole(screen)
    return screen


async def whole(screen: GalleryScreen) -> None:
    """Wait for the thumbnails."""
    for _ in range(600):
        await breathe()
        if screen.complete:
            break
        await asyncio.sleep(0.05)
    assert screen.complete
    await breathe()


def about(screen: GalleryScreen) -> str:
    return str(screen.query_one("#about", Static).render())


async def test_classes_are_left_and_their_pictures_right(app: CnntrainApp, tmp_path: Path) -> None:
    pictures = class_folders(tmp_path / "pictures", {"cat": 40, "dog": 3})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path, scan(pictures))
        assert "1 of 40 pictures  12×12 RGB PNG  cat/000.png" in about(screen)
        await pilot.press("down")
        await whole(screen)
        assert "1 of 3 pictures" in about(screen)
        await pilot.press("up", "enter", "right", "down", "end")
        await whole(screen)
        assert screen.query_one(Gallery).has_focus
        assert "40 of 40 pictures" in about(screen)
        assert "039.png" in text_of(app)
        await pilot.press("home", "up", "left")
        await breathe()
        assert "1 of 40" in about(screen)
        await pilot.press("escape")
        assert screen.query_one(RowList).has_focus
        decoders = [process._child for process in screen._thumbnails._decoders._processes]
        assert decoders
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen is not screen
        assert all(decoder.poll() is not None for decoder in decoders)


async def test_the_cursor_follows_the_arrows_and_the_mouse(app: CnntrainApp, tmp_path: Path) -> None:
    pictures = class_folders(tmp_path / "pictures", {"cat": 40, "dog": 3})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path, scan(pictures))
        gallery = screen.query_one(Gallery)
        await pilot.press("enter", "right", "right")
        assert gallery.cursor == 2
        columns = gallery.size.width // 16
        await pilot.press("down")
        assert gallery.cursor == 2 + columns
        await pilot.press("pagedown", "pageup", "up")
        assert gallery.cursor == 2
        await pilot.click(Gallery, offset=(1, 1))
        assert gallery.cursor == 0
        before = len(gallery.seen())
        await pilot.press("minus")
        await whole(screen)
        assert len(gallery.seen()) > before
        await pilot.press("plus", "plus", "plus", "plus", "plus")
        await whole(screen)
        assert len(gallery.seen()) < before
        await pilot.resize_terminal(120, 40)
        await whole(screen)
        await pilot.resize_terminal(20, 6)
        await whole(screen)


async def test_a_thousand_classes_stay_quick(app: CnntrainApp, tmp_path: Path) -> None:
    write_picture(tmp_path / "one.png")
    for number in range(1000):
        (tmp_path / "pictures" / f"class {number:04d}").mkdir(parents=True)
        os.link(tmp_path / "one.png", tmp_path / "pictures" / f"class {number:04d}" / "1.png")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path, scan(tmp_path / "pictures"))
        await pilot.press("end")
        await whole(screen)
        assert "class 0999" in text_of(app)
        assert "class 0999/1.png" in about(screen)


async def test_hostile_names_and_files_are_shown_as_what_they_are(app: CnntrainApp, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    class_folders(pictures, {"cat": 2, "a\x1b[31m[b]": 2})
    (pictures / "a\x1b[31m[b]" / "0\x1b]0;x\x07.png").write_bytes(b"no picture")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path, scan(pictures))
        shown = text_of(app)
        assert "\x1b" not in shown
        assert "a\\x1b[31m[b]" in shown
        assert "it is no" in shown
        assert "\x1b" not in about(screen)


async def test_without_colours_there_are_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: CnntrainApp
) -> None:
    pictures = class_folders(tmp_path / "pictures", {"cat": 4, "dog": 3})
    app.no_color = True
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tmp_path, scan(pictures))
        assert "▀" not in text_of(app)
        assert "+" in text_of(app)


def test_numbers_are_grouped_by_value(tmp_path: Path) -> None:
    found = Scan(
        root=tmp_path / "pictures",
        layout="list",
        classes=(),
        samples={"all": [(f"{number}.png", (number * 1.5,)) for number in range(9, -1, -1)]},
        counts={},
        problems=[],
        signature="",
        task="regression",
        target_names=("age",),
    )
    groups = grouped(found)
    assert [group.name for group in groups] == [
        "all, by value",
        "0 – 1.5",
        "3 – 4.5",
        "6 – 7.5",
        "9 – 10.5",
        "12 – 13.5",
    ]
    assert groups[0].paths[0] == "0.png"
    assert labeller(found)("3.png") == "4.5"
    assert mixed(found)[:3] == ["0.png", "2.png", "4.png"]


def test_pictures_of_several_labels_are_in_several_groups(tmp_path: Path) -> None:
    found = Scan(
        root=tmp_path,
        layout="list",
        classes=("red", "round"),
        samples={"train": [("a.png", (0, 1)), ("b.png", (1,)), ("c.png", ())]},
        counts={"train": [1, 2]},
        problems=[],
        signature="",
        task="multilabel",
    )
    assert [(group.name, group.paths) for group in grouped(found)] == [
        ("red", ["a.png"]),
        ("round", ["a.png", "b.png"]),
        ("(no label)", ["c.png"]),
    ]
    assert labeller(found)("a.png") == "red, round"
    assert mixed(found) == ["a.png", "c.png", "b.png"]


def test_the_settings_decide_how_the_folder_is_read(tmp_path: Path) -> None:
    found = scan(class_folders(tmp_path, {"cat": 2, "dog": 2}), DataSettings())
    assert labeller(found)("cat/000.png") == "000.png"
