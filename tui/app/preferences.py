"""How a person likes the screen: remembered in ``screen.toml`` in the user's own folder, changed by keys.

What the environment says goes first, for one session: CNNTRAIN_THEME, CNNTRAIN_ECO and CNNTRAIN_ASCII.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tui.app.palette import CHOICES
from tui.core.files import config_directory, write_atomic

SWITCH = ("auto", "on", "off")
_FILE = "screen.toml"
_PLAIN_TERMINALS = ("linux", "vt52", "vt100", "vt102", "vt220", "ansi", "cons25")
"""Names of terminals that have no braille."""


@dataclass(frozen=True)
class Preferences:
    """The choices of one person."""

    theme: str = "auto"
    """One of `palette.CHOICES`."""
    eco: str = "auto"
    """Few repaints: one of `SWITCH`; ``auto`` for slow lines."""
    ascii: str = "auto"
    """No character but ASCII: one of `SWITCH`; ``auto`` for terminals that are known to have nothing else."""
    panels: tuple[str, ...] = ()
    """The panels of the watch screen in their order; empty for the usual one."""
    hidden: tuple[str, ...] = ()
    """Those that are not shown."""

    def in_ascii(self) -> bool:
        """Whether this terminal gets ASCII."""
        return self.ascii == "on" or (self.ascii == "auto" and os.environ.get("TERM", "") in _PLAIN_TERMINALS)

    def save(self) -> None:
        """Remember it.

        Raises:
            OSError: the folder cannot be written.
        """
        import tomli_w

        folder = config_directory()
        folder.mkdir(parents=True, exist_ok=True)
        usual, changed = Preferences(), {}
        for name, value in vars(self).items():
            if value != getattr(usual, name):
                changed[name] = list(value) if isinstance(value, tuple) else value
        write_atomic(folder / _FILE, tomli_w.dumps(changed))


def load() -> Preferences:
    """Return what was remembered; what is missing or makes no sense is as usual."""
    try:
        table = tomllib.loads((config_directory() / _FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return Preferences()
    return sensible(table)


def sensible(table: Mapping[str, Any]) -> Preferences:
    """Return what of a table makes sense."""
    changes: dict[str, Any] = {}
    for name, choices in (("theme", CHOICES), ("eco", SWITCH), ("ascii", SWITCH)):
        if table.get(name) in choices:
            changes[name] = table[name]
    for name in ("panels", "hidden"):
        value = table.get(name)
        if isinstance(value, list) and all(isinstance(panel, str) for panel in value):
            changes[name] = tuple(value)
    return Preferences(**changes)


def for_session(remembered: Preferences) -> Preferences:
    """Return preferences with what the environment says."""
    said = {"theme": os.environ.get("CNNTRAIN_THEME", "").lower()}
    for name in ("eco", "ascii"):
        word = os.environ.get(f"CNNTRAIN_{name.upper()}", "").lower()
        said[name] = {"1": "on", "true": "on", "yes": "on", "0": "off", "false": "off", "no": "off"}.get(word, word)
    changes: dict[str, Any] = {
        name: word for name, word in said.items() if word in (CHOICES if name == "theme" else SWITCH)
    }
    return replace(remembered, **changes)
