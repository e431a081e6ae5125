"""What is in the pictures that are looked at: a summary, how many each class has, and what the check has found."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.app.draft import Draft
from tui.app.outline import bars, progress, summary
from tui.app.screens.dataset_findings import DatasetFindings
from tui.app.survey import Survey
from tui.app.widgets.class_bars import ClassBars

_CLASSES = 0.4
"""Of the rows the share that the classes have in any case."""


class DatasetFound(Vertical):
    """What is known of a `Survey` for one `Draft`."""

    def __init__(self, draft: Draft, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.findings = DatasetFindings(draft, id="checked")

    def compose(self) -> ComposeResult:
        yield Static(id="summary")
        yield ClassBars(id="bars")
        yield self.findings

    def on_mount(self) -> None:
        self.watch(self.findings.query_one("#findings"), "virtual_size", self._share_rows, init=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._share_rows)

    def show(self, survey: Survey | None) -> None:
        """Show what is known by now."""
        scan = survey.scan if survey is not None else None
        self.findings.show(survey)
        self.query_one("#summary", Static).update(summary(survey, self.findings.found))
        self.query_one(ClassBars).display = scan is not None
        if scan is not None:
            self.query_one(ClassBars).show(*bars(scan))
            self.call_after_refresh(self._share_rows)

    def show_progress(self, survey: Survey | None) -> None:
        """Show how far the look and the check are."""
        if survey is not None and survey.scan is None and not survey.done:
            self.query_one("#summary", Static).update(progress(survey), layout=False)
        self.findings.show_progress()

    def _share_rows(self) -> None:
        """Give the classes the rows that the findings leave, and both their share where there are too few."""
        classes, above = self.query_one(ClassBars), self.query_one("#summary")
        if classes.display and above.size.height:
            taken = above.outer_size.height + above.styles.margin.height + classes.styles.margin.height
            room = self.size.height - taken
            classes.styles.height = rows_of_bars(room, classes.virtual_size.height, self.findings.rows_wanted)


def rows_of_bars(room: int, classes: int, findings: int) -> int:
    """Return how many of ``room`` rows the classes get beside findings that would take so many."""
    share = max(round(_CLASSES * room), room - findings)
    return max(1, min(classes, share))
