"""The pictures' screen: what is in a folder is shown at once, found in the background, and given up when asked."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picture_sets import class_folders, write_picture
from textual.pilot import Pilot
from textual.widgets import Static
from walking import make_app, settle, text_of, until

from tui.app.app import CnntrainApp
from tui.app.draft import Draft
from tui.app.screens.dataset import DatasetScreen
from tui.app.screens.dataset_found import rows_of_bars
from tui.app.screens.home import HomeScreen
from tui.app.screens.reading import ReadingScreen
from tui.app.screens.settings import SettingsScreen
from tui.app.survey import Survey
from tui.app.widgets.class_bars import ClassBars, bar
from tui.app.widgets.folder_tree import FolderTree, inside
from tui.app.widgets.form import Form
from tui.app.widgets.path_input import PathInput, completed
from tui.app.widgets.row_list import RowList
from tui.core import presets, recent
from tui.core.dataset import scan as scanning
from tui.core.settings import Settings


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    return make_app(tmp_path, monkeypatch)


async def opened(pilot: Pilot[None], tmp_path: Path, preset: str = "simple-cnn") -> DatasetScreen:
    draft = Draft(preset, presets.load(presets.find(preset)), root=tmp_path / "runs")
    await settle(pilot)
    screen = DatasetScreen(draft)
    pilot.app.push_screen(screen)
    await settle(pilot)
    return screen


def words(screen: DatasetScreen, name: str = "summary") -> str:
    return str(screen.query_one(f"#{name}", Static).render())


def findings(screen: DatasetScreen) -> str:
    rows = screen.query_one("#findings", RowList)
    return "\n".join(str(rows.get_option_at_index(index).prompt) for index in range(rows.option_count))


async def test_the_last_folder_is_looked_at_without_being_asked(app: CnntrainApp, tmp_path: Path) -> None:
    recent.remember(class_folders(tmp_path / "pictures", {"cat": 200, "dog": 100, "owl": 20}))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        assert "3 classes, 320 pictures" in words(screen)
        assert "one folder per class, divided 70/15/15" in words(screen)
        assert "train 224 · validation 48 · test 48" in words(screen)
        assert "all 12×12 px, RGB" in words(screen)
        bars = [line.split("│")[1].split() for line in text_of(app).split("\n") if "━" in line]
        assert [(name, count) for name, _, count in bars] == [("cat", "200"), ("dog", "100"), ("owl", "20")]
        assert len(bars[0][1]) == pytest.approx(2 * len(bars[1][1]), abs=1)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)


async def test_several_numbers_to_learn_say_which_one_is_drawn(app: CnntrainApp, tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pictures", {"all": 40})
    rows = [f"all/{number:03d}.png,{number / 2},{number}" for number in range(40)]
    (root / "labels.csv").write_text("\n".join(["file,x,[red]y", *rows]))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(root)
        await settle(pilot)
        assert "40 pictures, 2 numbers to learn: x, [red]y" in words(screen)
        assert words(screen).endswith('below: the values of "x"')
        assert '"x", "[red]y" seem to say where or how large something is' in " ".join(findings(screen).split())


async def test_problems_are_told(app: CnntrainApp, tmp_path: Path) -> None:
    pictures = class_folders(tmp_path / "pictures", {"train/cat": 40, "train/dog": 40, "test/cat": 3})
    (pictures / "train" / "cat" / "notes.txt").write_text("no picture")
    (pictures / "train" / "cat" / "broken.jpg").write_bytes(b"\xff\xd8 no jpeg")
    async with app.run_test(size=(100, 40)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(pictures)
        await settle(pilot)
        told = findings(screen)
        assert "in the folders train, test" in words(screen)
        assert "no validation pictures" in told
        assert '"test" has no pictures of "dog"' in told
        assert "1 file is no picture and will not be used" in told
        assert '1 file has a picture\'s name and is none: "train/cat/broken.jpg"' in told
        assert told.index("!") < told.index("·")
        assert "findings headers only" in words(screen, "check")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "there is no directory ~/pictures"),
        (lambda path: path.mkdir(), "~/pictures is empty"),
        (lambda path: path.write_text("x"), "~/pictures is not a directory"),
        (lambda path: write_picture(path / "1.png"), "is a flat folder of 1 picture"),
        (lambda path: class_folders(path, {"cat": 3}), 'only one class with pictures, "cat"'),
    ],
)
async def test_what_cannot_be_used_is_explained(
    make: Callable[[Path], Any], told: str, app: CnntrainApp, tmp_path: Path
) -> None:
    make(tmp_path / "pictures")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(tmp_path / "pictures")
        await settle(pilot)
        assert told in words(screen)
        assert not screen.query_one(ClassBars).display
        await pilot.press("ctrl+n")
        await settle(pilot)
        assert app.screen is screen


async def test_classes_that_find_no_room_are_counted(app: CnntrainApp, tmp_path: Path) -> None:
    names = [f"class{number:02}" for number in range(30)]
    class_folders(tmp_path / "pictures", dict.fromkeys(names, 2))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(tmp_path / "pictures")
        await settle(pilot)
        bars = screen.query_one(ClassBars)

        def shown() -> list[str]:
            return [name for name in names if f"{name} " in text_of(app)]

        first = shown()
        assert 0 < len(first) < 30
        assert f"… {30 - len(first)} more below: Tab, then the arrows" in text_of(app)
        bars.focus()
        bars.scroll_to(y=5, animate=False, immediate=True)
        await settle(pilot)
        middle = shown()
        assert middle[0] == names[5]
        assert f"… {25 - len(middle)} more below, 5 above" in text_of(app)
        bars.scroll_end(animate=False)
        await settle(pilot)
        last = shown()
        assert last[-1] == names[-1]
        assert f"… {30 - len(last)} above" in text_of(app)
        assert " more" not in text_of(app)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("classes", [3, 8, 60])
async def test_no_row_stays_empty_while_classes_or_findings_find_no_room(
    app: CnntrainApp, tmp_path: Path, size: tuple[int, int], classes: int
) -> None:
    class_folders(tmp_path / "pictures", {f"class{number:02}": 9 for number in range(classes)})
    for number in range(6):  # each makes a finding
        (tmp_path / "pictures" / "class00" / f"odd.{number}x{number}").write_bytes(b"odd")
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(tmp_path / "pictures")
        await settle(pilot)
        bars, findings = screen.query_one(ClassBars), screen.query_one("#findings", RowList)
        await until(pilot, lambda: findings.option_count > 0 and bars.size.height > 1)
        await settle(pilot)
        hidden = bars.virtual_size.height - bars.size.height
        empty = findings.size.height - findings.virtual_size.height
        assert hidden <= 0 or empty <= 0
        assert bars.size.height >= min(classes, 4)
        assert findings.region.bottom <= screen.query_one("#found").region.bottom


@pytest.mark.parametrize(
    ("room", "classes", "findings", "rows"),
    [(15, 10, 4, 10), (15, 30, 4, 11), (15, 30, 40, 6), (15, 3, 40, 3), (2, 9, 9, 1), (0, 9, 9, 1)],
)
def test_rows_are_shared_between_classes_and_findings(room: int, classes: int, findings: int, rows: int) -> None:
    assert rows_of_bars(room, classes, findings) == rows


async def test_long_names_of_classes_and_bars_share_a_narrow_screen(app: CnntrainApp, tmp_path: Path) -> None:
    names = ["a plain one", "a very long name of a class, first", "a very long name of a class, other"]
    class_folders(tmp_path / "pictures", dict(zip(names, (5, 10, 20), strict=True)))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(tmp_path / "pictures")
        await settle(pilot)
        rows = [row.partition("│")[2] for row in text_of(app).split("\n") if "━" in row]
        assert len(rows) == 3
        assert rows[0].strip().startswith("a plain one ")
        assert [row.split("━")[0].split()[-1][-5:] for row in rows[1:]] == ["first", "other"]
        longest = max(row.count("━") for row in rows)
        assert longest >= 15
        assert rows[2].count("━") == longest


async def test_settings_that_do_not_fit_are_a_warning(app: CnntrainApp, tmp_path: Path) -> None:
    recent.remember(class_folders(tmp_path / "pictures", {"cat": 9, "dog": 1}))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        assert '"dog" has only one picture' in findings(screen)
        assert "✗ These pictures cannot be split" in text_of(app)
        assert text_of(app).count("cannot be split") == 1
        assert "2 classes, 10 pictures" in words(screen)


async def test_a_folder_that_a_setting_would_make_usable_says_so_once(app: CnntrainApp, tmp_path: Path) -> None:
    pictures = class_folders(tmp_path / "pictures", {"cat": 9, "dog": 9})
    (pictures / "owl").mkdir()
    recent.remember(pictures)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen._draft.write("data.empty_classes", "refuse")
        screen.choose(pictures)
        await settle(pilot)
        assert findings(screen).count('no pictures: "owl"') == 1
        assert "data.empty_classes" in findings(screen)
        assert "owl" not in words(screen)


class SlowScan:
    """A scan that goes on until it is let go or cancelled."""

    def __init__(self) -> None:
        self.asked: list[Path] = []
        self.given_up: list[Path] = []
        self.release = threading.Event()
        self.real = scanning.scan

    def __call__(
        self,
        directory: Path,
        data: Any,
        *,
        progress: Callable[[int], None],
        cancelled: Callable[[], bool],
        recall: bool = False,
    ) -> scanning.Scan:
        self.asked.append(directory)
        progress(1234)
        while not self.release.wait(0.01):
            if cancelled():
                self.given_up.append(directory)
                raise scanning.Cancelled
        return self.real(directory, data)


@pytest.fixture
def slow_scan(monkeypatch: pytest.MonkeyPatch) -> SlowScan:
    slow = SlowScan()
    monkeypatch.setattr(scanning, "scan", slow)
    return slow


async def test_a_slow_scan_shows_how_far_it_is_and_blocks_nothing(
    app: CnntrainApp, tmp_path: Path, slow_scan: SlowScan
) -> None:
    pictures = class_folders(tmp_path / "pictures", {"cat": 90, "dog": 90})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(pictures)
        await pilot.pause(0.4)
        assert "1,234 files" in words(screen)
        await pilot.press("f5")
        assert [notice.message for notice in app._notifications] == ["It is still being looked through."]
        await pilot.press("enter", "tab")  # Enter: go on as soon as it is known
        assert not screen.query_one(PathInput).has_focus
        slow_scan.release.set()
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)


async def test_another_folder_ends_the_scan_of_the_first(app: CnntrainApp, tmp_path: Path, slow_scan: SlowScan) -> None:
    first = class_folders(tmp_path / "first", {"cat": 90, "dog": 90})
    second = class_folders(tmp_path / "second", {"ape": 90, "bee": 90, "cow": 90})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(first)
        await pilot.pause(0.1)
        screen.choose(second)
        await pilot.pause(0.1)
        assert slow_scan.given_up == [first]
        slow_scan.release.set()
        await settle(pilot)
        assert "3 classes" in words(screen)


async def test_escape_ends_the_scan_and_then_leaves(app: CnntrainApp, tmp_path: Path, slow_scan: SlowScan) -> None:
    pictures = class_folders(tmp_path / "pictures", {"cat": 90, "dog": 90})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(pictures)
        await pilot.pause(0.1)
        await pilot.press("escape")
        await settle(pilot)
        assert slow_scan.given_up == [pictures]
        assert app.screen is screen
        assert "Stopped" in words(screen)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)


async def test_leaving_the_app_ends_the_scan(app: CnntrainApp, tmp_path: Path, slow_scan: SlowScan) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(tmp_path)
        await pilot.pause(0.1)
    for _ in range(500):  # the thread asks every hundredth of a second
        if slow_scan.given_up:
            break
        await asyncio.sleep(0.01)
    assert slow_scan.given_up == [tmp_path]


async def test_a_typed_path_is_completed_and_looked_at(app: CnntrainApp, tmp_path: Path) -> None:
    class_folders(tmp_path / "pictures", {"cat": 90, "dog": 90})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        field = screen.query_one(PathInput)
        await pilot.press(*"~/pic")
        await pilot.pause(0.2)
        await pilot.press("tab")
        assert field.value == "~/pictures/"
        assert field.path == tmp_path / "pictures"
        await pilot.pause(0.6)
        await settle(pilot)
        assert "2 classes, 180 pictures" in words(screen)
        await pilot.press("tab")
        assert not field.has_focus


def test_a_completion_is_a_folder_that_can_be_shown(tmp_path: Path) -> None:
    for name in ("pictures", "pictures-2", "x\x1b[2J", ".hidden", "[b]"):
        (tmp_path / name).mkdir()
    (tmp_path / "pi.txt").write_text("")
    (tmp_path / "other.txt").write_text("")
    assert completed(f"{tmp_path}/ot") == f"{tmp_path}/other.txt"
    assert completed("ot", str(tmp_path)) == "other.txt"
    assert completed("pictures/x", str(tmp_path)) is None
    assert completed("ot") is None
    assert completed(f"{tmp_path}/pi") == f"{tmp_path}/pictures/"
    assert completed(f"{tmp_path}/pictures") == f"{tmp_path}/pictures-2/"
    assert completed(f"{tmp_path}/x") is None
    assert completed(f"{tmp_path}/.hi") is None
    assert completed(f"{tmp_path}/[") == f"{tmp_path}/[b]/"
    assert completed(f"{tmp_path}/pictures/") is None
    assert completed("") is None
    assert completed("no/such/place") is None
    assert completed("/nowhere/at/all/x") is None


async def test_a_folder_is_found_in_the_tree_by_keyboard(app: CnntrainApp, tmp_path: Path) -> None:
    class_folders(tmp_path / "data" / "animals", {"cat": 90, "dog": 90})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        tree = screen.query_one(FolderTree)
        tree.focus()
        await settle(pilot)
        await pilot.press("down", "right")
        await settle(pilot)
        await pilot.press("right", "enter")
        await settle(pilot)
        assert screen.query_one(PathInput).path == tmp_path / "data" / "animals"
        assert "2 classes" in words(screen)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)


async def test_a_list_file_is_typed_with_completion(app: CnntrainApp, tmp_path: Path) -> None:
    write_list(class_folders(tmp_path / "data", {"x": 40}), "labels.csv")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        field = screen.query_one(PathInput)
        await pilot.press(*"~/data/la")
        await until(pilot, lambda: field._suggestion != "")
        await pilot.press("tab")
        assert field.value == "~/data/labels.csv"
        await until(pilot, lambda: "2 classes, 40 pictures" in words(screen))
        assert 'list "labels.csv": paths in "file", labels in "shows"' in words(screen)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        assert screen._draft.settings.data.directory == str(tmp_path / "data" / "labels.csv")


async def test_a_list_file_is_found_in_the_tree_by_keyboard(app: CnntrainApp, tmp_path: Path) -> None:
    write_list(class_folders(tmp_path / "data", {"x": 40}), "labels.csv")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.query_one(FolderTree).focus()
        await settle(pilot)
        await pilot.press("down", "right")
        await settle(pilot)
        await pilot.press("down", "down", "enter")
        await settle(pilot)
        assert screen.query_one(PathInput).path == tmp_path / "data" / "labels.csv"
        assert "2 classes, 40 pictures" in words(screen)


def write_list(root: Path, name: str) -> None:
    """Write a list that contradicts the folders: it has two classes."""
    lines = [f"x/{number:03d}.png,{'ab'[number % 2]}\n" for number in range(40)]
    (root / name).write_text("file,shows\n" + "".join(lines))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_how_it_is_read_can_be_said(app: CnntrainApp, tmp_path: Path, size: tuple[int, int]) -> None:
    root = class_folders(tmp_path / "data", {"a": 80, "b": 80})
    rows = [f"{name}/{number:03d}.png,{number},p{number // 10}\n" for name in "ab" for number in range(80)]
    (root / "ages.csv").write_text("file,age,person\n" + "".join(rows))
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, tmp_path)
        screen.choose(root)
        await settle(pilot)
        assert "2 classes, 160 pictures" in words(screen)  # which column is learned is unclear
        assert "ages.csv looks like a list" in findings(screen)
        await pilot.press("f5")
        await settle(pilot)
        reading = app.screen
        assert isinstance(reading, ReadingScreen)
        await pilot.press("down", "down", *"ages")
        await until(pilot, lambda: reading.query_one(Form)._editor._suggestion == "ages.csv")
        await pilot.press("right", "down", "down", "down", *"age", "down", "down", *"person")
        await until(pilot, lambda: reading.complete)
        assert "160 pictures, 1 number to learn: age" in text_of(app)
        assert 'groups in "person"' in text_of(app)
        await pilot.press("escape")
        await settle(pilot)
        assert "160 pictures, 1 number to learn: age" in words(screen)
        data = screen._draft.settings.data
        assert (data.list, data.label_columns, data.group_column) == ("ages.csv", "age", "person")


async def test_the_tree_can_start_higher(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        tree = screen.query_one(FolderTree)
        tree.focus()
        await pilot.press("left")
        await settle(pilot)
        assert tree.root.data == tmp_path.parent
        assert tree.cursor_node is not None
        assert tree.cursor_node.data == tmp_path


def test_folders_are_listed_without_hidden_ones_and_without_errors(tmp_path: Path) -> None:
    for name in ("b", "A", ".c"):
        (tmp_path / name).mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    for name in ("labels.CSV", ".hidden.csv", "picture.png"):
        (tmp_path / name).write_text("x")
    assert inside(tmp_path) == (["A", "b"], ["labels.CSV"])
    assert inside(tmp_path / "gone") == ([], [])


@pytest.mark.parametrize(("share", "shown"), [(0, ""), (1e-9, "╸"), (0.05, "╸"), (0.5, "━━━━━"), (1, "━━━━━━━━━━")])
def test_a_bar_is_exact_to_half_a_cell(share: float, shown: str) -> None:
    assert bar(share, 10) == f"{shown:<10}"


def test_a_folder_name_that_toml_cannot_hold_is_refused_early(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff")
    class_folders(odd, {"cat": 3, "dog": 3})
    survey = Survey(odd, Settings())
    survey.look(lambda: None)
    assert "not valid UTF-8" in survey.error
    assert survey.error.isprintable()


async def test_f1_helps_while_the_folder_is_typed(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, tmp_path)
        assert isinstance(app.focused, PathInput)
        assert "F1 Help" in text_of(app).split("\n")[-1]
        before = screen.query_one(PathInput).value
        await pilot.press("f1")
        await settle(pilot)
        assert type(app.screen).__name__ == "HelpScreen"
        await pilot.press("escape")
        await settle(pilot)
        assert screen.query_one(PathInput).value == before
