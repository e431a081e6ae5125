"""Everything that can be set for a run, what differs from its preset, and the start."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static

from tui.app import starts
from tui.app.draft import DIRECTORY, Draft, fields
from tui.app.draft_words import (
    changes_words,
    findable,
    group_line,
    limits_words,
    network_words,
    words_of,
    wrapped_command,
)
from tui.app.samples import mixed
from tui.app.screens.begin import begin
from tui.app.screens.save_preset import save_preset
from tui.app.screens.settings_keys import KEYS, beside
from tui.app.survey import Survey
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.form import Form, choices_of
from tui.app.widgets.keys import Keys
from tui.app.widgets.rate_curve import RateCurve
from tui.app.widgets.row_list import RowList
from tui.core.dataset.problems import many
from tui.core.dataset.scan import Scan
from tui.core.schema import Setting
from tui.core.text import clean, clean_path

_FEWEST, _MOST = 2, 4
"""Lines of the explanation below the form."""
_RATES = ("optimizer.learning_rate", "training.epochs", "training.max_steps")
"""Settings besides those of the schedule that change its curve."""


class SettingsScreen(Screen[None]):
    """The form for one `Draft`."""

    CSS_PATH = "settings.tcss"
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]
    HORIZONTAL_BREAKPOINTS = [(0, "-small"), (76, "-narrow"), (116, "-wide")]
    BINDINGS = KEYS

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._setting: Setting | None = None
        self._survey: Survey | None = None
        self._before: dict[str, str] = {}
        self._told = _FEWEST
        """Lines of the explanation."""

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield RowList(id="groups")
                yield Static(id="keys")
            yield Form(self._draft, id="form")
            with Vertical(id="beside"):
                yield RateCurve(id="rates")
                yield Static(id="network")
                yield Static(id="changes")
        yield Static(id="keys-below")
        with Vertical(id="about"):
            yield Static(id="help")
            yield Static(id="limits")
            yield Static(id="command")
            yield RateCurve(id="curve")
        yield Keys()

    def on_mount(self) -> None:
        self.query_one("#groups").can_focus = False
        keys = beside(self.app)
        self.query_one("#keys", Static).update(Content("\n").join(keys))
        self.query_one("#keys-below", Static).update(Content("  ").join(keys))
        self._show()
        # The name and the folder are decided when one comes here: the first thing to think about is the next.
        self.call_after_refresh(self.query_one(Form).enter, "data.image_size" if self._draft.directory else DIRECTORY)

    @on(Form.Changed)
    def typed(self, event: Form.Changed) -> None:
        """Check it, and show how everything stands now."""
        self._draft.write(event.key, event.text)
        self._show()
        if event.key == DIRECTORY and self._draft.directory:
            look = partial(self._look_for, self._draft.directory)
            self.run_worker(look, thread=True, exclusive=True, group="directory", exit_on_error=False)

    def _look_for(self, directory: str) -> None:
        """See in a thread whether a folder is there: a disk that does not answer holds up nobody who types."""
        self.app.call_from_thread(self._looked_for, directory, os.path.exists(directory))

    def _looked_for(self, directory: str, there: bool) -> None:
        if self.is_attached:
            self._draft.looked_for(directory, there)
            self._show()

    @on(Form.Entered)
    def entered(self, event: Form.Entered) -> None:
        """Explain the field that has the focus."""
        self._draft.leave()
        self._setting = event.setting
        self._show_curve()
        self._show_help()
        self.query_one("#groups", RowList).mark(event.setting.group)

    @on(OptionList.OptionSelected, "#groups")
    def group_clicked(self, event: OptionList.OptionSelected) -> None:
        form = self.query_one(Form)
        form.enter(next(keys[0] for name, _, keys in form.groups if name == event.option_id), top=True)

    def action_train(self) -> None:
        """Start the run, if nothing is wrong."""
        if self._right():
            begin(self.app, starts.fresh(self._draft))

    def action_back(self) -> None:
        """Go back; where the form is the whole of it, ask before what was typed is lost."""
        from tui.app.screens.ask import Confirm
        from tui.app.screens.dataset import DatasetScreen

        if not self._draft.edited or any(isinstance(screen, DatasetScreen) for screen in self.app.screen_stack):
            self.dismiss()
            return

        def answer(yes: bool | None) -> None:
            if yes:
                self.dismiss()

        detail = "What was typed here is lost; ^s keeps it as a preset."
        self.app.push_screen(Confirm("Leave these settings?", detail, yes="Leave", careful=True), answer)

    def action_rehearse(self) -> None:
        """Make a dry run, if nothing is wrong."""
        from tui.app.screens.rehearsal import RehearsalScreen

        if self._right():
            self.app.push_screen(RehearsalScreen(self._draft))

    def action_rates(self) -> None:
        """Try learning rates, if nothing is wrong."""
        from tui.app.screens.rates import RatesScreen

        if self._right():
            self.app.push_screen(RatesScreen(self._draft))

    def _right(self) -> bool:
        """Whether a run could start; else the cursor goes to what is wrong, where that is told."""
        wrong = next((key for key in fields() if key in self._draft.problems), None)
        if wrong is not None:
            self.query_one(Form).enter(wrong)
        return wrong is None

    def action_preview(self) -> None:
        """Show what the network sees with these settings."""
        draft = self._draft
        if draft.scan is not None:
            self._show_preview(draft.scan)
        elif not draft.directory:
            self.query_one(Form).enter(DIRECTORY)
        elif self._survey is None or self._survey.done:
            survey = self._survey = Survey(Path(draft.directory), draft.settings)
            changed = partial(self.app.call_from_thread, self._surveyed, survey)
            self.run_worker(partial(survey.look, changed), thread=True, exit_on_error=False)
            self.notify("Looking through the pictures…", markup=False)

    def _surveyed(self, survey: Survey) -> None:
        if survey.error:
            self.notify(clean(survey.error, 600), severity="error", markup=False)
        elif survey.done and survey.scan is not None and self.is_current:
            if os.path.abspath(survey.path) == self._draft.directory:
                self._draft.use_directory(survey.path, survey.scan)
            self._show_preview(survey.scan)

    def _show_preview(self, scan: Scan) -> None:
        from tui.app.screens.preview import PreviewScreen

        self.app.push_screen(PreviewScreen(self._draft, scan, mixed(scan)))

    def on_screen_suspend(self) -> None:
        """Remember how everything stands while another screen lies above."""
        self._before = dict(self._draft.texts)

    def on_screen_resume(self) -> None:
        """What the screen above has changed, a learning rate that was tried for example, is where one looks now."""
        self._show()
        texts = self._draft.texts
        changed = next((key for key in self._before if self._before[key] != texts[key]), None)
        if changed is not None:
            self.query_one(Form).enter(changed)

    def on_unmount(self) -> None:
        if self._survey is not None:
            self._survey.cancelled = True

    def action_find(self) -> None:
        """Ask for a setting and go there."""
        from tui.app.screens.pick import Pick

        keys = {findable(setting): key for key, setting in fields().items()}
        shown = self.query_one(Form).lines
        values = {text: shown.look_of(key).value for text, key in keys.items()}

        def go(answer: str | None) -> None:
            if answer is not None:
                self.query_one(Form).enter(keys[answer], top=True)

        more = {text: words_of(fields()[key]) for text, key in keys.items()}
        self.app.push_screen(Pick("Find a setting", list(keys), about=values, more=more), go)

    def action_network(self) -> None:
        """Show the network, if the settings can be used."""
        from tui.app.screens.network import NetworkScreen

        wrong = next((key for key in fields() if key in self._draft.problems and not key.startswith("run.")), None)
        if wrong is not None and wrong != DIRECTORY:
            self.query_one(Form).enter(wrong)
        else:
            self.app.push_screen(NetworkScreen(self._draft))

    def action_undo(self) -> None:
        """Take the last change back, and go where it was."""
        self._turned(self._draft.undo(), "There is nothing to undo.")

    def action_redo(self) -> None:
        """Make the change again that was last taken back."""
        self._turned(self._draft.redo(), "There is nothing to make again.")

    def _turned(self, key: str | None, nothing: str) -> None:
        if key is None:
            self.notify(nothing)
            return
        self.query_one(Form).enter(key)
        self._show()

    def action_copy(self) -> None:
        """Put the command line into the clipboard of the terminal."""
        self.app.copy_to_clipboard(self._draft.command_line())
        self.notify("The command line was sent to the terminal's clipboard.", markup=False)

    def action_save(self) -> None:
        """Ask for a name and save the settings as a preset."""
        if self._draft.problems:
            self.notify("Mend what is marked first: a preset holds only what is right.", severity="error")
            return
        save_preset(self.app, self._draft, self._show)

    def _show(self) -> None:
        draft, form = self._draft, self.query_one(Form)
        form.show(draft)
        self.query_one("#about").set_class(bool(draft.problems), "-wrong")
        self._show_title()
        self._show_help()
        self.query_one("#groups", RowList).show(
            {name: partial(group_line, title, draft, keys) for name, title, keys in form.groups}
        )
        self._show_curve()
        self.query_one("#network", Static).update(network_words(draft))
        self.query_one("#changes", Static).update(changes_words(draft), layout=False)
        self._show_command()

    def _show_curve(self) -> None:
        """Draw the schedule; in a narrow terminal only where it is edited, and not while something is wrong."""
        setting = self._setting
        edited = setting is not None and (setting.group == "schedule" or setting.key in _RATES)
        for place in self.query("#about, #left"):  # not the screen: everything on it would be styled anew
            place.set_class(edited and not self._draft.problems, "-rates")
        for curve in self.query(RateCurve):
            curve.show(self._draft.settings, self._draft.epoch_steps)

    def _show_command(self) -> None:
        """Show as much of the command line as there is room for; it is copied whole."""
        place = self.query_one("#command", Static)
        if self._draft.problems:
            place.update(
                Content.styled("Mend what is marked to get the command line.", "$foreground-muted"), layout=False
            )
            return
        # Its own height is not yet what it becomes when the last problem has just gone.
        about = self.query_one("#about").content_size
        width, height = (about.width, about.height - self._told - 1) if about else (self.size.width - 2, 2)
        if height < 1:
            place.update("", layout=False)
            return
        lines = wrapped_command([clean(piece) for piece in self._draft.command()], width)
        if len(lines) > height:
            hint = Content.styled(" … F6 copies all", "$foreground-muted")
            lines = [*lines[: height - 1], lines[height - 1].truncate(width - hint.cell_length).append(hint)]
        place.update(Content("\n").join(lines), layout=False)

    def _show_title(self) -> None:
        draft = self._draft
        about = f"{clean(draft.preset, 24)} on {clean_path(draft.directory, 60) or 'no pictures yet'}"
        if draft.scan is not None:
            found = f"{many(len(draft.scan.classes), 'class')}, {many(draft.scan.total, 'picture')}"
            about += f" ({found})"
        if draft.problems:
            state = Content.styled(f"✗ {many(len(draft.problems), 'problem')}", "bold $text-error")
        else:
            number = sum(map(draft.differs, fields()))
            state = Content.styled(f"{number} changed" if number else "as the preset", "$foreground-muted")
        room = max(10, self.size.width - 2 - state.cell_length - 11)
        left = line([Cell("New run", 7, "bold"), Cell(about, room)])
        self.query_one("#title", Static).update(Content("  ").join([left, state]), layout=False)

    def on_resize(self) -> None:
        self._show_title()
        self._show_help()
        self.call_after_refresh(self._show_command)

    def _show_help(self) -> None:
        setting = self._setting
        if setting is None:
            return
        below = limits_words(self._draft, setting, len(choices_of(setting)), self.size.width)
        explained, place = Content(setting.help), self.query_one("#help", Static)
        room = _FEWEST if self.query_one("#curve").display else _MOST
        lines = min(room, max(_FEWEST, len(explained.wrap(max(1, self.size.width - 2)))))
        place.update(explained, layout=False)
        if lines != self._told:
            self._told = lines
            place.styles.height = lines
            self._show_command()
        self.query_one("#limits", Static).update(below, layout=False)
