"""Pictures as cells: the right colours in the right halves, and something to see with few colours or none."""

from __future__ import annotations

import random

import pytest
from rich.segment import Segment
from rich.style import Style

from tui.app.widgets.cells import Line, Way, drawn, room_for

GROUND = Style(bgcolor="#121212")


def cells(line: Line) -> list[tuple[str, Style | None]]:
    return [(character, segment.style) for segment in line for character in segment.text]


def triplet(style: Style | None, part: str) -> tuple[int, int, int]:
    assert style is not None
    colour = style.color if part == "upper" else style.bgcolor
    assert colour is not None
    assert colour.triplet is not None
    return tuple(colour.triplet)


def test_a_cell_is_two_pixels() -> None:
    pixels = bytes((252, 0, 0)) + bytes((0, 252, 0)) + bytes((0, 0, 252)) + bytes((252, 252, 252))
    (line,) = drawn(pixels, 2, 2, 2, 1, "true", GROUND)
    (left, left_style), (right, right_style) = cells(line)
    assert left == right == "▀"
    assert (triplet(left_style, "upper"), triplet(left_style, "lower")) == ((252, 0, 0), (0, 0, 252))
    assert (triplet(right_style, "upper"), triplet(right_style, "lower")) == ((0, 252, 0), (252, 252, 252))


def test_equal_neighbours_are_one_blank_segment() -> None:
    (line, _) = drawn(bytes((100, 100, 100)) * 16, 4, 4, 4, 2, "true", GROUND)
    assert [segment.text for segment in line] == ["    "]
    assert triplet(line[0].style, "lower") == (100, 100, 100)


@pytest.mark.parametrize("way", ["true", "many", "few", "plain"])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (96, 72), (3, 300)])
@pytest.mark.parametrize("box", [(1, 1), (20, 8), (5, 11)])
def test_the_box_is_filled_exactly(way: Way, size: tuple[int, int], box: tuple[int, int]) -> None:
    pixels = random.Random(5).randbytes(size[0] * size[1] * 3)
    lines = drawn(pixels, *size, *box, way, GROUND)
    assert len(lines) == box[1]
    assert {Segment.get_line_length(line) for line in lines} == {box[0]}


def test_the_shape_is_kept() -> None:
    assert room_for(100, 100, 40, 20) == (40, 20)
    assert room_for(100, 50, 40, 20) == (40, 10)
    assert room_for(50, 100, 40, 20) == (20, 20)
    assert room_for(5000, 1, 40, 20) == (40, 1)


def test_256_colours_are_those_that_every_terminal_has() -> None:
    steps = {0, 95, 135, 175, 215, 255}
    pixels = random.Random(7).randbytes(32 * 32 * 3)
    for line in drawn(pixels, 32, 32, 32, 16, "many", GROUND):
        for _, style in cells(line):
            for part in ("upper", "lower"):
                red, green, blue = triplet(style, part)
                assert {red, green, blue} <= steps or (red == green == blue and (red - 8) % 10 == 0)


def test_of_16_colours_only_dark_ones_are_backgrounds() -> None:
    pixels = b"\xff" * 8 * 8 * 3
    for line in drawn(pixels, 8, 8, 8, 4, "few", GROUND):
        for text, style in cells(line):
            assert triplet(style, "lower") == (170, 170, 170)
            assert text == "▀"


def test_without_colours_brightness_is_a_letter() -> None:
    dark, bright = b"\x00" * 2 * 3, b"\xff" * 2 * 3
    top = drawn(dark + dark + bright + bright, 2, 4, 2, 2, "plain", GROUND)
    assert [cells(line)[0][0] for line in top] == [" ", "@"]
    assert all(segment.text.isascii() for line in top for segment in line)
