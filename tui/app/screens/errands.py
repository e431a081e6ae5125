"""What is done with a run from any screen that shows it: again, edit, stop, note, pin, rename, delete.

Each asks where a slip would cost something, works on files in a thread, and then calls ``done`` on the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textual.app import App

from tui.app import starts
from tui.app.screens.begin import begin, explain
from tui.core import presets
from tui.core.errors import CnntrainError
from tui.core.rundir import RunDir
from tui.core.sentences import size
from tui.core.text import clean, clean_path
from tui.runs.catalog import Summary

Done = Callable[[], None]
_MOST_NAMED = 5


def _name(run: RunDir) -> str:
    return clean(run.given_name, 40)


def train_again(app: App[Any], summary: Summary, root: Path) -> None:
    """Ask, then train a new run with the same settings on the same pictures."""
    from tui.app.screens.ask import Confirm

    def answer(yes: bool | None) -> None:
        if yes:
            begin(app, starts.again(summary.run, summary.preset, root))

    detail = f"A new run with the same settings on {summary.dataset}."
    app.push_screen(Confirm(f'Train "{_name(summary.run)}" again?', detail, yes="Train"), answer)


def edit(app: App[Any], run: RunDir, preset: str, *, root: Path, root_typed: str) -> None:
    """Take a run's settings into the form; what they are compared with is its preset, if that is still there."""
    from tui.app.draft import Draft
    from tui.app.screens.settings import SettingsScreen
    from tui.runs.catalog import summary_of

    try:
        settings = presets.read_settings(run.settings)
    except CnntrainError as error:
        explain(app, error)
        return
    try:
        preset = preset or str(run.settings)
        base = presets.load(presets.find(preset))
    except CnntrainError:
        preset, base = str(run.settings), settings
    made = summary_of(run)
    pictures = round(made.step / made.epoch) * settings.step_images if made.epoch > 0 else 0
    draft = Draft(
        preset, base, root=root, root_typed=root_typed, settings=settings, name=run.given_name, pictures=pictures
    )
    app.push_screen(SettingsScreen(draft))


def stop(app: App[Any], run: RunDir, done: Done) -> None:
    """Ask, then let a run stop after its step."""
    from tui.app.screens.ask import Confirm
    from tui.runs import controls

    def answer(yes: bool | None) -> None:
        if yes:
            _in_thread(app, partial(controls.stop, run), done)

    detail = "It finishes its step and saves a checkpoint; it can be resumed."
    app.push_screen(Confirm(f'Stop "{_name(run)}"?', detail, yes="Stop", careful=True), answer)


def write_note(app: App[Any], run: RunDir, note: str, done: Done) -> None:
    """Ask for the note on a run and keep it."""
    from tui.app.screens.ask import AskLine
    from tui.runs import remarks

    def wrong(text: str) -> str:
        return f"At most {remarks.LONGEST} characters." if len(text) > remarks.LONGEST else ""

    def answer(text: str | None) -> None:
        if text is not None and text != note:
            _in_thread(app, partial(remarks.note, run, text), done)

    app.push_screen(AskLine(f'Note on "{_name(run)}"', note, wrong), answer)


def pin(app: App[Any], run: RunDir, pinned: bool, done: Done) -> None:
    """Keep a run above the others, or no longer."""
    from tui.runs import remarks

    _in_thread(app, partial(remarks.pin, run, pinned), done)


def rename(app: App[Any], run: RunDir, done: Callable[[RunDir], None]) -> None:
    """Ask for another name and give it to a run."""
    from tui.app.screens.ask import AskLine
    from tui.core.naming import safe_name
    from tui.runs import upkeep

    renamed: list[RunDir] = []

    def wrong(text: str) -> str:
        return "" if safe_name(text) else "A name needs a letter or a digit."

    def becomes(text: str) -> str:
        name = safe_name(text)
        return f'As a directory: "{name}".' if name and name != text else ""

    def work(name: str) -> None:
        renamed.append(upkeep.rename(run, name))

    def answer(name: str | None) -> None:
        if name is not None and safe_name(name) != run.given_name:
            _in_thread(app, partial(work, name), lambda: done(renamed[0]))

    ask = AskLine(f'Another name for "{_name(run)}"', run.given_name, wrong, enter="Rename", tell=becomes)
    app.push_screen(ask, answer)


def delete(app: App[Any], runs: Sequence[RunDir], done: Done) -> None:
    """Count what runs hold, ask, and delete them."""
    from tui.runs import upkeep

    found: list[upkeep.Contents] = []

    def count() -> None:
        found.extend(map(upkeep.contents, runs))

    def ask() -> None:
        from tui.app.screens.ask import Confirm

        files, amount = sum(one.files for one in found), sum(one.bytes for one in found)
        foreign = [name for one in found for name in one.foreign]
        what, where = f'"{_name(runs[0])}"', clean_path(runs[0].path)
        if len(runs) > 1:
            what, where = f"{len(runs)} runs", _listed([_name(run) for run in runs])
        detail = f"{where}, {files:,} files, {size(amount)}, with all checkpoints."
        if foreign:
            detail += f" Not of the {'run' if len(runs) == 1 else 'runs'}, and deleted too: {_listed(foreign)}."
        app.push_screen(Confirm(f"Delete {what} for ever?", detail, yes="Delete", careful=True), answer)

    def answer(yes: bool | None) -> None:
        if yes:
            _in_thread(app, work, done)

    def work() -> None:
        try:
            for run in runs:
                upkeep.delete(run)
        except CnntrainError:
            app.call_from_thread(done)  # those before it are gone
            raise

    _in_thread(app, count, ask)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _in_thread(app: App[Any], work: Callable[[], object], done: Done) -> None:
    """Do something with files while the screen goes on; then ``done``, or say why it failed."""

    def run() -> None:
        try:
            work()
        except CnntrainError as error:
            app.call_from_thread(explain, app, error)
        else:
            app.call_from_thread(done)

    app.run_worker(run, thread=True, exit_on_error=False)
