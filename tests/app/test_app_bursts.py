"""Keys that come faster than screens open and close, as from a paste or over a line that stood still, break nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import builders
import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.css.query import NoMatches
from textual.screen import Screen
from walking import make_app, settle

from tui.app.widgets.text_field import TextField


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


class Typing(App[None]):
    def compose(self) -> ComposeResult:
        yield TextField("old", id="field")

    def on_input_submitted(self, event: TextField.Submitted) -> None:
        self.exit(event.value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("ctrl+u a b c", "abc"),
        ("d ctrl+u e f ctrl+w x", "x"),
        ("backspace a left b", "olba"),
        ("home 1 end 2 delete", "1old2"),
        ("ctrl+a n ctrl+k w", "nw"),
    ],
)
async def test_keys_that_edit_act_in_the_order_in_which_they_come(keys: str, value: str) -> None:
    app = Typing()
    async with app.run_test() as pilot:
        field = app.query_one(TextField)
        field.focus()
        field.cursor_position = len(field.value)
        await pilot.pause()
        for key in keys.split():  # one burst: nothing is handled in between
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        assert field.value == value
        for key in ("z", "enter"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await pilot.pause()
    assert "z" in str(app.return_value)


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
