"""Renaming and deleting runs: only what is recognisably a run, never while it trains, and never beyond a link."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tui.core.disk import trouble
from tui.core.errors import CnntrainError, FailureError, UsageError
from tui.core.events import KINDS
from tui.core.naming import NAMELESS, safe_name
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path
from tui.runs.catalog import summary_of
from tui.runs.lock import take_lock
from tui.runs.status import LIVE

ASIDE = ".deleted-run-"
"""What the name of a directory begins with that is about to be removed."""
_LARGEST = 1 << 20


@dataclass(frozen=True)
class Contents:
    """What a run's directory holds."""

    files: int
    bytes: int
    foreign: tuple[str, ...] = ()
    """Names at its top that no run of this version has; sanitized."""


def contents(run: RunDir) -> Contents:
    """Count what is in a run's directory; links are counted and not followed.

    Raises:
        UsageError: it is not recognisably a run.
        FailureError: it cannot be read.
    """
    title = "The run cannot be deleted"
    _check_is_run(run, title)
    try:
        with os.scandir(run.path) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
        sizes = [found.st_size for found in stats_below(run.path)]
    except OSError as error:
        raise FailureError(title, f"{clean_path(run.path)}: {trouble(error)}", "Is it yours?") from error
    foreign = tuple(clean(name, 60) for name in sorted(set(names) - run.own_names))
    return Contents(len(sizes), sum(sizes), foreign)


def delete(run: RunDir) -> None:
    """Delete a run: it is moved aside first, so that a crash on the way leaves no half of one.

    Raises:
        UsageError: it is not recognisably a run, or it trains.
        FailureError: it cannot be moved or removed; what is left is named.
    """
    title = "The run cannot be deleted"
    _check_is_run(run, title)
    root = run.path.parent
    with _held(run, title):
        aside = _move_aside(run, title)
    try:
        shutil.rmtree(aside)  # by descriptors: a link put there meanwhile is removed, not followed
    except FileNotFoundError:
        pass  # somebody else who deletes runs here has taken it for a leftover
    except OSError as error:
        cause = f"{clean_path(error.filename or aside)}: {trouble(error)}"
        step = f"Remove {clean_path(aside)}."
        raise FailureError("The run is out of the list but not all of it is removed", cause, step) from error
    _remove_leftovers(root)


def _move_aside(run: RunDir, title: str) -> Path:
    root = run.path.parent
    try:
        aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=root))
    except OSError as error:
        raise FailureError(title, f"{clean_path(root)}: {trouble(error)}", "Is it yours?") from error
    try:
        os.rename(run.path, aside / run.name)
    except OSError as error:
        aside.rmdir()
        raise FailureError(title, f"{clean_path(run.path)}: {trouble(error)}", "Is it yours?") from error
    return aside


def rename(run: RunDir, name: str) -> RunDir:
    """Give a run another name; its time stamp stays in front of it.

    Raises:
        UsageError: the name cannot be used or is taken, it is not recognisably a run, or it trains.
        FailureError: the directory cannot be renamed.
    """
    title = "The run cannot be renamed"
    _check_is_run(run, title)
    safe = safe_name(name)
    if not safe:
        raise UsageError(title, NAMELESS, "Give another one.")
    given = run.given_name
    stamp = run.name[: len(run.name) - len(given)] if run.name != given else ""
    new = RunDir(run.path.with_name(stamp + safe))
    if new == run:
        return run
    with _held(run, title):
        if os.path.lexists(new.path):
            raise UsageError(title, f"there is already {clean_path(new.path)}", "Give another name.")
        try:
            os.rename(run.path, new.path)
        except OSError as error:
            raise FailureError(title, f"{clean_path(run.path)}: {trouble(error)}", "Is it yours?") from error
    return new


def stats_below(folder: Path) -> Iterator[os.stat_result]:
    """Yield what is known of every file below a folder; links are not followed.

    Raises:
        OSError: a folder cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from stats_below(Path(entry.path))
            else:
                yield entry.stat(follow_symlinks=False)


def _check_is_run(run: RunDir, title: str) -> None:
    """Check that the directory is one that cnntrain made, not one that only has a file of the same name.

    Raises:
        UsageError: it is a link, no directory, no run, or has other runs in it.
        FailureError: it cannot be looked at.
    """
    shown = clean_path(run.path)
    try:
        found = os.lstat(run.path)
    except FileNotFoundError:
        raise UsageError(title, f"{shown} is not there", "`cnntrain runs` lists the runs.") from None
    except OSError as error:
        raise FailureError(title, f"{shown}: {trouble(error)}", "Is it yours?") from error
    if stat.S_ISLNK(found.st_mode):
        raise UsageError(title, f"{shown} is a link", "Name the directory that it leads to, or remove the link itself.")
    if not stat.S_ISDIR(found.st_mode) or not _is_run(run):
        raise UsageError(title, f"{shown} is not recognisably a run", "Look into it, and remove it by hand.")
    with contextlib.suppress(OSError), os.scandir(run.path) as entries:
        inner = [entry.name for entry in entries if entry.is_dir() and RunDir(Path(entry.path)).exists]
        if inner:
            cause = f"there are runs inside of {shown}, such as {clean(inner[0], 80)}"
            raise UsageError(title, cause, "Name one of those.")


def _is_run(run: RunDir) -> bool:
    """Whether the settings have a ``[run]`` table, or the first line of the events is an event; beside its folders."""
    if not (_is_folder(run.metrics) and _is_folder(run.checkpoints)):
        return False
    with contextlib.suppress(OSError), open(run.settings, "rb") as file:
        if b"\n[run]\n" in b"\n" + file.read(_LARGEST).replace(b"\r", b""):
            return True
    with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError), open(run.events, "rb") as file:
        return json.loads(file.readline(_LARGEST)).get("kind") in KINDS
    return False


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


@contextlib.contextmanager
def _held(run: RunDir, title: str) -> Iterator[None]:
    """Keep others from starting the run meanwhile.

    Raises:
        UsageError: it trains, here or elsewhere.
        FailureError: its lock cannot be taken.
    """
    summary = summary_of(run)
    name = clean(run.name, 100)
    if summary.status in LIVE:
        raise UsageError(title, f"{name} is {summary.status}", "Stop it first.")
    try:
        lock = take_lock(run)
    except CnntrainError as error:
        raise type(error)(title, error.cause, error.next_step) from error
    try:
        yield
    finally:
        os.close(lock)


def _remove_leftovers(root: Path) -> None:
    """Remove what a deletion that was cut short left aside."""
    with contextlib.suppress(OSError):
        for path in root.glob(f"{ASIDE}*"):
            if _is_folder(path):
                shutil.rmtree(path, ignore_errors=True)
