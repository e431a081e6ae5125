"""From what was typed to a run that trains: settings, a look at the pictures, the run directory, the start."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tui.cli.terminal import complain, ticking
from tui.cli.views import View, show
from tui.core import presets, recent
from tui.core.errors import UsageError
from tui.core.rundir import RunDir
from tui.core.schema import idle_words, in_effect, known_key, parse_assignments, with_changes
from tui.core.settings import Settings
from tui.core.text import clean_path

DEMO = "demo"
"""The preset of ``cnntrain demo``, its run's name, and the folder of its pictures in the cache."""


def resolved(
    preset: presets.Preset, data: str | None, assignments: Sequence[str], *, needs_data: bool = True
) -> Settings:
    """Return the preset's settings with ``--set`` and ``--data`` laid over them.

    Raises:
        UsageError: the preset, a setting or the directory cannot be used, or no directory is named that is needed.
    """
    new = parse_assignments(assignments)
    _allow(new.get("model.name"))
    if data is not None:
        new["data.directory"] = data
    settings = with_changes(presets.load(preset), {**new, **absolute(new)}, source="--set")
    for setting in map(known_key, new):
        if not in_effect(settings, setting):
            complain(f"warning: {idle_words(setting)}.")
    if "notices.send" in new:
        from tui.runs.notices import missing

        if wrong := missing(settings.notices.send):
            complain(f"warning: {wrong}")
    if needs_data and not settings.data.directory:
        raise UsageError("There is nothing to train on", "no folder of pictures is named", "Add --data DIR.")
    return settings


def _allow(name: object) -> None:
    """Code that is named on the command line may be run: now, and when this run is resumed or tested."""
    from tui.core.architectures import check_installed, is_code
    from tui.core.permission import allow

    if not isinstance(name, str) or not is_code(name):
        return
    check_installed(name)  # who mistyped it has allowed nothing
    if allow(name):
        complain(f"{name} is code of yours that may be run from now on; `cnntrain models forget {name}` ends that.")


def absolute(new: dict[str, object]) -> dict[str, object]:
    """The engine works from another directory: a path must not depend on this one."""
    paths: dict[str, object] = {}
    for key in ("data.directory", "data.exclude", "data.list", "data.list_root"):
        typed = new.get(key)
        if not isinstance(typed, str) or not typed:
            continue
        if key in ("data.list", "data.list_root"):
            # They start at the pictures; from here only if they are here and not there.
            path = _from_pictures(typed, str(new.get("data.directory") or ""))
        else:
            path = os.path.abspath(os.path.expanduser(typed))
        try:
            path.encode()
        except UnicodeEncodeError:
            cause = f"{clean_path(path)} is not valid UTF-8"
            raise UsageError("A name cannot be kept in settings", cause, "Rename it, or link to it.") from None
        paths[key] = path
    return paths


def _from_pictures(typed: str, directory: str) -> str:
    base = os.path.abspath(os.path.expanduser(directory))
    base = os.path.dirname(base) if os.path.isfile(base) else base
    there = os.path.join(base, os.path.expanduser(typed))
    return os.path.abspath(typed) if os.path.exists(typed) and not os.path.exists(there) else typed


def train(settings: Settings, *, root: Path, name: str, preset: str, view: View) -> int:
    """Make a run of these settings, start it, look at it as asked, and return the command's exit code.

    Raises:
        UsageError: the pictures cannot be used.
        FailureError: the run directory cannot be made or the engine not be started.
    """
    from tui.runs import launch

    run = _made(settings, root=root, name=name, preset=preset, notes=view != "watch")

    def begin() -> None:
        launch.start(run)
        if preset != DEMO:
            recent.remember(Path(settings.data.directory))

    return show(run, view, root, begin)


def _made(settings: Settings, *, root: Path, name: str, preset: str, notes: bool) -> RunDir:
    """Look through the pictures, showing how far, tell what is odd about them, and make the run directory."""
    from tui.core.dataset.scan import scan
    from tui.runs import making

    directory = Path(settings.data.directory)
    with ticking("looking through the pictures") as tick:
        found = scan(directory, settings.data, progress=tick, recall=True)
    if notes:
        for problem in found.problems:
            if problem.severity != "info":
                complain(f"{problem.severity}: {problem.text}")
    return making.create(settings, root=root, name=name, preset=preset, scan=found)


def extend(run: RunDir, epochs: int, *, root: Path, view: View) -> int:
    """Make a run longer, and look at it as asked.

    Raises:
        UsageError: it is neither finished nor training.
        FailureError: it cannot be written, or the engine not be started.
    """
    from tui.runs import controls

    def begin() -> None:
        if not controls.extend(run, epochs):
            complain(f"{run.name} trains; it was told to go on for {epochs} more epochs.")

    return show(run, view, root, begin)


def resume(run: RunDir, *, root: Path, view: View) -> int:
    """Let a run that was stopped or has crashed go on, and look at it as asked.

    Raises:
        UsageError: it is finished, or running already.
        FailureError: the engine cannot be started.
    """
    from tui.runs import launch

    return show(run, view, root, lambda: launch.resume(run))
