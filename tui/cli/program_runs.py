"""The commands for keeping runs in order: options and help. `tui.cli.program` has the others."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from tui.cli import complete
from tui.cli.options import AsJson, Run, Runs
from tui.cli.places import runs_root

FILTER_EPILOG = """\b
EXPR is one or more of
   FIELD=VALUE, and with != < <= > >= or ~ (contains); 70% is 0.7
   a word, which is searched for in names, presets, pictures, notes, states
joined by and, or, not and parentheses. FIELD is
   a setting        optimizer.learning_rate, or optimizer.lr, or lr
   best.METRIC      of the best validation; last.METRIC of the newest, test.METRIC
   state, name, preset, data, task, note, pinned, step, epoch, loss
A run that has no such number fits no comparison with it.
For example: cnntrain runs --filter 'lr>=1e-3 and best.accuracy>70% and state=finished'
"""


class Order(StrEnum):
    """By what runs are sorted."""

    newest = "newest"
    name = "name"
    state = "state"
    best = "best"


Several = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN",
        help="Directories, names, unique parts of their beginnings, or `latest`.",
        autocompletion=complete.runs,
        show_default=False,
    ),
]


def list_runs(
    runs: Runs = None,
    filter: Annotated[
        str, typer.Option("--filter", metavar="EXPR", help="Only those that EXPR is true of; see below.")
    ] = "",
    sort: Annotated[Order, typer.Option("--sort", help="By what; pinned runs come first.")] = Order.newest,
    json: AsJson = False,
) -> None:
    """List the runs, newest first."""
    from tui.cli.runs import list_runs

    list_runs(runs_root(runs), filter=filter, order=sort.value, as_json=json)


def compare(run: Several, json: AsJson = False, runs: Runs = None) -> None:
    """Say in which settings runs differ, and how good each is."""
    from tui.cli import keeping
    from tui.runs.directory import find

    keeping.compare([find(one, runs_root(runs)) for one in run], as_json=json)


def rename(
    run: Run,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new name, without a time stamp.")],
    runs: Runs = None,
) -> None:
    """Give another name to a run that does not train.

    Its time stamp stays in front.
    """
    from tui.cli import keeping
    from tui.runs.directory import find

    keeping.rename(find(run, runs_root(runs)), name)


def delete(
    run: Several,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs: Runs = None,
) -> int:
    """Delete runs that do not train, and their checkpoints.

    It asks first.

    Exit codes: 0 deleted; 1 failed, or a question was answered with no; 2 no run, or it trains.
    """
    from tui.cli import keeping
    from tui.runs.directory import find

    return keeping.delete([find(one, runs_root(runs)) for one in run], yes=yes)


def note(
    run: Run,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="The note; '' takes it away.  [default: show it]", show_default=False),
    ] = None,
    runs: Runs = None,
) -> None:
    """Put a short note on a run, or show it."""
    from tui.cli import keeping
    from tui.runs.directory import find

    keeping.note(find(run, runs_root(runs)), text)


def pin(
    run: Run,
    off: Annotated[bool, typer.Option("--off", help="No longer.")] = False,
    runs: Runs = None,
) -> None:
    """Keep a run above the others in lists."""
    from tui.cli import keeping
    from tui.runs.directory import find

    keeping.pin(find(run, runs_root(runs)), not off)


COMMANDS: dict[str, tuple[Callable[..., int | None], str | None]] = {
    "runs": (list_runs, FILTER_EPILOG),
    "compare": (compare, None),
    "rename": (rename, None),
    "delete": (delete, None),
    "note": (note, None),
    "pin": (pin, None),
}
"""Each with the text below its help."""
