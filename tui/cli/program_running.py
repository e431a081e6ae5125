"""The commands before a run and while it trains: options and help. `tui.cli.program` has the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from tui.cli.options import AsJson, Asked, Assignments, Data, Name, Run, Runs
from tui.cli.places import runs_root


def rates(preset: Name, data: Data = None, set_: Assignments = None, json: AsJson = False, runs: Runs = None) -> None:
    """Try growing learning rates and suggest some for PRESET.

    The range test of Smith (2017): a step with each rate from 1e-7 to 10 until the loss diverges, on the run's own
    batches. The suggestions are those of fastai. Nothing is kept. On the screen F7 does the same among the settings
    of a new run, draws the curve, and takes the rate that you choose.
    """
    from tui.cli import train as training
    from tui.cli.beforehand import range_test
    from tui.core.presets import find

    range_test(training.resolved(find(preset), data, set_ or ()), root=runs_root(runs), as_json=json)


def control(
    run: Run,
    action: Annotated[Asked, typer.Argument(metavar="ACTION", help="What it is to do.", show_default=False)],
    factor: Annotated[
        float | None,
        typer.Argument(metavar="FACTOR", help="For `rate`: 0.5 halves the learning rate.", show_default=False),
    ] = None,
    runs: Runs = None,
) -> None:
    """Ask a run to pause, go on, save, validate or change its rate.

    It answers after the step that it is making. `rate FACTOR` multiplies the learning rate of all later steps,
    whatever the schedule, and after a resume too; `rate 2` takes `rate 0.5` back. See also `stop` and `extend`.
    """
    from tui.cli.runs import ask
    from tui.runs.directory import find

    ask(find(run, runs_root(runs)), action.value, factor)


COMMANDS: dict[str, Callable[..., int | None]] = {"rates": rates, "control": control}
