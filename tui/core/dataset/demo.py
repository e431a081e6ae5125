"""A set of pictures to try things out with: drawn here, the same on every machine, learned within a minute.

Eight kinds of shape in any colour, size, place and turn, over coloured gradients with lines, specks and
noise. Colour and brightness say nothing about the class: a network has to learn the shape.
"""

from __future__ import annotations

import colorsys
import contextlib
import math
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tui.core.errors import FailureError
from tui.core.text import clean_path

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

VERSION = 1
SIDE = 64
PER_CLASS = 200
_FINE = 2
"""Shapes are drawn this many times larger and scaled down, so that edges are smooth."""

Point = tuple[float, float]


def make_demo(
    directory: Path, *, per_class: int = PER_CLASS, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Draw the pictures in a folder of their own inside ``directory``, unless they are all there already.

    Args:
        directory: where the folder goes; it is made when missing.
        per_class: pictures of each class, 64x64 pixels.
        seed: another seed, other pictures.
        progress: told (done, total) pictures.

    Returns:
        The folder with one folder per class.

    Raises:
        FailureError: it cannot be written.
    """
    target = directory / f"shapes-{VERSION}-{per_class}-{seed}"
    if _complete(target, per_class):
        return target
    try:
        directory.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".making-", dir=directory))
        try:
            _draw_all(temporary, per_class, seed, progress)
            shutil.rmtree(target, ignore_errors=True)  # one that lost pictures
            try:
                temporary.rename(target)
            except OSError:
                if not _complete(target, per_class):  # else someone else was faster
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        cause = f"{clean_path(target)}: {error.strerror or error}"
        raise FailureError("The demo's pictures cannot be made", cause, "Make room or set CNNTRAIN_CACHE.") from error
    return target


def _complete(target: Path, per_class: int) -> bool:
    with contextlib.suppress(OSError):
        return all(len(os.listdir(target / name)) == per_class for name in SHAPES)
    return False


def _draw_all(directory: Path, per_class: int, seed: int, progress: Callable[[int, int], None] | None) -> None:
    done, total = 0, per_class * len(SHAPES)
    for name in SHAPES:
        (directory / name).mkdir()
        for number in range(per_class):
            picture = draw(name, random.Random(f"{VERSION} {seed} {name} {number}"))
            # Mostly photographs' format, some of the other: both must go through the same door.
            if number % 5:
                picture.save(directory / name / f"{name}-{number:04d}.jpg", quality=90)
            else:
                picture.save(directory / name / f"{name}-{number:04d}.png", compress_level=1)
            done += 1
            if progress is not None and done % 16 == 0:
                progress(done, total)
    if progress is not None:
        progress(total, total)


def draw(name: str, dice: random.Random) -> Image.Image:
    """Return one picture of the class ``name``: RGB, 64x64."""
    from PIL import Image, ImageDraw

    back, front = _two_colours(dice)
    picture = _gradient(back, _near(back, dice), dice)
    clutter = ImageDraw.Draw(picture)
    for _ in range(dice.randint(0, 2)):
        ends = [dice.uniform(0, SIDE) for _ in range(4)]
        clutter.line(ends, fill=_near(front, dice), width=dice.randint(1, 2))
    for _ in range(dice.randint(0, 6)):
        x, y, r = dice.uniform(0, SIDE), dice.uniform(0, SIDE), dice.uniform(0.7, 2)
        clutter.ellipse((x - r, y - r, x + r, y + r), fill=_near(front, dice))
    mask = Image.new("L", (SIDE * _FINE, SIDE * _FINE), 0)
    radius = dice.uniform(0.26, 0.42) * SIDE
    x, y = (dice.uniform(radius, SIDE - radius) for _ in range(2))
    turn = dice.uniform(-0.4, 0.4)
    SHAPES[name](ImageDraw.Draw(mask), (x * _FINE, y * _FINE), radius * _FINE, turn)
    mask = mask.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    picture.paste(_gradient(front, _near(front, dice), dice), (0, 0), mask)
    noise = Image.frombytes("RGB", (SIDE, SIDE), dice.randbytes(SIDE * SIDE * 3))
    return Image.blend(picture, noise, dice.uniform(0.0, 0.15))


def _two_colours(dice: random.Random) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return the colours of ground and shape, clearly different in brightness; mostly the shape is the brighter one."""
    dark, bright = dice.uniform(0.1, 0.4), dice.uniform(0.65, 1.0)
    pair = [_colour(dice.random(), dice.uniform(0.1, 0.9), value) for value in (dark, bright)]
    if dice.random() < 0.2:
        pair.reverse()
    return pair[0], pair[1]


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _near(colour: tuple[int, int, int], dice: random.Random) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, part + dice.randint(-35, 35))) for part in colour)
    return red, green, blue


