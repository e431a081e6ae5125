"""What is odd about a dataset, in sentences: every name in them is sanitized and every list bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tui.core.dataset.walk import Account
from tui.core.text import clean

Severity = Literal["info", "warning", "error"]
_MOST_PATHS = 100


@dataclass(frozen=True)
class Problem:
    """Something odd about the data, and what is done about it."""

    code: str
    severity: Severity
    text: str
    """One sanitized sentence."""
    paths: tuple[str, ...] = ()
    """What it is about, relative to the root and raw; at most a hundred."""
    step: str = ""
    """What to do about it, a sanitized sentence; errors have one."""


def passed_over(account: Account, follow_links: bool = False) -> list[Problem]:
    """Return what a walk passed over as problems; ``follow_links``: what is linked from outside was used."""
    problems: list[Problem] = []

    def report(code: str, severity: Severity, paths: list[str], noun: str, rest: str) -> None:
        if paths:
            text = f"{many(len(paths), noun)} {rest}: {names_of(paths)}."
            problems.append(Problem(code, severity, text, some_of(paths)))

    report("empty_file", "warning", account.empty_files, "empty file", "will not be used")
    report("broken_link", "warning", account.broken_links, "link", "to nowhere will not be used")
    report("closed", "warning", account.closed, "unreadable entry", "left out")
    report("visited_before", "warning", account.visited_before, "folder", "reached a second time and used once")
    if follow_links:
        report("outside_used", "info", account.outside, "link", "out of the directory followed")
    else:
        rest = "out of the directory not followed (data.follow_links)"
        report("outside", "warning", account.outside, "link", rest)
    if account.not_pictures:
        if len(account.not_pictures) == 1:
            text = f"1 file is no picture and will not be used ({endings_of(account).removeprefix('1 ')})."
        else:
            files = many(len(account.not_pictures), "file")
            text = f"{files} are no pictures and will not be used ({endings_of(account)})."
        problems.append(Problem("not_pictures", "info", text, some_of(account.not_pictures)))
    report("hidden", "info", account.hidden, "hidden or system entry", "ignored")
    return problems


def endings_of(account: Account) -> str:
    """Return the commonest endings of the files that are no pictures: ``12 .heic, 3 without ending``."""
    common = account.suffixes.most_common(4)
    return ", ".join(f"{count:,} {clean(suffix, 20) or 'without ending'}" for suffix, count in common)


def many(count: int, noun: str) -> str:
    """Return ``"1 picture"``, ``"2,000 pictures"``."""
    if count != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}{'es' if noun.endswith('s') else 's'}"
    return f"{count:,} {noun}"


def names_of(names: Sequence[str], most: int = 4) -> str:
    """Return the first few names, quoted and sanitized, and how many more there are."""
    shown = ", ".join(f'"{clean(name, 60)}"' for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def some_of(paths: Sequence[str]) -> tuple[str, ...]:
    """Return as many paths as a `Problem` keeps."""
    return tuple(paths[:_MOST_PATHS])
