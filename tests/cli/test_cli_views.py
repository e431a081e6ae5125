"""The screen as a command opens it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.app.app import CnntrainApp
from tui.app.screens.home import HomeScreen
from tui.cli import views
from tui.cli.failures import exit_code_of


def test_a_defect_that_ends_the_screen_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: HomeScreen) -> None:
        raise ValueError("a defect")

    run = CnntrainApp.run
    monkeypatch.setattr(views, "require_screen", lambda: None)
    monkeypatch.setattr(CnntrainApp, "run", lambda self: run(self, headless=True))
    monkeypatch.setattr(HomeScreen, "on_mount", broken)
    assert exit_code_of(lambda: views.open_app(tmp_path)) == 1
    told = capsys.readouterr().err
    assert "this is a defect (ValueError: a defect)" in told
    assert "The details are in " in told
