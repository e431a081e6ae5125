"""The watch screen: what it shows of runs in every state, at every size, and what its keys do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builders
import pytest
from emulator import RecordingDriver, Terminal, difference
from textual.events import Key, MouseDown, MouseEvent, MouseMove, MouseScrollUp, MouseUp
from textual.pilot import Pilot
from walking import until

from tui.app.app import CnntrainApp
from tui.app.screens import watch_pace
from tui.app.screens.dashboard import Dashboard
from tui.app.screens.home import HomeScreen
from tui.app.screens.watch import WatchScreen
from tui.app.screens.watch_layout import PAGES
from tui.app.widgets.chart import Chart
from tui.app.widgets.panel import Panel
from tui.app.widgets.status import progress_line
from tui.core import control, events
from tui.core.metrics import BATCH
from tui.core.records import BATCHES
from tui.core.rundir import RunDir
from tui.runs.follow import RunFollower

NAMES = tuple(metric.name for metric in BATCH)


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One time zone and one kind of terminal, whoever runs the tests."""
    for name, value in (("TZ", "UTC"), ("COLORTERM", "truecolor"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("tui.app.screens.watch_pace.TICK", 0.05)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Live:
    """A made-up run under the clock that stands still, and the app on it."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        self.run = builders.make_run(tmp_path, **{"steps": 1240, "epochs": 5, "status": "running", **changes})
        builders.stop_the_clock(monkeypatch, self.run)
        self.app = CnntrainApp(runs_root=tmp_path, open_run=self.run)

    @property
    def screen(self) -> WatchScreen:
        screen = self.app.screen_stack[1]
        assert isinstance(screen, WatchScreen)
        return screen

    def text(self) -> str:
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    def close(self) -> None:
        if self.run in builders._HELD:
            builders.let_go(self.run)


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made: list[Live] = []

    def make(**changes: Any) -> Live:
        made.append(Live(tmp_path, monkeypatch, **changes))
        return made[-1]

    yield make
    for one in made:
        one.close()


async def settled(pilot: Pilot[Any], live: Live) -> None:
    """Wait until the run has been read and nothing moves any more."""
    await until(pilot, lambda: len(live.app.screen_stack) > 1 and live.screen._pace.turn > 0)
    before, same = "", 0
    for _ in range(100):
        await pilot.pause(0.03)
        text = live.text()
        same = same + 1 if text == before else 0
        before = text
        if same == 3:
            break


def point_at(live: Live, kind: type[MouseEvent], chart: Chart, x: int, *, button: int = 0, shift: bool = False) -> None:
    """Let the mouse do something in a column of a chart, told as a terminal tells it: without a widget."""
    at = (chart.region.x + x, chart.region.y + 5)
    live.app.post_message(kind(None, *at, 0, 0, button, shift, meta=False, ctrl=False, screen_x=at[0], screen_y=at[1]))


def asked(run: RunDir) -> list[str]:
    return [request.action for request in control.pending(run)]


@pytest.mark.parametrize(("key", "answer"), [("t", "enter"), ("s", "y")])
async def test_nothing_is_asked_of_a_run_that_ends_while_its_dialog_is_open(live: Any, key: str, answer: str) -> None:
    run = live()
    async with run.app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, run)
        await pilot.press(key)
        run.close()
        await pilot.press(answer)
        await until(pilot, lambda: any("does not train any more" in note.message for note in run.app._notifications))
        assert asked(run.run) == []


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (60, 50), (40, 12), (110, 34)])
async def test_it_fits_every_size(live: Any, size: tuple[int, int]) -> None:
    run = live()
    async with run.app.run_test(size=size) as pilot:
        await settled(pilot, run)
        lines = run.text().split("\n")
        assert len(lines) == size[1]
        assert "running" in lines[0]
        for panel in run.screen.dashboard.panels:
            assert panel.parked == (not panel.display)
        shown = {panel.id for panel in run.screen.dashboard.panels if panel.display}
        everything = {str(panel.id) for panel in run.screen.dashboard.panels}
        if size[0] >= 160:
            assert shown == everything
        elif size[0] >= 110:
            assert shown == everything - {"wait"}
        elif size == (60, 50):
            assert shown == {"loss", "score", "gradient", "layers", "messages"}
        else:
            assert shown == set(PAGES[0][1])


async def test_everything_useful_is_there_at_120x40(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        text = run.text()
        for words in (
            *("epoch 5.00 of 7.5", "step 1,240 of 1,860", "left", "67 %", "loss 1.0", "accuracy 7", "images/s"),
            *("best validation 70.2 %", "smoothed", "◆ validation", "gradient by layer", "blocks.5", "learning rate"),
            *("recall per class", "airplane", "+4.3", "data wait", "validation after epoch 5"),
        ):
            assert words in text, words
        assert text.count("⠒") + text.count("⠉") > 10


async def test_numbers_and_charts_follow_the_run(live: Any) -> None:
    run = live(steps=200, epochs=2, total_steps=400)
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        before = run.text()
        assert "step 200 of 400" in before
        rows = [[step, 30 + step / 20, 0.5, 0.9, 0.01, 1.0, 3210.0, 0.5, 0.0] for step in range(201, 301)]
        builders.append_records(run.run, BATCHES, 1, NAMES, rows)
        await until(pilot, lambda: "3,210 images/s" in run.text())
        text = run.text()
        assert "step 300 of 400" in text
        assert "loss 0.5000" in text
        assert "accuracy 90.0 %" in text
        assert "3,210 images/s" in text


async def test_nothing_is_drawn_while_nothing_happens(live: Any) -> None:
    run = live()
    run.app.driver_class = RecordingDriver
    async with run.app.run_test(size=(120, 40), headless=False) as pilot:
        await settled(pilot, run)
        await pilot.pause(0.3)
        Terminal(run.app).feed()
        await pilot.pause(0.4)
        assert Terminal(run.app).feed() == ""


async def test_what_the_terminal_shows_is_what_the_screen_means(live: Any) -> None:
    run = live(steps=300, epochs=3, total_steps=2000)
    run.app.driver_class = RecordingDriver
    async with run.app.run_test(size=(120, 40), headless=False) as pilot:
        terminal = Terminal(run.app)
        terminal.screen.reset_mode(7)
        await settled(pilot, run)
        step = 300
        for keys, size in (
            ((), None), (("s",), None), (("escape",), (80, 24)), (("4",), None), (("m", "question_mark"), None),
            (("escape",), (150, 45)), (("m", "l"), None), (("5", "down", "tab"), None),
        ):  # fmt: skip
            rows = [[n, 30 + n / 20, 2 / n, n / 2000, 0.01, 1.0, 900.0, 0.5, 0.0] for n in range(step + 1, step + 60)]
            builders.append_records(run.run, BATCHES, 1, NAMES, rows)
            step += 59
            await pilot.press(*keys)
            if size:
                await pilot.resize_terminal(*size)
            await pilot.pause(0.35)
            for _ in range(20):  # a frame may be under way, on a busy machine for long
                terminal.feed()
                if not difference(terminal):
                    break
                await pilot.pause(0.1)
            assert difference(terminal) == [], (keys, size)


async def test_small_changes_cost_few_bytes(live: Any) -> None:
    run = live(steps=2000, epochs=4, total_steps=20_000)
    run.app.driver_class = RecordingDriver
    async with run.app.run_test(size=(120, 40), headless=False) as pilot:
        await settled(pilot, run)
        await pilot.pause(0.3)
        terminal = Terminal(run.app)
        terminal.feed()
        terminal.bytes = 0
        rows = [[n, 100 + n / 20, 1.0, 0.7, 0.01, 1.0, 2500.0, 0.03, 0.0] for n in range(2001, 2050)]
        builders.append_records(run.run, BATCHES, 1, NAMES, rows)
        await pilot.pause(0.4)
        terminal.feed()
        assert 0 < terminal.bytes < 8000


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("preparing", ["preparing", "decoding pictures", "600 of 600", "waiting for the first batch"]),
        ("paused", ["paused", "Continue"]),
        ("stopping", ["stopping"]),
        ("finished", ["finished", "Test accuracy", "All epochs are done", "The best weights"]),
        ("stopped", ["stopped", "Stopped on request", "Press r to go on from step 1,240"]),
        ("failed", ["failed", "The loss became NaN", "engine.log", "Press r"]),
        ("crashed", ["crashed", "killed by signal 9", "Press r"]),
        ("interrupted", ["interrupted", "cnntrain resume"]),
    ],
)
async def test_every_state_says_what_is_going_on_and_what_to_do(live: Any, status: str, words: list[str]) -> None:
    run = live(status=status)
    async with run.app.run_test(size=(100, 30)) as pilot:
        await settled(pilot, run)
        text = " ".join(run.text().split())
        for word in words:
            assert word in text, word


def test_behind_the_last_step_the_head_says_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, steps=20, epochs=2, total_steps=20, status="running")
    builders.stop_the_clock(monkeypatch, run)
    follower = RunFollower(run, history=False)
    follower.poll()
    state = follower.state
    told = lambda: "".join(text for text, _ in progress_line(state, 120))  # noqa: E731
    assert (state.status, state.evaluations[-1].step) == ("running", 20)
    assert told().endswith("step 20 of 20  finishing")
    state.evaluations.pop()
    assert told().endswith("step 20 of 20  validating")
    state.step = 19
    assert "validating" not in told()


@pytest.mark.parametrize(("status", "path"), [("finished", "step-000001240"), ("failed", "engine.log")])
async def test_a_path_can_be_copied_without_what_follows(live: Any, status: str, path: str) -> None:
    run = live(status=status)
    async with run.app.run_test(size=(250, 60)) as pilot:
        await settled(pilot, run)
        assert any(word.endswith(f"/{path}") for word in run.text().split())


async def test_the_command_that_resumes_finds_the_run_and_is_not_broken_within_its_name(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = live(status="interrupted")
    async with run.app.run_test(size=(250, 60)) as pilot:
        await settled(pilot, run)
        assert f"`cnntrain resume {run.run.path}`" in run.text()
    monkeypatch.setenv("CNNTRAIN_RUNS", str(run.run.path.parent))
    run.app = CnntrainApp(runs_root=run.run.path.parent, open_run=run.run)
    async with run.app.run_test(size=(70, 40)) as pilot:
        await settled(pilot, run)
        assert f"{run.run.name}`" in run.text()


async def test_it_stays_when_the_run_ends_and_says_how(live: Any) -> None:
    run = live(steps=100, epochs=1)
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        assert "● running" in run.text()
        ended = events.Ended(
            reason="stopped", exit_code=75, text="Stopped on request.", step=100, time=builders.START + 99
        )
        builders.append_event(run.run, ended)
        builders.let_go(run.run)
        await until(pilot, lambda: "Press r to go on" in run.text() and "Resume" in run.text())
        text = run.text()
        assert "■ stopped" in text
        assert "Stopped on request." in text
        assert "Press r to go on" in text
        assert "Resume" in text
        assert "Stop " not in text.split("\n")[-1].replace("stopped", "")


async def test_how_a_run_ended_below_another_screen_is_there_with_the_way_back(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_pace, "STILL", 1)
    monkeypatch.setattr(watch_pace, "REST", 60.0)
    run = live(steps=100, epochs=1)
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await pilot.press("y")
        ended = events.Ended(reason="stopped", exit_code=75, text="Stopped on request.", step=100)
        builders.append_event(run.run, ended)
        builders.let_go(run.run)
        below = run.app.screen_stack[1]
        await until(pilot, lambda: below._pace.period == 60.0)  # no look comes by itself any more
        await pilot.press("escape")
        await until(pilot, lambda: "Stopped on request." in run.text(), seconds=8)


async def test_keys_leave_requests_and_stop_asks_first(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await pilot.press("s")
        await until(pilot, lambda: "Stop this training?" in run.text())
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(run.app.screen, WatchScreen))
        assert asked(run.run) == []
        await pilot.press("v", "c", "p")
        await until(pilot, lambda: asked(run.run) == ["validate", "save", "pause"])
        await pilot.press("s")
        await until(pilot, lambda: "Stop this training?" in run.text())
        await pilot.press("y")
        await until(pilot, lambda: asked(run.run)[-1] == "stop")


async def test_rate_epochs_and_the_end_of_an_epoch_are_asked_for(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await pilot.press("t")
        await until(pilot, lambda: "Multiply the learning rate" in run.text())
        assert "now 0.0125, by" in run.text()
        for wrong, told in (("0", "A factor is between"), ("1", "changes nothing"), ("a", "This is no number.")):
            await pilot.press("end", "ctrl+u", *wrong, "enter")
            await until(pilot, lambda told=told: told in run.text())
            assert "0.5 halves it, 2 doubles it." in run.text()
            assert asked(run.run) == []
        await pilot.press("end", "ctrl+u", *"0.1", "enter")
        await until(pilot, lambda: bool(asked(run.run)))
        await pilot.press("x")
        await until(pilot, lambda: "How many epochs more?" in run.text())
        await pilot.press("enter", "e")
        await until(pilot, lambda: "at the end of the epoch?" in run.text())
        await pilot.press("y")
        await until(pilot, lambda: len(asked(run.run)) == 3)
        requests = [(request.action, request.value) for request in control.pending(run.run)]
        assert requests == [("rate", 0.1), ("extend", 5.0), ("stop_after_epoch", None)]


async def test_what_was_asked_for_is_marked_on_the_charts(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        before = run.text().count("◇")
        builders.append_event(run.run, events.Controlled(step=700, action="rate", value=0.5))
        await until(pilot, lambda: run.text().count("◇") >= before + 4)
        assert run.text().count("◇") >= before + 4
        await until(pilot, lambda: "the learning rate times 0.5" in run.text())
        assert "the learning rate times 0.5" in run.text()


async def test_pause_becomes_continue(live: Any) -> None:
    run = live(status="paused")
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await pilot.press("p")
        await until(pilot, lambda: asked(run.run) == ["continue"])


@pytest.mark.parametrize("status", ["finished", "stopped", "failed"])
async def test_a_run_that_is_over_is_asked_nothing(live: Any, status: str) -> None:
    run = live(status=status)
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await pilot.press("s", "p", "v", "c")
        await pilot.pause(0.1)
        assert isinstance(run.app.screen, WatchScreen)
        assert asked(run.run) == []


async def test_a_run_that_is_over_is_looked_at_seldom_until_it_goes_on(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_pace, "STILL", 2)
    monkeypatch.setattr(watch_pace, "REST", 0.3)
    run = live(status="finished")
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        assert isinstance(run.app.screen, WatchScreen)
        await until(pilot, lambda: run.app.screen._pace.period == 0.3)
        resting = run.app.screen._ticks
        builders.append_event(run.run, events.Launched(attempt=2, host="elsewhere", pid=1))
        await until(pilot, lambda: run.app.screen._pace.period == watch_pace.TICK)
        assert resting._task is None  # one timer at a time


async def test_a_run_that_was_over_and_is_extended_from_its_screen_is_looked_at_often_at_once(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_pace, "STILL", 2)
    monkeypatch.setattr(watch_pace, "REST", 30.0)
    run = live(status="finished")

    def extended(root: RunDir, epochs: int) -> Any:
        def start(_watcher: Any) -> RunDir:
            builders.append_event(root, events.Launched(attempt=2, host="elsewhere", pid=1))
            builders.hold(root)
            return root

        return start

    monkeypatch.setattr("tui.app.starts.extended", extended)
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await until(pilot, lambda: run.app.screen._pace.period == 30.0)
        resting = run.app.screen
        await pilot.press("x", "enter")
        await until(pilot, lambda: isinstance(run.app.screen, WatchScreen) and run.app.screen is not resting)
        await until(pilot, lambda: "finished" not in run.text().split("\n")[0], seconds=5)
        assert run.app.screen._pace.period == watch_pace.TICK


async def test_other_records_of_a_run_that_is_looked_at_seldom_are_read_at_once(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_pace, "STILL", 2)
    monkeypatch.setattr(watch_pace, "REST", 60.0)
    run = live(status="finished")
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await until(pilot, lambda: run.app.screen._pace.period == 60.0)
        await pilot.press("y", "3")
        await until(pilot, lambda: "weight norm by layer" in run.text(), seconds=8)
        await pilot.press("escape", "d", "y", "4")
        await until(pilot, lambda: "dead channels by layer" in run.text(), seconds=8)


async def test_a_run_that_trains_is_looked_at_often_though_nothing_comes(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_pace, "STILL", 1)
    run = live(status="running")
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        before = run.app.screen._pace.turn
        await until(pilot, lambda: run.app.screen._pace.turn >= before + 4)
        assert run.app.screen._pace.period == watch_pace.TICK


async def test_a_screen_that_is_left_alone_looks_half_as_often_and_draws_as_much(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = live(status="running")
    drawn: list[list[int]] = []
    draw_turns = Dashboard.draw_turns

    def draws(self: Dashboard, turns: Any, *, seldom: bool = False) -> None:
        drawn.append(list(turns))
        draw_turns(self, turns, seldom=seldom)

    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        monkeypatch.setattr(Dashboard, "draw_turns", draws)
        monkeypatch.setattr(watch_pace, "CALM", 0.0)
        await until(pilot, lambda: len(drawn) >= 4)
        assert run.app.screen._pace.period == 2 * watch_pace.TICK
        turns = [turn for some in drawn for turn in some]
        assert turns == list(range(turns[0], turns[0] + len(turns)))  # none is left out
        assert len(drawn[-1]) == 2
        monkeypatch.setattr(watch_pace, "CALM", 15.0)
        await pilot.press("2")
        await until(pilot, lambda: run.app.screen._pace.period == watch_pace.TICK and len(drawn[-1]) == 1)


async def test_a_request_that_cannot_be_written_says_so(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = live()

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tui.core.control.ask", refuse)
    async with run.app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot, run)
        await pilot.press("v")
        await pilot.pause(0.3)
        text = " ".join(run.text().split())
        assert "cannot be asked (validate)" in text


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
@pytest.mark.parametrize("wrong", [False, True])
async def test_a_toast_leaves_the_head_the_pages_and_the_newest_messages_free(
    live: Any, size: tuple[int, int], wrong: bool
) -> None:
    run = live()
    if wrong:  # a line above the pages
        builders.append_event(run.run, events.Found(step=9, code="x", title="X", severity="warning", message="Odd."))
    async with run.app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot, run)
        await pilot.press("9")
        await settled(pilot, run)
        await until(pilot, lambda: ("! X: Odd." in run.text()) == wrong)
        before = run.text().split("\n")
        head = run.app.screen.query_one("#panels").region.y
        assert head >= 3 + wrong
        run.app.notify("Pausing after this step.", timeout=60)
        await until(pilot, lambda: "Pausing after this step." in run.text())
        after = run.text().split("\n")
        assert after[: head + 1] == before[: head + 1]
        assert after[-4:] == before[-4:]


async def test_numbers_and_tab_choose_panels_and_pages(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        pages = {name: set(panels) for name, panels in PAGES}
        for key, page in (("4", "layers"), ("5", "classes"), ("7", "speed"), ("9", "messages"), ("1", "overview")):
            await pilot.press(key)
            await pilot.pause(0.1)
            assert {panel.id for panel in run.screen.dashboard.panels if panel.display} == pages[page]
            assert run.screen.focused is run.screen.dashboard.chosen
            assert run.screen.dashboard.chosen.number == int(key)
        for number in (*range(2, 10), 0, 0, 1):
            await pilot.press("tab")
            await pilot.pause(0.05)
            assert run.screen.dashboard.chosen.number == number
        await pilot.press("shift+tab")
        assert run.screen.dashboard.chosen.id == "host"


async def test_the_heading_of_the_chosen_panel_stands_out_at_once(live: Any) -> None:
    shown = live()
    async with shown.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, shown)
        loss, score = (shown.screen.query_one(f"#{panel}", Chart) for panel in ("loss", "score"))
        for key, chosen, other in (("2", score, loss), ("1", loss, score)):
            shown.screen.dashboard.came = lambda: None  # nothing is drawn but by the key
            await pilot.press(key)
            await pilot.pause()
            assert (chosen._shown[0][0][1], other._shown[0][0][1]) == ("focus", "muted")


async def test_maximise_shows_one_panel_and_escape_gives_the_others_back_before_it_leaves(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        await pilot.press("4", "m")
        await pilot.pause(0.2)
        layers = run.screen.query_one("#layers", Panel)
        assert [panel.id for panel in run.screen.dashboard.panels if panel.display] == ["layers"]
        assert layers.size.height > 30
        assert "over the whole run" in run.text()
        await pilot.press("escape")
        await pilot.pause(0.2)
        assert {panel.id for panel in run.screen.dashboard.panels if not panel.display} == {"wait"}
        await pilot.press("escape")
        await pilot.pause(0.2)
        assert isinstance(run.app.screen, HomeScreen)


async def test_enter_and_two_clicks_lead_into_what_a_panel_shows(live: Any) -> None:
    run = live(status="finished")
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        for key, name in (("4", "LayersScreen"), ("5", "ValidationScreen")):
            await pilot.press(key, "enter")
            await until(pilot, lambda: type(run.app.screen).__name__ == name)  # noqa: B023
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(run.app.screen, WatchScreen))
        await pilot.press("9", "enter")
        assert run.screen.dashboard.maximised
        await pilot.press("enter")
        assert not run.screen.dashboard.maximised
        await pilot.double_click("#score", offset=(20, 5))
        assert run.screen.dashboard.maximised
        assert run.screen.dashboard.chosen.id == "score"


async def test_l_switches_the_axis_of_the_chosen_chart(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        await pilot.press("2", "l")
        assert run.screen.query_one("#score", Chart).log_axis
        assert not run.screen.query_one("#loss", Chart).log_axis
        await pilot.press("4", "l")  # no chart: the first one
        await pilot.pause(0.1)
        assert run.screen.query_one("#loss", Chart).log_axis
        assert "log" in run.text()


async def test_a_loss_that_is_no_number_is_shown_as_such(live: Any) -> None:
    run = live(steps=400, nan_from=300)
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        text = run.text()
        assert "loss NaN" in text
        assert "!!!" in text
        await pilot.press("l")
        await pilot.pause(0.2)
        assert "!!!" in run.text()


async def test_a_run_of_nothing_but_nan_is_drawn(live: Any) -> None:
    run = live(steps=50, nan_from=1)
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        assert "loss NaN" in run.text()


async def test_foreign_names_are_shown_as_they_are_and_obeyed_never(live: Any) -> None:
    names = ("[/]", "[bold]x[/bold]", "a\x1b[2Jb", "x" * 200, "写真")
    run = live(classes=names, layers=("[red]conv[/]", "\x1b]52;c;aGk=\x07"))
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        text = run.text()
        assert "[/]" in text
        assert "[red]conv[/]" in text
        await pilot.press("5", "m")
        await pilot.pause(0.1)
        text = run.text()
        assert "[bold]x[/bold]" in text
        assert "a\\x1b[2Jb" in text
        assert "写真" in text
        assert "\x1b" not in text
        assert "x" * 100 not in text


async def test_many_layers_and_classes_scroll(live: Any) -> None:
    run = live(classes=tuple(f"class {i:03}" for i in range(100)), layers=60)
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        assert "1–9 of 100" in run.text()
        await pilot.press("5", "end")
        await pilot.pause(0.1)
        assert "92–100 of 100" in run.text()
        await pilot.press("pageup", "up")
        await pilot.pause(0.1)
        assert "83–91 of 100" in run.text()
        assert " of 60" in run.text()


async def test_the_footer_is_short_enough_for_80_columns(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        last = run.text().split("\n")[-1]
        for word in ("Back", "Stop", "Pause", "Validate", "Save", "Doctor", "Layers", "Help", "Quit"):
            assert word in last
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "t Rate" in run.text().split("\n")[-1])
        last = run.text().split("\n")[-1]
        for key in ("y Layers", "a Answers", "x Extend", "? Help", "q Quit"):
            assert key in last


async def test_a_narrow_footer_still_tells_where_help_is_and_how_to_leave(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(200, 60)) as pilot:
        await settled(pilot, run)
        await until(pilot, lambda: "^p palette" in run.text().split("\n")[-1])
        for width in (120, 60, 50):
            await pilot.resize_terminal(width, 60)
            await until(pilot, lambda: len(run.text().split("\n")[0]) == width)  # noqa: B023
            await until(pilot, lambda: "q Quit" in run.text().split("\n")[-1])
            last = run.text().split("\n")[-1]
            for key in ("esc Back", "s Stop", "? Help"):
                assert key in last
            assert "^p palette" not in last


@pytest.mark.parametrize("status", ["finished", "running"])
async def test_messages_are_drawn_anew_for_another_size_though_none_came(live: Any, status: str) -> None:
    run = live(status=status)
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        shown = [line[:78].rstrip() for line in run.text().split("\n")]
        assert any("validation after epoch" in line for line in shown)
        await pilot.press("9", "m", "m")
        await settled(pilot, run)
        again = [line[:78].rstrip() for line in run.text().split("\n")]
        start = next(y for y, line in enumerate(shown) if line.startswith(" 9 messages"))
        assert again[start + 1 : -1] == shown[start + 1 : -1]
        await pilot.resize_terminal(200, 60)
        await settled(pilot, run)
        wide = run.text()
        assert "macro F1" in next(line for line in wide.split("\n") if "validation after epoch 5" in line)


async def test_help_explains_every_sign_on_the_charts(live: Any) -> None:
    run = live(status="failed", nan_from=1000)
    found = events.Found(code="overfit", severity="warning", title="Overfitting", message="21 points better.")
    builders.append_event(run.run, found.but(time=builders.START + 9, step=600))
    builders.append_event(run.run, events.Controlled(action="save", time=builders.START + 9, step=300))
    async with run.app.run_test(size=(200, 60)) as pilot:
        await settled(pilot, run)
        chart = run.screen.query_one("#loss", Chart)
        drawn = {character for row in chart._shown[1:] for text, _ in row for character in text}
        signs = {sign for sign in drawn if not sign.isalnum() and not 0x2800 <= ord(sign) <= 0x28FF} - set(" ─│└┤.")
        assert {"◆", "▴", "▲", "✗", "◇", "!"} <= signs
        assert signs <= set(WatchScreen.LEGEND)


async def test_help_scrolls_to_its_end_in_one_frame(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await pilot.press("question_mark")
        box = run.app.screen.query_one("#box")
        assert box.max_scroll_y > 0
        shown = set[float]()
        run.app.post_message(Key("end", None))
        deadline = time.monotonic() + 20
        while box.scroll_y < box.max_scroll_y and time.monotonic() < deadline:
            shown.add(box.scroll_y)
            await asyncio.sleep(0.005)
        assert shown <= {0}
        assert box.scroll_y == box.max_scroll_y


async def test_help_leaves_no_gap_between_what_it_says_of_marks_and_of_the_mouse(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await pilot.press("question_mark", "end")
        await until(pilot, lambda: "a key in the footer." in run.text())
        lines = [line.strip(" │▁▂▃▄▅▆▇█") for line in run.text().split("\n")]
        end = next(y for y, line in enumerate(lines) if line.endswith("of each validation."))
        assert lines[end + 1] == ""
        assert lines[end + 2].startswith("Ctrl+P searches")


async def test_without_colours_the_strips_of_heat_are_told_by_characters(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run = live(status="finished")
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await pilot.press("4")
        await until(pilot, lambda: "over the whole run" in run.text())
        first, last = (next(line for line in run.text().split("\n") if f"blocks.{i}." in line)[-30:] for i in (0, 5))
        assert sum(character in "#%@" for character in last) > sum(character in "#%@" for character in first)
        assert first.strip()


async def test_names_of_layers_are_whole_beside_their_strips_at_80_columns(live: Any) -> None:
    run = live(status="finished")
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await pilot.press("4")
        await until(pilot, lambda: " blocks.5.convolution ━" in run.text())
        panel = run.screen.dashboard.chosen
        assert all(sum(len(text) for text, _ in row) == 78 for row in panel._shown[1:7])
        assert panel.points >= 30


async def test_the_strips_of_heat_say_over_which_steps_they_are(live: Any) -> None:
    run = live(status="finished", steps=1240)
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        await pilot.press("4")
        await until(pilot, lambda: "over the whole run" in run.text())
        await pilot.press("plus")
        await until(pilot, lambda: "steps 621 to 1,240" in run.text())
        assert "over the whole run" not in run.text()


async def test_hidden_panels_are_not_fed(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = live()
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        fed: list[str] = []
        feed = Dashboard.feed
        monkeypatch.setattr(Dashboard, "feed", lambda self, panel: (fed.append(panel.id), feed(self, panel))[1])
        rows = [[n, 100 + n / 20, 1.0, 0.7, 0.01, 1.0, 2500.0, 0.03, 0.0] for n in range(1241, 1260)]
        builders.append_records(run.run, BATCHES, 1, NAMES, rows)
        await until(pilot, lambda: len(set(fed)) == 3)
        assert set(fed) == {"loss", "score", "gradient"}
        fed.clear()
        await pilot.pause(0.5)
        assert fed == []


async def test_it_opens_from_a_directory_that_is_deleted_meanwhile(live: Any) -> None:
    import shutil

    run = live()
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        shutil.rmtree(run.run.path)
        await until(pilot, lambda: "Its directory is gone" in " ".join(run.text().split()))
        assert "Its directory is gone; nothing more can be read of it." in " ".join(run.text().split())


async def test_what_was_read_of_a_run_stays_while_its_directory_is_gone(live: Any, tmp_path: Path) -> None:
    run = live(status="stopped")
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        run.run.path.rename(tmp_path / "away")
        await until(pilot, lambda: "Its directory is gone" in run.text())
        assert "goes on as soon as the directory is there again" in run.text()
        for words in ("step 1,240 of 1,860", "loss 1.0", "validation after epoch 5", "blocks.5", "ship"):
            assert words in run.text()
        await until(pilot, lambda: "r Resume" not in run.text().split("\n")[-1])
        assert "Press r" not in run.text()
        (tmp_path / "away").rename(run.run.path)
        await until(pilot, lambda: "Press r to go on from step 1,240" in run.text())


async def test_zoom_and_cursor_are_common_to_all_charts(live: Any) -> None:
    run = live(status="finished")
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        await pilot.press("left", "left", "plus")
        await settled(pilot, run)
        dashboard = run.screen.dashboard
        charts = [panel for panel in dashboard.panels if isinstance(panel, Chart) and panel.display]
        assert len({(chart._plot.first, chart._plot.last, chart._plot.cursor) for chart in charts}) == 1
        plot = charts[0]._plot
        assert plot.last - plot.first + 1 == 620
        assert plot.first <= plot.cursor < 1240
        for chart in charts:
            reading = "".join(text for text, _ in chart.value())
            assert reading in chart._plot.reading, chart.id
            assert reading in run.text()
        assert f"step {plot.cursor:,}: " in run.text()
        await pilot.press("escape")
        await settled(pilot, run)
        assert charts[0]._plot.cursor is None
        await pilot.press("escape")
        await settled(pilot, run)
        assert (charts[0]._plot.first, charts[0]._plot.last) == (1, 1240)
        assert run.app.screen is run.screen


async def test_the_wheel_zooms_and_a_click_puts_the_cursor(live: Any) -> None:
    run = live(status="finished")
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        chart = run.screen.query_one("#loss", Chart)
        await pilot.click(chart, offset=(chart.size.width // 2, 5))
        await settled(pilot, run)
        cursor = chart._plot.cursor
        plane = chart.size.width - chart._MARGIN
        assert abs(cursor - 1240 * (chart.size.width / 2 - chart._MARGIN) / plane) < 20
        point_at(run, MouseScrollUp, chart, chart.size.width // 2)
        await settled(pilot, run)
        assert chart._plot.last - chart._plot.first + 1 == 620
        assert chart._plot.first <= cursor <= chart._plot.last


async def test_zero_shows_the_newest_steps_one_by_one_and_the_whole_run_again(live: Any) -> None:
    run = live()
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        chart = run.screen.query_one("#loss", Chart)
        whole = chart._plot.last
        await pilot.press("0")
        await settled(pilot, run)
        assert chart._plot.last - chart._plot.first + 1 == chart.points < 200
        assert chart._plot.last >= 1240
        await pilot.press("0")
        await settled(pilot, run)
        assert (chart._plot.first, chart._plot.last) == (1, whole)


async def test_panels_that_show_what_was_at_the_cursor_say_so(live: Any) -> None:
    run = live(status="finished")
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        headings = [line for line in run.text().split("\n") if "gradient by layer" in line or "time of a step" in line]
        assert not [line for line in headings if "step 1," in line]
        await pilot.press(*["left"] * 5)
        await settled(pilot, run)
        cursor = run.screen.query_one("#loss", Chart)._plot.cursor
        told = run.text().split("\n")
        assert f"step {cursor:,}" in next(line for line in told if "gradient by layer" in line).partition("by layer")[2]
        assert f"step {cursor:,}" in next(line for line in told if "time of a step" in line).partition("of a step")[2]


async def test_pages_and_the_finding_are_clicked(live: Any) -> None:
    run = live(status="finished")
    found = events.Found(code="overfit", severity="warning", title="Overfitting", message="21 points better.")
    builders.append_event(run.run, found.but(time=builders.START + 9, step=600))
    async with run.app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, run)
        pages = run.screen.query_one("#pages")
        text = next(line for line in run.text().split("\n") if "1-3 overview" in line)
        await pilot.click(pages, offset=(text.index("classes") - 1, 0))
        assert run.screen.dashboard.chosen.id == "classes"
        await pilot.click(pages, offset=(text.index("machine") - 1, 0))
        assert run.screen.dashboard.chosen.id == "time"
        await pilot.click("#finding")
        await until(pilot, lambda: type(run.app.screen).__name__ == "DoctorScreen")
        await pilot.press("escape", "y")
        await until(pilot, lambda: "3 weight norm" in run.text())
        text = next(line for line in run.text().split("\n") if "3 weight norm" in line)
        await pilot.click("#pages", offset=(text.index("weight") - 1, 0))
        await until(pilot, lambda: "weight norm by layer" in run.text())
        await pilot.press("escape", "a")
        await until(pilot, lambda: "2 confusion" in run.text())
        await pilot.click("#pages", offset=(run.text().split("\n")[2].index("confusion") - 1, 0))
        await until(pilot, lambda: "% of the true class" in run.text())
        await pilot.press("escape", "w")
        await until(pilot, lambda: "4 numbers" in run.text())
        text = next(line for line in run.text().split("\n") if "4 numbers" in line)
        await pilot.click("#pages", offset=(text.index("numbers"), 0))
        await until(pilot, lambda: "balanced accuracy" in run.text())


async def test_the_legend_says_how_smooth_the_lines_are(live: Any) -> None:
    run = live(status="finished")
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        for words in ("━ strongly smoothed", "━ lightly smoothed", "1 loss  ◆ validation", "━ smoothed"):
            await pilot.press("o")
            await until(pilot, lambda: words in run.text())  # noqa: B023


async def test_a_drag_and_the_wheel_with_shift_move_a_zoom(live: Any) -> None:
    run = live(status="finished")
    async with run.app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, run)
        chart = run.screen.query_one("#loss", Chart)
        for kind, x in ((MouseDown, 30), (MouseMove, 32), (MouseUp, 32)):
            point_at(run, kind, chart, x, button=1)
        await pilot.click(chart, offset=(60, 5))
        assert chart._plot.cursor is not None  # there was nothing to move
        await pilot.press("escape", "plus", "plus")
        await settled(pilot, run)
        assert (chart._plot.first, chart._plot.last) == (931, 1240)
        for kind, x in ((MouseDown, 30), (MouseMove, 35), (MouseMove, 47), (MouseUp, 47)):
            point_at(run, kind, chart, x, button=1)
        await settled(pilot, run)
        columns = chart.points // 2
        assert abs(chart._plot.first - (931 - 310 * 17 / columns)) < 3
        assert chart._plot.last - chart._plot.first == 309
        assert chart._plot.cursor is None
        point_at(run, MouseMove, chart, 20)  # nothing is held any more
        await pilot.pause()
        before = chart._plot.first
        point_at(run, MouseScrollUp, chart, 47, shift=True)
        await settled(pilot, run)
        assert chart._plot.first == before - 39
        await pilot.click(chart, offset=(47, 5))
        assert chart._plot.cursor is not None


async def test_how_a_run_ended_leaves_room_for_panels_on_low_screens(live: Any) -> None:
    run = live(status="crashed")
    async with run.app.run_test(size=(50, 14)) as pilot:
        await settled(pilot, run)
        assert "Press r" in run.text()
        assert run.screen.query_one("#loss").region.height >= 3
