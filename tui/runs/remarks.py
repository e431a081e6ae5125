"""What a person says of a run: a note, and whether it is pinned above the others. Kept in the run's directory."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from tui.core.disk import trouble
from tui.core.errors import FailureError, UsageError
from tui.core.files import write_atomic
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path

LONGEST = 500
"""Characters of a note."""
_LARGEST = 1 << 16


@dataclass(frozen=True)
class Remarks:
    """All that is said of a run."""

    note: str = ""
    """One line, sanitized."""
    pinned: bool = False


def read(run: RunDir) -> Remarks:
    """Return what is said of ``run``; nothing where nothing can be read."""
    try:
        with open(run.remarks, "rb") as file:
            table = json.loads(file.read(_LARGEST))
        return Remarks(clean(str(table.get("note", "")), LONGEST), table.get("pinned") is True)
    except (OSError, ValueError, AttributeError, RecursionError):
        return Remarks()


def note(run: RunDir, text: str) -> None:
    """Put a note on a run in place of the one it has; an empty one takes it away.

    Raises:
        UsageError: it is too long.
        FailureError: the run cannot be written.
    """
    text = " ".join(text.split())
    if len(text) > LONGEST:
        cause = f"it has {len(text):,} characters"
        raise UsageError("The note is too long", cause, f"Use at most {LONGEST}.")
    _write(run, replace(read(run), note=text))


def pin(run: RunDir, pinned: bool) -> None:
    """Keep a run above the others in lists, or no longer.

    Raises:
        FailureError: the run cannot be written.
    """
    _write(run, replace(read(run), pinned=pinned))


def _write(run: RunDir, remarks: Remarks) -> None:
    try:
        if remarks == Remarks():
            run.remarks.unlink(missing_ok=True)
        else:
            write_atomic(run.remarks, json.dumps({"note": remarks.note, "pinned": remarks.pinned}))
    except OSError as error:
        cause = f"{clean_path(run.remarks)}: {trouble(error)}"
        raise FailureError("That cannot be kept with the run", cause, "Is the run yours?") from error
