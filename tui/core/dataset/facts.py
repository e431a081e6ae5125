"""What one picture file is, told from its header, its bytes or its decoded pixels.

The check looks at every file of a dataset with this, in processes of their own. What training would refuse
or convert is decided by the same code that training uses, so that the check cannot say anything else.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Literal

from tui.core.dataset.pictures import PictureError, opened, orientation_of, plain, read_file, seen_size, turn_of

if TYPE_CHECKING:
    from PIL import Image

Depth = Literal["header", "bytes", "pixels"]
"""How much is read: the header; the whole file, for its digest; everything, decoded."""

LOOK_BITS = 128
_SIDE = 8
_PLAIN = 12
"""A picture whose grey values, shrunk, differ by less than this looks like any other such picture."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file is; a file that cannot be used has a ``reason`` and a ``fault``, and the rest as far as known."""

    width: int = 0
    """As seen: the EXIF rotation is applied."""
    height: int = 0
    mode: str = ""
    """Colour mode as Pillow names it."""
    format: str = ""
    traits: tuple[str, ...] = ()
    """What is unusual about it: names of `TRAITS`."""
    reason: str = ""
    fault: str = ""
    """A `tui.core.dataset.pictures.Fault`."""
    digest: int = 0
    """Of the file's bytes, 64 bits; 0: not asked for."""
    pixels: int = 0
    """Digest of size and pixels as RGB, turned, 64 bits; 0: not asked for, or not decoded."""
    look: int = 0
    """Perceptual hash: 128 bits that change little with size, quality and brightness; 0: unknown, or too plain."""

    def encode(self) -> bytes:
        """Return the facts as one line of JSON."""
        return json.dumps(astuple(self), separators=(",", ":")).encode()


def decode_facts(data: bytes) -> Facts:
    """Return encoded facts."""
    fields = json.loads(data)
    fields[4] = tuple(fields[4])
    return Facts(*fields)


TRAITS = ("greyscale", "palette", "alpha", "cmyk", "16_bit", "float", "rotated", "animated", "checksum")


def digest_of(data: bytes | memoryview) -> int:
    """Return a 64-bit digest."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def examine(path: str | os.PathLike[str], depth: Depth) -> Facts:
    """Return what a file is; nothing is raised for files that cannot be used."""
    facts = Facts()
    try:
        if depth == "header":
            with opened(path) as image:
                return _with_header(facts, image)
        data = read_file(path)
        facts = replace(facts, digest=digest_of(data))
        with opened(data) as image:
            facts = _with_header(facts, image)
        if depth == "pixels":
            # Opened anew: asking for a header may move a file on, and training opens it only once.
            with opened(data) as image:
                facts = _with_pixels(facts, image)
            if not _checksums_agree(data, facts.format):
                facts = replace(facts, traits=(*facts.traits, "checksum"))
    except PictureError as error:
        facts = replace(facts, reason=error.reason, fault=error.fault)
    return facts


def _with_header(facts: Facts, image: Image.Image) -> Facts:
    mode, (width, height) = image.mode, seen_size(image)
    # A file of 3 x 16 bits is RGB to Pillow, and only its decoder knows more.
    tiles = getattr(image, "tile", None) if image.format in ("PNG", "TIFF") else None
    raw = str(tiles[0][3]) if tiles else ""
    found = {
        "greyscale": mode in ("1", "L", "LA", "La", "I", "F") or mode.startswith("I;16"),
        "palette": mode in ("P", "PA"),
        "alpha": image.has_transparency_data,
        "cmyk": mode in ("CMYK", "YCCK"),
        "16_bit": mode.startswith("I") or "16" in raw,
        "float": mode == "F",
        "rotated": _is_rotated(image),
        "animated": _has_frames(image),
    }
    traits = tuple(name for name in TRAITS if found.get(name))
    return replace(facts, width=width, height=height, mode=mode, format=image.format or "", traits=traits)


def _has_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    except Exception:  # damage behind the first frame, which is the one that is used
        return False


def _is_rotated(image: Image.Image) -> bool:
    if image.format == "PNG" and "exif" not in image.info:
        return False  # Pillow would decode the picture to look behind it, and its damage would be swallowed
    return orientation_of(image) in range(2, 9)


def _with_pixels(facts: Facts, image: Image.Image) -> Facts:
    image.load()
    turn = turn_of(image)
    seen = plain(image, "RGB")
    traits = facts.traits
    if turn is not None:
        seen = seen.transpose(turn)
        traits = tuple(dict.fromkeys((*traits, "rotated")))  # a PNG may say so at its end
    digest = hashlib.blake2b(f"{seen.width} {seen.height}\n".encode(), digest_size=8)
    digest.update(seen.tobytes())
    pixels = int.from_bytes(digest.digest(), "little")
    return replace(facts, width=seen.width, height=seen.height, traits=traits, pixels=pixels, look=look_of(seen))


def _checksums_agree(data: bytes, format: str) -> bool:
    """Whether a PNG's parts are what was written; decoders do not look, and show other colours instead."""
    if format != "PNG":
        return True
    try:
        with opened(data) as image:
            image.verify()
    except PictureError:
        return False
    return True


def look_of(image: Image.Image) -> int:
    """Return the perceptual hash of a picture: where its shrunk grey copy rises, to the right and downwards."""
    from PIL.Image import Resampling

    grey = image.convert("L").resize((_SIDE + 1, _SIDE + 1), Resampling.BOX)
    values = grey.tobytes()
    if max(values) - min(values) < _PLAIN:
        return 0
    wide = _SIDE + 1
    bits = 0
    for row in range(_SIDE):
        for column in range(_SIDE):
            here = values[row * wide + column]
            bits = bits << 1 | (values[row * wide + column + 1] > here)
            bits = bits << 1 | (values[(row + 1) * wide + column] > here)
    return bits
