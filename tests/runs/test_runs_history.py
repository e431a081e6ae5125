"""Series for charts: exact where they can be, bounded always, and of each step only the latest attempt."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tui.core.pyramid import fold_values
from tui.core.records import BATCHES, LAYERS
from tui.core.rundir import RunDir
from tui.runs.buckets import Bins
from tui.runs.history import History


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "run")
    run.make()
    return run


def append(run: RunDir, attempt: int, steps: range | list[int], scale: float = 1.0, kind: str = BATCHES) -> None:
    builders.append_records(run, kind, attempt, ("loss", "rate"), [[s, float(s), scale * s, attempt] for s in steps])


def content(history: History) -> dict[int, tuple[float, float]]:
    """Return {step: (loss, attempt)}; only for runs short enough to have a bucket per step."""
    loss = history.series("loss", 1, 5000, 5000)
    rate = history.series("rate", 1, 5000, 5000)
    return {
        int(step): (value, attempt)
        for step, value, attempt in zip(loss.steps, loss.mean.tolist(), rate.mean.tolist(), strict=True)
        if not math.isnan(value)
    }


def test_an_empty_run_has_empty_series(run: RunDir) -> None:
    history = History(run, BATCHES)
    assert history.poll() is False
    assert (history.columns, history.count, history.latest, history.gaps) == ((), 0, {}, 0)
    assert len(history.series("loss").steps) == 0
    assert len(history.smoothed("loss").steps) == 0
    assert history.matrix()[1].shape == (0, 0)


def test_records_arrive_as_they_are_written(run: RunDir) -> None:
    history = History(run, BATCHES)
    append(run, 1, range(1, 11))
    assert history.poll() is True
    assert (history.count, history.first_step, history.last_step, history.columns) == (10, 1, 10, ("loss", "rate"))
    assert history.latest == {"loss": 10.0, "rate": 1.0}
    assert history.last_time == builders.START + 10
    assert history.poll() is False
    append(run, 1, [11])
    assert history.poll() is True
    assert history.latest["loss"] == 11.0
    assert history.series("loss", points=50).mean.tolist() == list(range(1, 12))


def test_the_latest_attempt_wins_and_voids_what_came_after_it_began(run: RunDir) -> None:
    append(run, 1, range(1, 101))
    append(run, 2, range(61, 81))
    append(run, 3, range(71, 76))
    expected = {**{s: (s, 1) for s in range(1, 61)}, **{s: (s, 2) for s in range(61, 71)}}
    expected |= {s: (s, 3) for s in range(71, 76)}
    history = History(run, BATCHES)
    history.poll()
    assert content(history) == expected
    assert (history.count, history.last_step) == (75, 75)


def test_a_rewind_is_noticed_while_following(run: RunDir) -> None:
    history = History(run, BATCHES)
    append(run, 1, range(1, 101))
    history.poll()
    append(run, 2, range(51, 53))
    history._listed = -math.inf  # do not wait for the second to pass
    assert history.poll() is True
    assert history.count == history.last_step == 52
    assert content(history)[51] == (51, 2)
    append(run, 2, range(53, 60))
    history.poll()
    assert history.last_step == 59
    append(run, 3, range(60, 63))
    history._listed = -math.inf
    history.poll()
    assert history.count == 62


def test_a_rewind_told_by_an_event_voids_before_anything_is_recorded(run: RunDir) -> None:
    history = History(run, BATCHES)
    append(run, 1, range(1, 101))
    history.poll()
    history.rewind(2, 40)
    assert history.poll() is True
    assert (history.count, history.last_step) == (40, 40)
    append(run, 2, range(41, 43))
    history._listed = -math.inf
    history.poll()
    assert (history.count, content(history)[41]) == (42, (41, 2))


def test_layers_recorded_rarely_are_void_from_where_the_batches_begin(run: RunDir) -> None:
    append(run, 1, range(1, 101))
    append(run, 1, range(10, 101, 10), kind=LAYERS)
    append(run, 2, range(52, 103))
    append(run, 2, [100], kind=LAYERS)
    history = History(run, LAYERS)
    history.poll()
    assert sorted(content(history)) == [10, 20, 30, 40, 50, 100]
    assert content(history)[100] == (100, 2)


@settings(max_examples=40, deadline=None)
@given(
    attempts=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40)), min_size=1, max_size=5),
    polls=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_following_and_opening_agree_with_the_definition(
    attempts: list[tuple[int, int]], polls: list[bool], tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = RunDir(tmp_path_factory.mktemp("runs") / "run")
    run.make()
    followed = History(run, BATCHES)
    expected: dict[int, tuple[float, float]] = {}
    for number, (first, length) in enumerate(attempts, start=1):
        if length:
            expected = {step: value for step, value in expected.items() if step < first}
        for start in range(first, first + length, 7):
            steps = range(start, min(first + length, start + 7))
            append(run, number, steps)
            expected |= {step: (step, number) for step in steps}
            if polls[number - 1]:
                followed._listed = -math.inf
                followed.poll()
    followed._listed = -math.inf
    followed.poll()
    opened = History(run, BATCHES)
    opened.poll()
    for history in (followed, opened):
        assert content(history) == expected
        assert history.count == len(expected)
        assert history.last_step == max(expected, default=0)
        if expected:
            assert history.latest["loss"] == max(expected)


def test_a_long_run_keeps_its_extremes_and_its_mean_in_few_buckets(run: RunDir) -> None:
    values = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    rows = [[step, step, float(value), 0.5] for step, value in enumerate(values, start=1)]
    followed = History(run, BATCHES, buckets=64, recent=100)
    for start in range(0, 20_000, 700):
        builders.append_records(run, BATCHES, 1, ("loss", "rate"), rows[start : start + 700])
        followed.poll()
    opened = History(run, BATCHES, buckets=64, recent=100)
    opened.poll()
    for history in (followed, opened):
        assert history.count == 20_000
        series = history.series("loss", points=16)
        edges = np.linspace(0, 20_000, 17)
        assert len(series.steps) == 16
        assert series.low.min() == values.min()
        assert series.high.max() == values.max()
        width = np.diff(edges)[0]
        # A bucket straddles a bin's edge: the mean of a bin is off by no more than one bucket's share.
        for i in range(16):
            expected = values[int(edges[i]) : int(edges[i + 1])].mean()
            assert series.mean[i] == pytest.approx(expected, abs=3 * 512 / width / math.sqrt(512))
    assert np.array_equal(opened.series("loss", points=16).low, followed.series("loss", points=16).low)


def test_what_is_recent_is_shown_record_by_record_in_a_long_run(run: RunDir) -> None:
    rows = [[step, step, float(step % 7), 0.5] for step in range(1, 5001)]
    builders.append_records(run, BATCHES, 1, ("loss", "rate"), rows)
    history = History(run, BATCHES, buckets=64, recent=200)
    history.poll()
    assert history.series("loss", 4901, 5000, 100).mean.tolist() == [float(s % 7) for s in range(4901, 5001)]
    assert not np.isnan(history.series("loss", 1000, 1050, 51).mean).any()  # a part of a bucket shows the whole


def test_nan_and_infinities_are_kept(run: RunDir) -> None:
    rows = [[1, 1, 1.0], [2, 2, math.nan], [3, 3, 3.0], [4, 4, math.inf], [5, 5, math.nan], [6, 6, math.nan]]
    builders.append_records(run, BATCHES, 1, ("loss",), rows)
    history = History(run, BATCHES)
    history.poll()
    assert math.isnan(history.latest["loss"])
    series = history.series("loss", points=3)
    assert series.nonfinite.tolist() == [1, 1, 2]
    assert series.mean.tolist()[:2] == [1.0, 3.0]
    assert series.high.tolist()[:2] == [1.0, math.inf]
    assert series.low.tolist()[:2] == [1.0, 3.0]
    assert np.isnan([series.low[2], series.high[2], series.mean[2]]).all()
    assert history.series("loss", points=6).mean[3] == math.inf


def test_nothing_recorded_is_nan_in_the_series(run: RunDir) -> None:
    append(run, 1, [1, 2, 9, 10])
    history = History(run, BATCHES)
    history.poll()
    series = history.series("loss", points=5)
    assert series.steps.tolist() == [1.5, 3.5, 5.5, 7.5, 9.5]
    assert np.isnan(series.mean).tolist() == [False, True, True, True, False]
    beyond = history.series("loss", 1, 20, 5)
    assert np.isnan(beyond.mean).tolist() == [False, True, False, True, True]


def test_bins_stand_still_while_the_run_grows(run: RunDir) -> None:
    history = History(run, BATCHES, buckets=256)
    before: list[float] = []
    for start in range(1, 4001, 100):
        append(run, 1, range(start, start + 100))
        history.poll()
        mean = history.series("loss", 1, 4000, 20).mean
        done = (start + 99) // 200
        assert mean[: len(before)].tolist() == pytest.approx(before, rel=0.05)
        assert not np.isnan(mean[:done]).any()
        assert np.isnan(mean[done + 1 :]).all()
        before = mean[: max(0, done - 1)].tolist()


def test_the_smoothed_series_is_the_moving_average_of_the_records(run: RunDir) -> None:
    values = np.random.default_rng(0).standard_normal(2000) + np.linspace(3, 0, 2000)
    builders.append_records(run, BATCHES, 1, ("loss",), [[s, s, float(v)] for s, v in enumerate(values, start=1)])
    history = History(run, BATCHES)
    history.poll()
    keep, total, weight, expected = 1 - 2 / 101, 0.0, 0.0, []
    for value in values.astype(np.float32):
        total, weight = keep * total + (1 - keep) * value, keep * weight + (1 - keep)
        expected.append(total / weight)
    exact = history.smoothed("loss", 100, points=2000)
    assert exact.mean == pytest.approx(expected, rel=1e-4)
    coarse = history.smoothed("loss", 100, points=50)
    assert coarse.mean == pytest.approx(expected[39::40], abs=0.06)
    late = history.smoothed("loss", 100, first=1001, last=2000, points=1000)
    assert late.mean == pytest.approx(expected[1000:], abs=0.02)


def test_smoothing_passes_over_what_is_not_finite(run: RunDir) -> None:
    builders.append_records(run, BATCHES, 1, ("loss",), [[1, 1, 2.0], [2, 2, math.nan], [3, 3, math.inf], [4, 4, 2.0]])
    history = History(run, BATCHES)
    history.poll()
    mean = history.smoothed("loss", 10).mean
    assert mean[[0, 2, 3]].tolist() == [2.0, 2.0, 2.0]
    assert math.isnan(mean[1])


def test_a_damaged_stretch_is_a_gap_and_later_records_are_shown(run: RunDir) -> None:
    append(run, 1, range(1, 101))
    path = run.segment(BATCHES, 1)
    data = bytearray(path.read_bytes())
    data[-50 * 32 - 5] ^= 1
    path.write_bytes(bytes(data))
    history = History(run, BATCHES)
    history.poll()
    assert (history.count, history.gaps, history.last_step) == (99, 1, 100)


def test_a_segment_that_cannot_be_read_is_told_and_the_others_are_shown(run: RunDir) -> None:
    append(run, 1, range(1, 11))
    run.segment(BATCHES, 2).write_bytes(b"\x1b[2J rubbish\n")
    append(run, 3, range(11, 21))
    history = History(run, BATCHES)
    history.poll()
    assert (history.count, history.gaps) == (20, 1)
    assert history.problems
    assert history.problems[0].startswith("batches-0002.seg: ")


def test_an_attempt_may_record_other_columns(run: RunDir) -> None:
    history = History(run, BATCHES)
    builders.append_records(run, BATCHES, 1, ("loss",), [[s, s, 1.0] for s in range(1, 11)])
    history.poll()
    builders.append_records(run, BATCHES, 2, ("new", "loss"), [[s, s, 5.0, 2.0] for s in range(11, 21)])
    history._listed = -math.inf
    history.poll()
    assert history.columns == ("loss", "new")
    assert history.series("loss", points=2).mean.tolist() == [1.0, 2.0]
    new = history.series("new", points=2).mean.tolist()
    assert math.isnan(new[0])
    assert new[1] == 5.0
    assert history.latest == {"loss": 2.0, "new": 5.0}


def test_names_of_columns_are_sanitized(run: RunDir) -> None:
    builders.append_records(run, LAYERS, 1, ("\x1b[2Jlayer",), [[1, 1, 1.0]])
    history = History(run, LAYERS)
    history.poll()
    assert history.columns == ("\\x1b[2Jlayer",)
    assert history.series("\\x1b[2Jlayer").mean.tolist() == [1.0]


def test_a_file_replaced_by_a_shorter_one_is_read_again(run: RunDir) -> None:
    append(run, 1, range(1, 101))
    history = History(run, BATCHES)
    history.poll()
    run.segment(BATCHES, 1).unlink()
    append(run, 1, range(1, 6), scale=3)
    history.poll()
    assert content(history) == {step: (3 * step, 1) for step in range(1, 6)}


def test_a_budget_leaves_the_rest_for_the_next_poll(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    append(run, 1, range(1, 1001))
    monkeypatch.setattr("tui.runs.tail._LARGEST_BLOCK", 100 * 32)
    history = History(run, BATCHES)
    polls = 1
    history.poll(budget=0)
    assert history.behind
    assert 0 < history.count < 1000
    while history.behind:
        history.poll(budget=0)
        polls += 1
    assert history.count == 1000
    assert polls >= 10


def test_memory_does_not_grow_with_the_columns(run: RunDir) -> None:
    names = tuple(f"layer{i}" for i in range(2000))
    builders.append_records(run, LAYERS, 1, names, [[s, s, *[float(s)] * 2000] for s in range(1, 301)])
    history = History(run, LAYERS)
    history.poll()
    size = sum(part.nbytes for part in history._buckets._parts) + history._recent._values.nbytes
    assert size < 40 << 20
    steps, means = history.matrix(10)
    assert means.shape == (2000, 10)
    assert means[1999] == pytest.approx(steps, rel=0.1)


def test_too_many_columns_are_refused(run: RunDir) -> None:
    builders.append_records(run, LAYERS, 1, tuple(f"l{i}" for i in range(20_000)), [[1, 1, *[0.0] * 20_000]])
    history = History(run, LAYERS)
    history.poll()
    assert history.count == 0
    assert "more than can be shown" in history.problems[0]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500), st.integers(0, 500), st.integers(1, 60))
def test_bins_share_the_steps_out(first: int, more: int, points: int) -> None:
    bins = Bins(first, first + more, points)
    steps = np.arange(max(1, first - 3), first + more + 4)
    values = steps[None].astype(np.float32)
    parts = bins.fold([(steps, fold_values(values, np.arange(len(steps))))], 1)
    assert bins.count == min(points, more + 1)
    assert parts.records.sum() == more + 1
    assert parts.records.min() >= 1
    assert (parts.low[0, 0], parts.high[0, -1]) == (first, first + more)
