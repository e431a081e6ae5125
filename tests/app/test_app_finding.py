"""From the check to the list of what is left out: shown, written outside of the dataset, used by the run."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_dataset
import pytest
from picture_sets import class_folders
from textual.pilot import Pilot
from textual.widgets import Static
from walking import breathe, make_app, settle, text_of, until

from tui.app.app import CnntrainApp
from tui.app.checkup import Checkup
from tui.app.draft import Draft
from tui.app.exclusion import SETTING, Exclusion
from tui.app.screens.dataset import DatasetScreen
from tui.app.screens.finding import FindingScreen
from tui.app.widgets.row_list import RowList
from tui.core import presets
from tui.core.dataset import check as checking
from tui.core.dataset.exclusions import read_list, write_list
from tui.core.dataset.findings import Finding
from tui.core.dataset.scan import Cancelled
from tui.core.errors import FailureError
from tui.core.settings import Settings


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    return make_app(tmp_path, monkeypatch)


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    draft = Draft("simple-cnn", presets.load(presets.find("simple-cnn")), root=tmp_path / "runs")
    draft.write("training.batch_size", "4")
    return draft


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two copies, a damaged file and two that are none."""
    root = class_folders(tmp_path / "pictures", {"train/cat": 12, "train/dog": 12, "val/cat": 4, "val/dog": 4})
    (root / "train/cat/copy.png").write_bytes((root / "train/cat/000.png").read_bytes())
    (root / "val/dog/leak.png").write_bytes((root / "train/dog/001.png").read_bytes())
    (root / "train/dog/text.png").write_text("no picture")
    (root / "train/dog/more.png").write_text("no picture either")
    damaged = (root / "train/dog/002.png").read_bytes()
    (root / "train/dog/cut.png").write_bytes(damaged[: len(damaged) // 2])
    return root


async def opened(pilot: Pilot[None], draft: Draft, pictures: Path) -> DatasetScreen:
    await settle(pilot)
    screen = DatasetScreen(draft)
    pilot.app.push_screen(screen)
    await settle(pilot)
    screen.choose(pictures)
    await settle(pilot)
    return screen


def words(screen: DatasetScreen | FindingScreen, name: str) -> str:
    return str(screen.query_one(f"#{name}", Static).render())


def rows(screen: DatasetScreen | FindingScreen, name: str) -> list[str]:
    found = screen.query_one(f"#{name}", RowList)
    return [str(found.get_option_at_index(index).prompt) for index in range(found.option_count)]


async def open_finding(pilot: Pilot[None], screen: DatasetScreen, starting: str) -> FindingScreen:
    found = screen.query_one("#findings", RowList)
    at = next(index for index, row in enumerate(rows(screen, "findings")) if starting in row)
    found.focus()
    found.highlighted = at
    await pilot.press("enter")
    await settle(pilot)
    shown = pilot.app.screen
    assert isinstance(shown, FindingScreen)
    await breathe()
    await until(pilot, lambda: shown.complete)
    return shown


def files_below(root: Path) -> dict[str, float]:
    return {os.fspath(path): path.lstat().st_mtime_ns for path in [root, *root.rglob("*")]}


async def test_the_quick_check_comes_by_itself_and_the_deep_one_on_a_key(
    app: CnntrainApp, draft: Draft, pictures: Path
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, draft, pictures)
        assert "headers only" in words(screen, "check")
        assert any("have a picture's name and are none" in row and "skipped" in row for row in rows(screen, "findings"))
        assert not any("is damaged" in row for row in rows(screen, "findings"))
        await pilot.press("ctrl+r")
        await settle(pilot)
        assert "all decoded" in words(screen, "check")
        assert any('is damaged or cut short: "train/dog/cut.png"' in row for row in rows(screen, "findings"))


async def test_a_key_writes_the_list_sets_the_setting_and_takes_it_back(
    app: CnntrainApp, draft: Draft, pictures: Path, own_places: Path
) -> None:
    before = files_below(pictures)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, draft, pictures)
        assert "train 28" in words(screen, "summary")
        await pilot.press("ctrl+o")
        await settle(pilot)
        listed = Path(draft.settings.data.exclude)
        assert listed.is_relative_to(own_places / "config")
        left_out = read_list(listed, pictures)
        assert "train/dog/text.png" in left_out
        assert len(left_out & {"train/cat/copy.png", "train/cat/000.png"}) == 1
        assert f"train {28 - sum(path.startswith('train') for path in left_out)}" in words(screen, "summary")
        assert any("left out" in row and "are none" in row for row in rows(screen, "findings"))
        assert "--set data.exclude=" in draft.command_line()
        await pilot.press("ctrl+o")
        await settle(pilot)
        assert draft.settings.data.exclude == ""
        assert "train 28" in words(screen, "summary")
    assert files_below(pictures) == before


async def test_a_finding_shows_its_files_and_each_can_be_left_out(
    app: CnntrainApp, draft: Draft, pictures: Path
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, draft, pictures)
        shown = await open_finding(pilot, screen, "are none")
        assert "By default: skipped" in words(shown, "about")
        assert len(rows(shown, "files")) == 2
        assert "no picture" in text_of(app)
        await pilot.press("x")
        await settle(pilot)
        assert rows(shown, "files")[0].strip().startswith("✗ out")
        assert "1 of 2 left out" in words(shown, "about")
        await pilot.press("a")
        await settle(pilot)
        assert "2 of 2 left out" in words(shown, "about")
        await pilot.press("a")
        await settle(pilot)
        assert "left out" not in words(shown, "about")
        await pilot.press("down", "enter", "escape")
        await settle(pilot)
        assert app.screen is screen
        assert len(read_list(Path(draft.settings.data.exclude), pictures)) == 1


async def test_copies_are_shown_together_and_all_but_one_left_out(
    app: CnntrainApp, draft: Draft, pictures: Path
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, draft, pictures)
        shown = await open_finding(pilot, screen, "leak.png")
        assert len(shown.query_one("#picture").pieces) == 2  # type: ignore[attr-defined]
        await pilot.press("a")
        await settle(pilot)
        assert len(read_list(Path(draft.settings.data.exclude), pictures)) == 1


async def test_what_is_not_used_anyway_cannot_be_left_out(app: CnntrainApp, draft: Draft, pictures: Path) -> None:
    (pictures / "train/cat/notes.txt").write_text("no picture")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, draft, pictures)
        shown = await open_finding(pilot, screen, "no picture and will not be used")
        await pilot.press("x")
        await settle(pilot)
        assert draft.settings.data.exclude == ""
        assert app.screen is shown


