"""Pictures of the dialogs over the screens that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import builders
import pytest
from picture_sets import class_folders
from textual.pilot import Pilot
from textual.screen import ModalScreen
from walking import make_app, settle, until

from tui.app.app import CnntrainApp
from tui.core import recent

SIZES = [(80, 24), (120, 40)]
NAME = "20260131-120000-flowers [b]of the garden"
Snap = Callable[..., bool]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    recent.remember(class_folders(tmp_path / "pictures", {"daisy": 12, "rose": 9}))
    builders.make_run(tmp_path / "runs", name=NAME, steps=400)
    return make_app(tmp_path, monkeypatch)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "key",
    ["x", "n", "m", "question_mark"],
    ids=["delete", "note", "rename", "help"],
)
def test_a_picture(key: str, size: tuple[int, int], app: CnntrainApp, snap_compare: Snap) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press(key)
        await until(pilot, lambda: isinstance(pilot.app.screen, ModalScreen))
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)
