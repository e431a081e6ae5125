"""From series to braille: every value in its place, no holes, gaps kept."""

from __future__ import annotations

import numpy as np

from tui.app.widgets.axis import Scale
from tui.app.widgets.raster import Mark, Plane, Row, Trace, draw, quantile, within

PLANE = Plane(width=10, height=4, first=1, last=20, scale=Scale(0, 16))
STEPS = np.arange(1, 21, dtype=np.float64)


def line(values: list[float] | np.ndarray, **changes: object) -> Trace:
    array = np.asarray(values, np.float32)
    steps = changes.pop("steps", STEPS[: len(array)])
    return Trace("loss", "line", steps, array, array, **changes)  # type: ignore[arg-type]


def texts(rows: list[Row]) -> list[str]:
    return ["".join(text for text, _ in row) for row in rows]


def dots(rows: list[Row]) -> np.ndarray:
    """Return [rows of dots, columns of dots] out of braille."""
    bits = (
        (0, 0, 0x01),
        (1, 0, 0x02),
        (2, 0, 0x04),
        (0, 1, 0x08),
        (1, 1, 0x10),
        (2, 1, 0x20),
        (3, 0, 0x40),
        (3, 1, 0x80),
    )
    lines = texts(rows)
    found = np.zeros((4 * len(lines), 2 * len(lines[0])), bool)
    for y, text in enumerate(lines):
        for x, character in enumerate(text):
            code = ord(character) - 0x2800 if ord(character) >= 0x2800 else 0
            for down, right, bit in bits:
                found[4 * y + down, 2 * x + right] = bool(code & bit)
    return found


def test_rows_have_the_planes_size() -> None:
    rows = draw(PLANE, [line([8.0] * 20)])
    assert [len(text) for text in texts(rows)] == [10] * 4


def test_a_level_line_is_one_dot_high_and_has_no_gap() -> None:
    found = dots(draw(PLANE, [line([8.0] * 20)]))
    assert found.sum() == 20
    assert found.any(axis=1).sum() == 1


def test_a_rising_line_goes_from_corner_to_corner_without_holes() -> None:
    found = dots(draw(PLANE, [line(np.linspace(0, 16, 20))]))
    assert found[15, 0]
    assert found[0, 19]
    assert found.any(axis=0).all()


def test_a_jump_is_joined() -> None:
    found = dots(draw(PLANE, [line([0.0] * 10 + [16.0] * 10)]))
    assert found.any(axis=1).all()


def test_a_band_fills_from_low_to_high() -> None:
    band = Trace("loss", "raw", STEPS, np.full(20, 4, np.float32), np.full(20, 12, np.float32))
    found = dots(draw(PLANE, [band]))
    assert found[4:12].all()
    assert not found[:3].any()
    assert not found[13:].any()


def test_nan_leaves_a_gap_and_a_sign() -> None:
    values = [8.0] * 8 + [np.nan] * 4 + [8.0] * 8
    rows = draw(PLANE, [line(values, nonfinite=np.isnan(values).astype(np.int64))])
    found = dots(rows[1:])
    assert not found[:, 8:12].any()
    assert found[:, :8].any(axis=0).all()
    assert found[:, 12:].any(axis=0).all()
    assert texts(rows)[0][4:6] == "!!"
    assert ("!!", "bad") in rows[0]


def test_missing_records_leave_a_gap_without_a_sign() -> None:
    values = [8.0] * 6 + [np.nan] * 8 + [8.0] * 6
    rows = draw(PLANE, [line(values, nonfinite=np.zeros(20, np.int64))])
    assert not dots(rows)[:, 6:14].any()
    assert "!" not in "".join(texts(rows))


def test_few_records_on_a_wide_plane_are_joined_to_a_line() -> None:
    plane = Plane(width=40, height=4, first=1, last=5, scale=Scale(0, 16))
    found = dots(draw(plane, [line([2.0, 8.0, 4.0, 12.0, 6.0])]))
    inner = found[:, 8:72]
    assert inner.any(axis=0).all()


