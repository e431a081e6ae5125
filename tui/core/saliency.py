"""What the screen asks the training code for: where in a picture a network found what it said. One line each way.

An answer's line is followed by the picture as the network got it, and a map of heat for each output.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

MODULE = "tui.engine.saliency"
"""The process that answers."""


@dataclass(frozen=True)
class SaliencyRequest:
    """One picture and some outputs of a run's network."""

    run: str
    """The run directory."""
    root: str
    """Of the dataset."""
    path: str
    """Relative to the root."""
    outputs: tuple[int, ...]
    """Classes, labels, or numbers that are learned."""

    def encode(self) -> bytes:
        """Return the request's line."""
        return (json.dumps(asdict(self), ensure_ascii=True, separators=(",", ":")) + "\n").encode()


def decode_request(line: bytes) -> SaliencyRequest:
    """Return the request on a line."""
    fields: dict[str, Any] = json.loads(line)
    return SaliencyRequest(**{**fields, "outputs": tuple(fields["outputs"])})


@dataclass(frozen=True)
class SaliencyHead:
    """What stands before the picture and the maps."""

    size: int = 0
    """Pixels on each side."""
    maps: int = 0
    """So many maps of one byte a pixel follow the picture of three."""
    layer: str = ""
    """Whose feature map they come from, sanitized."""
    cells: tuple[int, int] = (0, 0)
    """Rows and columns of that feature map."""
    step: int = 0
    """Of the weights."""
    weights: str = ""
    """``best`` or ``last``."""
    reason: str = ""
    """Why there are none, a sanitized clause; empty: there are."""

    @property
    def length(self) -> int:
        """The number of bytes that follow."""
        return (3 + self.maps) * self.size * self.size

    def encode(self) -> bytes:
        """Return the line."""
        return (json.dumps(asdict(self), ensure_ascii=True) + "\n").encode()


def decode_head(line: bytes) -> SaliencyHead:
    """Return the head on a line.

    Raises:
        ValueError: it is none.
    """
    try:
        fields = json.loads(line)
        rows, columns = fields["cells"]
        return SaliencyHead(**{**fields, "cells": (rows, columns)})
    except (TypeError, KeyError) as error:
        raise ValueError(str(error)) from error
