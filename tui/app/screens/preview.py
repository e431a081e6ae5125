"""What the network sees of a picture: whole, as evaluation brings it to size, and as epochs of training draw it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tui.app.draft import DIRECTORY, Draft
from tui.app.previews import DRAWS, RESIZES, Previews, Seen, Wanted
from tui.app.widgets.exhibit import Exhibit, Piece
from tui.app.widgets.keys import Keys
from tui.core.dataset.scan import Scan
from tui.core.dataset.thumbnails import Thumbnail, Thumbnails
from tui.core.groups.data import DataSettings
from tui.core.text import clean

_WHOLE = 240
"""Pixels on the longer side of the whole picture."""
RESIZE = "data.resize"


class PreviewScreen(Screen[None]):
    """Looks at the pictures of a list one by one, through the settings of a draft."""

    CSS_PATH = "preview.tcss"
    BINDINGS = [
        Binding(
            "left,p", "step(-1)", "Previous", id="preview.previous", key_display="←", tooltip="The picture before."
        ),
        Binding("right,n", "step(1)", "Next", id="preview.next", key_display="→", tooltip="The next picture."),
        Binding("r", "resize", "Resize", id="preview.resize", tooltip="Set data.resize: crop, letterbox or squash."),
        Binding("e", "epochs(1)", "Later epochs", id="preview.later", tooltip="What the next epochs will draw."),
        Binding("E", "epochs(-1)", "Earlier epochs", id="preview.earlier", show=False, tooltip="Back by some epochs."),
        Binding("escape", "app.pop_screen", "Back", id="preview.back", tooltip="Back."),
    ]

    def __init__(self, draft: Draft, scan: Scan, paths: Sequence[str], index: int = 0) -> None:
        super().__init__()
        self._draft, self._paths, self._index = draft, paths, index
        self._first = 0
        self._thumbnails = Thumbnails(scan.root, size=_WHOLE, kept=40)
        self._previews = Previews(scan, self._arrived)
        self._seen: Seen | None = None
        self._since = time.monotonic()
        self._gone = False

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Exhibit(id="evaluated")
        yield Exhibit(id="trained")
        yield Static(id="about")
        yield Keys()

    def on_mount(self) -> None:
        self._want()
        self.set_interval(0.1, self._tick)

    def on_unmount(self) -> None:
        self._gone = True
        self.app.run_worker(self._close, thread=True, exit_on_error=False)

    def _close(self) -> None:
        self._previews.close()
        self._thumbnails.close()

    @property
    def complete(self) -> bool:
        """Whether everything that is wanted is shown."""
        seen = self._seen
        return seen is not None and seen.wanted == self._wanted and self._thumbnails.get(self._path) is not None

    def action_step(self, by: int) -> None:
        """Go to another picture."""
        self._index = max(0, min(len(self._paths) - 1, self._index + by))
        self._want()

    def action_epochs(self, by: int) -> None:
        """Show the draws of other epochs."""
        self._first = max(0, self._first + by * DRAWS)
        self._want()

    def action_resize(self) -> None:
        """Set the next way of resizing in the settings of the run."""
        now = RESIZES.index(self._draft.settings.data.resize)
        self._use(RESIZES[(now + 1) % len(RESIZES)])

    @on(Exhibit.Chosen)
    def clicked(self, event: Exhibit.Chosen) -> None:
        """Set the way of resizing that was clicked."""
        if event.exhibit.id == "evaluated" and event.index > 0:
            self._use(RESIZES[event.index - 1])

    def _use(self, resize: str) -> None:
        self._draft.write(RESIZE, resize)
        self._want()

    @property
    def _path(self) -> str:
        return self._paths[self._index]

    @property
    def _wanted(self) -> Wanted:
        return Wanted(self._path, self._draft.settings, self._first)

    def _want(self) -> None:
        if self._previews.want(self._wanted):
            self.run_worker(self._previews.serve, thread=True, exit_on_error=False)
        self._thumbnails.want_only({self._path})
        self._show()

    def _arrived(self, seen: Seen) -> None:
        """Called from the thread that waits for the training code."""
        if not self._gone:
            self.app.call_from_thread(self._take, seen)

    def _take(self, seen: Seen) -> None:
        if self.is_attached and seen.wanted == self._wanted:
            self._seen = seen
            self._show()

    def _tick(self) -> None:
        if self._thumbnails.collect() or (not self.complete and not self._previews.ready):
            self._show()

    def _show(self) -> None:
        seen = self._seen if self._seen is not None and self._seen.wanted == self._wanted else None
        data = self._draft.settings.data
        where = f"{self._index + 1:,} of {len(self._paths):,}"
        title = Content.assemble(("What the network sees", "bold"), (f"  {where}  ", "$foreground-muted"))
        self.query_one("#title", Static).update(title.append(clean(self._path, 120)), layout=False)
        pieces = [_whole(self._thumbnails.get(self._path))]
        for number, resize in enumerate(RESIZES):
            pixels = seen.evaluated[number] if seen is not None and seen.evaluated else b""
            pieces.append(self._piece(seen, resize, pixels, resize == data.resize))
        heading = f"Evaluation: {data.image_size}×{data.image_size} px, resize {data.resize}"
        self.query_one("#evaluated", Exhibit).show(heading, pieces)
        draws = []
        for number in range(DRAWS):
            pixels = seen.trained[number] if seen is not None and seen.trained else b""
            draws.append(self._piece(seen, f"epoch {self._first + number + 1}", pixels, False))
        self.query_one("#trained", Exhibit).show(f"Training: {_augmentation(data)}", draws)
        self.query_one("#about", Static).update(self._about(seen), layout=False)

    def _piece(self, seen: Seen | None, label: str, pixels: bytes, chosen: bool) -> Piece:
        if pixels and seen is not None:
            return Piece(label, seen.size, seen.size, pixels, chosen=chosen)
        if seen is not None:
            return Piece(label, words=f"✗ {clean(seen.error, 200)}", chosen=chosen)
        waited = int(time.monotonic() - self._since)
        words = "…" if self._previews.ready else f"starting the training code… {waited} s"
        return Piece(label, words=words, chosen=chosen)

    def _about(self, seen: Seen | None) -> Content:
        if any(key != DIRECTORY for key in self._draft.problems):
            words = "Some settings are wrong: shown with the last ones that were right."
            return Content.styled(words, "$text-warning")
        if seen is None or not seen.split:
            return Content("")
        if seen.split == "train":
            return Content.styled(_in_training(self._draft.settings.data), "$foreground-muted")
        words = f"It is a {seen.split} picture, which is never augmented: so it would look in training."
        return Content.styled(words, "$foreground-muted")


def _whole(thumbnail: Thumbnail | None) -> Piece:
    if thumbnail is None:
        return Piece("whole picture", words="…")
    if thumbnail.reason:
        return Piece("whole picture", words=f"✗ {thumbnail.reason}")
    label = f"whole, {thumbnail.facts.width}×{thumbnail.facts.height}"
    return Piece(label, thumbnail.width, thumbnail.height, thumbnail.pixels)


def _augmentation(data: DataSettings) -> str:
    """Return what the draws may have in them."""
    words = {
        "none": "no random crop",
        "padded": f"shifted by up to {data.crop_padding} px",
        "random_resized": f"a random part of {data.crop_scale:.0%} or more",
    }
    parts = [words[data.crop], "half of them mirrored" if data.flip else "never mirrored"]
    parts += ["half upside down"] * data.vertical_flip
    parts += [f"turned by up to {data.rotation:g}°"] * bool(data.rotation)
    parts += ["colours changed"] * any((data.brightness, data.contrast, data.saturation, data.hue))
    parts += [data.auto_augment] * (data.auto_augment != "none")
    parts += [f"{data.erase:.0%} with a box erased"] * bool(data.erase)
    return ", ".join(parts)


def _in_training(data: DataSettings) -> str:
    """Return how far what is shown is what the run will see."""
    mixed = " and ".join(name for name, on in (("MixUp", data.mixup), ("CutMix", data.cutmix)) if on)
    words = "This is what these epochs of the run will see"
    if mixed:
        words += f", before {mixed} put other pictures in"
    if data.sampler == "balanced":
        words += ", where the balanced sampler picks it"
    return f"{words}."
