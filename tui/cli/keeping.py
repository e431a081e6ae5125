"""``cnntrain compare``, ``rename``, ``delete``, ``note`` and ``pin``: what a person does with the runs there are."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tui.cli.table import aligned
from tui.cli.terminal import emit, is_terminal, say, width
from tui.core.errors import UsageError
from tui.core.rundir import RunDir
from tui.core.sentences import epochs
from tui.core.text import clean, clean_path

if TYPE_CHECKING:
    from tui.runs.comparison import Comparison


def compare(runs: Sequence[RunDir], *, as_json: bool) -> None:
    """Write in what runs differ and how good they are.

    Raises:
        UsageError: fewer than two different ones were named.
    """
    from tui.runs import comparison
    from tui.runs.catalog import summary_of

    different = list(dict.fromkeys(runs))
    if len(different) < 2:
        raise UsageError("There is nothing to compare", "fewer than two different runs are named", "Name another one.")
    found = comparison.compare([summary_of(run) for run in different])
    if as_json:
        emit(json.dumps(_plain(found), indent=2, ensure_ascii=True) + "\n")
        return
    _tell(found)


def _tell(found: Comparison) -> None:
    from tui.core.schema import in_words
    from tui.runs.comparison import letter

    letters = [letter(place) for place in range(len(found.runs))]
    for name, one in zip(letters, found.runs, strict=True):
        say(f"{name}  {one.name}: {one.status}, epoch {epochs(one.epoch)}" + (f"; {one.note}" if one.note else ""))
    rows = [("", *letters)]
    rows += [
        (key, *("–" if one is None else in_words(one) for one in values)) for key, values in found.settings.items()
    ]
    for score in found.scores:
        cells = [score.metric.format(value) for value in score.values]
        signs = ["" if not score.winners else " *" if at in score.winners else "  " for at in range(len(cells))]
        rows.append((score.label, *map("".join, zip(cells, signs, strict=True))))
    say()
    columns = range(1, len(letters) + 1)
    for line in aligned(rows, room=width(), shrink=(*columns, 0), right=tuple(columns)):
        say(line)
    if not found.settings:
        say("All settings are equal.")
    if any(score.winners for score in found.scores):
        say("* the best")


def _plain(found: Comparison) -> dict[str, Any]:
    runs = [
        {"name": one.name, "path": str(one.run.path), "status": one.status, "epoch": one.epoch, "note": one.note}
        for one in found.runs
    ]
    scores: dict[str, dict[str, Any]] = {score.which: {} for score in found.scores}
    for score in found.scores:
        scores[score.which][score.metric.name] = list(score.values)
    return {"runs": runs, "settings": {key: list(values) for key, values in found.settings.items()}, **scores}


def rename(run: RunDir, name: str) -> None:
    """Rename a run, and say what it is called now.

    Raises:
        UsageError: the name cannot be used, or the run trains.
        FailureError: it cannot be renamed.
    """
    from tui.runs import upkeep

    say(f"{run.name} is called {upkeep.rename(run, name).name} now")


def delete(runs: Sequence[RunDir], *, yes: bool) -> int:
    """Delete runs after asking; return the exit code.

    Raises:
        UsageError: one of them is not recognisably a run, or trains; or nobody can be asked.
        FailureError: one cannot be removed.
    """
    from tui.core.sentences import size
    from tui.runs import upkeep

    kept = 0
    for run in dict.fromkeys(runs):
        inside = upkeep.contents(run)
        told = f"{clean_path(run.path)}: {inside.files:,} files, {size(inside.bytes)}"
        if inside.foreign:
            more = f" and {len(inside.foreign) - 5} more" if len(inside.foreign) > 5 else ""
            told += f", among them what is not of the run: {', '.join(inside.foreign[:5])}{more}"
        if not yes and not _agreed(f"Delete {told}?"):
            kept += 1
            continue
        upkeep.delete(run)
        say(f"deleted {told}")
    return 1 if kept else 0


def _agreed(question: str) -> bool:
    if not is_terminal(sys.stdin) or not is_terminal(sys.stderr):
        raise UsageError("Nothing was deleted", "there is no terminal to ask on", "Add --yes.")
    sys.stderr.write(f"{clean(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def note(run: RunDir, text: str | None) -> None:
    """Put a note on a run, or say the one that it has.

    Raises:
        UsageError: the note is too long.
        FailureError: the run cannot be written.
    """
    from tui.runs import remarks

    if text is None:
        said = remarks.read(run).note
        say(said) if said else say("(no note)")
        return
    remarks.note(run, text)


def pin(run: RunDir, pinned: bool) -> None:
    """Keep a run above the others, or no longer.

    Raises:
        FailureError: the run cannot be written.
    """
    from tui.runs import remarks

    remarks.pin(run, pinned)
