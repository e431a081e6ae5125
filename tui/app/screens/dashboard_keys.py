"""The keys of the watch screen's panels."""

from __future__ import annotations

from textual.binding import Binding, BindingType

KEYS: list[BindingType] = [
    Binding(
        "m",
        "maximise",
        "Max",
        id="watch.maximise",
        show=False,
        tooltip="Give the chosen panel the whole screen, or not.",
    ),
    Binding(
        "enter",
        "open",
        "Open",
        id="watch.open",
        show=False,
        tooltip="All about the layers or the classes, if their panel is chosen; another panel alone. As two clicks do.",
    ),
    Binding(
        "l",
        "toggle_log",
        "Axis",
        id="watch.log",
        show=False,
        tooltip="Logarithmic or linear axis of the chosen chart.",
    ),
    Binding(
        "plus,equals_sign",
        "zoom(True)",
        "Zoom",
        id="watch.zoom_in",
        show=False,
        key_display="+",
        tooltip="Show half as many steps, around the cursor or at the newest step.",
    ),
    Binding(
        "minus",
        "zoom(False)",
        "Zoom out",
        id="watch.zoom_out",
        show=False,
        key_display="-",
        tooltip="Show twice as many steps.",
    ),
    Binding(
        "0",
        "show_all",
        "All, newest",
        id="watch.whole",
        show=False,
        tooltip="Show the whole run again; if it is shown, the newest steps one by one.",
    ),
    Binding(
        "left",
        "cursor(-1)",
        "Cursor left",
        id="watch.cursor_left",
        show=False,
        tooltip="Show the values at a step: move the cursor to the left.",
    ),
    Binding(
        "right",
        "cursor(1)",
        "Cursor right",
        id="watch.cursor_right",
        show=False,
        tooltip="Move the cursor to the right.",
    ),
    Binding(
        "shift+left", "pan(-1)", "Earlier", id="watch.earlier", show=False, tooltip="Show earlier steps of a zoom."
    ),
    Binding("shift+right", "pan(1)", "Later", id="watch.later", show=False, tooltip="Show later steps of a zoom."),
    Binding(
        "o",
        "smooth",
        "Smoothing",
        id="watch.smooth",
        show=False,
        tooltip="How smooth the lines are: auto, strong, light, off.",
    ),
    Binding(
        "less_than_sign",
        "move(-1)",
        "Move",
        id="watch.move_before",
        show=False,
        key_display="<",
        tooltip="Let the chosen panel change places with the one before it; remembered.",
    ),
    Binding(
        "greater_than_sign",
        "move(1)",
        "Move on",
        id="watch.move_after",
        show=False,
        key_display=">",
        tooltip="Let the chosen panel change places with the one after it; remembered.",
    ),
    Binding("h", "hide", "Hide", id="watch.hide", show=False, tooltip="Hide the chosen panel; remembered."),
    Binding(
        "H",
        "usual",
        "All panels",
        id="watch.usual",
        show=False,
        tooltip="Show all panels in their usual order again; remembered.",
    ),
    Binding("tab", "next(1)", "Next panel", id="watch.next", show=False, tooltip="Choose the next panel."),
    Binding("shift+tab", "next(-1)", "Panel before", id="watch.before", show=False, tooltip="The panel before."),
    *(
        Binding(
            str(number),
            f"choose({number})",
            "Choose",
            id="watch.choose",
            show=False,
            priority=True,
            key_display="1-9",
            tooltip="Choose the panel with this number, or the page that it is on.",
        )
        for number in range(1, 10)
    ),
]
