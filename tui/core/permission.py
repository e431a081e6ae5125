"""Which code of installed packages may be run as a network: only what the person named on a command line.

A run directory or a preset may come from anyone, and ``model.name = "package.module:name"`` in it would run
something at the time of its choice. So the name alone is never enough: it must stand in the person's own list,
into which only commands write.
"""

from __future__ import annotations

from pathlib import Path

from tui.core.architectures import is_code
from tui.core.errors import FailureError, UsageError
from tui.core.files import config_directory, write_atomic
from tui.core.text import clean, clean_path


def permission_file() -> Path:
    """Where the list is: a name per line."""
    return config_directory() / "allowed-code.txt"


def allowed() -> list[str]:
    """Return the names that may be run, as they were added; a list that cannot be read allows nothing."""
    try:
        lines = permission_file().read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return list(dict.fromkeys(line for line in map(str.strip, lines) if is_code(line)))


def allow(name: str) -> bool:
    """Let ``package.module:name`` be run as a network from now on; False: it was allowed before.

    Raises:
        UsageError: it is no such name.
        FailureError: the list cannot be written.
    """
    if not is_code(name):
        cause = f'"{clean(name, 80)}" is not written like package.module:name'
        raise UsageError("There is nothing to allow", cause, "Write it as in my_nets.small:Net.")
    names = allowed()
    if name in names:
        return False
    _write([*names, name])
    return True


def forget(name: str) -> bool:
    """Take a permission back; False: there was none.

    Raises:
        FailureError: the list cannot be written.
    """
    names = allowed()
    if name not in names:
        return False
    _write([other for other in names if other != name])
    return True


def check_allowed(name: str) -> None:
    """Refuse code that the person has not named.

    Raises:
        UsageError: says how to allow it.
    """
    if is_code(name) and name not in allowed():
        cause = "it is code of an installed package, which no preset and no run may start by itself"
        step = f"If you trust it, type `cnntrain models allow {name}`."
        raise UsageError(f"{name} is not run", cause, step)


def _write(names: list[str]) -> None:
    path = permission_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, "".join(f"{name}\n" for name in names))
    except OSError as error:
        cause = f"{clean_path(path)}: {error.strerror}"
        raise FailureError("The permission cannot be kept", cause, "Check the directory's permissions.") from error
