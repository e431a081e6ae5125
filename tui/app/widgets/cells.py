"""Pictures as terminal cells: each cell is two pixels, the upper in its foreground and the lower in its background.

That works in every terminal, and an update of it is plain cells like all others. Where there are fewer
colours the picture is dithered to them, and without colours it is drawn in letters of rising brightness.
A kitty terminal gets the pixels, and cells that stand for them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from tui.app import graphics

if TYPE_CHECKING:
    from textual.app import App

Way = Literal["true", "many", "few", "plain", "kitty"]
"""All colours, the 240 that are the same in every terminal with 256, the first 16, or none; or pixels."""
Pixels = NDArray[np.uint8]
Line = list[Segment]

_UPPER = "▀"
_CUBE = (0, 95, 135, 175, 215, 255)
_MANY = np.array(
    [(red, green, blue) for red in _CUBE for green in _CUBE for blue in _CUBE]
    + [(grey, grey, grey) for grey in range(8, 239, 10)],
    np.float32,
)
_SIXTEEN = np.array(
    [
        (0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170),
        (85, 85, 85), (255, 85, 85), (85, 255, 85), (255, 255, 85), (85, 85, 255), (255, 85, 255), (85, 255, 255),
        (255, 255, 255),
    ],
    np.float32,
)  # fmt: skip
_BAYER = (np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) + 0.5) / 16 - 0.5
"""Thresholds of an ordered dither, in -0.5..0.5."""
_RAMP = " .:-=+*#%@"


def way_of(app: App[Any]) -> Way:
    """Return how many colours the app's terminal has, or whether it shows pixels."""
    if app.no_color or app.console.color_system is None:
        return "plain"
    # A kitty cell's colour says which picture it stands for: no other will do.
    if graphics.protocol() == "kitty" and app.console.color_system == "truecolor" and not _in_ascii(app):
        return "kitty"
    return {"truecolor": "true", "256": "many"}.get(app.console.color_system, "few")  # type: ignore[return-value]


def _in_ascii(app: App[Any]) -> bool:
    liked = getattr(app, "preferences", None)
    return liked is not None and bool(liked.in_ascii())


def room_for(width: int, height: int, columns: int, rows: int) -> tuple[int, int]:
    """Return how many cells a picture takes in a box of cells when its shape is kept: (columns, rows)."""
    scale = min(columns / max(1, width), 2 * rows / max(1, height))
    return max(1, min(columns, round(width * scale))), max(1, min(rows, round(height * scale / 2)))


def drawn(pixels: bytes, width: int, height: int, columns: int, rows: int, way: Way, ground: Style) -> list[Line]:
    """Return a picture as ``rows`` lines of ``columns`` cells, its shape kept, in the middle of the box.

    Args:
        pixels: RGB, ``height * width * 3`` bytes.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        columns: of the box.
        rows: of the box.
        way: which colours there are.
        ground: the style of the cells around the picture.
    """
    across, down = room_for(width, height, columns, rows)
    if way == "kitty":
        from PIL import Image

        lines = graphics.placed(Image.frombytes("RGB", (width, height), pixels), across, down)
    else:
        small = _scaled(pixels, width, height, across, 2 * down)
        lines = _letters(small) if way == "plain" else _halves(_reduced(small, way), way)
    left, top = (columns - across) // 2, (rows - down) // 2
    before, after = _blank(left, ground), _blank(columns - across - left, ground)
    empty = _blank(columns, ground)
    return [*[empty] * top, *([*before, *line, *after] for line in lines), *[empty] * (rows - down - top)]


def _blank(count: int, ground: Style) -> Line:
    return [Segment(" " * count, ground)] if count else []


def _scaled(pixels: bytes, width: int, height: int, across: int, down: int) -> Pixels:
    from PIL import Image

    image = Image.frombytes("RGB", (width, height), pixels)
    if image.size != (across, down):
        smaller = across < width or down < height
        how = Image.Resampling.BOX if smaller else Image.Resampling.NEAREST
        image = image.resize((across, down), how)
    return np.asarray(image, dtype=np.uint8)


def _dither(pixels: Pixels, strength: float) -> NDArray[np.float32]:
    height, width, _ = pixels.shape
    tiled = np.tile(_BAYER, (-(-height // 4), -(-width // 4)))[:height, :width, None]
    return np.clip(pixels.astype(np.float32) + tiled * strength, 0, 255)


def _reduced(pixels: Pixels, way: Way) -> Pixels:
    """Return the pixels in the colours that there are."""
    if way == "true":
        return pixels & np.uint8(0xFC)  # nobody sees the difference, and equal neighbours cost no bytes on the line
    if way == "many":
        return np.asarray(_MANY[_distances(_dither(pixels, 12), _MANY).argmin(axis=-1)], np.uint8)
    distance = _distances(_dither(pixels, 64), _SIXTEEN)
    # A background is one of eight: bright ones blink in some terminals.
    distance[1::2, :, 8:] = np.inf
    return np.asarray(_SIXTEEN[distance.argmin(axis=-1)], np.uint8)


def _distances(pixels: NDArray[np.float32], colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far each pixel is from each colour, squared, up to what is equal for all: ``[h, w, colours]``."""
    return np.asarray((colours**2).sum(axis=1) - 2 * (pixels @ colours.T))


def _halves(pixels: Pixels, way: Way) -> list[Line]:
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    lines = []
    for upper, lower in zip(packed[0::2].tolist(), packed[1::2].tolist(), strict=True):
        line: Line = []
        for top, bottom in zip(upper, lower, strict=True):
            style = _style(top, bottom)
            if top == bottom and (way != "few" or bottom in _DARK):
                text = " "
            else:
                text = _UPPER
            if line and line[-1].style is style and line[-1].text[0] == text:
                line[-1] = Segment(line[-1].text + text, style)
            else:
                line.append(Segment(text, style))
        lines.append(line)
    return lines


_DARK = {int(red) << 16 | int(green) << 8 | int(blue) for red, green, blue in _SIXTEEN[:8]}


@lru_cache(maxsize=8192)
def _style(top: int, bottom: int) -> Style:
    return Style(color=_colour(top), bgcolor=_colour(bottom))


@lru_cache(maxsize=4096)
def _colour(packed: int) -> Color:
    return Color.from_rgb(packed >> 16, packed >> 8 & 255, packed & 255)


def _letters(pixels: Pixels) -> list[Line]:
    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    cells = (grey[0::2] + grey[1::2]) / 2
    levels = np.clip(cells * len(_RAMP) / 256, 0, len(_RAMP) - 1).astype(np.int64)
    return [[Segment("".join(_RAMP[level] for level in row), Style())] for row in levels.tolist()]
