"""Which panels are where, at every size; that order and choice are remembered; the bars of time and machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tests.app import walking
from tui.app.app import CnntrainApp
from tui.app.preferences import load
from tui.app.screens.watch import WatchScreen
from tui.app.screens.watch_layout import PAGES, PANELS, VAST, WIDE, arranged
from tui.app.widgets.bars import Host, Spending, machine_bars
from tui.app.widgets.pages import keys_of
from tui.runs.machine import Card, Observed, Sample


def test_every_panel_has_a_place_on_a_large_terminal_and_a_page_on_a_small_one() -> None:
    assert set(arranged(200, 60, "loss").spans) == set(PANELS)
    assert set(PANELS) - set(arranged(120, 40, "loss").spans) == {"wait"}
    for shape in ((80, 24), (60, 50), (20, 5)):
        pages = arranged(*shape, "loss").pages
        assert sorted(panel for _, panels in pages for panel in panels) == sorted(PANELS)


def test_the_page_of_the_chosen_panel_is_shown() -> None:
    for name, panels in PAGES:
        for panel in panels:
            shown = arranged(80, 24, panel)
            assert shown.page == name
            assert set(shown.spans) == set(panels)


@settings(deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 100),
    st.lists(st.sampled_from((*PANELS, "unknown"))),
    st.sets(st.sampled_from(PANELS), max_size=len(PANELS) - 1),
    st.sampled_from(PANELS),
)
def test_rows_are_full_whatever_a_person_likes(
    width: int, height: int, order: list[str], hidden: set[str], chosen: str
) -> None:
    shown = arranged(width, height, chosen, order, hidden)
    assert shown.spans
    assert not set(shown.spans) & hidden
    assert sum(shown.spans.values()) == shown.columns * len(shown.heights)
    liked = [panel for panel in dict.fromkeys(order) if panel in shown.spans]
    if not shown.pages and liked:
        assert [panel for panel in shown.spans if panel in liked] == liked


@pytest.mark.parametrize("grid", [WIDE, VAST])
def test_each_row_of_a_grid_takes_all_columns(grid: object) -> None:
    assert isinstance(grid, type(WIDE))
    assert all(sum(row) == grid.columns for row in grid.spans)
    assert len(grid.spans) == len(grid.heights)


def test_keys_are_told_in_short() -> None:
    assert keys_of([1, 2, 3, 4, 9]) == "1-4,9"
    assert keys_of([0, 5, 0]) == "5"
    assert keys_of([0]) == ""


async def test_order_and_choice_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, steps=100, epochs=1)
    builders.stop_the_clock(monkeypatch, run)

    def shown(screen: WatchScreen) -> list[str]:
        return [str(panel.id) for panel in screen.dashboard.children if panel.display]

    app = CnntrainApp(runs_root=tmp_path, open_run=run)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, WatchScreen)
        await pilot.press("2", "less_than_sign")
        assert shown(screen)[:3] == ["loss", "score", "layers"]
        await pilot.press("4", "h")
        await pilot.pause()
        assert "layers" not in shown(screen)
        assert "wait" in shown(screen)
        await pilot.press("4")
        assert screen.dashboard.chosen.id != "layers"
        assert any("is hidden; H shows all panels" in note.message for note in app._notifications)
    app = CnntrainApp(runs_root=tmp_path, open_run=run)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, WatchScreen)
        assert shown(screen)[:2] == ["loss", "score"]
        assert "layers" not in shown(screen)
        await pilot.press("H")
        await pilot.pause()
        assert shown(screen)[:3] == ["loss", "layers", "score"]
    assert (load().panels, load().hidden) == ((), ())


async def test_a_panel_without_a_place_is_shown_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, steps=100, epochs=1)
    builders.stop_the_clock(monkeypatch, run)
    app = CnntrainApp(runs_root=tmp_path, open_run=run)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, WatchScreen)
        await pilot.press("8")
        assert [panel.id for panel in screen.dashboard.children if panel.display] == ["wait"]
        await pilot.press("escape")
        assert len([panel for panel in screen.dashboard.children if panel.display]) == 10
        await pilot.press("8", "2")  # back among the others
        assert len([panel for panel in screen.dashboard.children if panel.display]) == 10
        assert screen.dashboard.chosen.id == "score"
        await pilot.press("m", "3")  # what was made large on purpose stays large
        assert [panel.id for panel in screen.dashboard.children if panel.display] == ["gradient"]


def text_of(panel: Spending | Host, width: int = 40, height: int = 8) -> str:
    return "\n".join("".join(text for text, _ in row) for row in panel.lines(width, height))


@pytest.mark.parametrize(
    ("wait", "diagnostics", "said"),
    [(0.5, 0.1, "data is the bottleneck"), (0.1, 0.3, "diagnostics cost much"), (0.02, 0.02, "compute-bound")],
)
def test_the_bottleneck_is_named(wait: float, diagnostics: float, said: str) -> None:
    panel = Spending("time of a step")
    panel.show(wait, diagnostics, 0.01)
    assert panel.value()[0][0] == said
    text = text_of(panel)
    assert f"{100 * (1 - wait - diagnostics):.1f} %" in text
    assert f"{100 * (diagnostics - 0.01):.1f} %" in text
    assert "logging" in text
    panel.show(wait, diagnostics, None)  # an older run
    assert "diagnostics" in text_of(panel)
    panel.show(None, None, None)
    assert "after the first batches" in text_of(panel)


def test_many_cards_are_scrolled_through() -> None:
    cards = tuple(Card("A", 0.9, 70 << 30, 80 << 30, 66, 310) for _ in range(8))
    panel = Host("machine")
    panel._observed, panel._live = Observed("host", Sample(8, 0.5, 3.2, 1, 4, None, 1.9, 900, cards)), True
    assert "GPU 1" in text_of(panel, 60, 6)
    assert "GPU 7" not in text_of(panel, 60, 6)
    assert "".join(part for part, _ in panel.value()) == "1–5 of 20  host"
    panel.action_scroll_rows(1000)
    shown = text_of(panel, 60, 6)
    assert "GPU 7 memory" in shown
    assert "1.9 cores" in shown


def test_what_the_machine_does_not_tell_is_left_out() -> None:
    silent = Sample(4, None, None, None, None, None, None, None, ())
    assert [bar[0] for bar in machine_bars(silent)] == ["CPU"]
    full = Sample(
        8, 0.5, 3.2, 1 << 30, 4 << 30, 61.5, 1.9, 900 << 20,
        (Card("A", 0.97, 70 << 30, 80 << 30, 66, 310), Card("B", None, None, None, None, None)),
    )  # fmt: skip
    panel = Host("machine")
    panel._observed, panel._live = Observed("host", full), True
    text = text_of(panel, 60, 12)
    assert "of 7" not in "".join(part for part, _ in panel.value())
    for word in (
        "50 % of 8",
        "62 °C",
        "1.0 GiB of 4.0 GiB",
        "GPU 0",
        "97 %",
        "310 W",
        "GPU 1",
        "1.9 cores",
        "3.2 on 8",
    ):
        assert word in text
    panel._observed = Observed("elsewhere", None)
    assert "not this machine" in text_of(panel)


@pytest.mark.parametrize(("task", "named"), [("classification", "5 classes"), ("regression", "5 errors")])
async def test_a_page_is_called_after_what_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, named: str
) -> None:
    run = builders.make_run(tmp_path, steps=40, epochs=2)
    builders.stop_the_clock(monkeypatch, run)
    lines = [json.loads(line) for line in run.events.read_text().splitlines()]
    told = [{**line, "task": task, "targets": ["x"]} if "classes" in line else line for line in lines]
    run.events.write_text("".join(f"{json.dumps(line)}\n" for line in told))
    async with CnntrainApp(runs_root=tmp_path, open_run=run).run_test(size=(80, 24)) as pilot:
        for _ in range(400):
            if named in walking.text_of(pilot.app):
                break
            await walking.breathe()
        assert named in walking.text_of(pilot.app)
