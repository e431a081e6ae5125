"""What the network sees: the settings of the draft go to the training code, its pictures come back, errors are told."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from picture_sets import class_folders
from textual.pilot import Pilot
from walking import breathe, make_app, settle, text_of

from tui.app.app import CnntrainApp
from tui.app.draft import Draft
from tui.app.previews import DRAWS, RESIZES
from tui.app.screens.preview import PreviewScreen
from tui.app.screens.settings import SettingsScreen
from tui.app.widgets.exhibit import Exhibit
from tui.app.widgets.form import Form
from tui.core import presets
from tui.core.dataset.scan import scan
from tui.core.errors import FailureError
from tui.core.preview import AnswerHead, PreviewRequest
from tui.runs import previewer


class FakePreviewer:
    """Stands for the training code: the colour of an answer says what it is an answer to."""

    made: list[FakePreviewer] = []

    def __init__(self) -> None:
        self.asked: list[PreviewRequest] = []
        self.release = threading.Event()
        self.closed = False
        self.error = ""
        self.reason = ""
        self.release.set()
        FakePreviewer.made.append(self)

    def ask(self, request: PreviewRequest) -> tuple[AnswerHead, list[bytes]]:
        self.asked.append(request)
        assert self.release.wait(30)
        if self.error:
            raise FailureError(self.error)
        if self.reason:
            return AnswerHead(0, 0, 0, 0, self.reason), []
        size, channels = 8, int(request.settings["data"]["channels"])
        shades = [40 * (1 + number) for number in range(len(request.resizes))]
        shades += [10 * (1 + epoch) % 256 for epoch in request.epochs]
        head = AnswerHead(size, channels, len(request.resizes), len(request.epochs))
        return head, [bytes([shade]) * size * size * channels for shade in shades]

    def close(self) -> None:
        self.closed = True
        self.release.set()


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> list[FakePreviewer]:
    FakePreviewer.made = []
    monkeypatch.setattr(previewer, "Previewer", FakePreviewer)
    return FakePreviewer.made


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    return make_app(tmp_path, monkeypatch)


def a_draft(tmp_path: Path) -> Draft:
    pictures = class_folders(tmp_path / "pictures", {"cat": 120, "dog": 90})
    draft = Draft("simple-cnn", presets.load(presets.find("simple-cnn")), root=tmp_path / "runs")
    draft.use_directory(pictures, scan(pictures))
    return draft


async def opened(pilot: Pilot[None], draft: Draft, index: int = 0) -> PreviewScreen:
    await settle(pilot)
    assert draft.scan is not None
    paths = [path for path, _ in draft.scan.samples["all"]]
    screen = PreviewScreen(draft, draft.scan, paths, index)
    pilot.app.push_screen(screen)
    await breathe()
    return screen


async def whole(screen: PreviewScreen) -> None:
    for _ in range(600):
        await breathe()
        if screen.complete:
            break
        await asyncio.sleep(0.05)
    assert screen.complete
    await breathe()


def pieces(screen: PreviewScreen, name: str) -> list[str]:
    return [piece.label for piece in screen.query_one(f"#{name}", Exhibit).pieces]


async def test_whole_resized_and_augmented_side_by_side(
    app: CnntrainApp, tmp_path: Path, fake: list[FakePreviewer]
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, a_draft(tmp_path))
        await whole(screen)
        assert pieces(screen, "evaluated") == ["whole, 12×12", *RESIZES]
        assert pieces(screen, "trained") == ["epoch 1", "epoch 2", "epoch 3", "epoch 4"]
        asked = fake[0].asked[-1]
        assert asked.path == "cat/000.png"
        assert asked.resizes == RESIZES
        assert asked.settings["data"]["crop"] == "padded"
        await pilot.press("right")
        await whole(screen)
        assert fake[0].asked[-1].path == "cat/001.png"
        await pilot.press("left", "left")
        await whole(screen)
        assert fake[0].asked[-1].path == "cat/000.png"
        await pilot.press("e")
        await whole(screen)
        assert fake[0].asked[-1].epochs == tuple(range(DRAWS, 2 * DRAWS))
        assert pieces(screen, "trained")[0] == "epoch 5"
        await pilot.press("E", "E")
        await whole(screen)
        assert pieces(screen, "trained")[0] == "epoch 1"
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen is not screen
        assert fake[0].closed


async def test_the_position_is_the_one_in_the_training_split(
    app: CnntrainApp, tmp_path: Path, fake: list[FakePreviewer]
) -> None:
    from tui.core.dataset.manifest import make_manifest

    draft = a_draft(tmp_path)
    assert draft.scan is not None
    splits = make_manifest(draft.scan, draft.settings).splits
    paths = [path for path, _ in draft.scan.samples["all"]]
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, draft, paths.index(splits["train"][7][0]))
        await whole(screen)
        assert fake[0].asked[-1].position == 7
        assert "This is what these epochs" in text_of(app)
        await pilot.press("escape")
        screen = await opened(pilot, draft, paths.index(splits["validation"][3][0]))
        await whole(screen)
        assert "validation picture, which is never augmented" in text_of(app)


async def test_what_the_draws_leave_out_is_said(app: CnntrainApp, tmp_path: Path, fake: list[FakePreviewer]) -> None:
    from tui.core.dataset.manifest import make_manifest

    draft = a_draft(tmp_path)
    for key, text in (("mixup", "0.2"), ("cutmix", "1"), ("sampler", "balanced"), ("rotation", "15"), ("hue", "0.1")):
        draft.write(f"data.{key}", text)
    assert not draft.problems
    assert draft.scan is not None
    path = make_manifest(draft.scan, draft.settings).splits["train"][0][0]
    paths = [path for path, _ in draft.scan.samples["all"]]
    async with app.run_test(size=(160, 40)) as pilot:
        screen = await opened(pilot, draft, paths.index(path))
        await whole(screen)
        shown = text_of(app)
        assert "turned by up to 15°, colours changed" in shown
        assert "before MixUp and CutMix put other pictures in, where the balanced sampler picks it." in shown


async def test_a_way_of_resizing_is_set_by_key_and_by_click(
    app: CnntrainApp, tmp_path: Path, fake: list[FakePreviewer]
) -> None:
    draft = a_draft(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, draft)
        await whole(screen)
        await pilot.press("r")
        await whole(screen)
        assert draft.settings.data.resize == "letterbox"
        assert fake[0].asked[-1].settings["data"]["resize"] == "letterbox"
        chosen = [piece.label for piece in screen.query_one("#evaluated", Exhibit).pieces if piece.chosen]
        assert chosen == ["letterbox"]
        await pilot.click("#evaluated", offset=(70, 4))
        await whole(screen)
        assert draft.settings.data.resize == "squash"
        assert "--set data.resize=squash" in draft.command_line()


async def test_while_torch_starts_it_says_so_and_can_be_left(
    app: CnntrainApp, tmp_path: Path, fake: list[FakePreviewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        screen = PreviewScreen(draft := a_draft(tmp_path), draft.scan, ["cat/000.png"])  # type: ignore[arg-type]
        fake[0].release.clear()
        await settle(pilot)
        app.push_screen(screen)
        await breathe()
        await breathe()
        assert "starting" in text_of(app)
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen is not screen
        assert fake[0].closed


@pytest.mark.parametrize("which", ["error", "reason"])
async def test_what_went_wrong_stands_where_the_pictures_would(
    which: str, app: CnntrainApp, tmp_path: Path, fake: list[FakePreviewer]
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        screen = PreviewScreen(draft := a_draft(tmp_path), draft.scan, ["cat/000.png"])  # type: ignore[arg-type]
        setattr(fake[0], which, "it is damaged \x1b[2J")
        await settle(pilot)
        app.push_screen(screen)
        await whole(screen)
        shown = text_of(app)
        assert "it is damaged" in shown
        assert "\x1b" not in shown


async def test_grey_pictures_are_shown_in_grey(app: CnntrainApp, tmp_path: Path, fake: list[FakePreviewer]) -> None:
    draft = a_draft(tmp_path)
    draft.write("data.channels", "1")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, draft)
        await whole(screen)
        piece = screen.query_one("#evaluated", Exhibit).pieces[1]
        assert piece.pixels == bytes([40]) * 8 * 8 * 3


async def test_the_form_opens_it_with_what_is_typed(
    app: CnntrainApp, tmp_path: Path, fake: list[FakePreviewer]
) -> None:
    draft = a_draft(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        form = SettingsScreen(draft)
        app.push_screen(form)
        await settle(pilot)
        await pilot.press("9", "6")
        await breathe()
        await pilot.press("ctrl+g")
        await breathe()
        screen = app.screen
        assert isinstance(screen, PreviewScreen)
        await whole(screen)
        assert fake[0].asked[-1].settings["data"]["image_size"] == 96
        await pilot.press("r", "escape")
        await settle(pilot)
        assert app.screen is form
        assert draft.texts["data.resize"] == "letterbox"
        assert "letterbox" in text_of(app)
        assert form.query_one(Form).current == "data.resize"


async def test_the_form_looks_through_a_folder_that_was_only_typed(
    app: CnntrainApp, tmp_path: Path, fake: list[FakePreviewer]
) -> None:
    pictures = class_folders(tmp_path / "pictures", {"cat": 120, "dog": 90})
    draft = Draft("simple-cnn", presets.load(presets.find("simple-cnn")), root=tmp_path / "runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.push_screen(SettingsScreen(draft))
        await settle(pilot)
        await pilot.press("ctrl+g")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        draft.use_directory(pictures)
        await pilot.press("ctrl+g")
        await settle(pilot)
        assert isinstance(app.screen, PreviewScreen)
        await whole(app.screen)
        assert fake[0].asked[-1].path == "cat/000.png"
