"""What a curve of losses suggests: on curves whose good rates are known, and on those that say nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tui.core.rate_range import (
    HIGHEST,
    LOWEST,
    STEPS,
    RateRange,
    Smoothed,
    Suggestion,
    minimum,
    rates,
    slide,
    steep,
    suggest,
    valley,
)

LR = np.array(rates())


def curve(best: float) -> np.ndarray:
    """Flat, falling over two decades to ``best``, and rising steeply behind it."""
    x = np.log10(LR / best)
    return 2.3 - 1.5 / (1 + np.exp(-4 * (x + 1))) + np.exp(5 * (x - 0.4))


def test_rates_grow_by_one_factor() -> None:
    tried = rates()
    assert (len(tried), tried[0]) == (STEPS, LOWEST)
    assert tried[-1] == pytest.approx(HIGHEST)
    assert np.diff(np.log(tried)) == pytest.approx(math.log(HIGHEST / LOWEST) / (STEPS - 1))


def test_the_average_has_no_bias_at_its_start() -> None:
    average = Smoothed()
    assert average.add(3.0) == pytest.approx(3.0)
    assert average.add(1.0) == pytest.approx((0.98 * 3 + 1) / 1.98)


@pytest.mark.parametrize("best", [1e-3, 1e-2, 0.1])
def test_each_reading_is_where_its_definition_says(best: float) -> None:
    losses = curve(best)
    lowest = LR[losses.argmin()]
    assert minimum(LR, losses) == pytest.approx(lowest / 10)
    fastest = steep(LR, losses)
    assert fastest is not None
    assert fastest == pytest.approx(best / 10, rel=0.5)  # the middle of the logistic descent
    middle = valley(LR, losses)
    assert middle is not None
    assert LOWEST < middle < lowest
    stopped = slide(LR, losses)
    assert stopped is not None
    assert stopped < lowest


def test_valley_of_a_hand_made_curve() -> None:
    # The longest falling subsequence has the 9 losses 9, 8, ..., 1: from place 2 to 10.
    losses = np.array([5.0, 6, 9, 8, 7, 6, 5, 4, 3, 2, 1, 8, 9])
    lr = np.arange(1.0, 14.0)
    third = (10 - 1) / 3  # fastai counts from one before its start
    assert valley(lr, losses) == lr[1 + int(third) + int(third / 2)] == 6


def test_suggestions_are_rounded_sorted_and_make_sense() -> None:
    found = suggest(LR, curve(1e-2))
    assert [one.name for one in found] == ["valley", "minimum/10", "steepest", "slide"]
    lowest = LR[curve(1e-2).argmin()]
    assert all(one.rate <= lowest and one.rate == float(f"{one.rate:.2e}") for one in found)
    assert all(curve(1e-2).min() - 0.1 < one.loss < 2.5 for one in found)


def test_curves_that_say_nothing_suggest_nothing() -> None:
    assert suggest(LR[:12], curve(1e-2)[:12]) == []
    assert suggest(LR, np.full(STEPS, math.nan)) == []
    assert suggest(LR, np.linspace(1, 5, STEPS)) == []  # it only ever rises


def test_it_survives_json() -> None:
    found = RateRange([1e-3], [2.0], [2.0], [Suggestion("valley", 1e-3, 2.0, "why")], "over", 32, "sgd")
    assert RateRange.from_table(found.to_table()) == found
