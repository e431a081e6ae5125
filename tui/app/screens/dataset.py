"""Which pictures to train on: choose a folder, and see at once what is in it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer, OptionList, Static

from tui.app.draft import Draft
from tui.app.survey import Survey
from tui.app.widgets.class_bars import ClassBars
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.folder_tree import FolderTree
from tui.app.widgets.path_input import PathInput
from tui.app.widgets.row_list import RowList
from tui.core import recent
from tui.core.dataset.problems import many
from tui.core.dataset.scan import Scan
from tui.core.dataset.sizes import Sizes
from tui.core.settings import Settings
from tui.core.text import clean, clean_path

_TYPING = 0.4
"""Seconds without a key after which a typed path is looked at."""
_MOST_RECENT = 5
_SIGNS = {"error": ("✗", "$text-error"), "warning": ("!", "$text-warning"), "info": ("·", "$foreground-muted")}


class DatasetScreen(Screen[None]):
    """Choose the pictures of a `Draft`."""

    CSS_PATH = "dataset.tcss"
    BINDINGS = [
        Binding("ctrl+n", "proceed", "Next", id="dataset.use", tooltip="Go on to the settings."),
        Binding("escape", "back", "Back", id="dataset.back", tooltip="Stop looking, or go back."),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._survey: Survey | None = None
        self._wait: Timer | None = None
        self._proceeding = False

    def compose(self) -> ComposeResult:
        title = Content.assemble(("Pictures", "bold"), (f"  for {clean(self._draft.preset, 40)}", "$foreground-muted"))
        yield Static(title, id="title")
        with Horizontal(id="folder"):
            yield Static(Content("Folder"), id="label")
            yield PathInput(id="path")
        with Horizontal(id="body"):
            with Vertical(id="choose"):
                yield Static(Content.styled("Recent", "bold $primary"), id="recent-heading")
                yield RowList(id="recent")
                yield Static(Content.styled("Folders", "bold $primary"), id="tree-heading")
                yield FolderTree(id="tree")
            with Vertical(id="found"):
                yield Static(id="summary")
                yield ClassBars(id="bars")
                with VerticalScroll(id="problems"):
                    yield Static(id="problem-list")
        yield Footer()

    def on_mount(self) -> None:
        known = [path for path in recent.directories() if path.is_dir()][:_MOST_RECENT]
        rows = {os.fspath(path): partial(_path_line, path) for path in known}
        self.query_one("#recent", RowList).show(rows)
        self.set_class(not known, "-no-recent")
        start = Path(self._draft.directory) if self._draft.directory else (known[0] if known else None)
        self.query_one(PathInput).focus()
        self.set_interval(0.25, self._show_progress)
        if start is not None:
            self.query_one(FolderTree).start_at(start.parent, start)
            self.choose(start)
        else:
            self.query_one(FolderTree).start_at(Path.cwd())
            self._show()

    def on_unmount(self) -> None:
        self._cancel()

    @property
    def ready(self) -> bool:
        """Whether the chosen folder can be used."""
        survey = self._survey
        return survey is not None and survey.scan is not None and survey.path == self.query_one(PathInput).path

    def choose(self, path: Path) -> None:
        """Look through a folder."""
        self.query_one(PathInput).show(path)
        self._look()

    @on(FolderTree.Chosen)
    def chosen_in_tree(self, event: FolderTree.Chosen) -> None:
        """The first Enter looks, the second goes on."""
        if event.path == self.query_one(PathInput).path and self.ready:
            self.action_proceed()
        else:
            self.choose(event.path)

    @on(OptionList.OptionSelected, "#recent")
    def chosen_again(self, event: OptionList.OptionSelected) -> None:
        path = Path(event.option_id or ".")
        if path == self.query_one(PathInput).path and self.ready:
            self.action_proceed()
        else:
            self.choose(path)

    @on(PathInput.Changed)
    def typed(self) -> None:
        """Look at what is typed as soon as it is a folder and the typing rests."""
        self._cancel()
        self._survey = None
        self._proceeding = False
        self._show()
        if self._wait is not None:
            self._wait.stop()
        self._wait = self.set_timer(_TYPING, self._look_if_folder)

    @on(PathInput.Submitted)
    def entered(self) -> None:
        """Go on if the folder is known by now, else look at it."""
        if self.ready:
            self.action_proceed()
        elif self._survey is None or self._survey.done:
            self._look()
        else:
            self._proceeding = True

    @on(RowList.Edge)
    def beyond(self, event: RowList.Edge) -> None:
        if event.direction > 0:
            self.query_one(FolderTree).focus()
        else:
            self.query_one(PathInput).focus()

    def action_proceed(self) -> None:
        """Go on to the settings with this folder; while it is looked through, as soon as that is done."""
        survey = self._survey
        if survey is None or (not survey.done and survey.scan is None):
            self._proceeding = True
            if survey is None:
                self._look()
            return
        if survey.scan is None:
            if not survey.error:  # else it stands beside the folders
                self.notify("Choose a folder first.", severity="error")
            return
        from tui.app.screens.settings import SettingsScreen

        self._draft.use_directory(survey.path, survey.scan)
        self.app.push_screen(SettingsScreen(self._draft))

    def action_back(self) -> None:
        """Stop looking, or go back."""
        if self._survey is not None and not self._survey.done and self._survey.scan is None:
            self._cancel()
        else:
            self.app.pop_screen()

    def _cancel(self) -> None:
        if self._survey is not None:
            self._survey.cancelled = True

    def _look_if_folder(self) -> None:
        path = self.query_one(PathInput).path
        if path is not None and self._survey is None:
            self.run_worker(partial(self._ask_folder, path), thread=True, exit_on_error=False)

    def _ask_folder(self, path: Path) -> None:
        if path.is_dir():
            self.app.call_from_thread(self._look_at, path)

    def _look_at(self, path: Path) -> None:
        if self._survey is None and self.query_one(PathInput).path == path:
            self._look()

    def _look(self) -> None:
        """Begin to look through the folder that is named; whatever was looked through before is given up."""
        self._cancel()
        path = self.query_one(PathInput).path
        if path is None:
            self._survey = None
            self._show()
            return
        survey = self._survey = Survey(path, self._draft.settings)
        changed = partial(self.app.call_from_thread, self._changed, survey)
        self.run_worker(partial(survey.look, changed), thread=True, exit_on_error=False)
        self._show()

    def _changed(self, survey: Survey) -> None:
        if survey is not self._survey or not self.is_attached:
            return
        self._show()
        if self._proceeding and (survey.scan is not None or survey.done):
            self._proceeding = False
            self.action_proceed()

    def _show_progress(self) -> None:
        survey = self._survey
        if survey is not None and survey.scan is None and not survey.done:
            self.query_one("#summary", Static).update(_progress(survey), layout=False)

    def _show(self) -> None:
        survey = self._survey
        scan = survey.scan if survey is not None else None
        self.query_one("#summary", Static).update(_summary(survey))
        bars = self.query_one(ClassBars)
        bars.display = scan is not None
        problems = _problems(survey)
        self.query_one("#problems").display = bool(problems)
        self.query_one("#problem-list", Static).update(Content("\n").join(problems))
        if scan is not None:
            bars.show(scan.classes, _per_class(scan))


def _path_line(path: Path, width: int) -> Content:
    return line([Cell(clean_path(path, max(8, width)), width)])


def _per_class(scan: Scan) -> list[int]:
    return [sum(counts) for counts in zip(*scan.counts.values(), strict=True)]


def _progress(survey: Survey) -> Content:
    """Return how far it is. How many files there are in all is not known before: the bar only shows that it moves."""
    width = 24
    at = (survey.seen // 512) % (2 * (width - 6))
    at = min(at, 2 * (width - 6) - at)
    if survey.cancelled:
        return Content("Stopped.")
    return Content.assemble(
        f"Looking through it… {survey.seen:,} files\n",
        ("─" * at, "$border-blurred"),
        ("━" * 6, "$primary"),
        ("─" * (width - 6 - at), "$border-blurred"),
        ("  Escape stops", "$foreground-muted"),
    )


def _summary(survey: Survey | None) -> Content:
    if survey is None:
        return Content.styled(
            "Choose a folder that holds one folder per class, or train, val and test folders of them.",
            "$foreground-muted",
        )
    if survey.error:
        return Content.styled(f"✗ {clean(survey.error, 600)}", "$text-error")
    if survey.scan is None:
        return Content("Stopped.") if survey.cancelled else _progress(survey)
    scan = survey.scan
    lines = [
        Content.styled(f"{many(len(scan.classes), 'class')}, {many(scan.total, 'picture')}", "bold"),
        Content(_layout_words(scan, survey.settings)),
        Content(_split_words(survey)),
        Content(_size_words(survey.sizes) if survey.sizes is not None else "measuring sizes…"),
    ]
    if survey.warning:
        lines.append(Content.styled(f"! {clean(survey.warning, 400)}", "$text-warning"))
    return Content("\n").join(words for words in lines if words.plain)


def _layout_words(scan: Scan, settings: Settings) -> str:
    if scan.layout == "split_folders":
        return f"in the folders {', '.join(scan.counts)}"
    validation, test = round(100 * settings.data.validation_fraction), round(100 * settings.data.test_fraction)
    return f"one folder per class, divided {100 - validation - test}/{validation}/{test}"


def _split_words(survey: Survey) -> str:
    return " · ".join(f"{name} {count:,}" for name, count in survey.splits.items() if count)


def _size_words(sizes: Sizes) -> str:
    if not sizes.measured:
        return "no picture could be measured"
    (w_low, w_mid, w_high), (h_low, h_mid, h_high) = sizes.width, sizes.height
    modes = ", ".join(clean(mode, 12) for mode in list(sizes.modes)[:4])
    if (w_low, h_low) == (w_high, h_high):
        return f"all {w_low}×{h_low} px, {modes}"
    return f"{w_mid}×{h_mid} px in the middle, {w_low}–{w_high} × {h_low}–{h_high}, {modes}"


def _problems(survey: Survey | None) -> list[Content]:
    if survey is None or survey.scan is None:
        return []
    order = ("error", "warning", "info")
    told = [
        Content.assemble((f"{_SIGNS[p.severity][0]} ", _SIGNS[p.severity][1]), clean(p.text, 400))
        for p in sorted(survey.scan.problems, key=lambda problem: order.index(problem.severity))
    ]
    if survey.sizes is not None and survey.sizes.unreadable:
        some = ", ".join(clean(path, 60) for path in survey.sizes.unreadable[:3])
        number = many(len(survey.sizes.unreadable), "picture")
        told.append(Content.assemble(("! ", "$text-warning"), f"{number} of the sample cannot be read: {some}."))
    return told
