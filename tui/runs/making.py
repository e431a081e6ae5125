"""Making the directory of a new run: nothing is started."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core.architectures import check_installed
from tui.core.disk import trouble
from tui.core.errors import FailureError, UsageError
from tui.core.files import write_atomic
from tui.core.permission import check_allowed
from tui.core.rundir import FORMAT, RunDir, new_run
from tui.core.text import clean, clean_path

if TYPE_CHECKING:
    from tui.core.dataset.manifest import Manifest
    from tui.core.dataset.scan import Scan
    from tui.core.settings import Settings

_VERSIONS = ("cnntrain", "torch", "torchvision")


def create(settings: Settings, *, root: Path, name: str, preset: str = "", scan: Scan | None = None) -> RunDir:
    """Make the directory of a new run, with its settings and its dataset; start nothing.

    Args:
        settings: all of them; ``data.directory`` is made absolute.
        root: the directory of runs, made if need be.
        name: what to call the run; its directory has the time in front.
        preset: the preset that the settings came from, for the record.
        scan: what is in ``data.directory``, if it was looked through already; made anew if it is out of date.

    Raises:
        UsageError: the pictures, the settings or the name cannot be used.
        FailureError: the directory cannot be written.
    """
    from tui.core.dataset.manifest import make_manifest
    from tui.core.dataset.scan import scan as look_through
    from tui.core.schema import with_changes

    directory = Path(settings.data.directory).expanduser().absolute()
    try:
        str(directory).encode()
    except UnicodeEncodeError:
        cause = f"{clean_path(directory)} is not valid UTF-8"
        raise UsageError("The folder's name cannot be kept in settings", cause, "Rename it, or link to it.") from None
    settings = with_changes(settings, {"data.directory": str(directory)}, source="this run")
    if scan is None or not scan.is_current():
        scan = look_through(directory, settings.data)
    manifest = make_manifest(scan, settings)
    return make(settings, manifest, root=root.expanduser().absolute(), name=name, info={"preset": preset})


def make(settings: Settings, manifest: Manifest, *, root: Path, name: str, info: Mapping[str, str]) -> RunDir:
    """Make the directory of a run whose pictures are known; ``info`` goes into the ``[run]`` table of its settings.

    Raises:
        UsageError: the name cannot be used, or the network's package is missing or not allowed.
        FailureError: the directory cannot be written.
    """
    check_network(settings)
    run = _make(root, name)
    try:
        _write(run, settings, manifest, info)
    except BaseException as error:
        shutil.rmtree(run.path, ignore_errors=True)  # made a moment ago, by us
        if isinstance(error, OSError):
            raise _cannot_write(run.path, error) from error
        raise
    return run


def check_network(settings: Settings) -> None:
    """Refuse a network whose package is missing or not allowed.

    Raises:
        UsageError: that, and what to do.
    """
    check_installed(settings.model.name)
    check_allowed(settings.model.name)


def _make(root: Path, name: str) -> RunDir:
    while True:
        run = new_run(root, name)
        try:
            run.make()
        except FileExistsError as error:
            if not os.path.isdir(run.path):
                raise _cannot_write(root, error) from error
        except OSError as error:
            raise _cannot_write(root, error) from error
        else:
            return run


def _cannot_write(path: Path, error: OSError) -> FailureError:
    cause = f"{clean_path(path)}: {trouble(error, path)}"
    return FailureError("The run directory cannot be made", cause, "Name another place with --runs DIR.")


def _write(run: RunDir, settings: Settings, manifest: Manifest, info: Mapping[str, str]) -> None:
    import tomli_w

    from tui.core.dataset.manifest import save_manifest
    from tui.core.schema import nested

    about: dict[str, Any] = {
        "format": FORMAT,
        "name": run.name,
        **{key: clean(value, 200) for key, value in info.items()},
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "python": platform.python_version(),
    }
    for package in _VERSIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            about[package] = metadata.version(package)
    save_manifest(manifest, run.dataset)
    # Last: with its settings the directory becomes a run.
    write_atomic(run.settings, tomli_w.dumps({"run": about, **nested(settings)}), durable=True)
