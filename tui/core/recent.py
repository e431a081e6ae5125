"""The folders of pictures that were used lately, the last one first: a small file in the user's cache.

It is a convenience: what cannot be read or written is as if nothing was remembered.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tui.core.files import cache_directory, write_atomic

MOST = 12
_LARGEST = 1 << 16


def directories() -> list[Path]:
    """Return the folders that were remembered, the last used first; they may be gone by now."""
    try:
        with _file().open("rb") as file:
            listed = json.loads(file.read(_LARGEST))["directories"]
        paths = [Path(item) for item in listed if isinstance(item, str) and os.path.isabs(item) and "\0" not in item]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    return list(dict.fromkeys(paths))[:MOST]


def remember(directory: Path) -> None:
    """Put a folder at the front."""
    path = Path(os.path.abspath(directory))
    listed = [path, *(other for other in directories() if other != path)][:MOST]
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        # ASCII only: a byte that is no UTF-8 is a lone surrogate here, which JSON can escape and UTF-8 cannot hold.
        write_atomic(_file(), json.dumps({"directories": [str(item) for item in listed]}, ensure_ascii=True))
    except OSError:
        return


def _file() -> Path:
    return cache_directory() / "recent.json"
