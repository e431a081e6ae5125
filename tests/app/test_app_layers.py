"""The screen of the layers: what the map shows of which steps, the chosen layer, and what its keys do."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import numpy as np
import pytest
from textual.events import MouseScrollUp
from textual.pilot import Pilot

from tui.app.app import CnntrainApp
from tui.app.screens.layers import QUANTITIES, LayersScreen, _held
from tui.app.screens.watch import WatchScreen
from tui.app.widgets.chart import Chart
from tui.app.widgets.heatmap import SHADES, HeatMap
from tui.core.records import SATURATED


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def app_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., CnntrainApp]:
    def make(**changes: Any) -> CnntrainApp:
        run = builders.make_run(tmp_path, **{"steps": 1240, "epochs": 5, **changes})
        builders.stop_the_clock(monkeypatch, run)
        monkeypatch.setenv("HOME", str(tmp_path))
        return CnntrainApp(runs_root=tmp_path, open_run=run)

    return make


async def opened(pilot: Pilot[Any]) -> LayersScreen:
    """Go from the watch screen to the layers."""
    await until(pilot, lambda: isinstance(pilot.app.screen, WatchScreen) and pilot.app.screen._pace.turn > 1)
    await pilot.press("y")
    await until(pilot, lambda: isinstance(pilot.app.screen, LayersScreen) and heat_map(pilot)._heat is not None)
    screen = pilot.app.screen
    assert isinstance(screen, LayersScreen)
    return screen


def heat_map(pilot: Pilot[Any]) -> HeatMap:
    return pilot.app.screen.query_one(HeatMap)


def chart(pilot: Pilot[Any]) -> Chart:
    return pilot.app.screen.query_one(Chart)


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    for _ in range(300):
        if condition():
            return
        await pilot.pause(0.03)


def text(pilot: Pilot[Any]) -> str:
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


async def test_every_quantity_is_shown_with_its_layers(app_on: Any) -> None:
    async with app_on().run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        for number, quantity in enumerate(QUANTITIES, start=1):
            await pilot.press(str(number))
            await until(pilot, lambda q=quantity: heat_map(pilot)._heat.metric is q.metric)  # type: ignore[misc]
            heat = heat_map(pilot)._heat
            assert heat.metric is quantity.metric
            assert heat.values.shape[0] == 6
            assert not np.isnan(heat.values[:, 1:-6]).any()
            assert f"{quantity.metric.label} by layer" in text(pilot)
            assert tuple(chart(pilot)._plot.levels) == quantity.healthy
            assert chart(pilot).log_axis == quantity.log


async def test_the_chosen_layer_is_named_with_its_value_and_drawn_below(app_on: Any) -> None:
    async with app_on().run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("down", "down", "left", "left", "left")
        await pilot.pause()
        heat = heat_map(pilot)._heat
        assert heat_map(pilot).index == 2
        assert chart(pilot).title == "blocks.2.convolution"
        assert chart(pilot)._plot.cursor == heat.cursor
        column = heat_map(pilot)._cursor_column(heat)
        value = heat.metric.format(float(heat.values[2, column]))
        assert f"blocks.2.convolution · step {heat.cursor:,}"[:-3] in text(pilot)
        assert value in text(pilot)


async def test_the_first_steps_are_one_column_each(app_on: Any) -> None:
    async with app_on().run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("f")
        await until(pilot, lambda: heat_map(pilot)._heat.last == 64)
        heat = heat_map(pilot)._heat
        assert (heat.first, heat.last, heat.values.shape[1]) == (1, 64, 64)
        await pilot.press("escape")
        await until(pilot, lambda: heat_map(pilot)._heat.last == 1240)
        assert heat_map(pilot)._heat.last == 1240
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, WatchScreen))
        assert isinstance(pilot.app.screen, WatchScreen)


async def test_a_hundred_and_twenty_layers_scroll(app_on: Any) -> None:
    async with app_on(layers=120).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("end")
        await pilot.pause()
        assert heat_map(pilot).index == 119
        assert "blocks.119" in text(pilot)
        heading = text(pilot).split("\n")[1]  # what is under the cursor, beside which layers are shown
        assert re.search(r"step 1,2\d\d · 0\.\d{1,3}", heading), heading
        assert " of 120" in heading
        await pilot.press("pageup", "up")
        await pilot.pause()
        assert heat_map(pilot).index < 117
        assert heat_map(pilot)._first <= heat_map(pilot).index < heat_map(pilot)._first + heat_map(pilot)._room


async def test_without_colours_the_heat_is_told_by_characters(app_on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with app_on().run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await until(pilot, lambda: "@" in text(pilot))
        rows = [line for line in text(pilot).split("\n") if line.strip().startswith("blocks.")]
        weakest, strongest = rows[0], rows[5]
        assert "@" in strongest or "%" in strongest
        assert max(map(SHADES.index, set(weakest[30:]) & set(SHADES))) < max(
            map(SHADES.index, set(strongest[30:]) & set(SHADES))
        )


async def test_what_a_run_did_not_record_is_said(app_on: Any) -> None:
    app = app_on()
    run = app._open_run
    for path in run.metrics.glob("dead*"):
        path.unlink()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("4")
        await until(pilot, lambda: "no dead channels recorded" in text(pilot))
        assert "no dead channels recorded" in text(pilot)


async def test_a_quantity_that_no_layer_can_have_says_why(app_on: Any) -> None:
    """The engine records NaN where a network has no activation of that kind."""
    app = app_on()
    run = app._open_run
    names = tuple(f"blocks.{i}.convolution.weight" for i in range(6))
    for path in run.metrics.glob("saturated*"):
        path.unlink()
    rows = [[step, builders.START + step, *[math.nan] * 6] for step in range(50, 1240, 50)]
    builders.append_records(run, SATURATED, 1, names, rows)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("5")
        await until(pilot, lambda: "none of these layers has sigmoid or tanh" in text(pilot))
        assert "none of these layers has sigmoid or tanh" in text(pilot)
        assert "saturated units by layer" in text(pilot)
        await pilot.press("4")
        await until(pilot, lambda: "100%" in text(pilot))
        assert "none of these" not in text(pilot)


async def test_shares_have_an_axis_in_percent(app_on: Any) -> None:
    async with app_on().run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "%┤" not in text(pilot).replace(" ", "")
        await pilot.press("4")
        await until(pilot, lambda: "100%┤" in text(pilot).replace(" ", ""))
        assert {"100%", "0%"} <= {line.split("┤")[0].strip() for line in text(pilot).splitlines() if "┤" in line}
        await pilot.press("1")
        await until(pilot, lambda: "%┤" not in text(pilot).replace(" ", ""))
        assert "%┤" not in text(pilot).replace(" ", "")


async def test_the_mouse_chooses_layer_and_step(app_on: Any) -> None:
    async with app_on().run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.click(HeatMap, offset=(60, 5))
        await pilot.pause()
        assert heat_map(pilot).index == 4
        assert heat_map(pilot)._heat.cursor == heat_map(pilot).step_at(60)


async def test_the_wheel_zooms_the_chart(app_on: Any) -> None:
    async with app_on().run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        whole = chart(pilot)._plot
        at = (chart(pilot).region.x + 60, chart(pilot).region.y + 5)
        pilot.app.post_message(MouseScrollUp(None, *at, 0, 0, 0, False, False, False, *at))
        await until(
            pilot, lambda: chart(pilot)._plot.last - chart(pilot)._plot.first < 0.6 * (whole.last - whole.first)
        )
        assert chart(pilot)._plot.first > 1


def test_values_hold_until_the_next_one_and_no_longer_than_the_last() -> None:
    nothing = math.nan
    held = _held(np.array([[1.0, nothing, 3.0, nothing, nothing], [nothing, 2.0, nothing, 4.0, nothing]]))
    assert np.array_equal(held, [[1, 1, 3, 3, nothing], [nothing, 2, 2, 4, nothing]], equal_nan=True)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["120x40", "80x24"])
def test_a_picture(app_on: Any, snap_compare: Any, size: tuple[int, int]) -> None:
    async def show(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await pilot.press("2", "down", "left")
        await until(pilot, lambda: heat_map(pilot)._heat.cursor is not None)
        await pilot.pause(0.1)

    assert snap_compare(app_on(layers=30), terminal_size=size, run_before=show)
