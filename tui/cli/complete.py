"""What the shell offers when a person presses Tab: presets, runs and settings. It never fails and never speaks."""

from __future__ import annotations

from tui.cli.places import runs_root
from tui.core.text import clean


def presets(incomplete: str) -> list[tuple[str, str]]:
    """Return the presets that begin so, with what each is for."""
    from tui.core.presets import available

    return [(one.name, clean(one.description, 80)) for one in available() if one.name.startswith(incomplete)]


def runs(incomplete: str) -> list[str]:
    """Return the runs in the default place that begin so, newest first, and ``latest``."""
    try:
        names = sorted((entry.name for entry in runs_root(None).iterdir() if entry.is_dir()), reverse=True)
    except OSError:
        names = []
    shown = ["latest", *(name for name in names if name == clean(name))]
    return [name for name in shown if name.startswith(incomplete)]


def assignments(incomplete: str) -> list[tuple[str, str]]:
    """Return the settings, or the values of a setting with choices, that begin so."""
    from tui.core.schema import all_settings, in_words

    key, equals, _ = incomplete.partition("=")
    if not equals:
        return [(f"{name}=", one.title) for name, one in all_settings().items() if name.startswith(incomplete)]
    setting = all_settings().get(key)
    if setting is None:
        return []
    values = ("true", "false") if setting.kind == "bool" else tuple(map(in_words, setting.choices))
    offered = [f"{key}={value}" for value in values]
    return [(word, "") for word in offered if word.startswith(incomplete)]
