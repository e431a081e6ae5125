"""How a command and the engine process that works for it talk: one line of JSON each, about one thing.

The command writes its job as the first line and keeps the pipe open; its end tells the engine to leave.
The engine answers with any number of lines of the kinds below, the last of which is DONE or ERROR.
"""

from __future__ import annotations

import json
from typing import Any

PROGRESS = "progress"
"""``[stage, done, total]``; total 0: unknown."""
ITEM = "item"
"""One of many results."""
WARNING = "warning"
"""A sentence for the person."""
DONE = "done"
"""The result as a whole."""
JOB = "job"
"""What to do: the first line, from the command."""
ERROR = "error"
"""A `tui.core.errors.CnntrainError`: title, cause, next, usage."""

READY = b"ready\n"
"""What a process that answers question after question writes when the training code is there."""

KINDS = (JOB, PROGRESS, ITEM, WARNING, DONE, ERROR)


def encode(kind: str, value: Any) -> bytes:
    """Return the line for ``value``; names in any bytes, NaN and infinities survive."""
    return (json.dumps({kind: value}, ensure_ascii=True, separators=(",", ":")) + "\n").encode()


def decode(line: bytes) -> tuple[str, Any] | None:
    """Return (kind, value) of a line, or None when it is none of ours."""
    try:
        fields = json.loads(line)
        ((kind, value),) = fields.items()
    except (ValueError, AttributeError, RecursionError):
        return None
    return (kind, value) if kind in KINDS else None
