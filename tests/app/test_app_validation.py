"""The screen of the validations: what each page shows of good and bad files, and what its keys do."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import pytest
from PIL import Image, ImageDraw
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Static
from walking import breathe, text_of, until

from tui.app import saliencies
from tui.app.app import CnntrainApp
from tui.app.screens.mistake import MistakeScreen
from tui.app.screens.validation import ValidationScreen
from tui.app.screens.validation_pages import ValidationPages
from tui.app.screens.watch import WatchScreen
from tui.app.widgets.chart import Chart
from tui.app.widgets.class_table import ClassTable
from tui.app.widgets.confusion import ConfusionMatrix
from tui.app.widgets.exhibit import Exhibit
from tui.app.widgets.gallery import Gallery
from tui.app.widgets.keys import Keys
from tui.app.widgets.mistake_gallery import MistakeGallery
from tui.app.widgets.predictions import DensityMap
from tui.app.widgets.row_list import RowList
from tui.core import events
from tui.core.errors import FailureError
from tui.core.rundir import RunDir
from tui.core.saliency import SaliencyHead, decode_request
from tui.core.text import clean_path

HOSTILE = "[/] [red]\x1b]52;c;aGk=\x07\x1b[2J"


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunDir]:
    def make(**changes: Any) -> RunDir:
        run = builders.make_run(tmp_path, **{"steps": 400, "epochs": 4, **changes})
        builders.stop_the_clock(monkeypatch, run)
        return run

    return make


def evaluated(run: RunDir, split: str = "validation") -> list[events.Evaluated]:
    found = [events.decode(line) for line in run.events.read_bytes().splitlines()]
    return [event for event in found if isinstance(event, events.Evaluated) and event.split == split]


def with_pictures(run: RunDir, root: Path) -> None:
    """Let the last evaluation be about pictures that exist."""
    event = evaluated(run, "test")[-1]
    builders.write_evaluation(run, event, root=str(root))
    for place, one in enumerate(json.loads(run.evaluation("test", event.step).read_bytes())["pictures"]):
        image = Image.new("RGB", (24, 16), ("#87afd7", "#5f875f", "#d7af87")[place % 3])
        ImageDraw.Draw(image).ellipse((4 + place, 3, 10 + place, 12), "#303030")
        (root / one["path"]).parent.mkdir(parents=True, exist_ok=True)
        image.save(root / one["path"], "PNG")


async def opened(pilot: Pilot[Any]) -> ValidationScreen:
    """Go from the watch screen to the validations."""
    await until(pilot, lambda: isinstance(pilot.app.screen, WatchScreen) and pilot.app.screen._pace.turn > 1)
    await pilot.press("a")
    await until(pilot, lambda: isinstance(pilot.app.screen, ValidationScreen) and pilot.app.screen.complete)
    await breathe()
    screen = pilot.app.screen
    assert isinstance(screen, ValidationScreen)
    return screen


async def pressed(pilot: Pilot[Any], *keys: str) -> str:
    """Press keys and return what is shown then."""
    await pilot.press(*keys)
    await breathe()
    await until(pilot, lambda: getattr(pilot.app.screen, "complete", True))
    await breathe()
    return text_of(pilot.app)


def app_on(run: RunDir) -> CnntrainApp:
    return CnntrainApp(runs_root=run.path.parent, open_run=run)


async def test_it_walks_through_all_validations_and_the_test(made: Any) -> None:
    run = made()
    async with app_on(run).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        assert "Test  5 of 5" in text_of(pilot.app)
        shown = await pressed(pilot, "comma")
        assert "Validation after epoch 4  ▲ best  4 of 5" in shown
        assert "recall of airplane" in shown
        table = pilot.app.screen.query_one(ClassTable)
        assert not math.isnan(table._given[0].before)
        shown = await pressed(pilot, "comma", "comma", "comma", "comma")
        assert "Validation after epoch 1  1 of 5" in shown
        assert math.isnan(table._given[0].before)
        assert "Validation after epoch 4" in await pressed(pilot, "b")
        assert "Test  5 of 5" in await pressed(pilot, "full_stop")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, WatchScreen)


async def test_a_live_run_shows_its_newest_validation_as_it_comes(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.app.screens.validation._LOOK", 0.1)
    run = made(status="running")
    try:
        async with app_on(run).run_test(size=(80, 24)) as pilot:
            await opened(pilot)
            assert "4 of 4" in text_of(pilot.app)
            event = evaluated(run)[-1].but(step=500, epoch=5.0, recall=[1.0] * 6)
            builders.write_evaluation(run, event)
            builders.append_event(run, event)
            await until(pilot, lambda: "epoch 5" in text_of(pilot.app))
            assert "5 of 5" in text_of(pilot.app)
            assert pilot.app.screen.query_one(ClassTable)._given[0].change > 0
            assert "4 of 5" in await pressed(pilot, "comma")
            later = event.but(step=600, epoch=6.0)
            builders.write_evaluation(run, later)
            builders.append_event(run, later)
            await until(pilot, lambda: "4 of 6" in text_of(pilot.app))
            assert "epoch 4" in text_of(pilot.app)  # what was chosen stays
    finally:
        builders.let_go(run)


async def test_classes_by_value_name_and_change_and_their_mistakes(made: Any) -> None:
    run = made(classes=("zebra", "ant", "mole"))
    event = evaluated(run)[-1]
    builders.write_evaluation(run, event, recall=[0.9, 0.5, math.nan], counts=[20, 20, 0])
    builders.write_evaluation(run, evaluated(run)[-2], recall=[0.95, 0.3, math.nan])
    async with app_on(run).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pressed(pilot, "comma")
        table = pilot.app.screen.query_one(ClassTable)

        def order() -> list[str]:
            return [table._given[place].name for place in table._places]

        assert order() == ["ant", "zebra", "mole"]
        assert "nothing to measure" in text_of(pilot.app)
        assert "+20.0" in text_of(pilot.app)
        await pressed(pilot, "o")
        assert order() == ["ant", "mole", "zebra"]
        await pressed(pilot, "o")
        assert order() == ["zebra", "ant", "mole"]
        shown = await pressed(pilot, "enter")
        assert "Mistakes with zebra" in shown
        assert {one.true for one in pilot.app.screen.query_one(MistakeGallery)._shown} == {(0,)}
        assert "Mistakes  " in await pressed(pilot, "escape")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, WatchScreen)


async def test_the_matrix_tells_the_pair_and_opens_its_pictures(made: Any) -> None:
    run = made()
    async with app_on(run).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        shown = await pressed(pilot, "2", "right")
        assert "% of the true class" in shown
        n = next(n for true, answer, n in pilot.app.screen.query_one(ValidationPages).detail.confusion
                 if (true, answer) == (0, 1))  # fmt: skip
        assert f"{n} of 20 pictures of airplane ({n / 20:.1%}".replace("%", " %") in shown
        assert "are taken for bird" in shown
        matrix = pilot.app.screen.query_one(ConfusionMatrix)
        assert "n Counts" in shown
        shown = await pressed(pilot, "n")
        assert not matrix.shares
        assert "n Shares" in shown
        assert "n Counts" in await pressed(pilot, "n")
        assert matrix.shares
        await pressed(pilot, "end")
        assert matrix.cursor == (5, 5)
        assert "recognised" in text_of(pilot.app)
        await pressed(pilot, "enter")  # what is right has no mistakes
        assert pilot.app.screen.query_one(ValidationPages).page == "confusion"
        told = [notice.message for notice in pilot.app._notifications]
        assert told == ["These were answered rightly; only mistakes are kept."]
        await pressed(pilot, "home", "right", "enter")
        assert pilot.app.screen.query_one(ValidationPages).page == "mistakes"
        assert "Airplane taken for bird" in text_of(pilot.app)
        await pressed(pilot, "2")
        await pilot.press("tab", "down")
        await until(pilot, lambda: matrix.cursor != (0, 1))
        pair = pilot.app.screen.query_one(ValidationPages)._pairs[1]
        assert matrix.cursor == (pair.true, pair.answer)
        await pressed(pilot, "enter")
        assert pilot.app.screen.query_one(MistakeGallery).kind.answer == pair.answer


async def test_a_thousand_classes_scroll_under_fixed_names(made: Any) -> None:
    names = tuple(f"class {number:04d}" for number in range(1000))
    run = made(classes=names, epochs=2, steps=20)
    async with app_on(run).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pressed(pilot, "end")
        assert "class 0999" in text_of(pilot.app)
        await pressed(pilot, "pageup")
        shown = await pressed(pilot, "2", "pagedown", "shift+right", "right")
        matrix = pilot.app.screen.query_one(ConfusionMatrix)
        true, answer = matrix.cursor
        assert true > 5
        assert answer > 5
        assert f"of {names[true]} (" in shown
        assert f"▾ {names[answer]}" in shown or f"{names[answer]} ▾" in shown
        assert names[true] in shown
        before = matrix._room(*matrix.size)[1]
        await pressed(pilot, "minus")
        assert matrix._room(*matrix.size)[1] > before
        shown = await pressed(pilot, "end")
        assert "of 1000" in shown
        assert "20 pictures of class 0999" in shown


async def test_long_names_of_a_pair_are_cut_so_that_all_that_is_told_of_it_is_seen(made: Any) -> None:
    run = made(classes=tuple(f"a rather long name of a class of pictures, number {i}" for i in range(12)))
    async with app_on(run).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pressed(pilot, "2")
        recognised = await pressed(pilot, "home")
        assert "recognised" in recognised
        taken = await pressed(pilot, "right")
        told = next(line for line in taken.split("\n") if "taken for" in line)
        assert "mber 0 " in told
        assert told.rstrip().endswith("mber 1")


async def test_without_colours_the_matrix_is_read_by_numbers_and_characters(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with app_on(made()).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        shown = await pressed(pilot, "2")
        row = next(line for line in shown.split("\n") if line.startswith("▸") or line.strip().startswith("airplane"))
        assert any(part.isdigit() or "." in part for part in row.split())
        matrix = pilot.app.screen.query_one(ConfusionMatrix)
        await pressed(pilot, "minus", "minus", "down")
        assert matrix._entry(80) == 2
        row = next(line for line in text_of(pilot.app).split("\n") if line.strip().startswith("airplane"))
        assert set(row) & set("@%#*+=-:.")


async def test_mistakes_are_shown_with_their_pictures_and_stories(made: Any, tmp_path: Path) -> None:
    run = made()
    with_pictures(run, tmp_path / "pictures")
    async with app_on(run).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        shown = await pressed(pilot, "3")
        assert "airplane/test-0.jpg" in shown
        assert "airplane taken for bird (bird 99.0 %" in shown
        assert "are kept, the most confident first" in shown
        assert "▀" in shown
        assert "the highest loss first" in await pressed(pilot, "o")
        await pressed(pilot, "right")
        one = pilot.app.screen.query_one(MistakeGallery)._shown[1]
        assert one.path in text_of(pilot.app)
        shown = await pressed(pilot, "enter")
        assert isinstance(pilot.app.screen, MistakeScreen)
        assert one.path in shown
        assert "24×16" in shown
        assert "2 of " in shown
        await pressed(pilot, "left")
        assert "1 of " in text_of(pilot.app)


async def test_under_a_picture_both_classes_can_be_read(made: Any) -> None:
    run = made(classes=("longsleeve shirt", "t-shirt", "hat", "a dress for the evening"))
    async with app_on(run).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        shown = await pressed(pilot, "3")
        assert re.search(r"longs…irt → t-shirt \d+%", shown), shown
        assert "enter Open" in shown.split("\n")[-1]
        assert "q Quit" in shown.split("\n")[-1]


async def test_a_dataset_that_is_gone_keeps_its_numbers(made: Any) -> None:
    async with app_on(made()).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        shown = await pressed(pilot, "3")
        assert "/pictures/example is gone: its pictures cannot be shown; the numbers stay." in shown
        assert "✗ the file is gone" in shown
        assert "taken for" in shown
        shown = await pressed(pilot, "enter")
        assert "✗ the file is gone" in shown


async def test_fault_60_pictures_behind_a_link_that_leads_out_are_not_shown(made: Any, tmp_path: Path) -> None:
    run = made()
    with_pictures(run, tmp_path / "elsewhere")
    root = tmp_path / "given"
    root.mkdir()
    for folder in (tmp_path / "elsewhere").iterdir():
        os.symlink(folder, root / folder.name)
    builders.write_evaluation(run, evaluated(run, "test")[-1], root=str(root))
    async with app_on(run).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        shown = await pressed(pilot, "3")
        assert f"links lead out of {clean_path(root)}" in shown.replace("\n", " ")
        assert "its path is not known" in shown
        assert "24×16" not in shown


async def test_what_confidence_is_worth(made: Any) -> None:
    async with app_on(made()).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        shown = await pressed(pilot, "4")
        assert "off by 19.3 %, too sure by 19.3 %" in shown
        assert "━ right" in shown
        chart = pilot.app.screen.query_one("#thresholds", Chart)
        assert chart._plot.cursor is None
        await pressed(pilot, "right", "right")
        assert chart._plot.cursor == 51
        assert chart._plot.reading[0].startswith("51 % sure: ")
        await pressed(pilot, "escape")
        assert chart._plot.cursor is None
        await pressed(pilot, "escape")
        assert isinstance(pilot.app.screen, WatchScreen)


async def test_at_80_columns_the_lines_of_the_threshold_are_named_and_both_are_read(made: Any) -> None:
    async with app_on(made()).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        shown = await pressed(pilot, "4")
        assert "threshold  ━ answered  ━ right" in shown
        assert "← → Threshold" in shown.split("\n")[-1]
        assert re.search(r"50 %: \d+ % answered, \d+ % right", await pressed(pilot, "right"))


async def test_nothing_yet_and_one_validation_only(made: Any) -> None:
    young = made(name="20260131-110000-young", steps=3, epochs=1, total_steps=50, status="stopped")
    lines = [line for line in young.events.read_bytes().splitlines(keepends=True) if b'"evaluated"' not in line]
    young.events.write_bytes(b"".join(lines))
    async with app_on(young).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        for number in "1234":
            await pressed(pilot, number, "down", "enter", "comma", "full_stop", "b", "o", "n")
        assert "This run has not been validated yet." in text_of(pilot.app)
    single = made(name="20260131-120000-single", steps=30, epochs=1, status="stopped")
    async with app_on(single).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "1 of 1" in await pressed(pilot, "comma", "comma", "full_stop")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is not there. The numbers of its event stay"),
        (b"{", "is damaged. Another validation may be whole."),
        (b'{"format": 99}', "was written by a newer version of cnntrain. Upgrade cnntrain."),
    ],
)
async def test_a_file_that_cannot_be_read_leaves_what_the_event_says(made: Any, content: Any, words: str) -> None:
    run = made()
    path = run.evaluation("test", 400)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    async with app_on(run).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        assert words in text_of(pilot.app)
        assert len(pilot.app.screen.query_one(ClassTable)._given) == 6
        for number in "234":
            assert "its file cannot be read" in await pressed(pilot, number) or number == "3"
        assert "Validation after epoch 4" in await pressed(pilot, "comma")
        assert words not in text_of(pilot.app)


async def test_names_from_elsewhere_and_numbers_that_are_none(made: Any, tmp_path: Path) -> None:
    run = made(classes=("cat", HOSTILE, "eel"))
    event = evaluated(run, "test")[-1]
    nothing = [math.nan] * 3
    picture = {"path": f"{HOSTILE.replace('/', '|')}/\udcff.png", "position": 1, "true": 1, "answer": 0}
    builders.write_evaluation(
        run, event, recall=nothing, precision=nothing, f1=nothing, root=str(tmp_path),
        calibration={"counts": [5] * 15, "confidence": [math.nan] * 15, "accuracy": [math.nan] * 15},
        pictures=[{**picture, "confidence": math.nan, "loss": math.nan, "top": [[0, math.nan], [2, math.inf]]}],
        metrics={"loss": math.nan, "accuracy": 0.3, "calibration_error": math.nan},
    )  # fmt: skip
    async with app_on(run).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        for keys in ("1", "o", "o", "2", "n", "minus", "minus", "3", "o", "4", "right", "3", "enter", "escape"):
            assert "\x1b" not in await pressed(pilot, keys)
        assert "\\x1b" in text_of(pilot.app)


async def test_several_labels_have_thresholds_each(made: Any) -> None:
    run = made(classes=("red", "round", "wet"))
    event = evaluated(run, "test")[-1]
    labels = {
        "task": "multilabel", "confusion": [], "calibration": None, "average_precision": [0.9, 0.4, math.nan],
        "best_threshold": [0.35, 0.6, math.nan], "best_f1": [0.8, 0.5, math.nan],
        "thresholds": {"at": [0.25, 0.5, 0.75], "answered": [[9, 6, 3]] * 3, "right": [[6, 5, 3]] * 3},
        "pictures": [
            {"path": "a.png", "true": [0, 1], "answer": [1, 2], "confidence": 0.9, "loss": 1.0, "top": [[2, 0.9]]},
            {"path": "b.png", "true": [], "answer": [1], "confidence": 0.8, "loss": 0.5, "top": [[1, 0.8]]},
        ],
    }  # fmt: skip
    builders.write_evaluation(run, event, **labels)
    async with app_on(run).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        shown = text_of(pilot.app)
        assert "1 labels" in shown
        assert "AP" in shown
        shown = await pressed(pilot, "2")
        assert "+wet -red" in shown
        assert "red, round taken for round, wet (wet 90.0 %)" in shown
        shown = await pressed(pilot, "3", "down")
        assert "F1 50.0 % at 60.0 %" in shown
        assert pilot.app.screen.query_one("#labels", RowList).row == "1"
        chart = pilot.app.screen.query_one("#thresholds", Chart)
        await until(pilot, lambda: chart.title == "round")
        assert chart.title == "round"
        await pressed(pilot, "4")
        assert pilot.app.screen.query_one(ValidationPages).page == "thresholds"
        await pressed(pilot, "up", "enter")
        assert [one.path for one in pilot.app.screen.query_one(MistakeGallery)._shown] == ["a.png"]


async def test_numbers_have_predictions_and_residuals(made: Any) -> None:
    run = made()
    event = evaluated(run, "test")[-1]
    numbers = {
        "task": "regression", "confusion": [], "counts": [], "recall": [], "precision": [], "f1": [],
        "calibration": None, "thresholds": None, "classes": ["age", "height"], "mae": [1.5, 2.5],
        "density": [{"low": 0.0, "high": 80.0, "cells": [[0, 0, 5], [16, 18, 9], [31, 31, 1]]}] * 2,
        "residuals": [{"limit": 12.5, "counts": list(range(31))}] * 2,
        "pictures": [{"path": "a.png", "true": [31.0, 1.0], "answer": [12.5, 2.0], "loss": 342.25}],
    }  # fmt: skip
    builders.write_evaluation(run, event, **numbers)
    async with app_on(run).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        shown = text_of(pilot.app)
        assert "age (1 of 2)" in shown
        assert "predicted ↑  true →" in shown
        assert "-12.5" in shown
        assert pilot.app.screen.query_one(DensityMap).has_focus
        assert "height (2 of 2)" in await pressed(pilot, "t")
        shown = await pressed(pilot, "2")
        assert "Largest errors, true → predicted" in shown
        assert shown.count("age 31 → 12.5") == 2  # below the picture too: the number that is furthest off
        assert "age 31 → 12.5, height 1 → 2, loss 342.25" in shown
        await pressed(pilot, "3")  # there is no such page
        assert pilot.app.screen.query_one(ValidationPages).page == "mistakes"


class FakeCompanion:
    """Stands for the training code: hot where the output's number says."""

    made: list[FakeCompanion] = []
    error = ""
    reason = ""

    def __init__(self, module: str, head: Any, title: str) -> None:
        self.ready = False
        self.closed = False
        self.asked: list[Any] = []
        FakeCompanion.made.append(self)

    def exchange(self, line: bytes) -> tuple[SaliencyHead, bytes]:
        self.ready = True
        request = decode_request(line)
        self.asked.append(request)
        if FakeCompanion.error:
            raise FailureError(FakeCompanion.error)
        if FakeCompanion.reason:
            return SaliencyHead(reason=FakeCompanion.reason), b""
        size = 16
        maps = [
            bytes(255 if (x < 8) == (output % 2 == 0) else 0 for _ in range(size) for x in range(size))
            for output in request.outputs
        ]
        head = SaliencyHead(size, len(maps), "layer4", (4, 4), 400, "best")
        return head, bytes([120]) * 3 * size * size + b"".join(maps)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeCompanion]:
    FakeCompanion.made, FakeCompanion.error, FakeCompanion.reason = [], "", ""
    monkeypatch.setattr("tui.runs.companion.Companion", FakeCompanion)
    return FakeCompanion


