"""From a file to pixels: THE one conversion, used for training, evaluation and thumbnails alike.

A network that is trained on pictures turned, scaled or blended in one way and tested on another is wrong
without a message, so nothing else in the package opens a picture. Pillow is imported when the first
picture is opened, numpy only for results that are arrays and for pictures of more than 8 bits.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from tui.core.text import clean

if TYPE_CHECKING:
    import numpy
    from PIL import Image

Resize = Literal["crop", "letterbox", "squash"]

VERSION = 1
"""Raised when the conversion gives other pixels than before, so that decoded caches are made anew."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""What is opened, by content and not by name; Pillow's exotic decoders are never reached."""

EXTENSIONS = frozenset(".jpg .jpeg .jpe .jfif .png .webp .bmp .dib .gif .tif .tiff .ppm .pgm .pbm .pnm".split())
"""File names that promise one of those formats (lower case)."""

MOST_PIXELS = 80_000_000
MOST_BYTES = 512 << 20
ORIENTATION = 0x0112
"""The EXIF tag that says how to turn the picture."""
BAR = 127
"""Grey of a letterbox's bars: near zero once normalised."""


Fault = Literal["unreadable", "empty_file", "not_a_picture", "bomb", "unsupported", "damaged"]


class PictureError(Exception):
    """A file cannot be used as a picture; ``reason`` says why in a sanitized clause without a full stop."""

    def __init__(self, reason: str, fault: Fault = "unreadable") -> None:
        super().__init__(reason)
        self.reason = reason
        self.fault = fault


def load_picture(
    path: str | os.PathLike[str], *, size: int, channels: Literal[3, 1], resize: Resize
) -> numpy.ndarray[Any, numpy.dtype[numpy.uint8]]:
    """Return a picture's pixels as uint8 ``[size, size, channels]``.

    Turned as its EXIF data says, first frame only, more than 8 bits scaled, transparency laid over white.

    Args:
        path: the file.
        size: pixels on each side of the result.
        channels: 3 for RGB, 1 for grey.
        resize: ``crop`` cuts the longer side, ``letterbox`` adds grey bars, ``squash`` distorts.

    Raises:
        PictureError: it is no picture, is damaged or too large, or cannot be read.
    """
    import numpy

    image = convert(read_file(path), size=size, channels=channels, resize=resize)
    return numpy.array(image, dtype=numpy.uint8).reshape(size, size, channels)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Return a picture file's bytes.

    Raises:
        PictureError: it is gone, is no regular file, is empty, over 512 MiB, or cannot be read.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise PictureError("it is no regular file")
        if found.st_size > MOST_BYTES:
            raise PictureError(f"the file is larger than {MOST_BYTES >> 20} MiB", "bomb")
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise PictureError("the file is gone") from None
    except OSError as error:
        raise PictureError(f"it cannot be read ({error.strerror or 'input/output error'})") from error
    if not data:
        raise PictureError("the file is empty", "empty_file")
    return data


def convert(data: bytes, *, size: int, channels: Literal[3, 1], resize: Resize) -> Image.Image:
    """Return a picture file's content as an image of ``size`` by ``size``, mode RGB or L.

    Raises:
        PictureError: it is no picture, is damaged or too large.
    """
    with opened(data) as image:
        _draft(image, size, resize)
        image.load()
        # After loading: a PNG may keep its EXIF data at the end, and Pillow turns TIFFs itself.
        turn = turn_of(image)
        small = _resized(plain(image, "RGB" if channels == 3 else "L"), size, resize)
        return small if turn is None else small.transpose(turn)


def inspect(path: str | os.PathLike[str]) -> tuple[int, int, str]:
    """Return (width, height, mode) from a picture's header, as it will be seen (EXIF rotation applied).

    Raises:
        PictureError: the header cannot be read.
    """
    with opened(path) as image:
        width, height = seen_size(image)
        return width, height, image.mode


def seen_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height as the EXIF rotation leaves them; before loading, this reads headers only."""
    width, height = image.size
    if image.format in ("JPEG", "MPO") and orientation_of(image) in (5, 6, 7, 8):
        width, height = height, width
    return width, height


@contextmanager
def opened(source: bytes | str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open a picture from its content or its path, not decoded; what goes wrong in the block is a `PictureError`."""
    try:
        if isinstance(source, bytes):
            with _open(io.BytesIO(source)) as image:
                yield image
            return
        if not stat.S_ISREG(os.stat(source).st_mode):
            raise PictureError("it is no regular file")
        with open(source, "rb") as file, _open(file) as image:
            yield image
    except PictureError:
        raise
    except MemoryError:
        raise PictureError("there is not enough memory to open it") from None
    except FileNotFoundError:
        raise PictureError("the file is gone") from None
    except _pillow().UnidentifiedImageError:
        raise PictureError("it is no picture of a known format", "not_a_picture") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise PictureError(f"it cannot be read ({error.strerror or 'input/output error'})") from error
        # Decoders meet damage anywhere and raise whatever comes: OSError, SyntaxError, struct.error, ...
        raise PictureError(f"it is damaged ({clean(str(error), 80) or type(error).__name__})", "damaged") from error


