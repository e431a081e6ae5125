"""The pictures that went wrong, side by side, the worst first, and the story of the one under the cursor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from tui.app.mistakes import Kind, caption, chosen, verdict
from tui.app.widgets.gallery import Gallery
from tui.core.dataset.thumbnails import Thumbnail, Thumbnails
from tui.core.text import clean

if TYPE_CHECKING:
    from tui.core.evaluations import Detail, Order, Pictured

_TICK = 0.1
_WORDS: dict[Order, str] = {"confidence": "the most confident first", "loss": "the highest loss first"}


class MistakeGallery(Vertical):
    """Shows the mistakes of an evaluation; posts `Opened` when one is to be looked at closely."""

    DEFAULT_CSS = """
    MistakeGallery {
        width: 1fr;
        height: 1fr;
        & > #which, & > #story { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > Gallery { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "order", "Order", id="mistakes.order", tooltip="Most confident answers or highest losses first."),
    ]

    class Opened(Message):
        """A picture was chosen."""

        def __init__(self, pictures: list[Pictured], index: int) -> None:
            super().__init__()
            self.pictures, self.index = pictures, index

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.order: Order = "confidence"
        self.kind = Kind()
        self._detail: Detail | None = None
        self._ticks: Timer | None = None
        self._shown: list[Pictured] = []
        self._places: dict[str, int] = {}
        """The picture of each tile, by the gallery's path."""
        self._thumbnails: Thumbnails | None = None
        self._root = ""

    def compose(self) -> ComposeResult:
        yield Static(id="which")
        yield Gallery(self._thumbnail, zoom=2, id="gallery")
        yield Static(id="story")

    def on_mount(self) -> None:
        self._ticks = self.set_interval(_TICK, self._collect)

    def on_unmount(self) -> None:
        self._close()

    @property
    def complete(self) -> bool:
        """Whether every thumbnail that can be seen is there."""
        return self.query_one(Gallery).complete

    @property
    def taking_keys(self) -> Gallery:
        """The part of it that keys are for."""
        return self.query_one(Gallery)

    def show(self, detail: Detail | None, kind: Kind | None = None) -> None:
        """Show the mistakes of an evaluation; of another kind, if one is given."""
        gallery = self.query_one(Gallery)
        if kind is not None:
            self.kind = kind
        kept = gallery.paths[gallery.cursor] if gallery.paths and kind is None else ""
        self._detail = detail
        if detail is not None and detail.root != self._root:
            self._close()
            self._root = detail.root
            self._thumbnails = Thumbnails(Path(detail.root), size=160) if detail.root else None
        self._shown = chosen(detail, self.kind, self.order) if detail is not None else []
        # A picture of an older run may have no path; no file has a zero byte in its name.
        paths = [one.path or f"\0{one.position}" for one in self._shown]
        self._places = {path: place for place, path in enumerate(paths)}
        gallery.show(paths, self._label, self._places.get(kept, 0))
        self._show_words()

    def action_order(self) -> None:
        """Show the other ones first."""
        self.order = "loss" if self.order == "confidence" else "confidence"
        self.show(self._detail, self.kind)

    @on(Gallery.Moved)
    def _moved(self, event: Gallery.Moved) -> None:
        event.stop()
        self._show_words()

    @on(Gallery.Chosen)
    def _chosen(self, event: Gallery.Chosen) -> None:
        event.stop()
        if self._shown:
            self.post_message(self.Opened(self._shown, event.index))

    def _label(self, path: str) -> str:
        assert self._detail is not None
        return caption(self._detail, self._shown[self._places[path]], self.query_one(Gallery).label_width)

    def _thumbnail(self, path: str) -> Thumbnail | None:
        if path.startswith("\0") or self._thumbnails is None:
            return Thumbnail(reason="its path is not known")
        found = self._thumbnails.get(path)
        if found is None and self._ticks is not None:
            self._ticks.resume()
        return found

    def _collect(self) -> None:
        if self._thumbnails is None or not self._thumbnails.waiting:
            if self._ticks is not None:
                self._ticks.pause()
            return
        gallery = self.query_one(Gallery)
        seen = gallery.seen() if gallery.display else set()
        self._thumbnails.want_only(seen)
        if seen.intersection(self._thumbnails.collect()):
            gallery.arrived()

    def _show_words(self) -> None:
        detail, gallery = self._detail, self.query_one(Gallery)
        which, story = self.query_one("#which", Static), self.query_one("#story", Static)
        if detail is None or not self._shown:
            words = "" if detail is None else f"No {self.kind.words(detail)} among the pictures that are kept."
            which.update(Content(words), layout=False)
            story.update(Content(""), layout=False)
            return
        many, total = len(self._shown), self.kind.total(detail)
        count = f"{many:,} of {total:,} are kept" if total is not None and total > many else f"{many:,}"
        order = "" if detail.task == "regression" else f", {_WORDS[self.order]}"
        title = self.kind.words(detail)
        which.update(
            Content.assemble((title[:1].upper() + title[1:], "bold"), (f"  {count}{order}", "$foreground-muted")),
            layout=False,
        )
        one = self._shown[min(gallery.cursor, many - 1)]
        path = clean(one.path, 120) or "(its path is not known)"
        story.update(Content.assemble((f"{path}  ", "$foreground-muted"), verdict(detail, one)), layout=False)

    def _close(self) -> None:
        if self._thumbnails is not None:
            self.app.run_worker(self._thumbnails.close, thread=True, exit_on_error=False)
            self._thumbnails = None
