"""What happens to the screen happens to the screen only."""

from __future__ import annotations

from pathlib import Path

import builders
import pytest

from tui.app.app import CnntrainApp
from tui.core import control


async def test_ctrl_c_on_the_screen_asks_nothing_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the terminal's signal key a screen gets a key and the training, in a session of its own, nothing at all."""
    run = builders.make_run(tmp_path, status="running")
    builders.stop_the_clock(monkeypatch, run)
    app = CnntrainApp(runs_root=tmp_path, open_run=run)
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("ctrl+c")
            await pilot.pause()
            assert app.is_running
            assert [notice.message for notice in app._notifications] == [
                "q leaves the screen; what trains goes on training."
            ]
            assert control.pending(run) == []
    finally:
        builders.let_go(run)
