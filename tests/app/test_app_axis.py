"""Axes: round limits, few moves, readable labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.app.format import compact, size, tick
from tui.app.widgets.axis import Scale, fitted, reach, step_ticks, ticks

VALUES = st.floats(min_value=1e-30, max_value=1e30)


@given(VALUES, VALUES, st.booleans(), st.booleans())
def test_the_axis_holds_all_values_and_has_at_least_two_ticks(one: float, other: float, log: bool, close: bool) -> None:
    low, high = sorted((one, other))
    scale = fitted(low, high, log=log, close=close)
    assert scale.low <= low * (1 + 1e-9)
    assert scale.high >= high * (1 - 1e-9)
    found = ticks(scale, 5)
    assert 2 <= len(found) <= 6
    if high > 2 * low and 1e-8 < high < 1e9:  # beyond that some labels have no room and are left out
        assert all(len(label) <= 6 for _, label in found)
        assert len({label for _, label in found}) == len(found)


@given(VALUES, st.floats(min_value=1.0001, max_value=2.9))
def test_a_close_logarithmic_axis_is_well_filled(low: float, ratio: float) -> None:
    scale = fitted(low, low * ratio, log=True, close=True)
    assert scale.low <= low * (1 + 1e-9)
    assert low * ratio <= scale.high * (1 + 1e-9)
    assert scale.share_of(low * ratio) - scale.share_of(low) > 0.5
    assert 2 <= len(ticks(scale, 5)) <= 6


@given(st.floats(min_value=-1e30, max_value=1e30), st.floats(min_value=-1e30, max_value=1e30))
def test_a_linear_axis_takes_values_below_zero(one: float, other: float) -> None:
    low, high = sorted((one, other))
    scale = fitted(low, high)
    assert scale.low < scale.high
    assert scale.share_of(low) >= -1e-6
    assert scale.share_of(high) <= 1 + 1e-6


def test_the_axis_stays_while_values_fit_and_moves_when_they_leave_or_most_of_it_is_empty() -> None:
    scale = fitted(0.1, 2.2)
    assert fitted(0.1, 1.9, before=scale) is scale
    assert fitted(0.3, 1.4, before=scale) is scale
    assert fitted(0.1, 3.0, before=scale) != scale
    assert fitted(0.0, 0.4, before=scale).high < 1


@pytest.mark.parametrize("close", [False, True])
def test_a_falling_loss_moves_its_axis_only_a_few_times(close: bool) -> None:
    scale, moves = None, 0
    for step in range(1, 2000):
        loss = 2.3 * math.exp(-step / 400)
        new = fitted(loss * 0.8, 2.8, log=True, close=close, before=scale)
        moves += new != scale
        scale = new
    assert moves < 12


def test_the_horizontal_axis_grows_rarely_and_ends_with_the_run() -> None:
    ends, last = set(), 0
    for step in range(5000):
        last = reach(step, 5000, last)
        ends.add(last)
        assert step <= last <= 5000
    assert len(ends) < 25
    assert reach(5000, 5000, last) == 5000
    assert reach(6000, 0, 5000) >= 6000


def test_labels_tell_ticks_apart() -> None:
    assert [label for _, label in ticks(Scale(0, 0.05), 3)] == ["0", "0.025", "0.050"]
    assert [label for _, label in ticks(Scale(0, 3), 5)] == ["0", "1", "2", "3"]
    assert [label for _, label in ticks(Scale(0, 80), 4)] == ["0", "25", "50", "75"]
    assert [label for _, label in ticks(Scale(0.001, 10, log=True), 6)] == ["0.001", "0.01", "0.1", "1", "10"]
    assert [label for _, label in ticks(Scale(0.3, 10, log=True), 5)] == ["0.5", "1", "2", "5", "10"]
    assert [label for _, label in ticks(Scale(0.3, 10, log=True), 4)] == ["0.3", "1", "3", "10"]


def test_a_single_value_gets_an_axis_from_zero() -> None:
    assert fitted(0.03, 0.03).low == 0
    assert fitted(0.03, 0.03).high >= 0.05
    assert fitted(0.0, 0.0) == Scale(0.0, 1.0)


def test_the_axis_of_a_first_value_does_not_stay_once_there_are_more() -> None:
    first = fitted(2.37, 2.37)
    assert first.high > 4
    assert fitted(2.37, 2.37, before=first) is first
    assert fitted(1.4, 2.37, before=first).high < 3


def test_shares_keep_nan_and_put_infinity_outside() -> None:
    values = np.array([0.0, 5.0, 10.0, np.nan, np.inf, -np.inf], np.float32)
    shares = Scale(0, 10).share(values)
    assert shares[:3].tolist() == [0, 0.5, 1]
    assert np.isnan(shares[3])
    assert shares[4] > 1
    assert shares[5] < 0
    logarithmic = Scale(1, 100, log=True).share(np.array([0.0, -3.0, 10.0, np.nan]))
    assert logarithmic[2] == pytest.approx(0.5)
    assert (logarithmic[:2] < 0).all()
    assert np.isnan(logarithmic[3])


def test_step_labels_are_round_and_do_not_crowd() -> None:
    assert step_ticks(1, 1500, 70) == [(500, "500"), (1000, "1k"), (1500, "1.5k")]
    assert all(len(step_ticks(1, last, 60)) <= 6 for last in (1, 5, 16, 99, 12_345, 10_000_000))


@pytest.mark.parametrize(
    ("count", "text"), [(950, "950"), (1000, "1k"), (12_345, "12.3k"), (123_456, "123k"), (10_000_000, "10M")]
)
def test_counts_are_short(count: int, text: str) -> None:
    assert compact(count) == text


def test_sizes_and_ticks() -> None:
    assert size(512) == "512 B"
    assert size(1_500_000) == "1.4 MiB"
    assert size(200 << 20) == "200 MiB"
    assert tick(0.00002, 0.00001) == "2e-5"
    assert tick(0, 1) == "0"
