"""The doctor's room: findings with their evidence, the offer, and the line over the panels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import pytest
from textual.pilot import Pilot
from walking import until

from tui.app.app import CnntrainApp
from tui.app.screens.ask import Confirm
from tui.app.screens.doctor import EVIDENCE, DoctorScreen
from tui.app.screens.layers import LayersScreen
from tui.app.screens.watch import WatchScreen
from tui.app.widgets.chart import Chart
from tui.app.widgets.findings import FindingLine, FindingText
from tui.app.widgets.heatmap import HeatMap
from tui.core import events
from tui.core.diagnosis.rules import RULES
from tui.core.diagnosis.words import unjudged
from tui.core.rundir import RunDir
from tui.runs.report import report
from tui.runs.trial import Trial

VANISHING = events.Found(
    time=builders.START + 9,
    step=140,
    code="vanishing",
    title="Vanishing gradients",
    severity="critical",
    layer="blocks.0.convolution.weight",
    message="Early layers get 1/4,200 of the gradient of the last one: blocks.0.convolution hardly learns.",
    evidence=[
        {
            "what": "smallest over largest norm",
            "value": 2.4e-4,
            "limit": 5e-3,
            "side": "below",
            "healthy": "0.04 up",
        },
        {"what": "t-statistic of the loss", "value": -0.4, "limit": -4.0, "side": "above"},
    ],
    change={"model.activation": "gelu", "optimizer.learning_rate": 0.01},
    restart="scratch",
    effects=["class_collapse"],
)
OVERFIT = events.Found(
    time=builders.START + 10,
    step=600,
    code="overfit",
    title="Overfitting",
    severity="warning",
    message="21 points better.",
    restart="",
)


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def app_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., CnntrainApp]:
    def make(*found: events.Event, **changes: Any) -> CnntrainApp:
        run = builders.make_run(tmp_path, **{"steps": 1240, "epochs": 5, **changes})
        for event in found:
            builders.append_event(run, event)
        builders.stop_the_clock(monkeypatch, run)
        monkeypatch.setenv("HOME", str(tmp_path))
        return CnntrainApp(runs_root=tmp_path, open_run=run)

    return make


async def watching(pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, WatchScreen) and pilot.app.screen._pace.turn > 1)


async def opened(pilot: Pilot[Any]) -> DoctorScreen:
    await watching(pilot)
    await pilot.press("d")
    await until(pilot, lambda: isinstance(pilot.app.screen, DoctorScreen) and "with 2026" in text(pilot))
    await pilot.pause(0.1)
    screen = pilot.app.screen
    assert isinstance(screen, DoctorScreen)
    return screen


def text(pilot: Pilot[Any]) -> str:
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())


async def test_the_line_over_the_panels_names_the_gravest_finding(app_on: Any) -> None:
    async with app_on(OVERFIT, VANISHING).run_test(size=(120, 40)) as pilot:
        await watching(pilot)
        await until(pilot, lambda: "Early layers get" in text(pilot))
        assert "✗ Vanishing gradients: Early layers get" in text(pilot)
        assert "(+1)" in text(pilot)
        marks = pilot.app.screen.query_one("#loss", Chart)._plot.marks
        assert [mark.step for mark in marks if mark.glyph == "✗"] == [600, 140]


async def test_a_run_without_findings_has_no_such_line(app_on: Any) -> None:
    info = OVERFIT.but(severity="info")
    async with app_on(info).run_test(size=(120, 40)) as pilot:
        await watching(pilot)
        assert not pilot.app.screen.query_one(FindingLine).display
        await opened(pilot)
        assert "Nothing is wrong with" in text(pilot)  # what only informs is listed beneath
        assert "21 points better" in text(pilot)


async def test_a_finding_shows_its_evidence_its_change_and_what_follows(app_on: Any) -> None:
    async with app_on(VANISHING, OVERFIT).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        words = " ".join(text(pilot).split())
        for part in (
            "2 things are wrong",
            "critical, found at step 140.",
            "smallest over largest norm: 0.00024 (an alarm below 0.005; healthy: 0.04 up)",
            "From this follows: class collapse.",
            "relu → gelu",
            "0.05 → 0.01",
            "from new weights",
        ):
            assert part in words, part
        assert screen.query_one(Chart).title == "gradient norm of blocks.0.convolution.weight"
        await pilot.press("down")
        await until(pilot, lambda: "No setting of this run mends it." in text(pilot))
        assert "No setting of this run mends it." in text(pilot)
        assert not screen.check_action("try_it", ())


async def test_the_heading_counts_what_is_listed(app_on: Any) -> None:
    info = OVERFIT.but(code="imbalanced", title="Uneven classes", severity="info")
    cleared = events.Cleared(time=builders.START + 11, step=700, code="vanishing")
    async with app_on(VANISHING, OVERFIT, info, cleared).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        assert "1 thing is wrong with 20260131-120000-example, 1 no longer so, 1 for information" in text(pilot)
        assert list(screen._shown) == ["overfit", "imbalanced", "vanishing"]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (80, 16)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_chart_keeps_its_axis_under_long_texts_and_many_findings(
    app_on: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    long = VANISHING.but(message=VANISHING.message * 6, evidence=VANISHING.evidence * 8)
    app = app_on(name="20260131-120000-a-long-name-that-somebody-gave-it")
    run = app._open_run

    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        chart = screen.query_one(Chart)

        def whole() -> bool:
            """Whether all of the chart can be seen, its axis in the row above the footer."""
            return "└" in text(pilot).split("\n")[-2] and chart.region.bottom == size[1] - 1

        await until(pilot, whole)
        for number in range(9):
            builders.append_event(run, long.but(code=f"other{number}", step=140 + number))
        await until(pilot, lambda: len(screen._shown) == 9)
        await until(pilot, whole)
        assert screen.query_one(FindingText).size.height >= 3


async def test_what_is_over_is_told_so_and_listed_last(app_on: Any) -> None:
    cleared = events.Cleared(time=builders.START + 11, step=700, code="vanishing")
    async with app_on(VANISHING, OVERFIT, cleared).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        assert list(screen._shown) == ["overfit", "vanishing"]
        await pilot.press("down")
        await until(pilot, lambda: "it is no longer so" in text(pilot))
        assert "it is no longer so" in text(pilot)


async def test_a_run_that_has_recovered_is_not_called_healthy_from_the_start(app_on: Any) -> None:
    cleared = events.Cleared(time=builders.START + 11, step=700, code="vanishing")
    async with app_on(VANISHING, cleared).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        assert "Nothing is wrong any more with 2026" in text(pilot)
        summary = " ".join(report(screen._follower).words)
        assert f"The doctor found: {VANISHING.title} (no longer)." in summary


async def test_a_healthy_run_is_called_so(app_on: Any) -> None:
    async with app_on().run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "Nothing is wrong with" in text(pilot)
        await until(pilot, lambda: "Checked, and how near each came to an alarm:" in text(pilot))
        assert "Checked, and how near each came to an alarm:" in text(pilot)
        await until(pilot, lambda: "rules could judge" in " ".join(text(pilot).split()))
        words = " ".join(text(pilot).split())
        assert "Bad initialisation: first loss" in words
        checks = pilot.app.screen._checks
        judged = len(checks) - len(unjudged(checks))
        assert 0 < judged < len(RULES)
        assert f"as far as {judged} of {len(RULES)} rules could judge" in words


async def test_what_a_run_was_never_told_is_found_in_its_records(app_on: Any) -> None:
    async with app_on(nan_from=820, status="failed").run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        await until(pilot, lambda: "1 thing is wrong" in text(pilot))
        assert "step 820" in text(pilot)
        assert "NaN or infinity" in text(pilot)
        assert "Nothing is wrong" not in text(pilot)
        await until(pilot, lambda: "t Try the change" in text(pilot).split("\n")[-1])


async def test_a_long_name_of_a_run_does_not_cut_what_the_verdict_is_worth(app_on: Any) -> None:
    async with app_on(name="20260101-120000-a-long-name-that-somebody-gave-to-a-run").run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await until(pilot, lambda: "rules could judge" in " ".join(text(pilot).split()))
        assert "rules could judge" in " ".join(text(pilot).split())


async def test_values_that_do_not_fit_beside_their_setting_stand_beneath_it(app_on: Any) -> None:
    name = "a.package.of.somebody:a_network_with_a_long_name_and_a_longer_one_behind_it"
    change = {"optimizer.learning_rate": 0.01, "model.name": name}
    async with app_on(VANISHING.but(change=change)).run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        rows = text(pilot).splitlines()
        at = next(index for index, row in enumerate(rows) if "model.name" in row)
        assert name not in rows[at]
        assert f"simple_cnn → {name}" in rows[at + 1]
        assert any("optimizer.learning_rate" in row and "0.05 → 0.01" in row for row in rows)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("", "· Does this mend “LR too high”? Judged after 120 steps, 40 made."),
        ("confirmed", "✓ Confirmed: “LR too high” did not come back in 120 steps."),
        ("put off", "! Put off: “LR too high” came back, but only after 900 steps."),
        ("no better", "✗ No better: Vanishing gradients; “LR too high” did not come back in 120 steps."),
        ("no effect", "✗ No effect: “LR too high” is there again after 900 steps."),
    ],
)
def test_what_became_of_a_trial_is_told_in_a_line(outcome: Any, told: str) -> None:
    shown = FindingLine()
    shown._trial = Trial("LR too high", 120, 40, outcome, "Vanishing gradients", again=900)
    assert shown.lines(120, 1)[0][0][0].rstrip() == told


def test_a_cure_does_not_hide_what_is_critical_now() -> None:
    shown = FindingLine()
    shown._trial = Trial("LR too high", 120, 900, "confirmed")
    shown._found = [OVERFIT]
    assert "Confirmed" in shown.lines(120, 1)[0][0][0]
    shown._found = [VANISHING, OVERFIT]
    assert "Vanishing gradients: " in shown.lines(120, 1)[0][1][0]


def test_a_long_sentence_on_a_trial_takes_a_second_row_and_loses_none_of_its_words() -> None:
    shown = FindingLine()
    long = "A finding of a rule that somebody gave a name to which takes far more room than there is"
    shown._trial = Trial(long, 1200, 1200, "confirmed", "", "best accuracy 84 % instead of 21 %")
    rows = ["".join(part for part, _ in row) for row in shown.lines(80, 1)]
    assert len(rows) == 2
    assert max(map(len, rows)) <= 80
    words = " ".join(" ".join(rows).split())
    assert words.startswith("✓ Confirmed: “A finding of a ru")
    assert words.endswith("did not come back in 1,200 steps; best accuracy 84 % instead of 21 %. d Doctor")
    assert len(shown.lines(200, 1)) == 1


async def test_one_key_starts_a_new_run_with_the_change(app_on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[RunDir] = []
    monkeypatch.setattr("tui.runs.launch.start", begun.append)
    app = app_on(VANISHING)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        assert "model.activation relu → gelu," in text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: bool(begun))
    from tui.core.presets import read_settings

    settings = read_settings(begun[0].settings)
    assert (settings.model.activation, settings.optimizer.learning_rate) == ("gelu", 0.01)


async def test_the_layers_open_where_the_finding_is(app_on: Any) -> None:
    late = VANISHING.but(code="rate_low", layer="blocks.3.convolution.weight")
    async with app_on(late).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(pilot.app.screen, LayersScreen))
        await until(pilot, lambda: pilot.app.screen.query_one(HeatMap).index == 3)
        assert pilot.app.screen.query_one(HeatMap).index == 3
        assert "update ratio by layer" in text(pilot)


def test_every_evidence_belongs_to_a_rule() -> None:
    assert set(EVIDENCE) <= {rule.code for rule in RULES}


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["120x40", "80x24"])
def test_a_picture(app_on: Any, snap_compare: Any, size: tuple[int, int]) -> None:
    async def show(pilot: Pilot[Any]) -> None:
        await opened(pilot)

    assert snap_compare(app_on(VANISHING, OVERFIT), terminal_size=size, run_before=show)


def test_a_picture_of_a_sound_run(app_on: Any, snap_compare: Any) -> None:
    async def show(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await until(pilot, lambda: "rules could judge" in " ".join(text(pilot).split()))
        await pilot.pause(0.1)

    assert snap_compare(app_on(), terminal_size=(80, 24), run_before=show)


def test_a_picture_of_a_trial(app_on: Any, snap_compare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gain = "accuracy 84.0 % by step 400, 21.0 % before"
    made = Trial("Validation prepared differently", 400, 400, "confirmed", "", gain)
    monkeypatch.setattr("tui.runs.trial.trial", lambda state: made)

    async def show(pilot: Pilot[Any]) -> None:
        await watching(pilot)
        await until(pilot, lambda: "Confirmed" in text(pilot))

    assert snap_compare(app_on(), terminal_size=(80, 24), run_before=show)
