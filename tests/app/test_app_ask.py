"""Short questions: what their keys do is told from the first moment, and stays while something is wrong."""

from __future__ import annotations

from pathlib import Path

import builders
import pytest
from textual.app import App
from walking import text_of, until

from tui.app.screens.ask import AskLine, Confirm
from tui.app.screens.asking import ask_for_epochs, ask_for_rate
from tui.app.screens.errands import write_note
from tui.runs.state import RunState


async def test_an_empty_field_tells_its_keys_at_once(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=20)
    app = App[None]()
    async with app.run_test(size=(80, 24)) as pilot:
        write_note(app, run, "", lambda: None)
        await until(pilot, lambda: isinstance(app.screen, AskLine) and app.screen.query("#hint"))
        assert str(app.screen.query_one("#hint").render()).split() == ["Enter", "Save", "Escape", "Cancel"]
        await until(pilot, lambda: "Enter Save   Escape Cancel" in text_of(app))


@pytest.mark.parametrize("size", [(80, 24), (40, 20)], ids=["80x24", "40x20"])
async def test_what_is_wrong_takes_no_hint_away(tmp_path: Path, size: tuple[int, int]) -> None:
    app = App[None]()
    async with app.run_test(size=size) as pilot:
        ask_for_rate(app, RunState(builders.make_run(tmp_path, steps=20)))
        told = ("Enter Change   Escape Cancel", "0.5 halves it, 2 doubles it.")
        await until(pilot, lambda: all(words in text_of(app) for words in told))
        await pilot.press("backspace", "backspace", "backspace", "x")
        await until(pilot, lambda: "This is no number." in text_of(app))
        assert all(words in text_of(app) for words in told)
        height = app.screen.query_one("#box").size.height
        await pilot.press("backspace", "2")
        await until(pilot, lambda: "This is no number." not in text_of(app))
        assert app.screen.query_one("#box").size.height == height  # nothing jumps


async def test_enter_answers_only_what_is_right(tmp_path: Path) -> None:
    app = App[None]()
    answers: list[str | None] = []
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(AskLine("How many?", "0", lambda typed: "" if typed == "3" else "Three."), answers.append)
        await until(pilot, lambda: "Three." in text_of(app))
        await pilot.press("enter", "backspace", "3")
        await until(pilot, lambda: "Three." not in text_of(app))
        assert answers == []
        await pilot.press("enter")
        await until(pilot, lambda: answers == ["3"])


async def test_epochs_are_asked_with_the_keys(tmp_path: Path) -> None:
    app = App[None]()
    async with app.run_test(size=(80, 24)) as pilot:
        ask_for_epochs(app, RunState(builders.make_run(tmp_path, steps=20)))
        await until(pilot, lambda: "Enter Extend   Escape Cancel" in text_of(app))


@pytest.mark.parametrize(("careful", "enter"), [(False, "Stop"), (True, "Cancel")])
async def test_a_question_tells_what_enter_answers_as_it_is(careful: bool, enter: str) -> None:
    app = App[None]()
    async with app.run_test(size=(80, 24)) as pilot:
        dialog = Confirm("Sure?", yes="Stop", careful=careful)
        app.push_screen(dialog)
        await until(pilot, lambda: f"Enter {enter}   y Stop   n, Escape Cancel" in text_of(app))
        await pilot.press("right" if not careful else "left")
        other = "Cancel" if enter == "Stop" else "Stop"
        await until(pilot, lambda: f"Enter {other}   y Stop" in text_of(app))
