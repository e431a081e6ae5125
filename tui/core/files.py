"""Files that are whole or not there: atomic writes, and the directories that belong to the user."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import platformdirs

APPLICATION = "cnntrain"
WEBHOOK_VARIABLE, COMMAND_VARIABLE = "CNNTRAIN_NOTIFY_WEBHOOK", "CNNTRAIN_NOTIFY_COMMAND"
"""Where notices go (`tui.runs.notices`), if not where the user's own file says."""


def config_directory() -> Path:
    """Where the user's own presets live (``CNNTRAIN_CONFIG`` overrides the platform's place)."""
    return Path(os.environ.get("CNNTRAIN_CONFIG") or platformdirs.user_config_dir(APPLICATION))


def cache_directory() -> Path:
    """Where decoded pictures and recent places are kept (``CNNTRAIN_CACHE`` overrides); safe to delete."""
    return Path(os.environ.get("CNNTRAIN_CACHE") or platformdirs.user_cache_dir(APPLICATION))


def write_atomic(path: Path, data: bytes | str, *, durable: bool = False) -> None:
    """Replace ``path`` by ``data``: a reader sees the old content or the new, never a part.

    Args:
        path: the file; its directory exists.
        data: text is written as UTF-8.
        durable: also survive a power cut (fsync of the file and of its directory).

    Raises:
        OSError: the old content is untouched and nothing is left behind.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        sync_directory(path.parent)


def remove_temporaries(directory: Path) -> None:
    """Take away what `write_atomic` left behind when it was killed; for who alone writes in ``directory``."""
    with contextlib.suppress(OSError):
        for path in list(directory.glob(".*.tmp")):
            path.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Make a rename in ``directory`` survive a power cut; file systems that cannot are let be."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
