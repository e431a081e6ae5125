"""The dry run: what a run with these settings needs and takes, found out on its own pictures; and the start."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.app import starts
from tui.app.rehearsals import Waiting
from tui.app.screens.begin import begin
from tui.app.screens.trial import TrialScreen
from tui.app.widgets.keys import Keys
from tui.core.rehearsal import Line, Rehearsal, report, smaller_batch
from tui.core.text import clean

_SIGNS = {
    "good": ("✓", "$text-success"),
    "plain": (" ", ""),
    "warning": ("!", "$text-warning"),
    "bad": ("✗", "$text-error"),
}
_LABEL = 15


class RehearsalScreen(TrialScreen[Rehearsal]):
    """Makes a dry run of a draft and shows what came of it."""

    CSS_PATH = "rehearsal.tcss"
    BINDINGS = [
        Binding("enter,ctrl+t", "train", "Train", id="rehearsal.train", key_display="enter", tooltip="Start the run."),
        Binding("b", "smaller", "Use what fits", id="rehearsal.smaller", tooltip="Take the batch size that fits."),
        Binding(
            "f", "faster", "Use bfloat16", id="rehearsal.faster", tooltip="Take the precision that was found faster."
        ),
        Binding("r", "again", "Again", id="rehearsal.again", tooltip="Make the dry run once more."),
        Binding(
            "escape", "app.pop_screen", "Back", id="rehearsal.back", tooltip="Back to the settings; nothing is kept."
        ),
    ]

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        with VerticalScroll(id="report"):
            yield Static(id="lines")
        yield Keys()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer a smaller batch where one is needed, a faster precision where there is one, and nothing twice."""
        if action == "faster":
            return self.found is not None and self.found.fits and bool(self.found.faster)
        if action == "smaller":
            return self.found is not None and not self.found.fits and self.found.largest_batch > 0
        return super().check_action(action, parameters)

    def trial(self) -> Callable[..., Rehearsal]:
        """Return what makes it."""
        from tui.runs import rehearsals

        return rehearsals.dry_run

    def action_train(self) -> None:
        """Start the run; what is still being tried is given up."""
        if self._waiting is not None:
            self._waiting.give_up()
        begin(self.app, starts.fresh(self._draft))

    def action_smaller(self) -> None:
        """Put the batch that fits into the settings, and try again."""
        found = self.found
        if found is not None and found.largest_batch:
            for key, value in smaller_batch(found.batch_size, found.accumulate, found.largest_batch).items():
                self._draft.write(key, str(value))
            self.action_again()

    def action_faster(self) -> None:
        """Put the precision that is faster into the settings, and try again: the times are others then."""
        for key, value in (self.found.faster if self.found is not None else {}).items():
            self._draft.write(key, value)
        self.action_again()

    def show(self, waiting: Waiting[Rehearsal]) -> None:
        """Show how it stands, or what came of it."""
        place, title = self.query_one("#lines", Static), Content.styled("Dry run", "bold")
        if waiting.result is not None:
            about = f"  on {clean(waiting.result.device, 60)}: {waiting.result.steps} real steps, nothing is kept"
            self.query_one("#title", Static).update(title + Content.styled(about, "$foreground-muted"), layout=False)
            width = max(20, self.size.width - 4)
            lines = [row for line in report(waiting.result) for row in _drawn(line, width)]
            place.update(Content("\n").join(lines))
        else:
            words = "  some real steps and a part of a validation, to see what the run needs"
            self.query_one("#title", Static).update(title + Content.styled(words, "$foreground-muted"), layout=False)
            if waiting.error:
                place.update(Content.styled(f"✗ {clean(waiting.error, 1000)}", "$text-error"))
            else:
                place.update(Content(clean(waiting.words)))

    def on_resize(self) -> None:
        self._show()


def _drawn(line: Line, width: int) -> list[Content]:
    """Return a line of the report, broken under its own text."""
    sign, style = _SIGNS[line.tone]
    head = Content.assemble((f"{sign} ", style), (f"{clean(line.label, 40):<{_LABEL}} ", "bold"))
    text = Content(clean(line.text, 600)).wrap(max(10, width - head.cell_length))
    return [(Content(" " * head.cell_length) if index else head) + part for index, part in enumerate(text)]
