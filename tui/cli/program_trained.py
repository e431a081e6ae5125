"""The commands for a run that has been trained: options and help. `tui.cli.program` has the others."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from tui.cli.options import AsJson, Run, Runs
from tui.cli.places import runs_root


class Weights(StrEnum):
    """Which weights of a run are meant."""

    best = "best"
    last = "last"
    averaged = "averaged"


class Split(StrEnum):
    """A part of a run's own pictures."""

    test = "test"
    validation = "validation"
    train = "train"


class ExportFormat(StrEnum):
    """How a network is written for other programs."""

    safetensors = "safetensors"
    onnx = "onnx"
    torchscript = "torchscript"
    pt2 = "pt2"


class By(StrEnum):
    """What makes a mistake bad."""

    confidence = "confidence"
    loss = "loss"


At = Annotated[str, typer.Option("--at", metavar="WHICH", help="best, last, test, or the step of a validation.")]
Chosen = Annotated[
    Weights, typer.Option("--weights", help="Of the best validation, of the last step, or its moving average (EMA).")
]


def evaluate(
    run: Run,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DIR", help="Other pictures, in any layout that trains.", show_default=False),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="Which of the run's own pictures.")] = Split.test,
    weights: Chosen = Weights.best,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="data.KEY=VALUE", help="How to read DIR, as data.list=labels.csv.", show_default=False
        ),
    ] = None,
    json: AsJson = False,
    runs: Runs = None,
) -> int:
    """Evaluate a run's network on its test split or other pictures.

    Those need the run's classes. Pictures are prepared exactly as they were for the run's validations.

    Exit codes: 0 all pictures were read; 3 some could not be read; 1 failed; 2 they do not fit the run.
    """
    from tui.cli import trained
    from tui.runs.directory import find

    found = find(run, runs_root(runs))
    return trained.evaluate(found, weights=weights.value, split=split.value, data=data, set_=set_ or (), as_json=json)


def predict(
    run: Run,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Pictures, folders of them, globs, or - for a list of paths on stdin.",
            show_default=False,
        ),
    ],
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="K",
            min=1,
            help="How many answers.  [default: 1; of several labels those above 50 %]",
            show_default=False,
        ),
    ] = None,
    weights: Chosen = Weights.best,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object per picture and line.")] = False,
    runs: Runs = None,
) -> int:
    """Say what a run's network sees in pictures.

    That is a class and its probability, labels, or numbers.

    Exit codes: 0 all pictures were read; 3 some could not be read, each is named; 1 failed; 2 nothing to predict.
    """
    from tui.cli import trained
    from tui.runs.directory import find

    return trained.predict(find(run, runs_root(runs)), paths, weights=weights.value, top=top, as_json=json)


def export(
    run: Run,
    format: Annotated[ExportFormat, typer.Option("--format", help="onnx needs cnntrain[onnx].", show_default=False)],
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="FILE", help="Where to.  [default: NAME-WEIGHTS.FORMAT]", show_default=False),
    ] = None,
    weights: Chosen = Weights.best,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    json: AsJson = False,
    runs: Runs = None,
) -> None:
    """Write a run's network for other programs, and check it.

    The file is read back, and its outputs are compared with the network's. Class map and preprocessing (mean,
    deviation, size, resize mode, channels) go into the file's metadata and as FILE.json beside it. The input is
    float32 [batch, channels, height, width], normalised; any batch size.
    """
    from tui.cli import trained
    from tui.runs.directory import find

    found = find(run, runs_root(runs))
    trained.export(found, form=format.value, output=output, weights=weights.value, force=force, as_json=json)


def mistakes(
    run: Run,
    at: At = "best",
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="How many.")] = 20,
    by: Annotated[By, typer.Option("--by", help="Most confident answers or highest losses first.")] = By.confidence,
    true: Annotated[
        str | None, typer.Option("--true", metavar="CLASS", help="Only pictures of it.", show_default=False)
    ] = None,
    answer: Annotated[
        str | None, typer.Option("--answer", metavar="CLASS", help="Only those taken for it.", show_default=False)
    ] = None,
    json: AsJson = False,
    runs: Runs = None,
) -> None:
    """Name the pictures that a run gets most wrong.

    The worst come first; of a regression those with the largest errors. An evaluation keeps the worst ones and
    examples of what it confuses most, not all of them.
    """
    from tui.cli import evaluated
    from tui.runs.directory import find

    found = find(run, runs_root(runs))
    evaluated.tell_mistakes(found, at=at, by=by.value, most=most, true=true, answer=answer, as_json=json)


def confusion(
    run: Run,
    at: At = "best",
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="How many pairs.")] = 20,
    json: AsJson = False,
    runs: Runs = None,
) -> None:
    """Say which classes a run takes for which.

    Shows the matrix, if there are few classes, and the most frequent pairs.
    """
    from tui.cli import evaluated
    from tui.runs.directory import find

    evaluated.tell_confusion(find(run, runs_root(runs)), at=at, most=most, as_json=json)


COMMANDS: dict[str, Callable[..., int | None]] = {
    "test": evaluate,
    "predict": predict,
    "mistakes": mistakes,
    "confusion": confusion,
    "export": export,
}
