"""The keys of the screen that compares runs."""

from __future__ import annotations

from textual.binding import Binding, BindingType

KEYS: list[BindingType] = [
    Binding("escape", "back", "Back", id="compare.back", tooltip="Undo the cursor, zoom or filter, or leave."),
    Binding("m", "quantity(1)", "Metric", id="compare.next", tooltip="Draw the next number."),
    Binding("M", "quantity(-1)", "Before", id="compare.before", show=False, tooltip="Draw the number before."),
    Binding("p", "pick", "Pick", id="compare.pick", tooltip="Choose what is drawn from a list."),
    Binding("b", "unit", "Align", id="compare.unit", tooltip="Align the runs by steps, by epochs or by time."),
    Binding(
        "enter",
        "open",
        "Open",
        id="compare.open",
        tooltip="The results of one of the runs, or its live screen.",
    ),
    Binding("slash", "search", "Filter", id="compare.filter", key_display="/", tooltip="Keep some of the runs."),
    Binding("l", "log", "Axis", id="compare.log", show=False, tooltip="Logarithmic or linear axis."),
    Binding("plus,equals_sign", "zoom(True)", "Zoom", id="compare.in", key_display="+", show=False, tooltip="Zoom in."),
    Binding("minus", "zoom(False)", "Out", id="compare.out", key_display="-", show=False, tooltip="Zoom out."),
    Binding("0", "whole", "Whole", id="compare.whole", show=False, tooltip="Show the whole runs again."),
    Binding("left", "cursor(-1)", "Cursor left", id="compare.left", show=False, tooltip="Show values: earlier."),
    Binding("right", "cursor(1)", "Cursor right", id="compare.right", show=False, tooltip="Show values: later."),
    Binding(
        "a",
        "answers",
        "Answers",
        id="compare.answers",
        show=False,
        tooltip="Each validation of one of the runs in detail: classes, confusion, the worst mistakes, confidence.",
    ),
    Binding("tab", "other", "Table", id="compare.other", show=False, tooltip="Go to the table, or to the chart."),
]
