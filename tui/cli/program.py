"""ALL commands: their names, options and help. Each imports what it needs when it runs, so --help is instant."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tui.cli import complete, program_running, program_runs, program_trained
from tui.cli.caches import cache_app
from tui.cli.failures import exit_code_of
from tui.cli.models import models_app
from tui.cli.options import AsJson, Assignments, Data, Detach, Format, Kind, Name, Plain, Run, Runs, Watch
from tui.cli.places import runs_root
from tui.cli.states import EXIT_CODES_HELP, VERDICTS_HELP
from tui.core.files import COMMAND_VARIABLE, WEBHOOK_VARIABLE


class Program(TyperGroup):
    """The command line: whatever goes wrong in a command becomes one sentence and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; leave the process with its exit code unless ``standalone_mode`` is False."""

        def run() -> Any:
            return parent(args, prog_name, complete_var, False, windows_expand_args, **extra)

        parent = super().main
        if standalone_mode:
            sys.exit(exit_code_of(run))
        return run()


app = typer.Typer(
    name="cnntrain",
    cls=Program,
    help=(
        "Train image classifiers on your own pictures from a terminal, and watch the gradients while they learn.\n\n"
        "Without a command it opens the screen. RUN is a directory, a run's name, a unique part of its beginning, "
        "or `latest`."
    ),
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
presets_app = typer.Typer(
    name="presets",
    help="List, show, check and compare presets.",
    rich_markup_mode=None,
)
app.add_typer(presets_app)
app.add_typer(models_app)
app.add_typer(cache_app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from tui.cli.terminal import say

        say(f"cnntrain {version('cnntrain')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def screen(
    context: typer.Context,
    runs: Runs = None,
    notify_webhook: Annotated[
        str | None,
        typer.Option("--notify-webhook", metavar="URL", help="Post ends and problems of what is started there."),
    ] = None,
    notify_command: Annotated[
        str | None,
        typer.Option("--notify-command", metavar="COMMAND", help="Or call this, with JSON on its standard input."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> int | None:
    """Open the screen when no command is named."""
    told = {WEBHOOK_VARIABLE: notify_webhook, COMMAND_VARIABLE: notify_command}
    os.environ.update({name: value for name, value in told.items() if value is not None})
    if any(value is not None for value in told.values()):
        from tui.runs.notices import check_typed

        check_typed()
    if context.invoked_subcommand is None:
        from tui.cli.views import open_app

        return open_app(runs_root(runs))
    if runs is not None:
        # The command takes it where it has no --runs of its own.
        context.default_map = {context.invoked_subcommand: {"runs": runs}}
    return None


@app.command()
def demo(runs: Runs = None, watch: Watch = False, detach: Detach = False, plain: Plain = False) -> int:
    """Make some pictures and train on them: the quickest look."""
    from tui.cli import demo as demonstration
    from tui.cli.views import chosen

    view = chosen(watch=watch, detach=detach, plain=plain)
    return demonstration.demo(root=runs_root(runs), view=view)


@app.command()
def train(
    preset: Name,
    data: Data = None,
    set_: Assignments = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="What to call the run.  [default: the preset's name]", show_default=False),
    ] = None,
    runs: Runs = None,
    watch: Watch = False,
    detach: Detach = False,
    plain: Plain = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Make a few real steps, say what the run needs and takes, and keep nothing."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="With --dry-run: write JSON for programs.")] = False,
) -> int:
    """Train PRESET on a folder of pictures.

    The training goes on by itself: leaving the screen or closing the terminal does not end it.
    With --plain, Ctrl-C asks whether to stop; without a terminal it stops the run. A second one stops it at once.

    With --dry-run nothing is started: memory, times, the largest batch, disk, the first loss, and whether one batch
    alone is learned. `cnntrain rates`, or F7 among the settings on the screen, finds a learning rate.

    Exit codes with --plain: 0 finished; 75 stopped, to be resumed; 1 failed; 137 killed; 130 the view was left.
    With --dry-run: 0 nothing is against it; 3 something is.
    """
    from tui.cli import train as training
    from tui.cli.views import chosen
    from tui.core.presets import find

    if json and not dry_run:
        raise typer.BadParameter("--json goes with --dry-run")
    view = chosen(watch=watch, detach=detach, plain=plain)
    found = find(preset)
    settings = training.resolved(found, data, set_ or ())
    if dry_run:
        from tui.cli.beforehand import dry_run as rehearse

        return rehearse(settings, root=runs_root(runs), as_json=json)
    return training.train(settings, root=runs_root(runs), name=name or found.name, preset=found.name, view=view)


@app.command()
def check(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="One folder per class, or train/val/test folders.")],
    json: AsJson = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Decode every picture: finds damage, and copies in other files.")
    ] = False,
    fix_list: Annotated[
        str | None,
        typer.Option(
            "--fix-list",
            metavar="FILE",
            help="Write the pictures to leave out, one path per line, for data.exclude.",
            show_default=False,
        ),
    ] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Use what is linked from outside, as data.follow_links does.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="Read it as this setting says, like data.list=FILE or data.layout=class_folders; can be repeated.",
            autocompletion=complete.assignments,
            show_default=False,
        ),
    ] = None,
) -> int:
    """Look into every file of a dataset and say what is wrong.

    Nothing is changed there.

    Exit codes: 0 clean (there may be notes); 3 findings; 2 training would refuse it.
    """
    from tui.cli.check import tell_findings

    assignments = [*(["data.follow_links=true"] if follow_links else []), *(set_ or [])]
    return tell_findings(directory, as_json=json, deep=deep, fix_list=fix_list, assignments=assignments)


@app.command()
def watch(run: Run, runs: Runs = None) -> int:
    """Open the live screen of a run, whatever its state."""
    from tui.cli.views import watch_named

    return watch_named(run, runs)


for name, (command, epilog) in program_runs.COMMANDS.items():
    app.command(name, epilog=epilog)(command)


@app.command(epilog=EXIT_CODES_HELP)
def status(run: Run, runs: Runs = None, json: AsJson = False) -> int:
    """Say how a run stands; the exit code tells it too."""
    from tui.cli.runs import tell_status
    from tui.runs.directory import find

    return tell_status(find(run, runs_root(runs)), as_json=json)


@app.command(epilog=VERDICTS_HELP)
def diagnose(run: Run, runs: Runs = None, json: AsJson = False) -> int:
    """Say what is wrong with a run, why, and what would mend it.

    And of what is right, by what margin. A run is judged from its records by the rules of today, so one that is older
    than a rule is judged by it too.
    """
    from tui.cli.diagnose import diagnose
    from tui.runs.directory import find

    return diagnose(find(run, runs_root(runs)), as_json=json)


@app.command()
def stop(
    run: Run,
    runs: Runs = None,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for a saved step; the last checkpoint stays.")
    ] = False,
    after_epoch: Annotated[
        bool, typer.Option("--after-epoch", help="Go on to the end of the epoch and its validation first.")
    ] = False,
) -> None:
    """Ask a run to save its state and stop; it can be resumed."""
    from tui.cli.terminal import say
    from tui.runs import controls
    from tui.runs.directory import find

    found = find(run, runs_root(runs))
    controls.stop(found, now=now, after_epoch=after_epoch)
    when = " now" if now else " after this epoch" if after_epoch else " after a saved step"
    say(f"{found.name} was told to stop{when}")


@app.command()
def resume(run: Run, runs: Runs = None, watch: Watch = False, detach: Detach = False, plain: Plain = False) -> int:
    """Let a stopped or crashed run go on from its last checkpoint."""
    from tui.cli import train as training
    from tui.cli.views import chosen
    from tui.runs.directory import find

    view = chosen(watch=watch, detach=detach, plain=plain)
    return training.resume(find(run, runs_root(runs)), root=runs_root(runs), view=view)


@app.command()
def extend(
    run: Run,
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", min=1, help="How many more.", show_default=False)],
    runs: Runs = None,
    watch: Watch = False,
    detach: Detach = False,
    plain: Plain = False,
) -> int:
    """Train a finished run, or one that still trains, for longer.

    Its history is kept. The learning rate becomes the one that a run planned for the new length from its start would
    have at this point: cosine, onecycle, polynomial and multistep are stretched, constant, step, exponential and
    plateau go on as they were. Where that is higher than now, it rises there over schedule.warmup_epochs. Patience
    and training.max_minutes count anew; training.max_steps, where it is set, becomes the new end.
    """
    from tui.cli import train as training
    from tui.cli.views import chosen
    from tui.runs.directory import find

    view = chosen(watch=watch, detach=detach, plain=plain)
    return training.extend(find(run, runs_root(runs)), epochs, root=runs_root(runs), view=view)


@app.command()
def metrics(
    run: Run,
    format: Annotated[Format, typer.Option("--format", help="csv, JSON lines, or event files.")] = Format.csv,
    kind: Annotated[Kind, typer.Option("--kind", help="Per batch, or each layer's gradient norm.")] = Kind.batches,
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="DIR", help="For event files.  [default: in the run]", show_default=False),
    ] = None,
    runs: Runs = None,
) -> None:
    """Write every recorded number of a run to stdout.

    One line per step: step, time (seconds since 1970, UTC), attempt, and the numbers, exact to their last bit.
    Where a resumed run went over steps again, the latest attempt counts.
    NaN and infinities are kept: nan, inf, -inf in CSV; NaN, Infinity, -Infinity in JSON, as Python has them.
    With --format tensorboard everything, evaluations too, goes into an event file; it needs cnntrain[tensorboard].
    """
    from tui.cli.metrics import write_metrics
    from tui.runs.directory import find

    found = find(run, runs_root(runs))
    if format is Format.tensorboard:
        from tui.cli.tensorboard import write_event_file

        return write_event_file(found, output=output)
    if output is not None:
        raise typer.BadParameter("--output is for --format tensorboard; the others write to stdout")
    return write_metrics(found, form=format.value, kind=kind.value)


@presets_app.command("list")
def presets_list() -> None:
    """List the presets: yours and those shipped with cnntrain."""
    from tui.cli.presets import list_presets

    list_presets()


@presets_app.command("show")
def presets_show(
    name: Name,
    every: Annotated[
        bool, typer.Option("--all", help="Every setting with its help, limits, default and value.")
    ] = False,
) -> None:
    """Show a preset's TOML, or with --all every setting."""
    from tui.cli.presets import show_preset

    show_preset(name, every=every)


@presets_app.command("check")
def presets_check(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="TOML files or presets' names.")],
) -> int:
    """Check presets; the exit code is 2 if any cannot be used."""
    from tui.cli.presets import check_presets

    return check_presets(files)


@presets_app.command("diff")
def presets_diff(
    first: Annotated[str, typer.Argument(metavar="A", autocompletion=complete.presets, help="A preset or TOML file.")],
    second: Annotated[str, typer.Argument(metavar="B", autocompletion=complete.presets, help="Another one.")],
) -> None:
    """Show the settings in which two presets differ."""
    from tui.cli.presets import diff_presets

    diff_presets(first, second)


for name, command in {**program_running.COMMANDS, **program_trained.COMMANDS}.items():
    app.command(name)(command)
