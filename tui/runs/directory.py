"""Which runs a directory holds, the newest first, and which of them a person means. No run is read for that."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from tui.core.errors import FailureError, UsageError
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path

_STAMP = re.compile(r"(\d{8}-\d{6})-(.+)", re.ASCII)
_STAMP_PARTS = ((0, 4), (4, 6), (6, 8), (9, 11), (11, 13), (13, 15))


def runs_in(root: Path) -> list[RunDir]:
    """Return the runs in ``root``, newest first, without reading them; none where there is no such directory.

    Raises:
        FailureError: the directory is there and cannot be read.
    """
    try:
        with os.scandir(root) as entries:
            runs = [RunDir(Path(entry.path)) for entry in entries if _is_folder(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        cause = f"{clean_path(root)}: {error.strerror}"
        raise FailureError("The runs cannot be listed", cause, "Name another place with --runs DIR.") from error
    return sorted((run for run in runs if run.exists), key=_order, reverse=True)


def find(reference: str, root: Path) -> RunDir:
    """Return the run that a person means: a directory, a run's name with or without its time stamp, the
    start of one that no other run has, or ``latest``.

    Raises:
        UsageError: there is none, or there are several; they are named.
        FailureError: ``root`` is there and cannot be read.
    """
    title = "No such run"
    shown = f'"{clean(reference, 120)}"'
    try:
        path = Path(os.path.expanduser(reference))
    except ValueError:  # "~" and a character that no user's name can have
        path = Path(reference)
    if reference and RunDir(path).exists:
        return RunDir(path.absolute())
    runs = runs_in(root)
    if not runs:
        raise UsageError(title, f"{shown}, and no run in {clean_path(root)}", "Name the right place with --runs DIR.")
    if reference == "latest":
        return RunDir(runs[0].path.absolute())
    exact = [run for run in runs if run.name == reference]
    matches = exact or [run for run in runs if run.given_name == reference]
    matches = matches or [run for run in runs if run.name.startswith(reference) or run.given_name.startswith(reference)]
    if reference and len(matches) == 1:
        return RunDir(matches[0].path.absolute())
    names = ", ".join(clean(run.name, 80) for run in (matches or runs)[:5])
    more = f" and {len(matches or runs) - 5} more" if len(matches or runs) > 5 else ""
    if reference and matches:
        raise UsageError("Several runs are meant", f"{shown} fits {names}{more}", "Type more of the name.")
    raise UsageError(title, f"{shown} in {clean_path(root)}", f"There are: {names}{more}.")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir() and not entry.name.startswith(".")
    except OSError:
        return False


def begun(run: RunDir) -> float:
    """Return when a run was made, in seconds since 1970: by its name, else by its settings' file; 0 if unknown."""
    return _order(run)[0]


def _order(run: RunDir) -> tuple[float, float, str]:
    try:
        made = run.settings.stat().st_mtime
    except OSError:
        made = 0.0
    return _stamped(run) or made, made, run.name


def _stamped(run: RunDir) -> float:
    stamped = _STAMP.fullmatch(run.name)
    try:
        # By hand: the module that strptime needs takes longer to import than the list of runs to read.
        parts = [int(stamped[1][a:b]) for a, b in _STAMP_PARTS] if stamped else []
        return datetime(*parts, tzinfo=UTC).timestamp() if parts else 0.0  # type: ignore[misc, arg-type]
    except ValueError:
        return 0.0
