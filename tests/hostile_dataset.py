"""A dataset with every defect at known places, and its clean twin.

``make_hostile`` returns what the check must find, {code: paths}; ``make_clean`` makes the same dataset
without any defect. Refusals (one class, a flat folder, ...) need datasets of their own and are not here.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import unicodedata
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("bird", "cat", "dog")
SPLITS = {"train": 8, "val": 3, "test": 3}
DEEP_ONLY = {"damaged", "unsupported", "checksum", "nearly_equal"}
"""What only a full decode can find."""


def picture(seed: object, size: tuple[int, int] = (48, 48)) -> Image.Image:
    """Return coarse random colours, made smooth: no two look alike."""
    dice = random.Random(repr(seed))
    coarse = Image.frombytes("RGB", (9, 9), dice.randbytes(9 * 9 * 3))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def make_clean(root: Path) -> Path:
    """Make split folders of three classes without a defect."""
    for split, count in SPLITS.items():
        for name in CLASSES:
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                picture((split, name, number)).save(folder / f"{number:03d}.jpg", quality=92)
    return root


class _Maker:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.expected: dict[str, set[str]] = {}

    def place(self, path: str, *codes: str) -> Path:
        """Return where to write a defect, and note what it must be found as."""
        for code in codes:
            self.expected.setdefault(code, set()).add(path)
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def expect(self, code: str, *paths: str) -> None:
        self.expected.setdefault(code, set()).update(paths)


def make_hostile(root: Path, outside: Path) -> dict[str, set[str]]:
    """Make the dataset with every defect.

    Args:
        root: of the dataset.
        outside: a directory that links lead to.
    """
    make_clean(root)
    maker = _Maker(root)
    _kinds(maker)
    _faults(maker)
    _copies(maker)
    _folders(maker, outside)
    _names(maker)
    return maker.expected


def _kinds(maker: _Maker) -> None:
    picture("grey").convert("L").save(maker.place("train/cat/grey.jpg", "greyscale"))
    picture("palette").quantize(16).save(maker.place("train/cat/palette.png", "palette"))
    holes = picture("holes").quantize(16)
    holes.save(maker.place("train/cat/palette-holes.png", "palette", "alpha"), transparency=0)
    layered = picture("alpha")
    layered.putalpha(picture("mask").convert("L"))
    layered.save(maker.place("train/cat/alpha.png", "alpha"))
    picture("cmyk").convert("CMYK").save(maker.place("train/cat/cmyk.jpg", "cmyk"))
    deep = np.asarray(picture("deep").convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(maker.place("train/cat/deep.png", "16_bit", "greyscale"))
    _png16(maker.place("train/cat/deep-rgb.png", "16_bit"))
    values = np.asarray(picture("float").convert("L")).astype(np.float32) / 255
    Image.fromarray(values).save(maker.place("train/cat/float.tif", "float", "greyscale"))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture("turned").save(maker.place("train/dog/turned.jpg", "rotated"), exif=exif, quality=92)
    frames = [picture(("frame", number)).quantize(32) for number in range(3)]
    frames[0].save(maker.place("train/dog/moving.gif", "animated", "palette"), save_all=True, append_images=frames[1:])
    pages = [picture(("page", number)) for number in range(2)]
    pages[0].save(maker.place("train/dog/pages.tiff", "animated"), save_all=True, append_images=pages[1:])
    picture("wide", (200, 40)).save(maker.place("train/dog/wide.jpg", "elongated"), quality=92)
    picture("misnamed").save(maker.place("train/dog/really-a-png.jpg", "misnamed"), format="PNG")


def _faults(maker: _Maker) -> None:
    whole = maker.place("train/bird/cut.jpg", "damaged")
    picture("cut", (200, 200)).save(whole, quality=92)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    odd = os.fsdecode(b"train/bird/caf\xe9\x1b[2J.jpg")
    shutil.copyfile(whole, maker.place(odd, "damaged"))
    # Damaged, but other bytes than the first: no copy of it.
    with open(maker.root / odd, "ab") as file:
        file.write(b"\xff")
    flipped = maker.place("train/bird/flipped.png", "damaged")
    picture("flipped").save(flipped)
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 0x10
    flipped.write_bytes(content)
    sums = maker.place("train/bird/sums.png", "checksum")
    picture("sums").save(sums)
    content = bytearray(sums.read_bytes())
    content[-13] ^= 0x10  # in the checksum of the pixels, before the 12 bytes of the end
    sums.write_bytes(content)
    maker.place("train/bird/nothing.jpg", "empty_file").touch()
    maker.place("train/bird/text.jpg", "not_a_picture").write_text("I am text.\n")
    eps = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    maker.place("train/bird/postscript.jpg", "not_a_picture").write_text(eps)
    maker.place("train/bird/bomb.png", "bomb").write_bytes(_png(50_000, 50_000, 8, 2, b""))
    wild = np.linspace(-5, 4000, 48 * 48, dtype=np.float32).reshape(48, 48)
    Image.fromarray(wild).save(maker.place("train/bird/wild.tif", "unsupported"))


def _copies(maker: _Maker) -> None:
    def copy(source: str, target: str, *codes: str) -> None:
        shutil.copyfile(maker.root / source, maker.place(target, *codes))
        for code in codes:
            maker.expect(code, source)

    copy("train/cat/000.jpg", "train/cat/000 (copy).jpg", "duplicate")
    copy("train/cat/001.jpg", "test/cat/leaked.jpg", "leak")
    copy("train/dog/001.jpg", "val/dog/leaked.jpg", "leak")
    copy("val/dog/000.jpg", "test/dog/leaked-too.jpg", "leak")
    copy("train/cat/002.jpg", "train/dog/a-cat.jpg", "contradiction")
    again = maker.place("test/dog/stored-again.jpg", "nearly_equal")
    with Image.open(maker.root / "train/dog/002.jpg") as image:
        image.resize((96, 96), Image.Resampling.BICUBIC).save(again, quality=85)
    maker.expect("nearly_equal", "train/dog/002.jpg")


def make_recoded(root: Path) -> set[str]:
    """Add another file with the same pixels, which only ``--deep`` can know for a copy; return the two paths."""
    with Image.open(root / "train/bird/003.jpg") as image:
        image.convert("RGB").save(root / "train/bird/recoded.png")
    return {"train/bird/003.jpg", "train/bird/recoded.png"}


def _folders(maker: _Maker, outside: Path) -> None:
    (outside / "more").mkdir(parents=True)
    picture("outside").save(outside / "more" / "x.jpg")
    picture("outside too").save(outside / "y.jpg")
    os.symlink(outside / "more", maker.place("train/dog/more", "outside"))
    os.symlink(outside / "y.jpg", maker.place("train/dog/y.jpg", "outside"))
    os.symlink(".", maker.place("train/dog/loop", "visited_before"))
    os.symlink("nowhere.jpg", maker.place("train/dog/gone.jpg", "broken_link"))
    hidden = ("train/.ipynb_checkpoints", "__MACOSX", "train/cat/.DS_Store", "train/cat/.hidden")
    for path in (hidden[0], hidden[1], hidden[3]):
        picture(path).save(maker.place(f"{path}/x.jpg"))
        maker.expect("hidden", path)
    maker.place(hidden[2], "hidden").write_bytes(b"\0\0\0\1Bud1")
    maker.place("train/cat/notes.txt", "not_pictures").write_text("x")
    os.mkfifo(maker.place("train/cat/pipe.jpg", "not_pictures"))
    picture("loose").save(maker.place("train/loose.jpg", "loose"))
    picture("extra").save(maker.place("extra/x.jpg"))
    maker.expect("extra_folder", "extra")
    (maker.root / "train" / "fish").mkdir()
    maker.expect("empty_class", "fish")
    shutil.rmtree(maker.root / "val" / "bird")
    maker.expect("class_missing", "bird")


def _names(maker: _Maker) -> None:
    for name in ("Twice.jpg", "twice.jpg"):
        picture(name).save(maker.place(f"train/cat/{name}", "name_collision"))
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "café.jpg")
        picture(form).save(maker.place(f"train/cat/{name}", "name_collision"))


def _png(width: int, height: int, bits: int, colours: int, pixels: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _png16(path: Path) -> None:
    """Write a PNG of three times 16 bits, which Pillow cannot."""
    values = np.asarray(picture("sixteen")).astype(">u2") * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path.write_bytes(_png(48, 48, 16, 2, rows))
