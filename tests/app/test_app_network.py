"""The network's screen: what the engine found, what it refuses, and an answer that nobody waits for any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picture_sets import class_folders
from textual.pilot import Pilot
from walking import breathe, make_app, settle, text_of, until

from tui.app.app import CnntrainApp
from tui.app.draft import Draft
from tui.app.screens.network import NetworkScreen
from tui.app.screens.settings import SettingsScreen
from tui.app.widgets.form import Form
from tui.core import presets
from tui.core.dataset.scan import scan
from tui.core.errors import UsageError
from tui.core.settings import Settings
from tui.core.summary import Layer, Summary
from tui.runs import summaries


def network(settings: Settings, outputs: int) -> Summary:
    """Return a network of thirty layers with long names."""
    layers = [
        Layer(
            f"layer{at // 6}.{at % 6}.with.a.long.name.conv{at}",
            "Conv2d",
            (64, 56, 56),
            36_864 + at,
            36_864,
            231_211_008,
        )
        for at in range(30)
    ]
    return Summary(
        model=settings.model.name,
        outputs=outputs,
        input=(3, 64, 64),
        layers=(*layers, Layer("fc\x1b[2J", "Linear", (outputs,), 5130, 0, 10_240)),
        memory={"weights": 45_000_000, "activations": 2_900_000_000, "gradients": 44_000_000},
        batch_size=settings.training.batch_size,
        precision="float32",
        device="CPU",
        notes=("model.dropout has no effect: resnet18 has no dropout layer.",),
    )


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    return make_app(tmp_path, monkeypatch)


def draft(tmp_path: Path) -> Draft:
    root = class_folders(tmp_path / "p", {"a": 4, "b": 4, "c": 4})
    made = Draft("resnet18-scratch", presets.load(presets.find("resnet18-scratch")), root=tmp_path / "runs")
    made.use_directory(root, scan(root))
    return made


async def test_the_network_is_shown(app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "summarise", lambda settings, outputs, **_: network(settings, outputs))
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(SettingsScreen(draft(tmp_path)))
        await settle(pilot)
        await pilot.press("ctrl+n")
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, NetworkScreen)
        while not screen._shown:
            await breathe()
        await settle(pilot)
        text = text_of(app)
        assert "resnet18 for pictures of 3×64×64, 3 outputs" in text
        assert "LAYER" in text
        assert "64×56×56" in text
        assert "parameters 1,111,485" in text
        assert "about 2.8 GiB for batches of" in text
        assert "! model.dropout has no effect" in text
        await pilot.press("end")
        await settle(pilot)
        assert "5,130 frozen" in text_of(app)
        assert "\x1b" not in text_of(app)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        await pilot.resize_terminal(120, 40)
        await settle(pilot)
        assert "parameters 1,111,485" in text_of(app)  # beside the form
        assert "before the last changes" not in text_of(app)
        app.screen.typed(Form.Changed("training.batch_size", "7"))
        await settle(pilot)
        assert "before the last changes" in text_of(app)


async def test_what_cannot_be_is_told(app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Summary:
        raise UsageError("vit_b_16 cannot take pictures of 40 px", "it cuts them", "Set data.image_size=48.")

    monkeypatch.setattr(summaries, "summarise", refuse)
    made = draft(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(NetworkScreen(made))
        await settle(pilot)
        said = "✗ vit_b_16 cannot take pictures of 40 px: it cuts them. Set data.image_size=48."
        await until(pilot, lambda: said == " ".join(" ".join(text_of(app).split("\n")[1:3]).split()))


async def test_who_leaves_ends_the_engine(app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def wait(settings: Settings, outputs: int, *, begun: Callable[[Callable[[], None]], None], **_: Any) -> Summary:
        begun(ended.set)
        assert ended.wait(60)
        raise UsageError("It was ended")

    monkeypatch.setattr(summaries, "summarise", wait)
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(NetworkScreen(draft(tmp_path)))
        await breathe()
        assert "starting the engine" in text_of(app)
        await pilot.press("escape")
        await settle(pilot)
        assert ended.is_set()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_picture(
    size: tuple[int, int], app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snap_compare: Any
) -> None:
    monkeypatch.setattr(summaries, "summarise", lambda settings, outputs, **_: network(settings, outputs))

    async def before(pilot: Pilot[None]) -> None:
        app.push_screen(NetworkScreen(draft(tmp_path)))
        await until(pilot, lambda: "parameters 1,111,485" in text_of(app))
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)
