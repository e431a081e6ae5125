"""The commands for a run while it trains: options and help. `tui.cli.program` has the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from tui.cli.options import Asked, Run, Runs
from tui.cli.places import runs_root


def control(
    run: Run,
    action: Annotated[Asked, typer.Argument(metavar="ACTION", help="What it is to do.", show_default=False)],
    factor: Annotated[
        float | None,
        typer.Argument(metavar="[FACTOR]", help="For `rate`: 0.5 halves the learning rate.", show_default=False),
    ] = None,
    runs: Runs = None,
) -> None:
    """Ask a run to pause, go on, save, validate or change its rate.

    It answers after the step that it is making. `rate FACTOR` multiplies the learning rate of all later steps,
    whatever the schedule, and after a resume too; `rate 2` takes `rate 0.5` back. See also `stop` and `extend`.
    """
    from tui.cli.runs import ask
    from tui.runs.catalog import find

    ask(find(run, runs_root(runs)), action.value, factor)


COMMANDS: dict[str, Callable[..., int | None]] = {"control": control}
