"""The arguments and options that several commands share: declared once, so that they read alike everywhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tui.cli import complete
from tui.cli.places import ROOT_VARIABLE


class Format(StrEnum):
    """How metrics are written."""

    csv = "csv"
    jsonl = "jsonl"
    tensorboard = "tensorboard"


class Kind(StrEnum):
    """Which records are written."""

    batches = "batches"
    layers = "layers"


class Asked(StrEnum):
    """What can be asked of a run that trains; `stop` and `extend` are commands of their own."""

    pause = "pause"
    go_on = "continue"
    save = "save"
    validate = "validate"
    rate = "rate"


Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Directory, name, unique part of its beginning, or `latest`.",
        autocompletion=complete.runs,
        show_default=False,
    ),
]
Runs = Annotated[
    str | None,
    typer.Option(
        "--runs",
        metavar="DIR",
        help=f"Where the runs are.  [default: {ROOT_VARIABLE}, else ./runs]",
        show_default=False,
    ),
]
Name = Annotated[
    str, typer.Argument(metavar="PRESET", help="A preset's name or a TOML file.", autocompletion=complete.presets)
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The pictures: folders of classes, of splits, or with a list file; or the list file itself.",
        show_default=False,
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Change one setting; can be repeated. `cnntrain presets show PRESET --all` lists them.",
        autocompletion=complete.assignments,
        show_default=False,
    ),
]
Watch = Annotated[bool, typer.Option("--watch", help="Open the live screen (the default on a terminal).")]
Detach = Annotated[bool, typer.Option("--detach", help="Print the run's directory and return.")]
Plain = Annotated[bool, typer.Option("--plain", help="Print progress and end with the training's exit code.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for programs (NaN and Infinity as Python has them).")]
