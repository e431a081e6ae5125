"""The keys of the settings screen, and those of them that stand beside the form."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.binding import Binding, BindingType
from textual.content import Content

KEYS: list[BindingType] = [
    Binding("ctrl+t", "train", "Train", id="settings.train", tooltip="Start the run and watch it.", priority=True),
    Binding("ctrl+s", "save", "Save", id="settings.save", tooltip="Save these settings as your own preset."),
    Binding(
        "ctrl+g",
        "preview",
        "See",
        id="settings.preview",
        tooltip="What the network sees of the pictures with these settings.",
    ),
    Binding(
        "ctrl+o",
        "rehearse",
        "Dry run",
        id="settings.rehearse",
        show=False,
        tooltip="Make some real steps: memory, times, the largest batch, disk, whether it learns. Nothing is kept.",
    ),
    Binding(
        "f7",
        "rates",
        "Rates",
        id="settings.rates",
        show=False,
        key_display="F7",
        tooltip="Try growing learning rates on the pictures, and choose one of those that are suggested.",
    ),
    Binding(
        "ctrl+f",
        "find",
        "Find",
        id="settings.find",
        show=False,
        tooltip="Find a setting by its name, its group or its explanation.",
        priority=True,
    ),
    Binding(
        "ctrl+n",
        "network",
        "Network",
        id="settings.network",
        show=False,
        tooltip="What would be trained: layers, shapes, parameters, operations and the memory that a step takes.",
    ),
    Binding("ctrl+z", "undo", "Undo", id="settings.undo", show=False, tooltip="Take the last change back."),
    Binding("ctrl+y", "redo", "Redo", id="settings.redo", show=False, tooltip="Make the change again."),
    Binding(
        "f6",
        "copy",
        "Copy command",
        id="settings.copy",
        show=False,
        key_display="F6",
        tooltip="Copy the command line to the clipboard.",
    ),
    Binding(
        "escape",
        "back",
        "Back",
        id="settings.back",
        tooltip="Back to the pictures, where what was typed is kept; out of a run's settings it asks first.",
    ),
]
_BESIDE = ("settings.rates", "settings.rehearse", "settings.network", "settings.find", "settings.undo")
"""Keys that stand below the groups: the footer has no room for them at 80 columns."""


def beside(app: App[Any]) -> list[Content]:
    """Return the keys for which the footer has no room, each with its word."""
    known = {one.id: one for one in KEYS if isinstance(one, Binding)}
    keys = [(app.get_key_display(known[name]), known[name].description) for name in _BESIDE]
    return [Content.assemble((key, "$accent"), f" {word}") for key, word in keys]
