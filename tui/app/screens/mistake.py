"""One picture that went wrong, large: what was said of it, how sure that was, and where the network looked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tui.app.mistakes import labels, numbers, verdict
from tui.app.saliencies import Looked, Saliencies, Wanted
from tui.app.widgets.cells import way_of
from tui.app.widgets.class_bars import bar
from tui.app.widgets.columns import Cell, line
from tui.app.widgets.exhibit import Exhibit, Piece
from tui.app.widgets.keys import Keys
from tui.core.dataset.thumbnails import Thumbnail, Thumbnails
from tui.core.evaluations import Detail, Pictured
from tui.core.metrics import ACCURACY
from tui.core.rundir import RunDir
from tui.core.text import clean

_WHOLE = 240
"""Pixels on the longer side of the whole picture."""


class MistakeScreen(Screen[None]):
    """Looks at mistakes one by one.

    Args:
        run: whose they are.
        detail: the evaluation that tells of them.
        pictures: the mistakes, in the order to go through them.
        index: the first one to show.
    """

    CSS_PATH = "mistake.tcss"
    BINDINGS = [
        Binding("left,p", "step(-1)", "Previous", id="mistake.previous", key_display="←", tooltip="The one before."),
        Binding("right,n", "step(1)", "Next", id="mistake.next", key_display="→", tooltip="The next one."),
        Binding(
            "g",
            "look",
            "Where it looked",
            id="mistake.saliency",
            tooltip="Which parts spoke for the answer and for the truth (Grad-CAM, with the run's best weights).",
        ),
        Binding("escape", "dismiss", "Back", id="mistake.back", tooltip="Back to all mistakes."),
    ]

    def __init__(self, run: RunDir, detail: Detail, pictures: Sequence[Pictured], index: int) -> None:
        super().__init__()
        self._detail, self._pictures, self._index = detail, pictures, index
        self._thumbnails = Thumbnails(Path(detail.root), size=_WHOLE, kept=40) if detail.root else None
        self._saliencies = Saliencies(run, detail.root, self._arrived)
        self._looking = False
        """Whether a person wants to know where the network looked."""
        self._looked: Looked | None = None
        self._gone = False

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield Exhibit(id="pictures")
        yield Static(id="answers")
        yield Static(id="about")
        yield Keys()

    def on_mount(self) -> None:
        self._show()
        self.set_interval(0.1, self._tick)

    def on_resize(self) -> None:
        self._show()

    def on_unmount(self) -> None:
        self._gone = True
        self.app.run_worker(self._close, thread=True, exit_on_error=False)

    def _close(self) -> None:
        self._saliencies.close()
        if self._thumbnails is not None:
            self._thumbnails.close()

    @property
    def complete(self) -> bool:
        """Whether everything that is wanted is shown."""
        looked = not self._looking or (self._looked is not None and self._looked.wanted == self._wanted)
        return looked and self._thumbnail is not None

    @property
    def _one(self) -> Pictured:
        return self._pictures[self._index]

    @property
    def _thumbnail(self) -> Thumbnail | None:
        if self._thumbnails is None or not self._one.path:
            return Thumbnail(reason="its path is not known")
        return self._thumbnails.get(self._one.path)

    @property
    def _wanted(self) -> Wanted:
        """The picture, and the outputs that something spoke for: the answer's and the truth's."""
        one = self._one
        if self._detail.task == "regression":
            return Wanted(one.path, (0,))
        wrong = [int(index) for index in one.answer if index not in one.true][:1]
        missed = [int(index) for index in one.true if index not in one.answer][:1]
        return Wanted(one.path, tuple(wrong + missed))

    def action_step(self, by: int) -> None:
        """Go to another mistake."""
        self._index = max(0, min(len(self._pictures) - 1, self._index + by))
        if self._thumbnails is not None:
            self._thumbnails.want_only({self._one.path})
        self._ask()
        self._show()

    def action_look(self) -> None:
        """Show where the network looked, or only the picture."""
        self._looking = not self._looking
        self._ask()
        self._show()

    def _ask(self) -> None:
        if self._looking and self._one.path and self._saliencies.want(self._wanted):
            self.run_worker(self._saliencies.serve, thread=True, exit_on_error=False)

    def _arrived(self, looked: Looked) -> None:
        """Called from the thread that waits for the training code."""
        if not self._gone:
            self.app.call_from_thread(self._take, looked)

    def _take(self, looked: Looked) -> None:
        if self.is_attached and looked.wanted == self._wanted:
            self._looked = looked
            self._show()

    def _tick(self) -> None:
        collected = self._thumbnails is not None and bool(self._thumbnails.collect())
        if collected or (not self.complete and not self._saliencies.ready):
            self._show()

    # --- what is shown ------------------------------------------------------------------------------

    def _show(self) -> None:
        detail, one = self._detail, self._one
        where = f"  {self._index + 1:,} of {len(self._pictures):,}"
        title = Content.assemble((verdict(detail, one, short=True), "bold"), (where, "$foreground-muted"))
        self.query_one("#title", Static).update(title, layout=False)
        self.query_one(Exhibit).show(clean(one.path, 200), [_whole(self._thumbnail), *self._heats()])
        self.query_one("#answers", Static).update(self._answers(), layout=True)
        self.query_one("#about", Static).update(self._about(), layout=True)

    def _heats(self) -> list[Piece]:
        """Return the picture under the heat of each output."""
        if not self._looking:
            return []
        wanted, looked = self._wanted, self._looked
        names = [f"for {self._detail.names[output]}" for output in wanted.outputs]
        if looked is None or looked.wanted != wanted:
            return [Piece(name, words=self._saliencies.waiting) for name in names]
        if looked.error:
            return [Piece("where it looked", words=f"✗ {looked.error}")]
        plain = way_of(self.app) == "plain"
        return [
            Piece(name, looked.size, looked.size, looked.under_heat(place, plain=plain))
            for place, name in enumerate(names)
        ]

    def _answers(self) -> Content:
        """Return a bar for each of the likeliest answers."""
        detail, one, width = self._detail, self._one, self.size.width - 2
        if detail.task == "regression":
            return Content(f"true {numbers(one.true)}   predicted {numbers(one.answer)}")
        rows = []
        for index, share in one.top:
            true = index in one.true
            cells = [
                Cell("✓" if true else " ", 1, "$success"),
                Cell(detail.names[index], max(8, min(28, width // 3)), "$success" if true else ""),
                Cell(ACCURACY.format(share), 7, right=True),
                Cell(bar(share, max(4, width // 3)), max(4, width // 3), "$primary"),
            ]
            rows.append(line(cells, gap=1))
        if not any(index in one.true for index, _ in one.top):
            rows.append(Content.styled(f"✓ {labels(detail, one.true)}", "$success"))
        return Content("\n").join(rows)

    def _about(self) -> Content:
        looked = self._looked if self._looking else None
        if looked is None or looked.error or looked.wanted != self._wanted:
            return Content("")
        return Content.styled(looked.words, "$foreground-muted")


def _whole(thumbnail: Thumbnail | None) -> Piece:
    if thumbnail is None:
        return Piece("picture", words="…")
    if thumbnail.reason:
        return Piece("picture", words=f"✗ {thumbnail.reason}")
    label = f"{thumbnail.facts.width}×{thumbnail.facts.height}"
    return Piece(label, thumbnail.width, thumbnail.height, thumbnail.pixels)
