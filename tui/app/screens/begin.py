"""What screens share about beginnings: waiting for a run to start, showing it, and explaining why it did not."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.screen import Screen

from tui.app.starts import Start, runs_typed
from tui.core.errors import CnntrainError
from tui.core.rundir import RunDir
from tui.core.text import clean


def explain(app: App[Any], error: CnntrainError) -> None:
    """Say what went wrong, in one sentence."""
    app.notify(clean(str(error), 600), severity="error", timeout=8, markup=False)


def begin(app: App[Any], start: Start) -> None:
    """Start a run in the background, then show it above the home screen; otherwise say why there is none."""
    from tui.app.screens.starting import Starting

    def answer(result: RunDir | CnntrainError | None) -> None:
        if isinstance(result, CnntrainError):
            explain(app, result)
        elif result is not None:
            app.run_worker(show_run(app, result), exclusive=True, group="show_run")

    app.push_screen(Starting(start), answer)


async def show_run(app: App[Any], run: RunDir) -> None:
    """Open a run's live screen directly above the home screen, so that Escape leads home."""
    from tui.app.screens.watch import WatchScreen

    await _show(app, run, WatchScreen(run))


async def show_results(app: App[Any], run: RunDir) -> None:
    """Open what became of a run there."""
    from tui.app.screens.results import ResultsScreen

    await _show(app, run, ResultsScreen(run, root_typed=runs_typed(run.path.parent)))


async def _show(app: App[Any], run: RunDir, screen: Screen[Any]) -> None:
    from tui.app.screens.home import HomeScreen
    from tui.app.screens.threshold import Threshold

    at = 1 if any(isinstance(one, HomeScreen) for one in app.screen_stack[1:2]) else 0
    home, below = app.screen_stack[at], at + 1
    if isinstance(home, HomeScreen | Threshold):
        home.point_at(run)
    with app.batch_update():
        while len(app.screen_stack) > below + 1:
            await app.pop_screen()
        if len(app.screen_stack) > below:
            await app.switch_screen(screen)
        else:
            await app.push_screen(screen)
