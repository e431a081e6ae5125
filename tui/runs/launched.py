"""The settings that a run was last launched with: a copy to go back to when ``settings.toml`` is damaged."""

from __future__ import annotations

import contextlib

from tui.core.errors import UsageError
from tui.core.files import write_atomic
from tui.core.presets import read_toml
from tui.core.rundir import RunDir
from tui.core.text import clean_path


def keep_settings(run: RunDir) -> None:
    """Keep a copy of the settings, which were just read without a fault; a full disk is no reason to fail."""
    with contextlib.suppress(OSError):
        content = run.settings.read_bytes()
        if not run.launched.is_file() or run.launched.read_bytes() != content:
            write_atomic(run.launched, content)


def with_the_copy(run: RunDir, error: UsageError) -> UsageError:
    """Return what is wrong with the settings, with the copy as the next step where there is a sound one."""
    try:
        if not read_toml(run.launched):
            return error
    except UsageError:
        return error
    step = f"Copy {run.launched.name} over it: {clean_path(run.launched)} is what it was last launched with."
    return UsageError(error.title, error.cause, step)