@pytest.mark.long
async def test_every_finding_about_a_hostile_dataset_can_be_opened(
    app: CnntrainApp, draft: Draft, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    hostile_dataset.make_hostile(tmp_path / "hostile", tmp_path / "outside")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, draft, tmp_path / "hostile")
        await pilot.press("ctrl+r")
        await settle(pilot)
        assert "all decoded" in words(screen, "check")
        found = screen.query_one("#findings", RowList)
        found.focus()
        for index in range(found.option_count):
            found.highlighted = index
            await pilot.press("enter")
            await breathe()
            await until(pilot, lambda: getattr(app.screen, "complete", True))
            await breathe()
            shown = text_of(app)
            assert "\x1b" not in shown
            assert "\u202e" not in shown
            if app.screen is not screen:
                await pilot.press("down", "a", "escape")
                await breathe()
            assert app.screen is screen


class SlowCheck:
    def __init__(self) -> None:
        self.given_up = threading.Event()
        self.begun = threading.Event()

    def __call__(
        self,
        directory: Path,
        *,
        deep: bool,
        progress: Callable[[str, int, int], None],
        cancelled: Callable[[], bool],
        **_: Any,
    ) -> Any:
        if not deep:
            return checking.Report(directory, False)
        progress("decoding every picture", 12, 34)
        self.begun.set()
        for _number in range(3000):
            if cancelled():
                self.given_up.set()
                raise Cancelled
            threading.Event().wait(0.01)
        raise AssertionError("nobody gave it up")


async def test_escape_gives_the_deep_check_up_and_then_leaves(
    app: CnntrainApp, draft: Draft, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowCheck()
    monkeypatch.setattr(checking, "check", slow)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, draft, pictures)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "decoding every picture: 12 of 34" in words(screen, "check"))
        await pilot.press("escape")
        await settle(pilot)
        assert slow.given_up.is_set()
        assert app.screen is screen
        assert "stopped" in words(screen, "check")
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen is not screen


async def test_another_folder_gives_the_check_up(
    app: CnntrainApp, draft: Draft, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowCheck()
    monkeypatch.setattr(checking, "check", slow)
    other = class_folders(tmp_path / "other", {"ape": 9, "bee": 9})
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, draft, pictures)
        await pilot.press("ctrl+r")
        screen.choose(other)
        await settle(pilot)
        assert slow.given_up.is_set() or not slow.begun.is_set()
        assert "2 classes, 18 pictures" in words(screen, "summary")


def test_a_check_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise FailureError("The pictures cannot be decoded", "decoders keep dying")

    monkeypatch.setattr(checking, "check", failing)
    checkup = Checkup(tmp_path, Settings().data)
    told: list[bool] = []
    checkup.work(lambda: told.append(True))
    assert checkup.done
    assert "decoders keep dying" in checkup.error
    assert told == [True]


def test_a_list_of_ones_own_is_read_and_never_changed(draft: Draft, pictures: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.txt"
    write_list(own, ["train/cat/001.png"])
    before = own.read_bytes()
    draft.write(SETTING, str(own))
    exclusion = Exclusion(draft, pictures)
    assert exclusion.paths == {"train/cat/001.png"}
    exclusion.change(add=["train/cat/002.png"])
    assert own.read_bytes() == before
    listed = Path(draft.settings.data.exclude)
    assert listed != own
    assert read_list(listed, pictures) == {"train/cat/001.png", "train/cat/002.png"}
    assert Exclusion(draft, pictures).paths == exclusion.paths


def test_the_list_is_never_written_into_the_dataset(
    draft: Draft, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNNTRAIN_CONFIG", str(pictures / "config"))
    exclusion = Exclusion(draft, pictures)
    with pytest.raises(FailureError, match="nothing is ever written"):
        exclusion.change(add=["train/cat/002.png"])
    assert not (pictures / "config").exists()
    assert draft.settings.data.exclude == ""


def test_a_list_that_cannot_be_written_is_a_sentence(
    draft: Draft, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CNNTRAIN_CONFIG", str(tmp_path / "file"))
    with pytest.raises(FailureError, match="cannot be written"):
        Exclusion(draft, pictures).change(add=["train/cat/002.png"])


def test_names_that_no_text_can_hold_survive_the_list(draft: Draft, pictures: Path) -> None:
    odd = ["train/cat/a\nb.png", os.fsdecode(b"train/cat/\xff.png"), " train/x.png"]
    Exclusion(draft, pictures).change(add=odd)
    assert Exclusion(draft, pictures).paths == set(odd)


def test_a_finding_of_any_code_says_what_is_done() -> None:
    from tui.core.dataset.findings import RULES

    for code in RULES:
        assert Finding(code, "info", "x").done