def test_what_lies_above_the_axis_has_a_mark_at_its_edge() -> None:
    values = np.full(20, 8.0)
    values[10:14] = 40.0
    rows = draw(PLANE, [line(values)])
    assert texts(rows)[0][5:7] == "↑↑"
    assert "↑" not in "".join(texts(rows)).replace("↑↑", "", 1)
    assert [tone for text, tone in rows[0] if "↑" in text] == ["line"]
    values[10:14] = 16.0  # the very end of the axis
    assert "↑" not in "".join(texts(draw(PLANE, [line(values)])))
    values[10:14] = np.inf
    assert "↑" not in "".join(texts(draw(PLANE, [line(values)])))


def test_infinity_sticks_to_the_edge_and_draws_nothing_alone() -> None:
    low = np.full(20, 4, np.float32)
    high = low.copy()
    high[5] = np.inf
    found = dots(draw(PLANE, [Trace("loss", "raw", STEPS, low, high)]))
    assert found[0, 5]
    alone = np.full(20, np.inf, np.float32)
    assert not dots(draw(PLANE, [Trace("loss", "raw", STEPS, alone, alone)])).any()


def test_nothing_at_all_is_blank() -> None:
    empty = np.empty(0)
    assert texts(draw(PLANE, [])) == [" " * 10] * 4
    assert texts(draw(PLANE, [Trace("x", "line", empty, empty, empty)])) == [" " * 10] * 4
    assert texts(draw(PLANE, [line([np.nan] * 20)])) == [" " * 10] * 4


def test_values_outside_the_axis_stay_inside_the_plane() -> None:
    rows = draw(PLANE, [line([-100.0] * 10 + [1000.0] * 10)])
    assert [len(text) for text in texts(rows)] == [10] * 4
    assert dots(rows)[15, 0]
    assert texts(rows)[0] == " " * 5 + "↑" * 5


def test_the_later_trace_takes_the_cell() -> None:
    band = Trace("batch", "raw", STEPS, np.zeros(20, np.float32), np.full(20, 16, np.float32))
    rows = draw(PLANE, [band, line([9.0] * 20)])
    assert ("⠒" * 10, "line") in rows[1] or any(tone == "line" and len(text) == 10 for text, tone in rows[1])
    assert all(tone == "raw" for text, tone in rows[0])


def test_marks_stand_at_their_step_and_value() -> None:
    rows = draw(PLANE, [], [Mark("◆", "mark", 20, 16.0), Mark("◆", "mark", 1, 0.0), Mark("◆", "mark", 10, np.nan)])
    assert texts(rows)[0] == " " * 9 + "◆"
    assert texts(rows)[3] == "◆" + " " * 9
    assert "".join(texts(rows)).count("◆") == 2


def test_new_records_change_only_their_own_columns() -> None:
    plane = Plane(width=10, height=4, first=1, last=40, scale=Scale(0, 16))
    before = texts(draw(plane, [line(np.linspace(0, 8, 20))]))
    steps = np.arange(1, 23, dtype=np.float64)
    values = np.concatenate([np.linspace(0, 8, 20), [8.0, 8.0]])
    after = texts(draw(plane, [line(values, steps=steps)]))
    assert [text[:4] for text in before] == [text[:4] for text in after]
    assert before != after


def test_the_short_ways_give_what_numpy_gives() -> None:
    dice = np.random.default_rng(0)
    for count in (1, 2, 3, 32, 201):
        values = dice.normal(size=count)
        for share in (0.0, 0.5, 0.97, 1.0):
            assert np.isclose(quantile(values, share), np.quantile(values, share), rtol=1e-12)
    wild = np.array([-np.inf, -2.0, 0.5, np.nan, 3.0, np.inf])
    np.testing.assert_array_equal(within(wild, 0, 1), np.clip(wild, 0, 1))
    for step in (1, 1.4, 7, 20, 25, -3):
        assert PLANE.cell(step) == int(PLANE.column(np.array([step], np.float64))[0]) // 2
