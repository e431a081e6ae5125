"""The pictures of each class, to be looked at: the classes on the left, thumbnails on the right."""

from __future__ import annotations

from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import OptionList, Static

from tui.app.draft import Draft
from tui.app.samples import Group, grouped, labeller
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.gallery import Gallery
from tui.app.widgets.keys import Keys
from tui.app.widgets.row_list import RowList
from tui.core.dataset.problems import many
from tui.core.dataset.scan import Scan
from tui.core.dataset.thumbnails import Thumbnail, Thumbnails
from tui.core.text import clean, clean_path

_TICK = 0.1


class GalleryScreen(Screen[None]):
    """Thumbnails of what a scan has found."""

    CSS_PATH = "gallery.tcss"
    BINDINGS = [
        Binding(
            "ctrl+g",
            "preview",
            "What the network sees",
            id="gallery.preview",
            tooltip="The picture under the cursor after the transforms of training and evaluation.",
        ),
        Binding("escape", "back", "Back", id="gallery.back", tooltip="Back."),
    ]

    def __init__(self, draft: Draft, scan: Scan) -> None:
        super().__init__()
        self._draft, self._scan = draft, scan
        self._groups: list[Group] = []
        self._label = labeller(scan)
        self._thumbnails = Thumbnails(scan.root)
        self._ticks: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        with Horizontal(id="body"):
            yield RowList(id="classes")
            yield Gallery(self._thumbnail, id="gallery")
        yield Static(id="about")
        yield Keys()

    def on_mount(self) -> None:
        self._groups = grouped(self._scan)
        title = Content.assemble(("Pictures", "bold"), (f"  {clean_path(self._scan.root, 200)}", "$foreground-muted"))
        self.query_one("#title", Static).update(title)
        # Ids are numbers: names of classes can be the same when cleaned.
        rows = {str(index): partial(_class_line, group) for index, group in enumerate(self._groups)}
        self.query_one("#classes", RowList).show(rows)
        self.query_one("#classes").focus()
        self._ticks = self.set_interval(_TICK, self._collect)

    def on_unmount(self) -> None:
        self.app.run_worker(self._thumbnails.close, thread=True, exit_on_error=False)

    @property
    def complete(self) -> bool:
        """Whether every thumbnail that can be seen is there."""
        return self.query_one(Gallery).complete

    @on(RowList.Marked)
    def class_marked(self, event: RowList.Marked) -> None:
        """Show the pictures of the class under the cursor."""
        if event.row is not None:
            self.query_one(Gallery).show(self._groups[int(event.row)].paths, self._label)

    @on(OptionList.OptionSelected)
    def class_chosen(self) -> None:
        self.query_one(Gallery).focus()

    @on(Gallery.Moved)
    def moved(self) -> None:
        self._show_about()

    @on(Gallery.Chosen)
    def chosen(self) -> None:
        self.action_preview()

    def action_preview(self) -> None:
        """Show what becomes of the picture under the cursor."""
        from tui.app.screens.preview import PreviewScreen

        gallery = self.query_one(Gallery)
        if gallery.paths:
            self.app.push_screen(PreviewScreen(self._draft, self._scan, gallery.paths, gallery.cursor))

    def action_back(self) -> None:
        """Back to the classes, then to the screen below."""
        if self.query_one(Gallery).has_focus:
            self.query_one("#classes").focus()
        else:
            self.app.pop_screen()

    def _thumbnail(self, path: str) -> Thumbnail | None:
        found = self._thumbnails.get(path)
        if found is None and self._ticks is not None:
            self._ticks.resume()
        return found

    def _collect(self) -> None:
        gallery = self.query_one(Gallery)
        if not self._thumbnails.waiting:
            if self._ticks is not None:
                self._ticks.pause()
            return
        seen = gallery.seen()
        self._thumbnails.want_only(seen)
        if seen.intersection(self._thumbnails.collect()):
            gallery.arrived()
            self._show_about()

    def _show_about(self) -> None:
        gallery = self.query_one(Gallery)
        place = self.query_one("#about", Static)
        if not gallery.paths:
            place.update(Content("no pictures"), layout=False)
            return
        path = gallery.paths[gallery.cursor]
        where = f"{gallery.cursor + 1:,} of {many(len(gallery.paths), 'picture')}"
        place.update(
            Content.assemble(
                (where, "$foreground-muted"), (_facts(self._thumbnails.get(path)), "$accent"), f"  {clean(path, 120)}"
            ),
            layout=False,
        )


def _facts(thumbnail: Thumbnail | None) -> str:
    if thumbnail is None:
        return ""
    if thumbnail.reason:
        return f"  {thumbnail.reason}"
    facts = thumbnail.facts
    return f"  {facts.width}×{facts.height} {clean(facts.mode, 12)} {clean(facts.format, 12)}"


def _class_line(group: Group, width: int) -> Content:
    count = f"{len(group.paths):,}"
    return line([Cell(group.name, max(4, width - len(count) - 1)), Cell(count, len(count), "$foreground-muted")], gap=1)
