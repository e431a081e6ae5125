"""Runs beside each other on one chart, and the table of their differences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import builders
import numpy as np
import pytest
from textual.pilot import Pilot
from walking import make_app, settle, text_of, until

from tui.app.app import CnntrainApp
from tui.app.screens import compare_view
from tui.app.screens.compare import CompareScreen
from tui.app.screens.compare_view import Track, quantities
from tui.app.screens.home import HomeScreen
from tui.app.screens.results import ResultsScreen
from tui.app.screens.validation import ValidationScreen
from tui.app.widgets.axis import place_label, place_ticks
from tui.app.widgets.chart import Chart
from tui.app.widgets.raster import Trace
from tui.app.widgets.run_list import RunList
from tui.app.widgets.run_search import RunSearch
from tui.core import events
from tui.core.rundir import RunDir
from tui.runs.catalog import summary_of
from tui.runs.follow import RunFollower

SIZES = [pytest.param((120, 40), id="120x40"), pytest.param((80, 24), id="80x24")]
Snap = Callable[..., bool]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    for number, (name, rate) in enumerate((("slow", 0.001), ("middle", 0.01), ("quick", 0.1))):
        builders.make_run(
            tmp_path / "runs",
            name=f"2026013{number % 2}-12000{number}-{name}",
            steps=100 * (number + 1),
            epochs=2 + number,
            seed=number,
            status="stopped" if number == 1 else "finished",
            settings={"optimizer": {"learning_rate": rate}},
        )
    return make_app(tmp_path, monkeypatch)


async def opened(pilot: Pilot[None], marks: int = 3) -> CompareScreen:
    await settle(pilot)
    await pilot.press(*["space"] * marks, "c")
    await settle(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, CompareScreen)
    await until(pilot, lambda: not screen._unread and screen._tracks)
    return screen


@pytest.mark.parametrize("size", SIZES)
def test_pictures_of_a_comparison(size: tuple[int, int], app: CnntrainApp, snap_compare: Snap) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_pictures_of_marked_and_filtered_runs(
    size: tuple[int, int], app: CnntrainApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, snap_compare: Snap
) -> None:
    builders.stop_the_clock(monkeypatch, next(RunDir(path) for path in (tmp_path / "runs").iterdir()))

    async def before(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("space", "slash", *"lr>0.005")
        await settle(pilot)
        pilot.app.clear_notifications()

    assert snap_compare(app, terminal_size=size, run_before=before)


async def test_lines_are_told_apart_without_colours_and_aligned(app: CnntrainApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        chart = screen.query_one(Chart)
        assert {mark.glyph for mark in chart._plot.marks} == {"A", "B", "C"}
        assert len({mark.tone for mark in chart._plot.marks}) == 3
        assert chart._plot.last == 300
        await pilot.press("b")
        assert chart._plot.last == 4000
        assert "by epoch" in text_of(app)
        await pilot.press("b")
        assert "by time" in text_of(app)
        assert "0:05" in text_of(app)
        assert chart.title == "validation accuracy"
        await pilot.press("m")
        assert chart.title == "validation loss"
        await pilot.press("p")
        await settle(pilot)
        await pilot.press(*"gradient", "enter")
        await settle(pilot)
        assert chart.title == "gradient norm"
        await pilot.press("left", "left")
        assert "B " in text_of(app).split("\n")[0]
        await pilot.press("plus")
        assert chart._plot.last - chart._plot.first < 200
        await pilot.press("escape", "escape", "escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        assert app.screen.query_one(RunList).ticked


async def test_a_line_of_validations_stays_a_line_when_it_is_zoomed_into(app: CnntrainApp) -> None:
    """What lies beyond the edge is not drawn at the edge."""
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        chart = screen.query_one(Chart)
        await pilot.press(*["end", "plus", "plus", "right"])
        plot = chart._plot
        assert plot.first > 150  # the first run is over by then
        assert 1 <= len(plot.traces) <= 2
        for trace in plot.traces:
            assert plot.first <= trace.steps[0] < trace.steps[-1] <= plot.last
        assert "⣿" not in text_of(app)


def test_the_part_of_a_line_is_that_of_the_whole() -> None:
    steps, values = np.array([10.0, 20.0, 30.0, 40.0]), np.array([1.0, 2.0, np.nan, 0.0], np.float32)
    whole = Trace("", "line", steps, values, values)
    assert compare_view.within(whole, 1, 50, 9) is whole
    part = compare_view.within(whole, 15, 50, 6)
    assert part.steps.tolist() == [15, 20, 25, 30, 35, 40]
    assert part.high.tolist() == part.low.tolist() == pytest.approx([1.5, 2, 1.5, 1, 0.5, 0])
    assert compare_view.within(whole, 12, 13, 2).high.tolist() == pytest.approx([1.2, 1.3])
    assert not len(compare_view.within(whole, 41, 50, 6).steps)
    assert not len(compare_view.within(whole, 1, 9, 6).steps)


async def test_a_run_that_was_over_has_no_value_at_the_cursor(app: CnntrainApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        letters = {one.letter: one.state.step for one in screen._drawn}
        await pilot.press("right")
        await pilot.press(*["left"] * 10)
        told = " ".join(text_of(app).split("\n")[0].split("━")[-1].split())
        assert told.startswith("step 2")
        for letter, last in letters.items():
            assert (f"{letter} " in told) == (last >= 250), told


async def test_columns_keep_their_letters_and_get_the_room_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("first", "second")):
        crop = {"data": {"crop": "random_resized" if number else "padded", "crop_scale": 0.1 + number / 2}}
        more = {"training": {"stop_on_nonfinite": bool(number), "batch_size": 8 + number, "seed": number}}
        builders.make_run(
            tmp_path / "runs", name=f"20260131-12000{number}-{name}", steps=40, settings=crop | more, seed=number
        )
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, marks=2)
        await pilot.press("tab")
        assert "random_resized" in text_of(app)
        for _ in range(30):
            await pilot.press("down")
            lines = text_of(app).split("\n")
            at = next(y for y, line in enumerate(lines) if line.startswith("2 runs"))
            heads = [y for y, line in enumerate(lines) if line.split() == ["A", "B"]]
            values = [y for y, line in enumerate(lines) if line.startswith(("training.", "data.", "test "))]
            assert len(heads) == 1
            assert heads[0] < min(values)
        assert heads == [at + 1]
        assert lines[-2].startswith("test ")


async def test_a_filter_keeps_letters_and_colours(app: CnntrainApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        before = {mark.glyph: mark.tone for mark in screen.query_one(Chart)._plot.marks}
        await pilot.press("slash", *"lr>0.05")
        await settle(pilot)
        after = {mark.glyph: mark.tone for mark in screen.query_one(Chart)._plot.marks}
        assert len(after) == 1
        assert set(after.items()) <= set(before.items())
        await pilot.press("x", *">")
        await settle(pilot)
        assert "column" in text_of(app)
        await pilot.press("escape")
        await settle(pilot)
        assert len({mark.glyph for mark in screen.query_one(Chart)._plot.marks}) == 3


async def test_what_is_no_filter_yet_can_be_corrected(app: CnntrainApp) -> None:
    """Else the letters that correct it are commands, and in the list one of them is to delete."""
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        await pilot.press("slash", *"lr>>", "enter")
        await settle(pilot)
        assert screen.query_one(RunSearch).has_focus_within
        await pilot.press("backspace", *"0.05", "enter")
        await settle(pilot)
        assert screen.query_one(RunSearch).text == "lr>0.05"
        assert screen.query_one(Chart).has_focus
        assert len({mark.glyph for mark in screen.query_one(Chart)._plot.marks}) == 1
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        await pilot.press("slash", *"lr>>", "enter", "x")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        assert app.screen.query_one(RunSearch).text == "lr>>x"


async def test_one_run_alone_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.make_run(tmp_path / "runs", steps=20)
    app = make_app(tmp_path, monkeypatch)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        await pilot.press("c")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        assert "Mark two or more" in " ".join(notice.message for notice in app._notifications)


def _track(run: RunDir) -> Track:
    track = Track(RunFollower(run, history=False), 0)
    track.follower.poll()
    return track


def test_the_clock_of_a_resumed_run_leaves_out_what_lay_between(tmp_path: Path) -> None:
    whole = _track(builders.make_run(tmp_path, name="whole", steps=100, epochs=4))
    parted = builders.make_run(tmp_path, name="parted", steps=100, epochs=4, attempts=((1, 50), (51, 100)))
    moved = parted.events.read_bytes().splitlines()
    parted.events.write_bytes(b"")
    attempt = 0
    for line in moved:  # the second attempt a day later
        event = events.decode(line)
        assert event is not None
        attempt += isinstance(event, events.Launched)
        builders.append_event(parted, event.but(time=event.time + 86_400 * (attempt - 1)))
    at = np.array([50.0, 100.0])
    expected = whole._places(at, "time")
    found = _track(parted)._places(at, "time")
    assert found[0] == pytest.approx(expected[0], rel=0.2)
    assert found[1] < 5 * expected[1]


def test_a_run_without_anything_has_no_line(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=20)
    run.events.write_bytes(b"")
    for path in run.segments("batches"):
        path.unlink()
    track = _track(run)
    assert track.end("epoch") >= 1
    for quantity in quantities([track]):
        for unit in ("step", "epoch", "time"):
            assert not np.isfinite(track.trace(quantity, unit, 1, 100, 50).high).any()
    assert summary_of(run).step == 0


def test_ticks_of_times_and_epochs() -> None:
    assert [label for _, label in place_ticks(1, 2400, 60, "time")] == ["1:00", "2:00", "3:00", "4:00"]
    assert [label for _, label in place_ticks(1, 3000, 60, "epoch")] == ["1", "2", "3"]
    assert place_label(36_000 * 30, "time") == "1d 06:00"
    for last in (1, 5, 50, 12_345, 10_000_000):
        for unit in ("step", "epoch", "time"):
            assert len(place_ticks(1, last, 60, unit)) <= 6


async def test_a_run_is_opened_from_the_comparison(app: CnntrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "enter Open" in text_of(app).split("\n")[-1]
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press(*"quick", "enter")
        await settle(pilot)
        assert isinstance(app.screen, ResultsScreen)
        assert app.screen.run.given_name == "quick"
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, CompareScreen)


async def test_the_footer_tells_no_keys_that_would_only_be_typed(app: CnntrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for open_ in (lambda: settle(pilot), lambda: opened(pilot)):
            await open_()
            screen, before = app.screen, text_of(app).split("\n")[-1]
            await pilot.press("slash")
            await settle(pilot)
            assert text_of(app).split("\n")[-1].split("  ")[:2] == [" enter Done", "esc All runs"]
            assert "Filter" not in text_of(app).split("\n")[-1]
            await pilot.press("c", "escape")
            await settle(pilot)
            assert (app.screen, text_of(app).split("\n")[-1]) == (screen, before)


async def test_a_filter_without_runs_and_a_wrong_one_are_told_alike(app: CnntrainApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("slash", *"lr>9")
        await settle(pilot)
        assert "0 of 3, so all stay" in text_of(app)
        await pilot.press("backspace")
        await settle(pilot)
        assert 'There is nothing where a value after ">" should be' in text_of(app)


async def test_the_validations_of_one_of_the_runs(app: CnntrainApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("a")
        await settle(pilot)
        await pilot.press(*"middle", "enter")
        await settle(pilot)
        assert isinstance(app.screen, ValidationScreen)
        assert "middle" in app.screen._follower.run.name
        assert "Validation after epoch 2" in text_of(app)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, CompareScreen)
