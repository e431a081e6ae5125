"""Pictures of the screens, compared cell by cell: look at them when they change (``pytest --snapshot-update``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import hostile_dataset
import pytest
from picture_sets import class_folders, write_picture
from PIL import Image, ImageDraw
from textual.pilot import Pilot
from walking import breathe, make_app, settle, until

from tui.app.app import CnntrainApp
from tui.app.widgets.form import Form
from tui.core import presets, recent
from tui.core.preview import AnswerHead, PreviewRequest
from tui.runs import previewer

SIZES = [(80, 24), (120, 40)]
Snap = Callable[..., bool]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    pictures = class_folders(
        tmp_path / "pictures",
        {"train/daisy": 48, "train/rose": 60, "train/sunflower": 24, "train/tulip": 40, "val/daisy": 8, "val/rose": 8},
    )
    write_picture(pictures / "train/daisy/large.png", size=(64, 48))
    (pictures / "train/rose/notes.txt").write_text("no picture")
    recent.remember(pictures)
    return make_app(tmp_path, monkeypatch)


def some_runs(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    runs = [
        builders.make_run(root, name="20260131-120000-flowers", steps=400, status="running"),
        builders.make_run(root, name="20260131-115000-flowers", steps=130, status="stopped", preset="cpu-quick"),
        builders.make_run(root, name="20260131-114000-a-run-with-quite-a-long-name", steps=400),
        builders.make_run(root, name="20260131-113000-tiny", steps=4, epochs=1, status="failed", preset="simple-cnn"),
        builders.make_run(root, name="20260131-112000-night", steps=200, status="crashed"),
        builders.make_run(root, name="20260131-111000-lab", steps=200, status="interrupted"),
    ]
    builders.stop_the_clock(monkeypatch, runs[0])
    return runs


def saved_preset() -> None:
    settings = presets.load(presets.find("cifar10"))
    presets.save("mine", settings, comment="For the flowers of the garden: bolder shifts.")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_home(
    size: tuple[int, int], app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snap_compare: Snap
) -> None:
    saved_preset()
    runs = some_runs(tmp_path / "runs", monkeypatch)

    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("down")
        await settle(pilot)

    try:
        assert snap_compare(app, terminal_size=size, run_before=before)
    finally:
        builders.let_go(runs[0])


def test_home_of_a_newcomer(app: CnntrainApp, snap_compare: Snap) -> None:
    assert snap_compare(app, terminal_size=(80, 24), run_before=settle)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_pictures(size: tuple[int, int], app: CnntrainApp, snap_compare: Snap) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_what_the_check_found(size: tuple[int, int], app: CnntrainApp, tmp_path: Path, snap_compare: Snap) -> None:
    (tmp_path / "outside").mkdir()
    hostile_dataset.make_hostile(tmp_path / "hostile", tmp_path / "outside")
    recent.remember(tmp_path / "hostile")

    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        pilot.app.screen.query_one("#findings").focus()
        await pilot.press("down", "down", "ctrl+o")
        await settle(pilot)
        pilot.app.clear_notifications()
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_how_a_folder_is_read(size: tuple[int, int], app: CnntrainApp, tmp_path: Path, snap_compare: Snap) -> None:
    root = photographs(tmp_path / "flowers")
    rows = [f"{name}/{number:03d}.png,{number},p{number // 9}\n" for name in ("daisy", "rose") for number in range(70)]
    (root / "petals.csv").write_text("file,petals,plant\n" + "".join(rows))
    recent.remember(root)

    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        await pilot.press("f5")
        await complete(pilot)
        await pilot.press("down", "down", *"petals.csv", "down", "down", "down", *"petals")
        await complete(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


def photographs(root: Path) -> Path:
    """Pictures with something to see: a bright disc that is not in the middle."""
    for name, colour in (("daisy", (250, 220, 60)), ("rose", (220, 40, 70))):
        for number in range(70):
            image = Image.new("RGB", (90, 60), (40, 90 + number, 50))
            ImageDraw.Draw(image).ellipse((5 + number // 2, 10, 45 + number // 2, 50), fill=colour)
            (root / name).mkdir(parents=True, exist_ok=True)
            image.save(root / name / f"{number:03d}.png")
    return root


async def complete(pilot: Pilot[None]) -> None:
    """Wait until what is decoded elsewhere is shown."""
    await breathe()
    await until(pilot, lambda: pilot.app.screen.complete)  # type: ignore[attr-defined]
    await breathe()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_gallery(size: tuple[int, int], app: CnntrainApp, tmp_path: Path, snap_compare: Snap) -> None:
    recent.remember(photographs(tmp_path / "flowers"))

    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        await pilot.press("ctrl+g")
        await complete(pilot)
        await pilot.press("down", "enter", "right", "down")
        await complete(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_gallery_in_16_colours(
    app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snap_compare: Snap
) -> None:
    monkeypatch.delenv("COLORTERM")
    monkeypatch.setenv("TERM", "linux")
    recent.remember(photographs(tmp_path / "flowers"))

    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        await pilot.press("ctrl+g")
        await complete(pilot)

    assert snap_compare(CnntrainApp(runs_root=Path("runs")), terminal_size=(80, 24), run_before=before)


class Cutter:
    """Stands for the training code: parts of a drawing."""

    def ask(self, request: PreviewRequest) -> tuple[AnswerHead, list[bytes]]:
        image = Image.open(Path(request.root) / request.path)
        whole = [image.crop((15, 0, 75, 60)), image, image.resize((40, 60))]
        drawn = [image.crop((epoch * 7, epoch, 45 + epoch * 7, 45 + epoch)) for epoch in request.epochs]
        pixels = [picture.resize((32, 32)).tobytes() for picture in [*whole, *drawn]]
        return AnswerHead(32, 3, len(request.resizes), len(request.epochs)), pixels

    def close(self) -> None:
        pass


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_what_the_network_sees(
    size: tuple[int, int], app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snap_compare: Snap
) -> None:
    monkeypatch.setattr(previewer, "Previewer", Cutter)
    recent.remember(photographs(tmp_path / "flowers"))

    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        await pilot.press("ctrl+g")
        await complete(pilot)
        await pilot.press("ctrl+g")
        await complete(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_finding(size: tuple[int, int], app: CnntrainApp, tmp_path: Path, snap_compare: Snap) -> None:
    flowers = photographs(tmp_path / "flowers")
    for number in range(3):
        (flowers / "rose" / f"copy {number}.png").write_bytes((flowers / "daisy" / f"00{number}.png").read_bytes())
    recent.remember(flowers)

    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        pilot.app.screen.query_one("#findings").focus()
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("down", "x", "down", "down")
        await complete(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_settings(size: tuple[int, int], app: CnntrainApp, snap_compare: Snap) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        form = pilot.app.screen.query_one(Form)
        for key, text in (("data.crop", "random_resized"), ("optimizer.name", "adamw"), ("training.epochs", "5")):
            form.post_message(Form.Changed(key, text))
        form.enter("data.image_size")
        await pilot.press("9", "9", "9", "9")
        await settle(pilot)
        if size[1] == 24:
            form.post_message(Form.Changed("data.image_size", "96"))
            form.enter("optimizer.learning_rate")
            await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_search_for_a_model(app: CnntrainApp, snap_compare: Snap) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("down", "enter")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        pilot.app.screen.query_one(Form).enter("model.name")
        await pilot.pause()
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press(*"res")
        await settle(pilot)

    assert snap_compare(app, terminal_size=(80, 24), run_before=before)
