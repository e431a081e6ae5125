"""``cnntrain models``: what can be trained, with its size, and which code of one's own packages may run."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tui.cli.options import AsJson, Assignments, Data, Name
from tui.cli.table import aligned
from tui.cli.terminal import complain, emit, say, width
from tui.core.summary import ASSUMED_OUTPUTS
from tui.core.text import clean, clean_path

models_app = typer.Typer(
    name="models", help="List the networks; allow one of your own packages.", rich_markup_mode=None
)

Code = Annotated[str, typer.Argument(metavar="PACKAGE.MODULE:NAME", help="A class or function of a package.")]


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List the networks when no command is named."""
    if context.invoked_subcommand is None:
        list_models()


@models_app.command("list")
def list_models(
    search: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORD",
            help="Only names with all of these; timm:WORD searches timm, which takes seconds.",
            show_default=False,
        ),
    ] = None,
    json_: AsJson = False,
) -> None:
    """List what model.name can be, with parameters.

    They are counted with a head for ImageNet's 1,000 classes.
    """
    from tui.core.architectures import MODELS, TIMM, TORCHVISION
    from tui.core.errors import UsageError
    from tui.core.permission import allowed

    words = [word.casefold() for word in search or ()]
    if any(word.startswith(TIMM) for word in words):
        names = _of_timm()
        words = [word.removeprefix(TIMM) for word in words]
    else:
        names = [*MODELS, *allowed()]
    found = [name for name in names if all(word in name.casefold() for word in words)]
    if not found:
        raise UsageError(
            "No such model", f"no name contains {_quoted(words)}", "`cnntrain models list` lists them all."
        )
    if json_:
        table = [{"name": name, "parameters": TORCHVISION.get(name)} for name in found]
        emit(json.dumps(table, indent=2, ensure_ascii=True) + "\n")
        return
    rows = [("MODEL", "PARAMETERS"), *((name, _size(TORCHVISION.get(name))) for name in found)]
    for line in aligned(rows, room=width(), right=(1,)):
        say(line)


@models_app.command("summary")
def summary(
    preset: Name,
    data: Data = None,
    outputs: Annotated[
        int, typer.Option("--outputs", metavar="N", min=1, max=100_000, help="Classes, where --data names no pictures.")
    ] = ASSUMED_OUTPUTS,
    set_: Assignments = None,
    json_: AsJson = False,
) -> None:
    """Show what PRESET would train: layers, shapes, memory.

    For each layer: the shape of its output for one picture, its parameters, and the floating point operations of the
    forward pass (a multiplication and an addition are two). The memory is an estimate of what a training step needs at
    its height: weights, gradients, the optimizer's state, and what the forward pass keeps for the backward pass.
    """
    from tui.cli.summary import tell_summary
    from tui.core.presets import find

    tell_summary(find(preset), data=data, outputs=outputs, assignments=set_ or (), as_json=json_)


@models_app.command("allow")
def allow_code(name: Code) -> None:
    """Let code of a package be run as a network.

    It is imported and called when a run starts, is tested or exported. `cnntrain train PRESET --set
    model.name=PACKAGE.MODULE:NAME` allows what it names; a preset or a run of someone else never does.

    It is called with the number of outputs as num_classes, classes or num_outputs, and with in_channels (in_chans,
    channels), image_size (img_size), dropout and stochastic_depth where it has such parameters. It returns an
    nn.Module from float32 [B, channels, size, size] to [B, outputs]. The package must be installed: the folder
    that you are in is not searched.
    """
    from tui.core.permission import allow, permission_file

    say(f"{name} {'may be run from now on' if allow(name) else 'was allowed before'} ({clean_path(permission_file())})")


@models_app.command("forget")
def forget_code(name: Code) -> int:
    """Take the permission for code back.

    Runs that name it can then be neither resumed nor tested.
    """
    from tui.core.permission import forget

    if forget(name):
        say(f"{name} is not run any more")
        return 0
    complain(f"{name} was not allowed.")
    return 2


def _of_timm() -> list[str]:
    from tui.core.architectures import TIMM, check_installed
    from tui.runs.service import ask

    check_installed(f"{TIMM}...")
    names: list[str] = ask("timm_names", {})["names"]
    return names


def _quoted(words: list[str]) -> str:
    return " and ".join(f'"{clean(word, 60)}"' for word in words)


def _size(parameters: int | None) -> str:
    return f"{parameters:,}" if parameters else "–"