@cache
def _pillow() -> Any:
    """Import Pillow with the allowed decoders only: asking for an unknown one would load all forty."""
    import PIL
    from PIL import (  # noqa: F401
        BmpImagePlugin,
        GifImagePlugin,
        Image,
        JpegImagePlugin,
        PngImagePlugin,
        PpmImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    # Ours is lower, and an error; Pillow's warnings would only fill the log.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", module=r"PIL\..*")
    return PIL


def _open(file: BinaryIO) -> Image.Image:
    pillow = _pillow()
    formats = [name for name in FORMATS if name in pillow.Image.OPEN]
    try:
        image: Image.Image = pillow.Image.open(file, formats=formats)
    except pillow.Image.DecompressionBombError:
        raise PictureError(f"it has more than {MOST_PIXELS // 1_000_000} million pixels", "bomb") from None
    if image.width * image.height > MOST_PIXELS:
        raise PictureError(f"it has more than {MOST_PIXELS // 1_000_000} million pixels", "bomb")
    return image


def _draft(image: Image.Image, size: int, resize: Resize) -> None:
    """Let the JPEG decoder drop resolution that nobody will see: to no less than twice the size."""
    width, height = image.size
    if resize == "letterbox":
        longest = max(width, height)
        wanted = (max(1, 2 * size * width // longest), max(1, 2 * size * height // longest))
    else:
        wanted = (2 * size, 2 * size)
    if width >= 2 * wanted[0] and height >= 2 * wanted[1]:
        image.draft(image.mode, wanted)


def orientation_of(image: Image.Image) -> object:
    """Return the EXIF orientation, as it stands in the file; None: there is none. It may decode a PNG."""
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # damaged EXIF data says nothing about the pixels
        return None


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """Return how a loaded picture's EXIF data wants it turned; None: not at all."""
    transpose = _pillow().Image.Transpose
    orientation = orientation_of(image)
    turns: dict[Any, Image.Transpose] = {
        2: transpose.FLIP_LEFT_RIGHT,
        3: transpose.ROTATE_180,
        4: transpose.FLIP_TOP_BOTTOM,
        5: transpose.TRANSPOSE,
        6: transpose.ROTATE_270,
        7: transpose.TRANSVERSE,
        8: transpose.ROTATE_90,
    }
    return turns.get(orientation)


def plain(image: Image.Image, mode: str) -> Image.Image:
    """Return the image in ``mode`` (RGB or L), without transparency and with 8 bits."""
    pillow = _pillow()
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _from_integers(image)
    elif image.mode == "F":
        image = _from_floats(image)
    elif image.has_transparency_data:
        layer = image.convert("LA") if image.mode == "La" else image
        layer = layer.convert("RGBA")
        paper = pillow.Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = pillow.Image.alpha_composite(paper, layer).convert("RGB")
    if image.mode == "LAB":
        raise PictureError("its colour space is Lab, which is not supported", "unsupported")
    return image if image.mode == mode else image.convert(mode)


def _from_integers(image: Image.Image) -> Image.Image:
    """Scale 16 bits to 8: a plain conversion would clip nearly everything to white."""
    import numpy

    values = numpy.asarray(image).astype(numpy.int64)
    if values.min() < 0 or values.max() > 65535:
        raise PictureError("its values need more than 16 bits", "unsupported")
    scaled: Image.Image = _pillow().Image.fromarray(((values * 255 + 32767) // 65535).astype(numpy.uint8))
    return scaled


def _from_floats(image: Image.Image) -> Image.Image:
    """Scale floats: 0..1 as they are meant, 0..255 as they are; anything else has no defined white."""
    import numpy

    values = numpy.asarray(image, dtype=numpy.float64)
    if not numpy.isfinite(values).all() or values.min() < 0 or values.max() > 255:
        raise PictureError("its values are floating point and lie outside 0 to 1 and 0 to 255", "unsupported")
    factor = 255 if values.max() <= 1 else 1
    scaled: Image.Image = _pillow().Image.fromarray(numpy.rint(values * factor).astype(numpy.uint8))
    return scaled


def _resized(image: Image.Image, size: int, resize: Resize) -> Image.Image:
    width, height = image.size
    if width == height == size:
        return image
    bilinear = _pillow().Image.Resampling.BILINEAR
    if resize == "squash" or width == height:
        return image.resize((size, size), bilinear)
    if resize == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return image.resize((size, size), bilinear, box=(left, top, left + side, top + side))
    longest = max(width, height)
    inner = (max(1, round(size * width / longest)), max(1, round(size * height / longest)))
    paper: Image.Image = _pillow().Image.new(image.mode, (size, size), (BAR,) * len(image.getbands()))
    paper.paste(image.resize(inner, bilinear), ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return paper
