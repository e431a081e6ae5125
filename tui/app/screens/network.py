"""What the settings would train: layers, shapes, parameters, operations and memory, as the engine finds them out."""

from __future__ import annotations

from functools import partial

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tui.app.draft import Draft
from tui.app.rehearsals import Waiting
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.keys import Keys
from tui.app.widgets.row_list import RowList
from tui.core.summary import ASSUMED_OUTPUTS, Summary
from tui.core.text import clean

_HEADS = ("LAYER", "KIND", "OUTPUT", "PARAMETERS", "OPS")
_RIGHT = (False, False, True, True, True)
_LEAST = 12
"""Cells that are left to the names of layers in a narrow terminal."""
_MOST = 44


class NetworkScreen(Screen[None]):
    """The network of a draft, sketched by the engine when the screen opens."""

    CSS_PATH = "network.tcss"
    BINDINGS = [Binding("escape", "app.pop_screen", "Back", id="network.back", tooltip="Back to the settings.")]

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._outputs = draft.outputs or ASSUMED_OUTPUTS
        self._waiting: Waiting[Summary] = Waiting(self._ask, draft.settings, draft.root)
        self._shown = False

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Static(id="head")
        yield RowList(id="layers")
        yield Static(id="facts")
        yield Keys()

    def on_mount(self) -> None:
        self.run_worker(self._waiting.work, thread=True, exit_on_error=False)
        self.set_interval(0.25, self._tick)
        self._show()
        self.query_one("#layers").focus()

    def on_unmount(self) -> None:
        self._waiting.give_up()

    @property
    def found(self) -> Summary | None:
        """What is known of the network, once it is."""
        return self._waiting.result

    def _ask(self, settings: object, *, root: object, **told: object) -> Summary:
        from tui.runs.summaries import summarise

        return summarise(settings, self._outputs, **told)  # type: ignore[arg-type]

    def _tick(self) -> None:
        if not self._shown:
            self._show()

    def _show(self) -> None:
        waiting, found = self._waiting, self._waiting.result
        self._shown = waiting.over
        heading = found.heading() if found else clean(waiting.settings.model.name, 120)
        if found and self._draft.outputs is None:
            heading += " (assumed: nobody has looked at the pictures)"
        title = line([Cell("Network", 7, "bold"), Cell(heading, max(10, self.size.width - 11))])
        self.query_one("#title", Static).update(title, layout=False)
        if found is None:
            about = Content.styled(f"✗ {clean(waiting.error, 600)}", "$text-error") if waiting.error else waiting.words
            self.query_one("#head", Static).update(about)
            return
        self._draft.network = (waiting.settings, found)
        widths = self._widths(found)
        head = line(
            Cell(text, width, "$foreground-muted", right)
            for text, width, right in zip(_HEADS, widths, _RIGHT, strict=True)
        )
        self.query_one("#head", Static).update(head)
        rows = {str(at): partial(_row, layer.words, widths) for at, layer in enumerate(found.layers)}
        self.query_one("#layers", RowList).show(rows)
        self.query_one("#facts", Static).update(_facts(found))

    def _widths(self, found: Summary) -> list[int]:
        """Return the widths of the columns: as wide as what is in them, the names as far as there is room."""
        columns = zip(_HEADS, *(layer.words for layer in found.layers), strict=True)
        widths = [max(map(cell_len, column)) for column in columns]
        room = self.size.width - 4 - 2 * (len(widths) - 1) - sum(widths[1:])
        widths[0] = max(_LEAST, min(widths[0], room, _MOST))
        return widths

    def on_resize(self) -> None:
        self._show()


def _row(words: tuple[str, ...], widths: list[int], width: int) -> Content:
    return line(Cell(text, wide, "", right) for text, wide, right in zip(words, widths, _RIGHT, strict=True))


def _facts(found: Summary) -> Content:
    lines = [Content.assemble((f"{what:<11}", "bold"), words) for what, words in found.facts()]
    lines += [Content.styled(f"! {clean(note, 300)}", "$text-warning") for note in found.notes]
    return Content("\n").join(lines)
