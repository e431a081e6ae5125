"""One finding of a check: the files it is about, how they look, and whether they are left out."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static

from tui.app.exclusion import Exclusion
from tui.app.outline import SIGNS
from tui.app.screens.begin import explain
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.exhibit import Exhibit, Piece
from tui.app.widgets.keys import Keys
from tui.app.widgets.row_list import RowList
from tui.core.dataset.findings import Finding
from tui.core.dataset.thumbnails import Thumbnail, Thumbnails
from tui.core.errors import CnntrainError
from tui.core.text import clean

_MOST = 2000
_MOST_TOGETHER = 3
_NOT_FILES = frozenset({"class_unreadable", "class_missing", "empty_class", "extra_folder", "datasets"})
"""What these are about are folders and classes."""


class FindingScreen(Screen[None]):
    """Shows a `Finding`.

    Args:
        finding: of a check.
        root: of the dataset.
        exclusion: what is left out.
        pictures: the paths that a run could use: only these can be left out.
    """

    CSS_PATH = "finding.tcss"
    BINDINGS = [
        Binding(
            "x,space", "leave_out", "Leave out", id="finding.toggle", tooltip="Leave this file out, or take it back."
        ),
        Binding(
            "a",
            "all",
            "Leave out all",
            id="finding.all",
            tooltip="Leave all of these out, of copies all but the first; again takes them back.",
        ),
        Binding("escape", "app.pop_screen", "Back", id="finding.back", tooltip="Back."),
    ]

    def __init__(self, finding: Finding, root: Path, exclusion: Exclusion, pictures: frozenset[str]) -> None:
        super().__init__()
        self._finding, self._exclusion, self._pictures = finding, exclusion, pictures
        self._thumbnails = Thumbnails(root, size=160, kept=60)
        if finding.groups:
            self._rows = [(path, number) for number, own in enumerate(finding.groups, 1) for path in own][:_MOST]
        else:
            self._rows = [(path, 0) for path in finding.paths][:_MOST]
        self._index = 0

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Static(id="about")
        with Horizontal(id="body"):
            yield RowList(id="files")
            yield Exhibit(id="picture")
        yield Keys()

    def on_mount(self) -> None:
        sign, style = SIGNS[self._finding.severity]
        self.query_one("#title", Static).update(
            Content.assemble((f"{sign} ", style), clean(self._finding.text, 600)), layout=True
        )
        self._show()
        self.query_one("#files").focus()
        self.set_interval(0.1, self._tick)

    def on_unmount(self) -> None:
        self.app.run_worker(self._thumbnails.close, thread=True, exit_on_error=False)

    @property
    def complete(self) -> bool:
        """Whether the pictures of the row under the cursor are there."""
        return all(self._thumbnails.get(path) is not None for path in self._together())

    @on(RowList.Marked)
    def marked(self, event: RowList.Marked) -> None:
        """Show the pictures of the row under the cursor."""
        self._index = int(event.row or 0)
        self._thumbnails.want_only(set(self._together()))
        self._show_pictures()

    @on(OptionList.OptionSelected)
    def chosen(self) -> None:
        self.action_leave_out()

    def action_leave_out(self) -> None:
        """Leave the file under the cursor out, or take it back."""
        if self._rows:
            self._change([self._rows[self._index][0]])

    def action_all(self) -> None:
        """Leave all out; of copies all but the first."""
        if self._finding.groups:
            self._change([path for own in self._finding.groups for path in own[1:]])
        else:
            self._change(list(self._finding.paths))

    def _change(self, paths: list[str]) -> None:
        usable = [path for path in paths if path in self._pictures]
        if not usable:
            self.notify("These are not used in training anyway: there is nothing to leave out.", markup=False)
            return
        try:
            if self._exclusion.paths.issuperset(usable):
                self._exclusion.change(take_back=usable)
            else:
                self._exclusion.change(add=usable)
        except CnntrainError as error:
            explain(self.app, error)
        self._show()

    def _show(self) -> None:
        finding, left_out = self._finding, self._exclusion.paths
        told = [f"By default: {finding.done}."] if finding.code != "unusable" else []
        out = sum(path in left_out for path in finding.paths)
        if out:
            told.append(f"{out:,} of {len(finding.paths):,} left out by your list.")
        if len(finding.paths) > len(self._rows) and self._rows:
            told.append(f"The first {len(self._rows):,} are shown.")
        self.query_one("#about", Static).update(Content.styled(" ".join(told), "$foreground-muted"), layout=True)
        self.query_one("#files", RowList).show(
            {str(index): partial(_row, path, group, path in left_out) for index, (path, group) in enumerate(self._rows)}
        )
        self._show_pictures()

    def _together(self) -> list[str]:
        """Return the path under the cursor, and for copies its group, as far as there is room."""
        if not self._rows or self._finding.code in _NOT_FILES:
            return []
        path, group = self._rows[self._index]
        if not group:
            return [path]
        own = list(self._finding.groups[group - 1])
        at = own.index(path)
        start = max(0, min(at, len(own) - _MOST_TOGETHER))
        return own[start : start + _MOST_TOGETHER]

    def _tick(self) -> None:
        if self._thumbnails.waiting and self._thumbnails.collect():
            self._show_pictures()

    def _show_pictures(self) -> None:
        paths = self._together()
        current = self._rows[self._index][0] if self._rows else ""
        pieces = [_piece(path, self._thumbnails.get(path), path == current and len(paths) > 1) for path in paths]
        self.query_one("#picture", Exhibit).show(clean(current, 200), pieces)


def _row(path: str, group: int, out: bool, width: int) -> Content:
    number = f"{group}" if group else ""
    mark = "✗ out" if out else ""
    columns = [Cell(number, 3 if group else 0, "$foreground-muted", right=True), Cell(mark, 5, "$text-success")]
    room = width - 7 - (5 if group else 0)
    return line([*columns, Cell(_tail(clean(path, 200), room), room)])


def _tail(text: str, width: int) -> str:
    """Return the end of a path: that is where paths differ."""
    return text if len(text) <= width else f"…{text[-(width - 1) :]}"


def _piece(path: str, thumbnail: Thumbnail | None, chosen: bool) -> Piece:
    if thumbnail is None:
        return Piece("", words="…", chosen=chosen)
    if thumbnail.reason:
        return Piece("", words=f"✗ {thumbnail.reason}", chosen=chosen)
    facts = thumbnail.facts
    label = f"{facts.width}×{facts.height} {clean(facts.mode, 12)}"
    return Piece(label, thumbnail.width, thumbnail.height, thumbnail.pixels, chosen=chosen)
