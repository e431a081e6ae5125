"""Keys that come faster than screens open and close, as from a paste or over a line that stood still, break nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import builders
import pytest
from textual import events
from textual.css.query import NoMatches
from textual.screen import Screen
from walking import make_app, settle


@pytest.mark.parametrize("keys", ["s escape", "s y", "s n s escape t escape x escape", "a escape d escape y escape"])
async def test_a_burst_of_keys_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    run = builders.make_run(tmp_path / "runs", steps=20, status="running")
    app = make_app(tmp_path, monkeypatch, open_run=run)
    monkeypatch.setattr("tui.core.control.ask", lambda *_: None)
    try:
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            for key in keys.split() * 10:
                app.post_message(events.Key(key, key if len(key) == 1 else None))
            await settle(pilot)
            await settle(pilot)
            assert app._exception is None
    finally:
        builders.let_go(run)


class Late(Screen[None]):
    """Misses a widget, a while after it was opened."""

    async def on_mount(self) -> None:
        await asyncio.sleep(0.3)
        self.query_one("#nothing")


async def test_a_screen_that_was_left_before_it_was_there_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.push_screen(Late())
        await asyncio.sleep(0.1)
        app.pop_screen()
        await asyncio.sleep(0.5)
        await settle(pilot)
        assert app._exception is None
        assert len(app.screen_stack) == 1


async def test_a_widget_that_an_open_screen_misses_is_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(tmp_path, monkeypatch)

    async def miss() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            app.push_screen(Late())
            await asyncio.sleep(0.6)

    with pytest.raises(NoMatches):
        await miss()
