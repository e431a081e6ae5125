"""Saving a draft as a preset of one's own: a name for it, a question before one is replaced, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import App

from tui.app.draft import Draft
from tui.app.draft_words import differences
from tui.app.screens.ask import AskLine, Confirm
from tui.app.screens.begin import explain
from tui.core import presets
from tui.core.errors import CnntrainError, UsageError
from tui.core.text import clean_path


def save_preset(app: App[Any], draft: Draft, done: Callable[[], object]) -> None:
    """Ask for a name, save the draft's settings under it, and call ``done``: it is compared with that preset now."""
    own = {preset.name for preset in presets.available() if not preset.shipped}

    def named(name: str | None) -> None:
        if name is None:
            return
        if name not in own:
            write(name)
            return
        question, detail = f'Replace your preset "{name}"?', "What it says now is lost."
        app.push_screen(
            Confirm(question, detail, yes="Replace", careful=True), lambda yes: write(name) if yes else None
        )

    def write(name: str) -> None:
        comment = f"Made from {draft.preset}: {differences(draft)}."
        try:
            preset = presets.save(name, draft.settings, comment=comment, replace=True)
        except CnntrainError as error:
            explain(app, error)
            return
        draft.rebase(name)
        done()
        app.notify(f"Saved as {clean_path(preset.path)}", markup=False)

    name = draft.preset if draft.preset in own else f"my-{draft.preset}"
    app.push_screen(AskLine("Save these settings as a preset called", name, _wrong_with_name), named)


def _wrong_with_name(name: str) -> str:
    try:
        presets.check_name(name)
    except UsageError as error:
        return f"{error.cause[:1].upper()}{error.cause[1:]}. {error.next_step}"
    return ""
