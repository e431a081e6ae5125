"""The command palette: it tells the key of each command, and finds commands by what is said of them."""

from __future__ import annotations

from pathlib import Path

import builders
import pytest
from textual.command import CommandPalette
from walking import make_app, text_of, until

from tui.app.screens.watch import WatchScreen


@pytest.mark.parametrize(
    ("typed", "found", "told"),
    [
        ("axis", "Axis", "l: Logarithmic or linear"),
        ("logarithmic", "Axis", "l: Logarithmic or linear"),
        ("newest step", "Zoom", "+: Show half as many steps"),
    ],
)
async def test_a_command_is_found_by_its_name_or_its_explanation_and_tells_its_key(
    typed: str, found: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = builders.make_run(tmp_path / "runs")
    builders.stop_the_clock(monkeypatch, run)
    app = make_app(tmp_path, monkeypatch, open_run=run)
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WatchScreen) and "≈" in text_of(app))
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*(key if key != " " else "space" for key in typed))
        await until(pilot, lambda: told in text_of(app))
        lines = [line.strip() for line in text_of(app).split("\n")]
        assert found in lines
        assert "Validate" not in lines
