"""What the engine finds out before a start: a dry run, and the range test of learning rates. Nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core.disk import trouble
from tui.core.errors import FailureError
from tui.core.rate_range import RateRange
from tui.core.rehearsal import Rehearsal
from tui.core.text import clean_path
from tui.runs.scratch import scratch
from tui.runs.service import ask

if TYPE_CHECKING:
    from tui.core.settings import Settings

_MODULE = "rehearsing"
_TITLES = {"dry run": "dry run", "rates": "range test"}


def dry_run(settings: Settings, *, root: Path, **told: Callable[..., Any]) -> Rehearsal:
    """Let the engine make a dry run.

    Args:
        settings: of the run that may follow.
        root: where it would be kept; nothing is written there.
        told: as in `tui.runs.service.ask`.

    Raises:
        CnntrainError: the run could not be trained, and why.
    """
    return Rehearsal.from_table(_asked("dry run", settings, root, told))


def range_test(settings: Settings, *, root: Path, **told: Callable[..., Any]) -> RateRange:
    """Let the engine try growing learning rates; arguments and errors as in `dry_run`."""
    return RateRange.from_table(_asked("rates", settings, root, told))


def _asked(what: str, settings: Settings, root: Path, told: dict[str, Callable[..., Any]]) -> dict[str, Any]:
    try:
        with scratch() as folder:
            table = settings.model_dump(mode="json")
            job = {"what": what, "settings": table, "root": str(root.absolute()), "scratch": str(folder)}
            return ask(_MODULE, job, **told)
    except OSError as error:
        place = clean_path(error.filename or "the folder of temporary files")
        step = "Name another place for temporary files: TMPDIR=DIR."
        raise FailureError(f"The {_TITLES[what]} cannot be made", f"{place}: {trouble(error)}", step) from error
