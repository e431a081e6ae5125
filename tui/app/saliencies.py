"""Where a network looked in its mistakes: asked of the training code, and drawn over the picture; no widget here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.app.wishes import Wishes
from tui.core.errors import CnntrainError
from tui.core.saliency import MODULE, SaliencyRequest, decode_head
from tui.core.text import clean

if TYPE_CHECKING:
    from tui.core.rundir import RunDir


@dataclass(frozen=True)
class Wanted:
    """A picture, and the outputs of the network that a person asks about."""

    path: str
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Looked:
    """Where the network found them."""

    wanted: Wanted
    size: int = 0
    pixels: bytes = b""
    """The picture as the network got it, RGB."""
    maps: tuple[bytes, ...] = ()
    """For each output the heat of each pixel, 0 to 255."""
    words: str = ""
    """What the maps are, a sentence."""
    error: str = ""
    """Why there are none, a clause."""

    def under_heat(self, place: int, *, plain: bool) -> bytes:
        """Return the picture with one output's heat over it, RGB.

        Args:
            place: which output.
            plain: without colours: what is cold is dark.
        """
        import numpy as np

        picture = np.frombuffer(self.pixels, np.uint8).reshape(self.size, self.size, 3).astype(np.float32)
        heat = np.frombuffer(self.maps[place], np.uint8).reshape(self.size, self.size, 1).astype(np.float32) / 255
        if plain:
            return bytes((picture * (0.15 + 0.85 * heat)).astype(np.uint8))
        # From blue over green and yellow to red, like the heat maps of the layers.
        stops = np.array([(0, 0, 95), (0, 135, 135), (0, 175, 95), (215, 175, 0), (255, 95, 95)], np.float32)
        ramp = np.linspace(0, 1, len(stops))
        colour = np.stack([np.interp(heat[..., 0], ramp, stops[:, channel]) for channel in range(3)], axis=-1)
        grey = picture.mean(axis=-1, keepdims=True)
        return bytes((0.5 * grey + 0.5 * colour).astype(np.uint8))


class Saliencies:
    """Answers wishes from one process, which starts when it is first asked.

    Args:
        run: whose network is meant.
        root: of the dataset.
        changed: given each answer; called from the thread that serves.
    """

    def __init__(self, run: RunDir, root: str, changed: Callable[[Looked], None]) -> None:
        from tui.runs.companion import Companion

        self._run, self._root = run, root
        self._wishes = Wishes(self._look, changed)
        self._companion = Companion(MODULE, decode_head, "Where the network looked cannot be shown")
        self._since = 0.0

    @property
    def ready(self) -> bool:
        """Whether the training code is there."""
        return self._companion.ready

    @property
    def waiting(self) -> str:
        """What is said while there is no answer yet."""
        return "…" if self.ready else f"starting the training code… {int(time.monotonic() - self._since)} s"

    def want(self, wanted: Wanted) -> bool:
        """Take a wish in place of the last one; return whether `serve` has to be started."""
        self._since = self._since or time.monotonic()
        return self._wishes.want(wanted)

    def serve(self) -> None:
        """Answer until nothing is wanted."""
        self._wishes.serve()

    def close(self) -> None:
        """End the process."""
        self._companion.close()

    def _look(self, wanted: Wanted) -> Looked:
        request = SaliencyRequest(str(self._run.path.absolute()), self._root, wanted.path, wanted.outputs)
        try:
            head, content = self._companion.exchange(request.encode())
        except CnntrainError as error:
            return Looked(wanted, error=str(error))
        if head.reason:
            return Looked(wanted, error=head.reason)
        area = head.size * head.size
        words = (
            f"Red is where the {head.weights} weights (step {head.step:,}) found it, in the {head.cells[0]}×"
            f"{head.cells[1]} feature map of {clean(head.layer, 40)}; the picture is as the network gets it."
        )
        maps = tuple(content[area * (3 + place) : area * (4 + place)] for place in range(head.maps))
        return Looked(wanted, head.size, content[: 3 * area], maps, words)
