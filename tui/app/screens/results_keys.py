"""The keys of the results screen, and which of them a run has a use for as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType

if TYPE_CHECKING:
    from tui.runs.state import RunState

KEYS: list[BindingType] = [
    Binding("escape", "back", "Back", id="results.back", tooltip="Leave this screen."),
    Binding(
        "a",
        "answers",
        "Answers",
        id="results.answers",
        tooltip="Each validation in detail: classes, confusion, the worst mistakes, confidence.",
    ),
    Binding(
        "d", "doctor", "Doctor", id="results.doctor", tooltip="What is wrong with the run, and what would mend it."
    ),
    Binding("e", "export", "Export", id="results.export", tooltip="Write the network for other programs."),
    Binding("p", "predict", "Predict", id="results.predict", tooltip="Say what the network sees in pictures."),
    Binding("t", "test", "Test", id="results.test", show=False, tooltip="Evaluate the network on other pictures."),
    Binding(
        "x", "extend", "Extend", id="results.extend", show=False, tooltip="Train the finished run for more epochs."
    ),
    Binding("r", "resume", "Resume", id="results.resume", tooltip="Let it go on from its last checkpoint."),
    Binding("n", "derive", "New run", id="results.derive", tooltip="Set up a new run from its settings."),
    Binding("w", "watch", "Watch", id="results.watch", tooltip="All curves, layers and messages of the run."),
    Binding("m", "maximise", "Max", id="results.max", show=False, tooltip="Give a panel the whole screen, or not."),
    Binding("l", "log", "Axis", id="results.log", show=False, tooltip="Logarithmic or linear axis of the curves."),
    Binding("tab", "next(1)", "Next panel", id="results.next", show=False, tooltip="Choose the next panel."),
    Binding("shift+tab", "next(-1)", "Panel before", id="results.before", show=False, tooltip="The panel before."),
    *(
        Binding(
            str(number),
            f"choose({number})",
            "Choose",
            id="results.choose",
            show=False,
            priority=True,
            key_display="1-5",
            tooltip="Choose a panel.",
        )
        for number in range(1, 6)
    ),
]


def offered(action: str, state: RunState | None) -> bool:
    """Return whether a key does anything for the run as it is; None: it is not read yet."""
    if action not in ("answers", "doctor", "export", "predict", "test", "extend", "resume", "derive"):
        return True
    if state is None:
        return False
    match action:
        case "extend":
            return state.status == "finished" and not state.read_only
        case "resume":
            return not state.live and state.status != "finished" and not state.read_only
        case "answers" | "doctor":
            return True
        case "derive":
            return state.table is not None
    return bool(state.checkpoints)
