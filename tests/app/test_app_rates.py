"""The curve in the form is the schedule's own, at every size, and follows what is typed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from textual.app import App, ComposeResult

from tui.app.widgets.rate_curve import RateCurve
from tui.core.schema import with_changes
from tui.core.settings import Settings


def drawn(width: int, height: int, epoch_steps: int | None = None, **changes: Any) -> list[str]:
    curve = RateCurve()
    new = {key.replace("__", "."): value for key, value in changes.items()}
    curve.show(with_changes(Settings(), new, source="test"), epoch_steps)
    return ["".join(text for text, _ in row) for row in curve.lines(width, height)]


def heights(rows: list[str]) -> list[int]:
    """Return for each column of cells the topmost row with dots, counted from below; -1 without any."""
    plane = [row[8:] for row in rows[1:-1]]
    width = max(map(len, plane))
    tops = []
    for x in range(width):
        at = [y for y, row in enumerate(plane) if x < len(row) and row[x] > "\u2800"]
        tops.append(len(plane) - 1 - at[0] if at else -1)
    return tops


def test_the_curve_has_a_warm_up_a_peak_and_an_end() -> None:
    rows = drawn(48, 12, optimizer__learning_rate=0.2, schedule__warmup_epochs=2.0, training__epochs=10)
    assert rows[0] == "Learning rate cosine   falls to 0"
    assert rows[1].startswith("   0.2 ┤")
    assert rows[-2].startswith("     0 ┤")
    assert rows[-1].endswith(" 10 epochs")
    assert rows[-1].index("┴") - 8 == 8  # 2 of 10 epochs
    tops = heights(rows)
    assert tops[0] <= 1
    assert tops[8] == max(tops) == 9
    assert tops[-1] == 0
    assert all(left >= right for left, right in pairwise(tops[9:]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schedule__name": "constant"}, "the same to the end"),
        ({"schedule__name": "plateau", "schedule__patience": 2}, "×0.1 after 3 validations without a better loss"),
        ({"schedule__name": "exponential", "schedule__decay": 0.5, "training__epochs": 3}, "falls to 0.00"),
        ({"schedule__name": "cosine", "schedule__final_fraction": 0.1}, "falls to 0.005"),
    ],
)
def test_the_heading_says_how_it_goes_on(changes: dict[str, Any], words: str) -> None:
    assert words in drawn(90, 6, **changes)[0]


def test_a_run_that_ends_within_its_warm_up_is_not_said_to_fall() -> None:
    """The learning rate that was set is never reached, and the engine warns of it when it is too late."""
    short = {"training__max_steps": 60, "schedule__warmup_epochs": 1.0, "optimizer__learning_rate": 0.002}
    assert drawn(90, 6, 95, **short)[0] == "Learning rate cosine   ends in its warm-up, at 0.00125 of 0.002"
    assert "falls to 1.23e-05" in drawn(90, 6, 40, **short)[0]
    assert "falls to" in drawn(90, 6, **short)[0]  # how long an epoch is is not known


def test_what_the_heading_says_is_whole_beside_the_form() -> None:
    narrow = drawn(40, 10, 95, training__max_steps=95, optimizer__learning_rate=0.01234, schedule__final_fraction=0.1)
    assert narrow[0] == "Learning rate cosine   falls to 0.00125"
    narrow = drawn(37, 10, 95, training__max_steps=95, optimizer__learning_rate=0.01234, schedule__final_fraction=0.1)
    assert narrow[0] == "Learning rate cosine   to 0.0012"
    short = {"training__max_steps": 60, "schedule__warmup_epochs": 1.0, "optimizer__learning_rate": 0.002}
    assert drawn(40, 6, 95, **short)[0] == "Learning rate cosine   ends in warm-up"


def test_restarts_are_seen_and_steps_are_counted() -> None:
    rows = drawn(60, 10, 400, schedule__cycles=3, schedule__warmup_epochs=0.0, training__epochs=9)
    assert rows[-1].endswith(" 9 epochs, 3.6k steps")
    tops = heights(rows)
    falls = [x for x in range(1, len(tops)) if tops[x] - tops[x - 1] >= 5]
    assert len(falls) == 2
    short = drawn(60, 10, 400, training__max_steps=1000)
    assert short[-1].endswith(" 2.5 epochs, 1k steps")


@pytest.mark.parametrize("size", [(0, 0), (10, 3), (17, 3), (40, 2), (300, 4)])
def test_any_size_is_drawn_or_left_empty(size: tuple[int, int]) -> None:
    rows = drawn(*size)
    assert len(rows) <= size[1]
    assert all(len(row) <= size[0] for row in rows)


async def test_it_is_drawn_when_it_appears_and_when_it_changes() -> None:
    class Small(App[None]):
        def compose(self) -> ComposeResult:
            yield RateCurve()

    async with Small().run_test(size=(60, 12)) as pilot:
        curve = pilot.app.query_one(RateCurve)
        curve.show(Settings(), None)
        await pilot.pause()
        before = curve.render_line(4).text
        assert "Learning rate cosine" in curve.render_line(0).text
        curve.show(with_changes(Settings(), {"schedule.name": "onecycle"}, source="test"), None)
        await pilot.pause()
        assert "onecycle" in curve.render_line(0).text
        assert curve.render_line(4).text != before
