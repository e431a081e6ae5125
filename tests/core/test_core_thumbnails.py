"""Thumbnails: the picture's shape and colours, whatever the file is; never an exception, never a stuck screen."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from picture_sets import write_picture
from PIL import Image

from tui.core.dataset.thumbnails import Thumbnail, Thumbnails


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def made(root: Path, *paths: str, size: int = 32) -> list[Thumbnail]:
    thumbnails = Thumbnails(root, size=size)
    try:
        for path in paths:
            assert thumbnails.get(path) is None
        deadline = time.monotonic() + 60
        while thumbnails.waiting:
            thumbnails.collect()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        found = [thumbnails.get(path) for path in paths]
        return [thumbnail for thumbnail in found if thumbnail is not None]
    finally:
        thumbnails.close()


def test_the_shape_is_kept_and_the_colours_are_those_of_training(root: Path) -> None:
    Image.new("RGB", (80, 40), (200, 30, 30)).save(root / "wide.png")
    Image.new("RGB", (10, 40), (30, 200, 30)).save(root / "high.png")
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(root / "clear.png")
    Image.new("CMYK", (20, 20), (0, 0, 0, 255)).save(root / "print.jpg")
    Image.new("I;16", (20, 20), 65535).save(root / "deep.png")
    wide, high, clear, printed, deep = made(root, "wide.png", "high.png", "clear.png", "print.jpg", "deep.png")
    assert (wide.width, wide.height) == (32, 16)
    assert wide.pixels == bytes((200, 30, 30)) * 32 * 16
    assert (high.width, high.height) == (8, 32)
    assert high.pixels == bytes((30, 200, 30)) * 8 * 32
    assert clear.pixels == b"\xff" * 3 * 32 * 32
    assert max(printed.pixels) < 10
    assert deep.pixels == b"\xff" * 3 * 32 * 32
    assert (deep.facts.mode, deep.facts.width) == ("I;16", 20)


def test_a_turned_picture_has_its_turned_shape(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("turned.jpg", "turned.png"):
        Image.new("RGB", (80, 40), (200, 30, 30)).save(root / name, exif=exif)
    for thumbnail in made(root, "turned.jpg", "turned.png"):
        assert (thumbnail.width, thumbnail.height) == (16, 32)


def test_a_grey_picture_is_not_taken_for_its_letterbox(root: Path) -> None:
    Image.new("RGB", (64, 32), (127, 127, 127)).save(root / "grey.png")
    (grey,) = made(root, "grey.png")
    assert (grey.width, grey.height) == (32, 16)


def test_whatever_is_wrong_is_a_reason(root: Path) -> None:
    write_picture(root / "good.png", size=(40, 40))
    (root / "cut.png").write_bytes((root / "good.png").read_bytes()[:-400])
    (root / "text.jpg").write_text("no picture")
    (root / "empty.png").write_bytes(b"")
    (root / "folder.png").mkdir()
    bomb = Image.new("1", (20_000, 20_000))
    bomb.save(root / "bomb.png")
    names = ("cut.png", "text.jpg", "empty.png", "folder.png", "gone.png", "bomb.png")
    reasons = [thumbnail.reason for thumbnail in made(root, *names)]
    for reason, words in zip(
        reasons, ("damaged", "no picture", "empty", "regular file", "gone", "million pixels"), strict=True
    ):
        assert words in reason
        assert reason.isprintable()


def test_only_the_last_are_kept_and_what_is_not_wanted_is_given_up(root: Path) -> None:
    for number in range(6):
        write_picture(root / f"{number}.png")
    thumbnails = Thumbnails(root, size=8, kept=3)
    try:
        for number in range(6):
            thumbnails.get(f"{number}.png")
        thumbnails.want_only({"0.png", "1.png", "2.png", "3.png"})
        assert thumbnails.waiting == 4
        deadline = time.monotonic() + 60
        while thumbnails.waiting:
            thumbnails.collect()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert sum(thumbnails.get(f"{number}.png") is not None for number in range(4)) == 3
    finally:
        thumbnails.close()
