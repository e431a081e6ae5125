"""What the screen asks the training code for: one picture as evaluation and training see it. One line each way.

The screen cannot import the training code, and a second implementation of it would sooner or later show
something else than what is trained on. An answer's line is followed by its pixels.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

MODULE = "tui.engine.preview"
"""The process that answers."""


@dataclass(frozen=True)
class PreviewRequest:
    """One picture, some ways of resizing it and some epochs."""

    settings: dict[str, Any]
    """As TOML would have them."""
    root: str
    path: str
    """Relative to the root."""
    position: int
    """In the training split: chance depends on it."""
    resizes: tuple[str, ...] = ()
    """Values of ``data.resize`` to evaluate with."""
    epochs: tuple[int, ...] = ()
    """Counted from 0."""

    def encode(self) -> bytes:
        """Return the request's line."""
        return (json.dumps(asdict(self), ensure_ascii=True, separators=(",", ":")) + "\n").encode()


def decode_request(line: bytes) -> PreviewRequest:
    """Return the request on a line."""
    fields: dict[str, Any] = json.loads(line)
    fields["resizes"], fields["epochs"] = tuple(fields["resizes"]), tuple(fields["epochs"])
    return PreviewRequest(**fields)


@dataclass(frozen=True)
class AnswerHead:
    """What stands before the pixels."""

    size: int
    """Pixels on each side of each picture."""
    channels: int
    evaluated: int
    """So many pictures, one per way of resizing, come first."""
    trained: int
    """Then so many, one per epoch."""
    reason: str = ""
    """Why there are none, a sanitized clause; empty: there are."""

    @property
    def length(self) -> int:
        """The number of bytes that follow."""
        return (self.evaluated + self.trained) * self.size * self.size * self.channels

    def encode(self) -> bytes:
        """Return the line."""
        return (json.dumps(asdict(self), ensure_ascii=True) + "\n").encode()


def decode_head(line: bytes) -> AnswerHead:
    """Return the head on a line.

    Raises:
        ValueError: it is none.
    """
    try:
        return AnswerHead(**json.loads(line))
    except TypeError as error:
        raise ValueError(str(error)) from error
