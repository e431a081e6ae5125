"""Summaries beside the records: the same picture as from the records, sooner, and never a wrong one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tui.core.pyramid import FACTOR, Rows, decode_rows, encode_rows, fold_values, width_of
from tui.core.records import BATCHES, LAYERS
from tui.core.rundir import RunDir
from tui.runs.history import History
from tui.runs.pyramid import Pyramid
from tui.runs.series import Series
from tui.runs.tail import RecordTail

COLUMNS = ("loss", "rate", "norm")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = RunDir(tmp_path / "run")
    run.make()
    return run


def record(run: RunDir, attempt: int, steps: range, *, kind: str = BATCHES, summaries: bool = True) -> None:
    dice = np.random.default_rng(attempt)
    noise = dice.standard_normal((len(steps), len(COLUMNS))).astype(np.float32)
    noise[::97, 1] = math.nan
    noise[::301, 1] = math.inf
    rows = [[step, step, *map(float, values)] for step, values in zip(steps, noise, strict=True)]
    builders.append_records(run, kind, attempt, COLUMNS, rows)
    if summaries:
        builders.summarise(run, kind, attempt)


def opened(run: RunDir, *, kind: str = BATCHES) -> History:
    history = History(run, kind, buckets=64, recent=100)
    history.poll()
    return history


def without_summaries(run: RunDir, *, kind: str = BATCHES) -> History:
    """Return a history with every record in memory, of which each bin is exact."""
    for path in run.metrics.glob("*.pyr"):
        path.unlink()
    history = History(run, kind, buckets=1 << 17)
    history.poll()
    return history


def same(one: Series, other: Series, *, within: int) -> None:
    """Compare: an extreme may lie in a bin beside the right one, ``within`` bins away, but none is lost or made up."""
    assert one.steps.tolist() == other.steps.tolist()
    assert one.nonfinite.sum() == pytest.approx(other.nonfinite.sum(), abs=2)
    assert (np.nanmin(one.low), np.nanmax(one.high)) == (np.nanmin(other.low), np.nanmax(other.high))
    for mine, theirs in ((one.low, other.low), (-one.high, -other.high)):
        assert np.isnan(mine).tolist() == np.isnan(theirs).tolist()
        for at in range(within, len(mine) - within):
            nearby = slice(at - within, at + within + 1)
            assert np.nanmin(theirs[nearby], initial=np.inf) <= mine[at] or np.isnan(mine[at])
            assert np.nanmin(mine[nearby], initial=np.inf) <= theirs[at] or np.isnan(theirs[at])


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_rows_survive_the_way_to_the_disk_and_back(count: int, columns: int, lost: int) -> None:
    values = np.random.default_rng(count).standard_normal((columns, count * FACTOR)).astype(np.float32)
    values[:, :lost] = [math.nan, math.inf, -math.inf][:lost]
    parts = fold_values(values, np.arange(0, count * FACTOR, FACTOR))
    steps = np.arange(1, count * FACTOR + 1)
    data = encode_rows(Rows(steps[::FACTOR], steps[FACTOR - 1 :: FACTOR], parts))
    assert len(data) == count * width_of(columns)
    found = decode_rows(data, columns, 1, slice(None))
    for name in ("low", "high", "finite", "records"):
        assert np.array_equal(getattr(found.parts, name), getattr(parts, name), equal_nan=True)
    assert found.parts.mean == pytest.approx(parts.mean, rel=1e-5, abs=1e-6, nan_ok=True)
    damaged = bytearray(data)
    damaged[-9] ^= 1
    assert len(decode_rows(bytes(damaged), columns, 1, slice(None)).first) == count - 1


def test_the_levels_hold_a_sixteenth_each(run: RunDir) -> None:
    record(run, 1, range(1, 10_001))
    tail = RecordTail(run.segment(BATCHES, 1))
    tail.open()
    pyramid = Pyramid(run, tail)
    assert [pyramid.rows(level) for level in range(1, 5)] == [624, 39, 2, 0]
    assert (pyramid.level_with(100), pyramid.level_with(1000), pyramid.level_with(1)) == (2, 1, 0)


def test_most_of_a_long_run_is_not_read(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    record(run, 1, range(1, 20_001))
    read = []
    whole = RecordTail.poll
    monkeypatch.setattr(
        RecordTail,
        "poll",
        lambda tail: (block := whole(tail)) and (read.append(len(block.steps)), block)[1],
    )
    history = opened(run)
    assert history.count == history.last_step == 20_000
    assert 100 <= sum(read) < 5000
    assert history.latest.keys() == set(COLUMNS)


@pytest.mark.parametrize(("first", "last"), [(1, 20_000), (1, 9999), (7001, 9000), (15_000, 15_400), (12_345, 12_352)])
def test_every_zoom_shows_what_the_records_say(run: RunDir, first: int, last: int) -> None:
    record(run, 1, range(1, 20_001))
    history = opened(run)
    shown = {name: history.series(name, first, last, 100) for name in COLUMNS}
    matrix = history.matrix(100, first, last)[1]
    exact = without_summaries(run)
    for row, name in enumerate(COLUMNS):
        truth = exact.series(name, first, last, 100)
        same(shown[name], truth, within=1 if last - first > 1000 else 0)
        assert matrix[row] == pytest.approx(shown[name].mean, nan_ok=True)


def test_a_zoom_of_a_few_steps_is_exact_to_the_record(run: RunDir) -> None:
    record(run, 1, range(1, 20_001))
    history = opened(run)
    shown = history.series("loss", 9001, 9050, 50)
    truth = without_summaries(run).series("loss", 9001, 9050, 50)
    assert shown.mean.tolist() == truth.mean.tolist()


@settings(max_examples=12, deadline=None)
@given(
    attempts=st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), min_size=1, max_size=3),
    summaries=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_what_a_later_attempt_makes_void_is_not_shown(
    attempts: list[tuple[int, int]], summaries: list[bool], tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = RunDir(tmp_path_factory.mktemp("runs") / "run")
    run.make()
    for number, ((first, length), there) in enumerate(zip(attempts, summaries, strict=False), start=1):
        record(run, number, range(first, first + length), summaries=there)
    history = opened(run)
    zooms = [(1, 700), (500, 520), (1, 6000), (900, 2900)]
    shown = [history.series("loss", *zoom, 50) for zoom in zooms]
    exact = without_summaries(run)
    assert (history.count, history.last_step, history.first_step) == (exact.count, exact.last_step, exact.first_step)
    for zoom, series in zip(zooms, shown, strict=True):
        truth = exact.series("loss", *zoom, 50)
        edges = np.isnan(series.mean) != np.isnan(truth.mean)
        assert edges.sum() <= 2 * len(attempts)  # a bucket at a rim may lie in the bin beside
        if zoom == (500, 520):
            assert series.mean.tolist() == pytest.approx(truth.mean.tolist(), nan_ok=True)


def test_a_rewind_while_following_reads_the_summaries_again(run: RunDir) -> None:
    record(run, 1, range(1, 20_001))
    history = opened(run)
    history.rewind(2, 10_000)
    history.poll()
    assert (history.count, history.last_step) == (10_000, 10_000)
    record(run, 2, range(10_001, 12_001))
    history._listed = -math.inf
    history.poll()
    assert (history.count, history.last_step) == (12_000, 12_000)


@pytest.mark.parametrize("harm", ["torn", "flipped", "emptied", "foreign", "longer than the records"])
def test_harmed_summaries_show_the_same_as_none(run: RunDir, harm: str) -> None:
    record(run, 1, range(1, 20_001))
    for level in range(1, 4):
        path = run.summary(BATCHES, 1, level)
        data = path.read_bytes()
        match harm:
            case "torn":
                path.write_bytes(data[: len(data) // 2 + 7])
            case "flipped":
                middle = len(data) // 2
                path.write_bytes(data[:middle] + bytes([data[middle] ^ 8]) + data[middle + 1 :])
            case "emptied":
                path.write_bytes(data[:200] + bytes(len(data) - 200))
            case "foreign":
                path.write_bytes(data.replace(b'"attempt":1', b'"attempt":7'))
            case _:
                segment = run.segment(BATCHES, 1)
                segment.write_bytes(segment.read_bytes()[: 10_000 * 36])
    history = opened(run)
    zooms = [(1, 20_000), (3000, 5000), (8000, 8100)]
    shown = [history.series("loss", *zoom, 40) for zoom in zooms]
    exact = without_summaries(run)
    assert (history.count, history.last_step, history.latest) == (exact.count, exact.last_step, exact.latest)
    for zoom, series in zip(zooms, shown, strict=True):
        same(series, exact.series("loss", *zoom, 40), within=1)


def test_a_patient_history_shows_a_zoom_coarsely_until_the_next_poll(run: RunDir) -> None:
    record(run, 1, range(1, 20_001))
    history = History(run, BATCHES, buckets=64, recent=100, patient=True)
    history.poll()
    coarse = history.series("loss", 5001, 5050, 50)
    assert history.wanting
    assert len(set(coarse.mean.tolist())) <= 2
    assert history.poll() is True
    assert not history.wanting
    fine = history.series("loss", 5001, 5050, 50)
    assert len(set(fine.mean.tolist())) == 50
    assert history.poll() is False


def test_layers_that_are_recorded_rarely_have_summaries_of_their_own(run: RunDir) -> None:
    builders.append_records(run, LAYERS, 1, ("a", "b"), [[s, s, s, -s] for s in range(50, 500_001, 50)])
    builders.summarise(run, LAYERS, 1)
    history = opened(run, kind=LAYERS)
    assert history.count == 10_000
    steps, means = history.matrix(20, 100_001, 200_000)
    assert means[0] == pytest.approx(steps, rel=0.02)
    assert means[1] == pytest.approx(-steps, rel=0.02)
