"""Small copies of pictures for people to look at: decoded in processes of their own, as training decodes them.

Whoever shows pictures must survive them. What a thumbnail shows is the conversion that the network gets
(turned, blended, scaled to 8 bits), only not cut: the shape of the picture is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from pathlib import Path

from tui.core.dataset.decoder import Job
from tui.core.dataset.decoders import Answer, Decoders, worker_count
from tui.core.dataset.facts import Facts, decode_facts
from tui.core.dataset.pictures import BAR
from tui.core.errors import CnntrainError
from tui.core.text import clean

_PATIENCE = 20.0
"""Seconds after which a picture that does not answer is given up."""
_MOST_PROCESSES = 2


@dataclass(frozen=True)
class Thumbnail:
    """A small copy of a picture, or why there is none."""

    width: int = 0
    height: int = 0
    pixels: bytes = b""
    """RGB, ``height * width * 3`` bytes."""
    facts: Facts = field(default_factory=Facts)
    """What the file is, as far as its header tells."""
    reason: str = ""
    """Why it cannot be shown, a sanitized clause; empty: it can."""


class Pending:
    """A thumbnail on its way."""

    def __init__(self, header: Future[list[Answer]], pixels: Future[list[Answer]], size: int) -> None:
        self._header, self._pixels, self._size = header, pixels, size

    @property
    def done(self) -> bool:
        """Whether `take` returns at once."""
        return self._header.done() and self._pixels.done()

    def take(self) -> Thumbnail:
        """Wait for the thumbnail; whatever went wrong is its reason."""
        try:
            (header,), (answer,) = self._header.result(), self._pixels.result()
        except CancelledError:
            return Thumbnail(reason="it was not looked at")
        except (CnntrainError, OSError) as error:
            return Thumbnail(reason=clean(str(error), 200))
        facts = Facts(reason=header.reason) if header.reason else decode_facts(header.pixels)
        if answer.reason:
            return Thumbnail(facts=facts, reason=answer.reason)
        return _trimmed(answer.pixels, self._size, facts)

    def cancel(self) -> None:
        """Give it up, if it has not begun."""
        self._header.cancel()
        self._pixels.cancel()


class Thumbnails:
    """Makes the thumbnails of a dataset, and keeps the last ones.

    Args:
        root: of the dataset; paths are relative to it.
        size: pixels on the longer side.
        kept: so many are kept in memory.
    """

    def __init__(self, root: Path, *, size: int = 96, kept: int = 600) -> None:
        self._root, self._size, self._most = str(root), size, kept
        self._decoders = Decoders(min(_MOST_PROCESSES, worker_count(0)), timeout=_PATIENCE)
        self._kept: OrderedDict[str, Thumbnail] = OrderedDict()
        self._waiting: dict[str, Pending] = {}

    def get(self, path: str) -> Thumbnail | None:
        """Return a thumbnail, or None and begin to make it."""
        found = self._kept.get(path)
        if found is not None:
            self._kept.move_to_end(path)
        elif path not in self._waiting:
            header = self._decoders.submit(Job(self._root, (path,), 0, 3, "crop", examine="header"))
            pixels = self._decoders.submit(Job(self._root, (path,), self._size, 3, "letterbox"))
            self._waiting[path] = Pending(header, pixels, self._size)
        return found

    @property
    def waiting(self) -> int:
        """How many are being made."""
        return len(self._waiting)

    def collect(self) -> list[str]:
        """Keep what is made by now, and return which these are."""
        ready = [path for path, pending in self._waiting.items() if pending.done]
        for path in ready:
            self._kept[path] = self._waiting.pop(path).take()
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return ready

    def want_only(self, paths: set[str]) -> None:
        """Give up what was asked for and is no longer wanted."""
        for path in [path for path in self._waiting if path not in paths]:
            self._waiting.pop(path).cancel()

    def close(self) -> None:
        """End the processes."""
        self._waiting.clear()
        self._decoders.close()


def _trimmed(pixels: bytes, size: int, facts: Facts) -> Thumbnail:
    """Take the letterbox's bars off; the header tells the shape, and the bars' own colour whether that is right."""
    row = 3 * size
    for width, height in ((facts.width, facts.height), (facts.height, facts.width)):
        if not width or not height:
            continue
        longest = max(width, height)
        inner = (max(1, round(size * width / longest)), max(1, round(size * height / longest)))
        left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
        right, bottom = left + inner[0], top + inner[1]
        lines = [pixels[row * y : row * (y + 1)] for y in range(size)]
        outside = b"".join([*lines[:top], *lines[bottom:], *(line[: 3 * left] + line[3 * right :] for line in lines)])
        # A PNG may say at its very end that it is to be turned: its shape is the other one then.
        if outside.count(BAR) == len(outside):
            inside = b"".join(line[3 * left : 3 * right] for line in lines[top:bottom])
            return Thumbnail(inner[0], inner[1], inside, facts)
    return Thumbnail(size, size, pixels, facts)
