"""Small JSON files of a run that grow by a row now and then: read with one set of words for what can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tui.core.errors import FailureError
from tui.core.text import clean_path

T = TypeVar("T")
_LARGEST = 1 << 20


def read_rows(path: Path, key: str, make: Callable[[dict[str, Any]], T], *, title: str, format: int) -> tuple[T, ...]:
    """Return what ``make`` makes of each row under ``key``; nothing where there is no file.

    Args:
        path: the file: an object with ``format`` and ``key``.
        key: of the list of rows.
        make: raises ValueError, KeyError or TypeError for a row that cannot be.
        title: what fails if this fails.
        format: the newest that is known.

    Raises:
        FailureError: the file is damaged, cannot be read, or is from a newer version.
    """
    try:
        with path.open("rb") as file:
            table: Any = json.loads(file.read(_LARGEST))
        if table["format"] > format:
            cause = f"{clean_path(path)} was written by a newer version of cnntrain"
            raise FailureError(title, cause, "Upgrade cnntrain.")
        return tuple(make(row) for row in table[key])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise FailureError(title, f"{clean_path(path)}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FailureError(title, f"{clean_path(path)} is damaged", "Restore it, or start a new run.") from error
