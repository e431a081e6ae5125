"""The ways a training starts from the screen. Each is slow and runs in a thread; no widget here.

A way takes a `Watcher`, which it tells what it is doing, and returns the run that trains. It raises
`CnntrainError` when it cannot, and `Cancelled` when the person did not want to wait.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui.core import presets
from tui.core.naming import free_name
from tui.core.rundir import DEFAULT_ROOT, RunDir

if TYPE_CHECKING:
    from tui.app.draft import Draft
    from tui.core.dataset.scan import Scan
    from tui.core.events import Found
    from tui.core.settings import Settings

DEMO = "demo"
"""The preset of the demo, and the folder of its pictures in the cache."""


@dataclass
class Watcher:
    """What a person sees of a start, and whether they still want it."""

    doing: str = "Starting"
    count: int = 0
    cancelled: bool = False

    def tell(self, doing: str, count: int = 0) -> None:
        """Say what is being done, and how much of it."""
        self.doing, self.count = doing, count


Start = Callable[[Watcher], RunDir]


def fresh(draft: Draft) -> Start:
    """Start what was set up."""
    settings, root, name, preset = draft.settings, draft.root, draft.name, draft.preset
    scan = draft.scan
    return lambda watcher: _begin(watcher, settings, root=root, name=name, preset=preset, scan=scan)


def again(run: RunDir, preset: str, root: Path) -> Start:
    """Start a new run with the settings of a known one."""

    def start(watcher: Watcher) -> RunDir:
        from tui.runs.directory import runs_in

        settings = presets.read_settings(run.settings)
        name = free_name(run.given_name, {one.given_name for one in runs_in(root)})
        return _begin(watcher, settings, root=root, name=name, preset=preset)

    return start


def resumed(run: RunDir) -> Start:
    """Let a run go on."""

    def start(watcher: Watcher) -> RunDir:
        from tui.runs import launch

        watcher.tell("Starting the engine")
        launch.resume(run)
        return run

    return start


def extended(run: RunDir, epochs: int) -> Start:
    """Let a finished run train for more epochs."""

    def start(watcher: Watcher) -> RunDir:
        from tui.runs import controls

        watcher.tell("Starting the engine")
        controls.extend(run, epochs)
        return run

    return start


def mended(run: RunDir, found: Found) -> Start:
    """Start a new run with the change that a finding offers."""

    def start(watcher: Watcher) -> RunDir:
        from tui.runs import launch
        from tui.runs.derive import derive

        watcher.tell("Making the new run")
        child = derive(run, found.change, finding=found, checkpoint=found.restart in ("checkpoint", "newest"))
        watcher.tell("Starting the engine")
        launch.start(child)
        return child

    return start


def demo(root: Path) -> Start:
    """Make the demo's pictures if they are not there yet, and train on them."""

    def start(watcher: Watcher) -> RunDir:
        from tui.core.dataset.demo import make_demo
        from tui.core.files import cache_directory
        from tui.core.schema import with_changes

        watcher.tell("Making pictures")
        pictures = make_demo(
            cache_directory() / DEMO, progress=lambda count, *_: watcher.tell("Making pictures", count)
        )
        settings = with_changes(
            presets.load(presets.find(DEMO)), {"data.directory": str(pictures.absolute())}, source="the demo"
        )
        return _begin(watcher, settings, root=root, name=DEMO, preset=DEMO)

    return start


def _begin(
    watcher: Watcher, settings: Settings, *, root: Path, name: str, preset: str, scan: Scan | None = None
) -> RunDir:
    from tui.core import recent
    from tui.core.dataset.scan import scan as look_through
    from tui.runs import launch, making

    directory = Path(settings.data.directory)
    if scan is None:
        watcher.tell("Looking through the pictures")
        scan = look_through(
            directory,
            settings.data,
            progress=lambda count: watcher.tell("Looking through the pictures", count),
            cancelled=lambda: watcher.cancelled,
        )
    watcher.tell("Starting the engine")
    run = making.create(settings, root=root, name=name, preset=preset, scan=scan)
    launch.start(run)
    if preset != DEMO:
        recent.remember(directory)
    return run


def runs_typed(root: Path) -> str:
    """Return what ``--runs`` needs in a command line, or nothing where the command would look anyway."""
    usual = os.environ.get("CNNTRAIN_RUNS") or str(DEFAULT_ROOT)
    return "" if Path(os.path.abspath(os.path.expanduser(usual))) == Path(os.path.abspath(root)) else str(root)


def run_typed(run: RunDir) -> str:
    """Return what a command takes for a run: its name, or where it is if the command would look elsewhere."""
    return shlex.quote(run.name if not runs_typed(run.path.parent) else os.path.abspath(run.path))
