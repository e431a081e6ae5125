"""``cnntrain cache``: the decoded pictures and folder listings that are kept on disk, listed and cleared."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.options import AsJson
from tui.cli.table import aligned
from tui.cli.terminal import complain, emit, say, width
from tui.core.errors import FailureError, UsageError
from tui.core.text import clean, clean_path

if TYPE_CHECKING:
    from tui.core.caches import StoredCache

cache_app = typer.Typer(name="cache", help="List or clear the decoded pictures that are kept.", rich_markup_mode=None)

_HEADING = ("CACHE", "SIZE", "LAST USE", "IN USE", "PICTURES", "PIXELS", "FROM")
_SHOWN = 8
"""Characters of a cache's name that are shown; any unique beginning is enough to name it."""


@cache_app.callback(invoke_without_command=True)
def cache(context: typer.Context) -> None:
    """List the caches when no command is named."""
    if context.invoked_subcommand is None:
        list_caches()


@cache_app.command("list")
def list_caches(json_: AsJson = False) -> None:
    """List the decoded pictures and folder listings that are kept."""
    from tui.core import caches
    from tui.core.files import cache_directory

    found = caches.listed()
    if json_:
        emit(json.dumps([dataclasses.asdict(one) for one in found], indent=2, ensure_ascii=True) + "\n")
        return
    where = clean_path(cache_directory())
    if not found:
        complain(f"nothing is kept in {where}.")
        return
    rows = [_HEADING, *map(_row, found)]
    for line in aligned(rows, room=width(), shrink=(6,), right=(1, 4, 5)):
        say(line)
    total = sum(one.bytes for one in found)
    say(f"{_size(total)} in {where}; a run keeps its decoded pictures below data.cache_gib.")


@cache_app.command("clear")
def clear_caches(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="CACHE", help="Beginnings of their names; all without any.", show_default=False),
    ] = None,
) -> int:
    """Remove what is kept, but for decoded pictures that a run uses.

    Exit codes: 0 removed; 1 some are in use and stay; 2 no such cache.
    """
    from tui.core import caches

    found = caches.listed()
    chosen = found if not names else [one for name in names for one in _named(name, found)]
    try:
        removed, kept = caches.clear(list(dict.fromkeys(chosen)))
    except OSError as error:
        raise FailureError("The caches cannot be removed", error.strerror or "", "Are they yours?") from error
    say(f"removed {len(removed)} ({_size(sum(one.bytes for one in removed))})")
    for one in kept:
        why = "a run uses it" if one.kind == "pictures" else "it cannot be removed"
        complain(f"{one.key[:_SHOWN]} stays: {why}.")
    return 1 if kept else 0


def _named(name: str, found: Sequence[StoredCache]) -> list[StoredCache]:
    matching = [one for one in found if name and one.key.startswith(name)]
    if len({one.key for one in matching}) != 1:
        what = "several begin so" if matching else "none begins so"
        raise UsageError("No such cache", f'"{clean(name, 40)}": {what}', "`cnntrain cache` lists them.")
    return matching


def _row(one: StoredCache) -> tuple[str, ...]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used)) if one.used else "–"
    state = "yes" if one.in_use else "no" if one.finished else "unfinished"
    pixels = f"{one.size}x{one.size}x{one.channels}" if one.size else "–"
    pixels = pixels if one.kind == "pictures" else "names"
    pictures = f"{one.pictures:,}" if one.pictures else "–"
    return one.key[:_SHOWN], _size(one.bytes), used, state, pictures, pixels, clean_path(one.root) if one.root else "–"


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.1f} MiB"
