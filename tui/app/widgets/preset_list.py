"""The presets to start from, one line each, with the demo in front."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from textual.binding import Binding
from textual.content import Content

from tui.app import starts
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.row_list import RowList
from tui.core.presets import Preset
from tui.core.text import clean

DEMO = "\0demo"
"""The id of the demo's row; no file can have this name."""
DEMO_TITLE = "Try the demo"
DEMO_DESCRIPTION = (
    "Makes a small set of pictures itself and trains on it for about a minute: everything there is to see, "
    "without any data."
)


class PresetList(RowList):
    """The list; choosing a row posts `OptionList.OptionSelected` with the preset's name or `DEMO`."""

    BINDINGS = [
        Binding(
            "enter",
            "select",
            "Set up a run",
            id="presets.choose",
            tooltip="Choose pictures for this preset.",
        ),
    ]

    def show_presets(self, presets: Sequence[Preset]) -> None:
        """Show the demo and these presets."""
        widest = max([len(DEMO_TITLE), *(len(clean(preset.name, 24)) for preset in presets)])
        rows = {DEMO: partial(_row, DEMO_TITLE, "", DEMO_DESCRIPTION, widest)}
        for preset in presets:
            if preset.shipped and preset.name == starts.DEMO:
                continue
            owner = "" if preset.shipped else "yours: "
            rows[preset.name] = partial(_row, clean(preset.name, 24), owner, preset.description, widest)
        self.show(rows)


def _row(name: str, owner: str, description: str, widest: int, width: int) -> Content:
    style = "bold $accent" if name == DEMO_TITLE else "bold"
    rest = width - widest - 3
    text = f"{owner}{description}" if description else owner.rstrip(": ")
    return line([Cell(name, widest, style), Cell(text, rest, "$foreground-muted")], gap=3)
