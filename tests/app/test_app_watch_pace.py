"""How often the live screen looks at its run, and that no turn of drawing is lost or drawn twice."""

from __future__ import annotations

from tui.app.screens.watch_pace import CALM, REST, STILL, TICK, Pace

TOUCHED, ALONE = 1.0, CALM + 1


def test_turns_follow_each_other_whatever_the_pace() -> None:
    pace, drawn = Pace(), list[int]()
    for untouched in [TOUCHED] * 5 + [ALONE] * 5 + [TOUCHED] * 3:
        pace.looked(changed=True, live=True, untouched=untouched)
        drawn += pace.due(eco=False)
    assert drawn == list(range(1, pace.turn + 1))


def test_a_screen_that_is_left_alone_looks_half_as_often_until_a_key_comes() -> None:
    pace = Pace()
    assert pace.looked(changed=True, live=True, untouched=TOUCHED) == TICK
    assert pace.looked(changed=True, live=True, untouched=ALONE) == 2 * TICK
    assert len(pace.due(eco=False)) == 1  # what came with the look before it
    pace.looked(changed=True, live=True, untouched=ALONE)
    assert len(pace.due(eco=False)) == 2
    assert pace.looked(changed=True, live=True, untouched=TOUCHED) == TICK


def test_eco_mode_draws_every_other_turn() -> None:
    pace, drawn = Pace(), list[int]()
    for _ in range(8):
        pace.looked(changed=True, live=True, untouched=TOUCHED)
        drawn += pace.due(eco=True)
    assert drawn == [1, 2, 3, 4]


def test_a_run_that_is_over_is_looked_at_seldom_and_one_that_trains_never_is() -> None:
    over, training = Pace(), Pace()
    for _ in range(STILL):
        assert over.looked(changed=False, live=False, untouched=TOUCHED) == TICK
        training.looked(changed=False, live=True, untouched=TOUCHED)
    assert over.looked(changed=False, live=False, untouched=TOUCHED) == REST
    assert training.looked(changed=False, live=True, untouched=TOUCHED) == TICK
    assert over.looked(changed=True, live=False, untouched=TOUCHED) == TICK