async def test_where_it_looked_is_asked_for_and_drawn(made: Any, tmp_path: Path, fake: type[FakeCompanion]) -> None:
    run = made()
    with_pictures(run, tmp_path / "pictures")
    async with app_on(run).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pressed(pilot, "3", "enter")
        assert not fake.made[0].asked
        shown = await pressed(pilot, "g")
        asked = fake.made[0].asked[-1]
        assert (asked.run, asked.root, asked.path) == (
            str(run.path), str(tmp_path / "pictures"), "airplane/test-0.jpg",
        )  # fmt: skip
        assert asked.outputs == (1, 0)  # the answer, then the truth
        assert "for bird" in shown
        assert "for airplane" in shown
        assert "the best weights (step 400) found it, in the 4×4 feature map of layer4" in shown
        pieces = pilot.app.screen.query_one(Exhibit).pieces
        bird, airplane = pieces[1].pixels, pieces[2].pixels
        assert bird[:3] != bird[3 * 12 : 3 * 13]
        assert bird[:3] == airplane[3 * 12 : 3 * 13]
        await pressed(pilot, "right")
        assert fake.made[0].asked[-1].path == pilot.app.screen._pictures[1].path
        fake.reason = "it is not available for transformers"
        assert "✗ it is not available for transformers" in await pressed(pilot, "right")
        fake.error = "The engine died"
        assert "✗ The engine died" in await pressed(pilot, "right")
        assert "for " not in str(pilot.app.screen.query_one("#about", Static).render())
        await pressed(pilot, "g", "escape")
        await until(pilot, lambda: fake.made[0].closed)
        assert fake.made[0].closed


