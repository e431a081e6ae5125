"""What a check has found in the pictures: the list of it, the check behind it, and what is left out of the run."""

from __future__ import annotations

from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static

from tui.app.checkup import Checkup
from tui.app.draft import Draft
from tui.app.exclusion import Exclusion
from tui.app.outline import check_words, told
from tui.app.screens.begin import explain
from tui.app.survey import Survey
from tui.app.widgets.row_list import RowList
from tui.core.dataset.findings import Finding, of_problem
from tui.core.dataset.problems import many
from tui.core.errors import CnntrainError
from tui.core.text import clean_path

_SEVERITIES = ("error", "warning", "info")


class DatasetFindings(Vertical):
    """The check of a `Survey` and its findings, for one `Draft`."""

    class Changed(Message):
        """A check is over, or other pictures are left out."""

    def __init__(self, draft: Draft, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draft = draft
        self._survey: Survey | None = None
        self._checkup: Checkup | None = None
        self._exclusion: Exclusion | None = None
        self.found: list[Finding] = []
        """Those that are listed."""

    def compose(self) -> ComposeResult:
        yield Static(id="check")
        yield RowList(id="findings")

    @property
    def begun(self) -> bool:
        """Whether any check of these pictures has begun."""
        return self._checkup is not None

    @property
    def decoding(self) -> bool:
        """Whether every picture is being decoded."""
        return self._checkup is not None and self._checkup.deep and not self._checkup.done

    @property
    def rows_wanted(self) -> int:
        """How many rows all of it takes."""
        return 1 + self.query_one("#findings", RowList).virtual_size.height

    def check(self, survey: Survey, *, deep: bool = False) -> None:
        """Begin to look into the files; a check that is under way is given up, one that is done stays shown."""
        self.cancel()
        self._survey = survey
        if not deep:
            self.read_exclusion()
        checkup = self._checkup = Checkup(survey.path, self._draft.settings.data, deep)
        over = partial(self.app.call_from_thread, self._over, checkup)
        self.run_worker(partial(checkup.work, over), thread=True, exit_on_error=False)

    def cancel(self) -> None:
        """Give up the check that is under way."""
        if self._checkup is not None:
            self._checkup.cancelled = True

    def forget(self) -> None:
        """Other pictures are looked at now."""
        self.cancel()
        self._survey = self._checkup = None

    def read_exclusion(self) -> None:
        """Read again what the draft leaves out of the run."""
        if self._survey is not None and self._survey.scan is not None:
            self._exclusion = Exclusion(self._draft, self._survey.scan.root)

    def _over(self, checkup: Checkup) -> None:
        if checkup is self._checkup and self.is_attached:
            self.post_message(self.Changed())

    def show_progress(self) -> None:
        """Show how far a check is."""
        if self._checkup is not None and not self._checkup.done:
            self._show_check()

    def show(self, survey: Survey | None) -> None:
        """List what is known by now of the pictures of a survey."""
        self.found = self._known(survey)
        self.display = survey is not None and survey.scan is not None
        if self.display:
            self._show_check()
            out = self._exclusion.paths if self._exclusion is not None else set()
            rows = {str(index): partial(_finding_line, finding, out) for index, finding in enumerate(self.found)}
            self.query_one("#findings", RowList).show(rows)

    def _show_check(self) -> None:
        self.query_one("#check", Static).update(check_words(self._checkup), layout=False)

    def _known(self, survey: Survey | None) -> list[Finding]:
        """Return what the check has found; while none is done, what the look through the folder has."""
        checkup = self._checkup
        if survey is None or survey.scan is None:
            return []
        if checkup is not None and checkup.report is not None:
            return checkup.report.findings
        if checkup is not None and checkup.deep:
            return self.found  # the quick one's stay until the deep one is done
        found = sorted(survey.scan.problems, key=lambda problem: _SEVERITIES.index(problem.severity))
        return [of_problem(problem) for problem in found]

    @on(OptionList.OptionSelected, "#findings")
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Show the files of a finding."""
        from tui.app.screens.finding import FindingScreen

        event.stop()
        survey, finding = self._survey, self.found[int(event.option_id or 0)]
        if survey is None or survey.scan is None or self._exclusion is None:
            return
        if not finding.paths:
            self.notify(f"{finding.text} ({finding.done})", markup=False, timeout=8)
            return
        pictures = frozenset(path for samples in survey.scan.samples.values() for path, _ in samples)
        self.app.push_screen(FindingScreen(finding, survey.scan.root, self._exclusion, pictures))

    def leave_out(self) -> None:
        """Write the list of what to leave out, and have the run use it; a second time takes it back."""
        report = self._checkup.report if self._checkup is not None else None
        if report is None or self._exclusion is None:
            self.notify("The check is not done yet: it finds what to leave out.", markup=False)
            return
        if not report.exclude:
            more = "" if report.deep else " ^r decodes every picture and finds more."
            self.notify(f"Nothing has to be left out.{more}", markup=False)
            return
        taken_back = self._exclusion.paths.issuperset(report.exclude)
        try:
            if taken_back:
                self._exclusion.change(take_back=report.exclude)
            else:
                self._exclusion.change(add=report.exclude)
        except CnntrainError as error:
            explain(self.app, error)
            return
        self.post_message(self.Changed())
        number = many(len(report.exclude), "picture")
        if taken_back:
            self.notify(f"{number} taken back into the run.", markup=False)
        else:
            self.notify(f"{number} left out of the run, listed in {clean_path(self._exclusion.file)}", markup=False)


def _finding_line(finding: Finding, out: set[str], width: int) -> Content:
    return told(finding, sum(path in out for path in finding.paths) if out else 0)
