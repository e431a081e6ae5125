"""The settings that a run was last launched with: a copy to go back to when ``settings.toml`` is damaged."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from tui.core.errors import UsageError
from tui.core.files import write_atomic
from tui.core.presets import read_toml
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path


def keep_settings(run: RunDir) -> None:
    """Keep a copy of the settings, which were just read without a fault; a full disk is no reason to fail."""
    with contextlib.suppress(OSError):
        content = run.settings.read_bytes()
        if not run.launched.is_file() or run.launched.read_bytes() != content:
            write_atomic(run.launched, content)


def as_launched(run: RunDir) -> bool:
    """Return whether the settings are those that an engine was last started with, so that they were checked then."""
    try:
        return run.settings.read_bytes() == run.launched.read_bytes()
    except OSError:
        return False


def check_whole(run: RunDir, table: Mapping[str, object]) -> None:
    """See to it that the settings are all there: what is missing would silently be trained with its default.

    Args:
        run: the run.
        table: its ``settings.toml``, which is valid as it is; a file that ends too early may be.

    Raises:
        UsageError: it has no ``[run]`` table, or lacks something that the run was last launched with.
    """
    missing = "" if isinstance(table.get("run"), dict) else "[run]"
    with contextlib.suppress(UsageError):
        missing = missing or _missing(table, read_toml(run.launched))
    if missing:
        cause = f"{clean_path(run.settings)} is empty or half-written: {clean(missing, 80)} is missing"
        raise UsageError("The settings cannot be read", cause, "Start a new run.")


def _missing(table: Mapping[str, object], launched: Mapping[str, object]) -> str:
    """Return the first key of the copy that the table does not have."""
    for group, values in launched.items():
        there = table.get(group)
        for key in values if isinstance(values, dict) else ():
            if not isinstance(there, dict) or key not in there:
                return f"{group}.{key}"
    return ""


def with_the_copy(run: RunDir, error: UsageError) -> UsageError:
    """Return what is wrong with the settings, with the copy as the next step where there is a sound one."""
    try:
        if not read_toml(run.launched):
            return error
    except UsageError:
        return error
    step = f"Copy {run.launched.name} over it: {clean_path(run.launched)} is what it was last launched with."
    return UsageError(error.title, error.cause, step)
