"""The three ways to look at a run that trains on its own: the live screen, plain progress, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from tui.cli.places import reference, runs_root
from tui.cli.terminal import can_show_screen, complain, say
from tui.core.errors import UsageError
from tui.core.rundir import RunDir

View = Literal["watch", "detach", "plain"]
VIEWS: tuple[View, ...] = get_args(View)


def chosen(*, watch: bool, detach: bool, plain: bool) -> View:
    """Return the view that was asked for; without one the screen where there is a terminal, else plain lines.

    Raises:
        UsageError: more than one was asked for, or the screen without a terminal.
    """
    wanted = {"watch": watch, "detach": detach, "plain": plain}
    asked = [view for view in VIEWS if wanted[view]]
    if len(asked) > 1:
        raise UsageError("Only one way to look at a run can be chosen", " and ".join(f"--{view}" for view in asked))
    view: View = asked[0] if asked else ("watch" if can_show_screen() else "plain")
    if view == "watch":
        require_screen()
    return view


def require_screen() -> None:
    """Raise a `UsageError` where the live screen cannot open."""
    if not can_show_screen():
        raise UsageError(
            "The screen cannot be opened",
            "input, output or error output is not a terminal",
            "`cnntrain --help` lists what works without one (train --plain, status, runs).",
        )


def open_app(root: Path, run: RunDir | None = None) -> int:
    """Open the screen, on ``run`` if given, and return its exit code.

    Raises:
        Exception: what ended the screen, if it has a defect; Textual keeps that to itself.
        UsageError: there is no terminal, or it cannot show pictures as it is asked to.
    """
    require_screen()
    from tui.app import lean

    lean.leave_out_openssl()
    with lean.collecting_put_off():
        from tui.app import graphics
        from tui.app.app import CnntrainApp

        graphics.prepare()
        app = CnntrainApp(runs_root=root, open_run=run)
        try:
            app.run()
        finally:
            graphics.forget()
    if (defect := getattr(app, "_exception", None)) is not None:
        raise defect
    return app.return_code or 0


def watch(run: RunDir, root: Path) -> int:
    """Open the live screen of a run; when it is left, say whether the training goes on."""
    code = open_app(root, run)
    from tui.cli.states import folded
    from tui.runs.status import LIVE

    if code == 0 and folded(run).status in LIVE:
        name = reference(run)
        say(f"The training goes on: `cnntrain watch {name}` shows it again, `cnntrain stop {name}` ends it.")
    return code


def watch_named(run: str, root: str | None = None) -> int:
    """Open the live screen of the run that was typed.

    Args:
        run: as `tui.runs.catalog.find` takes it.
        root: the directory of runs as it was typed, if it was.

    Raises:
        UsageError: there is no such run, or no terminal.
    """
    from tui.runs.directory import find

    found = find(run, runs_root(root))
    require_screen()
    return watch(found, runs_root(root))


def show(run: RunDir, view: View, root: Path, begin: Callable[[], None]) -> int:
    """Let ``begin`` start the run, look at it in one of the three ways, and return the command's exit code."""
    if view == "plain":
        from tui.cli.plain import PlainView

        plain = PlainView(run)
        plain.pass_over()
        begin()
        return plain.follow()
    begin()
    if view == "watch":
        return watch(run, root)
    say(str(run.path))
    complain(f"training goes on by itself; `cnntrain watch {reference(run)}` shows it.")
    return 0
