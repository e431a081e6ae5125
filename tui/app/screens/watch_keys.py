"""The keys of the watch screen, and which of them a run has a use for as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType

if TYPE_CHECKING:
    from tui.runs.state import RunState

KEYS: list[BindingType] = [
    Binding("escape", "back", "Back", id="watch.back", tooltip="Leave this screen; the training goes on."),
    Binding("s", "stop", "Stop", id="watch.stop", tooltip="Stop the training after this step, with a checkpoint."),
    Binding("p", "pause", "Pause", id="watch.pause", tooltip="Let the training wait."),
    Binding("p", "continue", "Continue", id="watch.continue", tooltip="Let the training go on."),
    Binding("v", "validate", "Validate", id="watch.validate", tooltip="Validate now."),
    Binding("c", "save", "Save", id="watch.save", tooltip="Save a checkpoint now."),
    Binding("d", "doctor", "Doctor", id="watch.doctor", tooltip="What is wrong with this run, and what mends it."),
    Binding("r", "resume", "Resume", id="watch.resume", tooltip="Let the training go on from its last checkpoint."),
    Binding("w", "results", "Results", id="watch.results", tooltip="What became of the run: numbers, files, export."),
    Binding("y", "layers", "Layers", id="watch.layers", tooltip="Gradients, updates, dead channels: layer by layer."),
    Binding(
        "a",
        "answers",
        "Answers",
        id="watch.answers",
        tooltip="Each validation in detail: classes, confusion, the worst mistakes, confidence.",
    ),
    Binding("t", "rate", "Rate", id="watch.rate", tooltip="Multiply the learning rate from the next step on."),
    Binding("x", "extend", "Extend", id="watch.extend", tooltip="Train for more epochs than planned."),
    Binding(
        "e",
        "stop_after_epoch",
        "Stop after epoch",
        id="watch.stop_after_epoch",
        show=False,
        tooltip="Stop at the end of this epoch, after its validation.",
    ),
]
"""The most important first: the footer leaves out the last ones where it has no room."""
_ABOUT_THE_RUN = {
    "stop",
    "stop_after_epoch",
    "pause",
    "continue",
    "validate",
    "save",
    "rate",
    "extend",
    "resume",
    "results",
}


def offered(action: str, state: RunState | None) -> bool:
    """Return whether a key does anything for the run as it is; None: nothing is known of it yet."""
    if action not in _ABOUT_THE_RUN:
        return True
    if state is None:
        return False
    asking = state.live and not state.read_only
    match action:
        case "pause":
            return asking and not state.paused and state.status != "stopping"
        case "continue":
            return asking and state.paused
        case "stop":
            return asking and state.status != "stopping"
        case "extend" if state.status == "finished":
            return not state.read_only
        case "validate" | "save" | "rate" | "extend" | "stop_after_epoch":
            return asking and state.status in ("running", "paused")
        case "results":
            return not state.live
        case "resume":
            return not state.live and state.status != "finished" and not state.read_only
    return True