def _gradient(start: tuple[int, int, int], end: tuple[int, int, int], dice: random.Random) -> Image.Image:
    from PIL import Image

    ramp = Image.linear_gradient("L").rotate(dice.choice((0, 90, 180, 270))).resize((SIDE, SIDE))
    return Image.composite(Image.new("RGB", (SIDE, SIDE), end), Image.new("RGB", (SIDE, SIDE), start), ramp)


def _around(centre: Point, radius: float, angle: float) -> Point:
    return centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)


def _polygon(pen: ImageDraw.ImageDraw, centre: Point, radii: list[float], turn: float) -> None:
    step = 2 * math.pi / len(radii)
    pen.polygon([_around(centre, radius, turn + index * step) for index, radius in enumerate(radii)], fill=255)


def _disc(pen: ImageDraw.ImageDraw, centre: Point, radius: float, turn: float) -> None:
    radius *= 0.85
    pen.ellipse((centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius), fill=255)


def _ring(pen: ImageDraw.ImageDraw, centre: Point, radius: float, turn: float) -> None:
    box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
    pen.ellipse(box, outline=255, width=max(3, round(radius * 0.3)))


def _square(pen: ImageDraw.ImageDraw, centre: Point, radius: float, turn: float) -> None:
    _polygon(pen, centre, [radius] * 4, turn + math.pi / 4)


def _triangle(pen: ImageDraw.ImageDraw, centre: Point, radius: float, turn: float) -> None:
    _polygon(pen, centre, [radius] * 3, turn - math.pi / 2)


def _star(pen: ImageDraw.ImageDraw, centre: Point, radius: float, turn: float) -> None:
    _polygon(pen, centre, [radius, radius * 0.42] * 5, turn - math.pi / 2)


def _cross(pen: ImageDraw.ImageDraw, centre: Point, radius: float, turn: float) -> None:
    for angle in (turn, turn + math.pi / 2):
        ends = [_around(centre, radius, angle), _around(centre, -radius, angle)]
        pen.line(ends, fill=255, width=round(radius * 0.4))


def _stripes(pen: ImageDraw.ImageDraw, centre: Point, radius: float, turn: float) -> None:
    for offset in (-0.75, -0.25, 0.25, 0.75):
        middle = _around(centre, offset * radius, turn + math.pi / 2)
        ends = [_around(middle, radius * 0.85, turn), _around(middle, -radius * 0.85, turn)]
        pen.line(ends, fill=255, width=max(2, round(radius * 0.22)))


def _dots(pen: ImageDraw.ImageDraw, centre: Point, radius: float, turn: float) -> None:
    small = radius * 0.24
    for row in (-0.65, 0, 0.65):
        for column in (-0.65, 0, 0.65):
            x, y = _around(_around(centre, row * radius, turn), column * radius, turn + math.pi / 2)
            pen.ellipse((x - small, y - small, x + small, y + small), fill=255)


SHAPES: dict[str, Callable[[ImageDraw.ImageDraw, Point, float, float], None]] = {
    "cross": _cross,
    "disc": _disc,
    "dots": _dots,
    "ring": _ring,
    "square": _square,
    "star": _star,
    "stripes": _stripes,
    "triangle": _triangle,
}
"""The classes and how each is drawn: into a mask, about a centre, with a radius in pixels, turned in radians."""
