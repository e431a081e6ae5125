"""The one conversion: every kind of file gives the pixels that a person sees, or a reason."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from picture_sets import write_picture
from PIL import Image, ImageOps

from tui.core.dataset import pictures
from tui.core.dataset.pictures import PictureError, inspect, load_picture

Mode = Literal["crop", "letterbox", "squash"]


def load(path: Path, size: int = 8, channels: Literal[3, 1] = 3, resize: Mode = "crop") -> np.ndarray[Any, Any]:
    return load_picture(path, size=size, channels=channels, resize=resize)


def reason(path: Path) -> str:
    with pytest.raises(PictureError) as caught:
        load(path)
    return caught.value.reason


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def halves(mode: str = "RGB", size: tuple[int, int] = (16, 16)) -> Image.Image:
    """Left half white, right half black."""
    image = Image.new("L", size, 0)
    image.paste(255, (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


def test_a_picture_of_the_right_size_is_untouched(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "x.png", size=(8, 8))
    result = load(path)
    assert result.dtype == np.uint8
    assert result.shape == (8, 8, 3)
    assert np.array_equal(result, np.asarray(Image.open(path)))


def test_channels(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "x.png", size=(8, 8))
    grey = load(path, channels=1)
    assert grey.shape == (8, 8, 1)
    assert np.array_equal(grey[..., 0], np.asarray(Image.open(path).convert("L")))


def test_crop_takes_the_middle(tmp_path: Path) -> None:
    image = Image.new("RGB", (24, 8), (255, 0, 0))
    image.paste((0, 0, 255), (8, 0, 16, 8))
    assert (load(saved(tmp_path / "x.png", image)) == (0, 0, 255)).all()


def test_squash_keeps_everything(tmp_path: Path) -> None:
    result = load(saved(tmp_path / "x.png", halves(size=(32, 8))), resize="squash")
    assert (result[:, :3] == 255).all()
    assert (result[:, 5:] == 0).all()


def test_letterbox_adds_bars(tmp_path: Path) -> None:
    result = load(saved(tmp_path / "x.png", Image.new("RGB", (32, 16), (255, 0, 0))), resize="letterbox")
    assert (result[2:6] == (255, 0, 0)).all()
    assert (result[:2] == pictures.BAR).all()
    assert (result[6:] == pictures.BAR).all()


@pytest.mark.parametrize("resize", ["crop", "letterbox", "squash"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 5), (100, 37)])
def test_any_shape_gives_the_asked_size(tmp_path: Path, resize: Mode, size: tuple[int, int]) -> None:
    path = write_picture(tmp_path / "x.png", size=size)
    assert load(path, resize=resize).shape == (8, 8, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif", "x.webp"])
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int, name: str) -> None:
    image = Image.new("RGB", (16, 16), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 16, 8))
    image.paste((128, 128, 128), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / name, image, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(path)).resize((8, 8), Image.Resampling.BILINEAR)
    assert np.abs(load(path).astype(int) - np.asarray(expected.convert("RGB"))).max() <= 2
    size = inspect(path)
    assert size[:2] == (16, 16)


def test_a_turned_photograph_is_measured_as_it_is_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert inspect(saved(tmp_path / "x.jpg", Image.new("RGB", (40, 20)), exif=exif)) == (20, 40, "RGB")


def test_16_bit_png_is_scaled(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    path = saved(tmp_path / "x.png", Image.fromarray(values))
    result = load(path, channels=1)[..., 0]
    assert np.abs(result - values / 257.0).max() <= 0.51
    assert np.array_equal(load(path)[..., 1], result)


def test_16_bit_tiff_is_scaled(tmp_path: Path) -> None:
    values = np.full((8, 8), 32768, dtype=np.uint16)
    assert (load(saved(tmp_path / "x.tif", Image.fromarray(values))) == 128).all()


def test_16_bit_pgm_is_scaled(tmp_path: Path) -> None:
    path = tmp_path / "x.pgm"
    path.write_bytes(b"P5 8 8 65535\n" + np.full(64, 32768, dtype=">u2").tobytes())
    assert (load(path) == 128).all()


def test_32_bit_integers_are_refused(tmp_path: Path) -> None:
    values = np.full((8, 8), 70000, dtype=np.int32)
    assert "more than 16 bits" in reason(saved(tmp_path / "x.tif", Image.fromarray(values)))


def test_float_tiff_is_scaled_or_refused(tmp_path: Path) -> None:
    half = np.full((8, 8), 0.5, dtype=np.float32)
    assert (load(saved(tmp_path / "a.tif", Image.fromarray(half))) == 128).all()
    assert (load(saved(tmp_path / "b.tif", Image.fromarray(half * 200))) == 100).all()
    assert "floating point" in reason(saved(tmp_path / "c.tif", Image.fromarray(half * 2000)))
    assert "floating point" in reason(saved(tmp_path / "d.tif", Image.fromarray(half * np.nan)))


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    assert (load(saved(tmp_path / "a.png", clear)) == 255).all()
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    assert np.abs(load(saved(tmp_path / "b.png", half)).astype(int) - 127).max() <= 1
    grey = Image.new("LA", (8, 8), (0, 0))
    assert (load(saved(tmp_path / "c.png", grey), channels=1) == 255).all()


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(0, (0, 0, 4, 8))
    result = load(saved(tmp_path / "x.png", image, transparency=1))
    assert (result[:, :4] == (255, 0, 0)).all()
    assert (result[:, 4:] == 255).all()
    assert (load(saved(tmp_path / "y.png", image))[:, 4:] == (0, 255, 0)).all()


def test_rgb_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8), (1, 2, 3))
    image.paste((200, 100, 50), (0, 0, 4, 8))
    result = load(saved(tmp_path / "x.png", image, transparency=(1, 2, 3)))
    assert (result[:, :4] == (200, 100, 50)).all()
    assert (result[:, 4:] == 255).all()


def test_cmyk_jpeg(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    result = load(saved(tmp_path / "x.jpg", image, quality=95)).astype(int)
    assert np.abs(result - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("mode", ["1", "L"])
def test_black_and_white_and_grey(tmp_path: Path, mode: str) -> None:
    result = load(saved(tmp_path / "x.png", halves(mode, (8, 8))))
    assert (result[:, :4] == 255).all()
    assert (result[:, 4:] == 0).all()


@pytest.mark.parametrize("name", ["x.gif", "x.tif", "x.png", "x.webp"])
def test_only_the_first_frame_counts(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    options: dict[str, Any] = {"lossless": True} if name == "x.webp" else {}
    path = saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], **options)
    assert (load(path) == (255, 0, 0)).all()


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8), (10, 20, 30))
    path = tmp_path / "x.jpg"
    image.save(path, format="PNG")
    assert (load(path) == (10, 20, 30)).all()


def test_a_large_jpeg_is_opened_at_less_resolution_and_looks_the_same(tmp_path: Path) -> None:
    ramp = Image.linear_gradient("L").resize((1600, 1200)).convert("RGB")
    path = saved(tmp_path / "x.jpg", ramp, quality=95)
    box = (200, 0, 1400, 1200)
    expected = np.asarray(ramp.resize((32, 32), Image.Resampling.BILINEAR, box=box)).astype(int)
    assert np.abs(load(path, size=32) - expected).max() <= 3


# -- what is refused ------------------------------------------------------------------------------------


def test_a_truncated_jpeg_is_refused_though_its_header_is_fine(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "x.jpg", size=(64, 64))
    path.write_bytes(path.read_bytes()[:-400])
    assert inspect(path)[:2] == (64, 64)
    assert "it is damaged" in reason(path)


def test_a_truncated_png_is_refused(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "x.png", size=(64, 64))
    path.write_bytes(path.read_bytes()[:500])
    assert "it is damaged" in reason(path)


@pytest.mark.parametrize(
    "content", [b"hello, I am text", b"\0" * 100, b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n\x1a\n"]
)
def test_a_file_that_is_no_picture(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    assert reason(path)
    with pytest.raises(PictureError):
        inspect(path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").touch()
    assert reason(tmp_path / "x.jpg") == "the file is empty"


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    assert reason(tmp_path / "x.jpg") == "the file is gone"


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.jpg")
    assert reason(tmp_path / "x.jpg") == "it is no regular file"
    assert reason(tmp_path) == "it is no regular file"


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(_png_header(side, side))
    assert reason(path) == "it has more than 80 million pixels"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.touch()
    os.truncate(path, pictures.MOST_BYTES + 1)
    assert "larger than 512 MiB" in reason(path)


@pytest.mark.parametrize("kind", ["EPS", "ICO", "TGA", "PCX", "PDF"])
def test_exotic_formats_are_refused(tmp_path: Path, kind: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (9, 9, 9)).save(buffer, format=kind)
    path = tmp_path / "x.png"
    path.write_bytes(buffer.getvalue())
    assert reason(path) == "it is no picture of a known format"


def test_reasons_are_sanitized(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[2J.png"
    path.write_bytes(b"P5 8 8 \x1b]52;c;x\x07\n")
    assert reason(path).isprintable()


def test_opening_a_picture_loads_only_the_allowed_decoders(tmp_path: Path) -> None:
    good, bad = write_picture(tmp_path / "x.png"), tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    program = (
        "import sys; from tui.core.dataset.pictures import *\n"
        f"load_picture({str(good)!r}, size=8, channels=3, resize='crop')\n"
        f"try: load_picture({str(bad)!r}, size=8, channels=3, resize='crop')\n"
        "except PictureError: pass\n"
        "from PIL import Image; print(sorted(Image.OPEN))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "EPS" not in shown
    assert "JPEG" in shown