def test_cold_is_dark_where_there_are_no_colours() -> None:
    looked = saliencies.Looked(
        saliencies.Wanted("a", (0,)), size=2, pixels=bytes([200] * 12), maps=(bytes([0, 255, 0, 0]),)
    )
    plain = looked.under_heat(0, plain=True)
    assert (plain[0], plain[3]) == (30, 200)
    coloured = looked.under_heat(0, plain=False)
    assert coloured[2] > coloured[0]  # cold: blue
    assert coloured[3] > coloured[5]  # hot: red


async def test_the_mouse_chooses_in_table_and_matrix(made: Any) -> None:
    async with app_on(made()).run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        table = pilot.app.screen.query_one(ClassTable)
        await pilot.click(ClassTable, offset=(5, 4))
        await breathe()
        assert table._cursor == 2
        await pressed(pilot, "2")
        matrix = pilot.app.screen.query_one(ConfusionMatrix)
        left = matrix._name_width(matrix.size.width) + 1
        await pilot.click(ConfusionMatrix, offset=(left + 2 * matrix._entry(matrix.size.width) + 1, 3 + 4))
        await breathe()
        assert matrix.cursor == (4, 2)
        await pressed(pilot, "3")
        assert pilot.app.screen.query_one(Gallery).has_focus


PICTURES = [
    pytest.param(keys, size, id=f"{name}-{size[0]}x{size[1]}")
    for name, keys in (("classes", ("comma",)), ("confusion", ("comma", "2", "down", "right", "right")),
                       ("mistakes", ("3", "right")), ("confidence", ("4",)), ("looked", ("3", "enter", "g")))
    for size in ((120, 40), (80, 24))
]  # fmt: skip


@pytest.mark.parametrize(("keys", "size"), PICTURES)
def test_a_picture(
    made: Any,
    tmp_path: Path,
    snap_compare: Any,
    fake: type[FakeCompanion],
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    run = made(steps=1240, epochs=5)
    with_pictures(run, tmp_path / "pictures")

    async def show(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        for key in keys:
            await pressed(pilot, key)
        await pilot.pause(0.1)

    assert snap_compare(app_on(run), terminal_size=size, run_before=show)


async def test_the_footer_of_each_page_fits_80_columns(made: Any) -> None:
    run = made()
    async with app_on(run).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        for page in "1234":
            await pressed(pilot, page)
            keys = pilot.app.screen.query_one(Keys)
            assert not keys.left_out


async def test_keys_behind_a_page_number_are_for_that_page(made: Any) -> None:
    async with app_on(made()).run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        table, matrix = screen.query_one(ClassTable), screen.query_one(ConfusionMatrix)
        before = table._cursor
        for key in ("2", "down", "right"):  # one burst: nothing is handled in between
            pilot.app.post_message(Key(key, None))
        await until(pilot, lambda: matrix.cursor == (1, 1))
        assert matrix.cursor == (1, 1)
        assert table._cursor == before
