"""The panels of the validation screen: which are on which page, what they show, and the keys that act on them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widgets import OptionList

from tui.app.mistakes import Kind
from tui.app.screens import validation_feeds as feeds
from tui.app.widgets.chart import Chart
from tui.app.widgets.class_table import ClassTable
from tui.app.widgets.confusion import ConfusionMatrix
from tui.app.widgets.mistake_gallery import MistakeGallery
from tui.app.widgets.panel import Rows
from tui.app.widgets.predictions import DensityMap, Histogram
from tui.app.widgets.reliability import Reliability
from tui.app.widgets.row_list import RowList
from tui.core.evaluations import Detail, Pair, pairs
from tui.core.metrics import CALIBRATION_ERROR

if TYPE_CHECKING:
    from tui.core.events import Evaluated
    from tui.runs.state import RunState

_PAIRS = 500
"""Pairs that are listed."""
_SIDE_BY_SIDE = {"table": 1000, "reliability": 72}
"""From which width on the panels of a page stand side by side, by its first panel."""
_WIDE = 100
"""The same for other pages."""
_LEAST_HISTORY = 8
"""Rows that the history of a class takes at least."""
_PANELS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "classification": (
        ("classes", ("table", "history")),
        ("confusion", ("matrix", "pairs")),
        ("mistakes", ("mistakes",)),
        ("confidence", ("reliability", "thresholds")),
    ),
    "multilabel": (
        ("labels", ("table", "history")),
        ("mistakes", ("mistakes",)),
        ("thresholds", ("labels", "thresholds")),
    ),
    "regression": (
        ("predictions", ("density", "histogram")),
        ("mistakes", ("mistakes",)),
    ),
}
"""By the task: the pages, and the panels on each; the first one gets the keys."""
_ON_PAGE = {"threshold": "thresholds", "target": "density"}
"""Keys that only work where this panel is."""


class ValidationPages(Container):
    """All panels about one evaluation, some at a time."""

    class Arranged(Message):
        """Other panels are shown now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left",
            "threshold(-1)",
            "Threshold",
            id="pages.lower",
            show=False,
            tooltip="What is answered and what is right from a lower confidence on; Escape takes the line away.",
        ),
        Binding(
            "right",
            "threshold(1)",
            "Threshold",
            id="pages.higher",
            key_display="← →",
            tooltip="The same from a higher confidence on.",
        ),
        Binding("t", "target", "Next number", id="pages.target", tooltip="The next number that is learned."),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.detail: Detail | None = None
        """What is shown."""
        self._event: Evaluated | None = None
        self._state: RunState | None = None
        self._page = 0
        self._pairs: list[Pair] = []
        self._threshold: int | None = None
        self._target = 0

    def compose(self) -> ComposeResult:
        """Lay out all panels."""
        yield ClassTable("classes", id="table")
        yield Chart("recall", id="history", floor=0.0, ceiling=1.0, percent=True)
        yield ConfusionMatrix("confusion", id="matrix")
        yield RowList(id="pairs")
        yield MistakeGallery(id="mistakes")
        yield RowList(id="labels")
        yield Reliability("calibration", id="reliability")
        waiting = "no thresholds recorded"
        yield Chart("threshold", id="thresholds", floor=0.0, ceiling=1.0, percent=True, waiting=waiting)
        yield DensityMap("predictions", id="density")
        yield Histogram("off by", id="histogram")

    @property
    def complete(self) -> bool:
        """Whether every thumbnail that can be seen is there."""
        gallery = self.query_one(MistakeGallery)
        return not gallery.display or gallery.complete

    # --- pages --------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """The pages there are."""
        return [name for name, _ in self._panels]

    @property
    def page(self) -> str:
        """The page that is shown."""
        return self.names[min(self._page, len(self.names) - 1)]

    @property
    def _panels(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        started = self._state.started if self._state is not None else None
        task = self.detail.task if self.detail is not None else started.task if started is not None else ""
        return _PANELS.get(task, _PANELS["classification"])

    def show_page(self, number: int) -> None:
        """Show another page, if there is one of this number."""
        if number < len(self._panels):
            self._page = number
            self.fit_panels()

    def fit_panels(self) -> None:
        """Show the panels of the page, and give the keys to the first one if others are shown now."""
        members = dict(self._panels)[self.page]
        before = [panel.id for panel in self.children if panel.display]
        for panel in self.children:
            panel.display = panel.id in members
        self.set_class(self.screen.size.width < _SIDE_BY_SIDE.get(members[0], _WIDE), "-narrow")
        self._fit_table()
        if before != [panel.id for panel in self.children if panel.display] or self.screen.focused is None:
            first = self.query_one(f"#{members[0]}")
            first = first.taking_keys if isinstance(first, MistakeGallery) else first
            self.screen.set_focus(first, scroll_visible=False)  # at once: the next key is for it
        self.post_message(self.Arranged())

    def _fit_table(self) -> None:
        """Give the room that the classes leave to the history of the one under the cursor."""
        table, chart = self.query_one(ClassTable), self.query_one("#history", Chart)
        rows = ClassTable.FRAME + table.count(0)
        chart.display = table.display and table.count(0) > 0 and rows + _LEAST_HISTORY <= self.size.height
        table.styles.height = rows if chart.display else "1fr"

    def on_resize(self) -> None:
        self.fit_panels()

    def on_rows_shown(self, event: Rows.Shown) -> None:
        """A panel appeared or changed its size."""
        event.stop()
        event.rows.redraw()

    # --- what is shown ------------------------------------------------------------------------------

    def show(
        self, state: RunState, event: Evaluated | None, detail: Detail | None, before: Detail | None, waiting: str
    ) -> None:
        """Show an evaluation.

        Args:
            state: of the run.
            event: which evaluation; None while there is none.
            detail: what its file holds, if it can be read.
            before: the same of the validation before.
            waiting: what stands where there is nothing.
        """
        self._state, self._event, self.detail = state, event, detail
        self._show_classes(before, waiting)
        self._show_confusion(waiting)
        self.query_one(MistakeGallery).show(detail)
        error = detail.metrics.get(CALIBRATION_ERROR.name, math.nan) if detail is not None else math.nan
        self.query_one(Reliability).show(detail.calibration if detail is not None else None, error, waiting)
        if detail is not None and detail.task == "multilabel":
            self.query_one("#labels", RowList).show(feeds.label_rows(detail))
        self._show_thresholds()
        self._show_target(waiting)
        self.fit_panels()

    def _show_classes(self, before: Detail | None, waiting: str) -> None:
        table = self.query_one(ClassTable)
        if self._event is None or self._state is None:
            table.show((), (), waiting)
            return
        names = self._state.started.classes if self._state.started is not None else ()
        table.show(*feeds.table(self.detail, before, self._event, names), waiting)
        self._show_history()

    @on(ClassTable.Moved)
    def _show_history(self) -> None:
        table, chart = self.query_one(ClassTable), self.query_one("#history", Chart)
        if self._state is None or self._event is None or table.chosen_name is None or table.chosen is None:
            return
        chart.title = f"recall of {table.chosen_name}"
        chart.show(feeds.history(self._state.evaluations, self._event, table.chosen))

    def _show_confusion(self, waiting: str) -> None:
        detail, matrix = self.detail, self.query_one(ConfusionMatrix)
        if detail is None or detail.task != "classification":
            self._pairs = []
            matrix.show((), (), {}, waiting)
            self.query_one("#pairs", RowList).show({})
        else:
            self._pairs = pairs(detail)[:_PAIRS]
            matrix.show(detail.names, detail.counts, feeds.cells(detail))
            self.query_one("#pairs", RowList).show(feeds.pair_rows(detail, self._pairs))

    def _show_thresholds(self) -> None:
        detail, chart = self.detail, self.query_one("#thresholds", Chart)
        label: int | None = None
        chart.title = "threshold"
        if detail is not None and detail.task == "multilabel" and detail.names:
            label = min(int(self.query_one("#labels", RowList).row or 0), len(detail.names) - 1)
            chart.title = detail.names[label]
        chart.show(feeds.thresholds(detail, label, self._threshold) if detail is not None else feeds.NOTHING)

    def _show_target(self, waiting: str) -> None:
        detail, density, histogram = self.detail, self.query_one(DensityMap), self.query_one(Histogram)
        if detail is None or not detail.density:
            density.show("predictions", None, waiting)
            histogram.show(None, waiting)
            return
        at = self._target % len(detail.density)
        place = f" ({at + 1} of {len(detail.density)})" if len(detail.density) > 1 else ""
        density.show(f"{detail.names[at]}{place}", detail.density[at])
        histogram.show(detail.residuals[at] if at < len(detail.residuals) else None)

    # --- what keys and the mouse do -----------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what the page has."""
        if action in _ON_PAGE and _ON_PAGE[action] not in dict(self._panels)[self.page]:
            return False
        return action != "target" or (self.detail is not None and len(self.detail.density) > 1)

    def action_threshold(self, by: int) -> None:
        """Move the cursor of the thresholds."""
        self._threshold = max(0, min(100, self._threshold + by)) if self._threshold is not None else 50
        self._show_thresholds()

    def action_target(self) -> None:
        """Show the next number that is learned."""
        self._target += 1
        self._show_target("")

    def back(self) -> bool:
        """Take the threshold's line away, or show all mistakes again; False if there is nothing to take back."""
        if self._threshold is not None and "thresholds" in dict(self._panels)[self.page]:
            self._threshold = None
            self._show_thresholds()
            return True
        gallery = self.query_one(MistakeGallery)
        if not gallery.display or gallery.kind == Kind():
            return False
        gallery.show(self.detail, Kind())
        return True

    @on(ClassTable.Opened)
    def _class_opened(self, event: ClassTable.Opened) -> None:
        self._show_mistakes(Kind(event.index))

    @on(ConfusionMatrix.Opened)
    def _entry_opened(self, event: ConfusionMatrix.Opened) -> None:
        if event.true != event.answer:
            self._show_mistakes(Kind(event.true, event.answer))
        else:
            self.notify("These were answered rightly; only mistakes are kept.", timeout=3)

    @on(OptionList.OptionSelected, "#pairs")
    def _pair_opened(self, event: OptionList.OptionSelected) -> None:
        pair = self._pairs[int(event.option_id or 0)]
        self._show_mistakes(Kind(pair.true, pair.answer))

    @on(OptionList.OptionSelected, "#labels")
    def _label_opened(self, event: OptionList.OptionSelected) -> None:
        self._show_mistakes(Kind(int(event.option_id or 0)))

    @on(RowList.Marked)
    def _row_marked(self, event: RowList.Marked) -> None:
        """Put the matrix's cursor on the pair, or show the label's thresholds."""
        event.stop()
        if event.rows.id == "labels":
            self._show_thresholds()
        elif event.row is not None and event.rows.has_focus and int(event.row) < len(self._pairs):
            pair = self._pairs[int(event.row)]
            self.query_one(ConfusionMatrix).point(pair.true, pair.answer)

    def _show_mistakes(self, kind: Kind) -> None:
        if self.detail is not None:
            self.query_one(MistakeGallery).show(self.detail, kind)
            self.show_page(self.names.index("mistakes"))
