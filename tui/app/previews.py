"""What is asked of the training code for one picture, and what came back; no widget here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.app.wishes import Wishes
from tui.core.errors import CnntrainError, UsageError
from tui.core.preview import PreviewRequest
from tui.core.settings import Settings

if TYPE_CHECKING:
    from tui.core.dataset.scan import Scan

RESIZES = ("crop", "letterbox", "squash")
DRAWS = 4


@dataclass(frozen=True)
class Wanted:
    """What a person wants to see."""

    path: str
    settings: Settings
    first: int
    """The first epoch of the draws, counted from 0."""


@dataclass(frozen=True)
class Seen:
    """What the network sees of one picture."""

    wanted: Wanted
    size: int = 0
    evaluated: tuple[bytes, ...] = ()
    """RGB, one for each of `RESIZES`."""
    trained: tuple[bytes, ...] = ()
    """RGB, one for each epoch from the first."""
    split: str = ""
    """Which split the picture is in; empty: in none, as the settings stand."""
    error: str = ""
    """Why there is nothing, a sentence or clause."""


class Previews:
    """Answers wishes from one process, which starts when it is first asked.

    Args:
        scan: of the dataset.
        changed: given each answer; called from the thread that serves.
    """

    def __init__(self, scan: Scan, changed: Callable[[Seen], None]) -> None:
        from tui.runs.previewer import Previewer

        self.scan = scan
        self.ready = False
        """Whether the training code has answered."""
        self._wishes = Wishes(self._seen, changed)
        self._previewer = Previewer()
        self._places: dict[str, tuple[str, int]] | None = None
        self._placed_for: tuple[object, ...] = ()

    def want(self, wanted: Wanted) -> bool:
        """Take a wish in place of the last one; return whether `serve` has to be started."""
        return self._wishes.want(wanted)

    def serve(self) -> None:
        """Answer until nothing is wanted."""
        self._wishes.serve()

    def close(self) -> None:
        """End the process."""
        self._previewer.close()

    def _seen(self, wanted: Wanted) -> Seen:
        split, position = self._place(wanted)
        try:
            head, pictures = self._previewer.ask(
                PreviewRequest(
                    settings=wanted.settings.model_dump(mode="json"),
                    root=str(self.scan.root),
                    path=wanted.path,
                    position=position,
                    resizes=RESIZES,
                    epochs=tuple(range(wanted.first, wanted.first + DRAWS)),
                )
            )
        except CnntrainError as error:
            return Seen(wanted, split=split, error=str(error))
        self.ready = True
        coloured = tuple(_rgb(pixels, head.channels) for pixels in pictures)
        return Seen(
            wanted,
            size=head.size,
            evaluated=coloured[: head.evaluated],
            trained=coloured[head.evaluated :],
            split=split,
            error=head.reason,
        )

    def _place(self, wanted: Wanted) -> tuple[str, int]:
        """Return the picture's split and its place in it, as a run would divide the dataset."""
        from tui.core.dataset.manifest import make_manifest

        data = wanted.settings.data
        key = (wanted.settings.training.seed, data.validation_fraction, data.test_fraction, data.exclude)
        if self._places is None or self._placed_for != key:
            try:
                splits = make_manifest(self.scan, wanted.settings).splits
            except UsageError:
                splits = {}
            self._places = {
                path: (name, position) for name, own in splits.items() for position, (path, _) in enumerate(own)
            }
            self._placed_for = key
        return self._places.get(wanted.path, ("", 0))


def _rgb(pixels: bytes, channels: int) -> bytes:
    return pixels if channels == 3 else bytes(value for value in pixels for _ in range(3))
