"""The one shape of an error that a person sees: what, why, and what to do next.

Everything that can go wrong in front of a user is raised as one of these; the command line prints it
as one sentence, the screen shows its parts. Anything else that escapes is a defect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CnntrainError(Exception):
    """Something went wrong and the person can act on it.

    Args:
        title: what could not be done, without a full stop.
        cause: why, naming the file or value.
        next_step: what the person can do now, as an imperative.
    """

    exit_code = 1

    def __init__(self, title: str, cause: str = "", next_step: str = "") -> None:
        super().__init__(title, cause, next_step)
        self.title = title
        self.cause = cause
        self.next_step = next_step

    def __str__(self) -> str:
        sentence = f"{self.title}: {self.cause}" if self.cause else self.title
        return f"{sentence.rstrip('.')}. {self.next_step}" if self.next_step else sentence


class UsageError(CnntrainError):
    """What the person typed cannot be used: a path, a name, a setting. Exit code 2."""

    exit_code = 2


class FailureError(CnntrainError):
    """What was asked for was right, and it failed: disk, device, another process. Exit code 1."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``'did you mean "x"?'`` for the closest known word, or an empty string."""
    known = list(known)
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    if not close:
        # "lr" for "learning_rate": initials are what people type from habit.
        initials = {"".join(part[0] for part in name.casefold().split("_") if part): name for name in known}
        if word.casefold() in initials:
            return f'did you mean "{initials[word.casefold()]}"?'
        return ""
    return f'did you mean "{folded[close[0]]}"?'
