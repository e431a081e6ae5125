"""The dry run and the range test on the screen: asked from the settings, shown, obeyed, given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_sets import class_folders
from sound_rehearsal import SOUND
from textual.pilot import Pilot
from walking import make_app, settle, text_of, until

from tui.app.app import CnntrainApp
from tui.app.draft import Draft
from tui.app.screens.rates import RATE, RatesScreen
from tui.app.screens.rehearsal import RehearsalScreen
from tui.app.screens.settings import SettingsScreen
from tui.core import presets
from tui.core.dataset.scan import scan
from tui.core.errors import FailureError
from tui.core.metrics import LEARNING_RATE
from tui.core.rate_range import RateRange, Smoothed, rates, suggest
from tui.core.rehearsal import Rehearsal
from tui.runs import rehearsals

SIZES = [(80, 24), (120, 40)]


def a_range() -> RateRange:
    tried = rates()
    x = np.log10(np.array(tried) / 0.01)
    noise = np.random.default_rng(3).normal(0, 0.05, len(tried))
    losses = 2.3 - 1.5 / (1 + np.exp(-4 * (x + 1))) + np.exp(5 * (x - 0.4)).clip(max=60) + noise
    average = Smoothed(0.8)
    smoothed = [average.add(float(loss)) for loss in losses]
    return RateRange(tried, losses.tolist(), smoothed, suggest(tried, smoothed), "the loss diverged at 4.1", 32, "sgd")


class Engine:
    """Stands for the engine: answers when it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.release, self.ended = threading.Event(), threading.Event()
        self.asked: list[Any] = []
        self.dry_run: Rehearsal = SOUND
        self.error = ""
        for name, answer in (("dry_run", lambda: self.dry_run), ("range_test", a_range)):
            monkeypatch.setattr(rehearsals, name, self._answering(answer))

    def _answering(self, answer: Callable[[], Any]) -> Callable[..., Any]:
        def ask(settings: Any, *, root: Path, progress: Any, warn: Any, begun: Any) -> Any:
            self.asked.append(settings)
            begun(self._end)
            progress("measuring the memory", 3, 20)
            assert self.release.wait(60)
            if self.error:
                raise FailureError("The engine died", self.error)
            return answer()

        return ask

    def _end(self) -> None:
        self.ended.set()
        self.release.set()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    return Engine(monkeypatch)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    return make_app(tmp_path, monkeypatch)


async def opened(pilot: Pilot[None], tmp_path: Path) -> Draft:
    pictures = class_folders(tmp_path / "pictures", {"cat": 12, "dog": 9})
    draft = Draft("simple-cnn", presets.load(presets.find("simple-cnn")), root=tmp_path / "runs")
    draft.use_directory(pictures, scan(pictures))
    await settle(pilot)
    await pilot.app.push_screen(SettingsScreen(draft))
    await settle(pilot)
    return draft


async def test_a_dry_run_from_the_settings(app: CnntrainApp, engine: Engine, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft = await opened(pilot, tmp_path)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "measuring the memory, 3 of 20" in text_of(app))
        assert "measuring the memory, 3 of 20" in text_of(app)
        engine.release.set()
        await until(pilot, lambda: "the network can learn" in " ".join(text_of(app).split()))
        said = " ".join(text_of(app).split())
        for words in ("about 10:00 for 1,000 steps", "✓ memory", "32 fit; up to 256 would", "the network can learn"):
            assert words in said
        assert engine.asked == [draft.settings]
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        assert not (tmp_path / "runs").exists()


async def test_a_batch_that_fits_is_offered_and_taken_only_by_a_key(
    app: CnntrainApp, engine: Engine, tmp_path: Path
) -> None:
    engine.dry_run = replace(SOUND, batch_size=128, fits=False, largest_batch=70, tried=True, overfit=None)
    engine.release.set()
    async with app.run_test(size=(120, 40)) as pilot:
        draft = await opened(pilot, tmp_path)
        await pilot.press("ctrl+o")
        offered = "128 do not fit; 70 do (tried): training.batch_size=64 and optimizer.accumulate=2"
        await until(pilot, lambda: "Use what fits" in text_of(app) and offered in text_of(app))
        assert offered in text_of(app)
        assert draft.settings.training.batch_size == 128
        await pilot.press("b")
        await until(pilot, lambda: len(engine.asked) == 2)
        assert (draft.settings.training.batch_size, draft.settings.optimizer.accumulate) == (64, 2)
        assert engine.asked[1] == draft.settings


async def test_a_faster_precision_is_offered_and_taken_only_by_a_key(
    app: CnntrainApp, engine: Engine, tmp_path: Path
) -> None:
    engine.dry_run = replace(SOUND, bfloat16=0.43)
    engine.release.set()
    async with app.run_test(size=(80, 24)) as pilot:
        draft = await opened(pilot, tmp_path)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "Use bfloat16" in text_of(app))
        await until(pilot, lambda: "in bfloat16 a step takes 43% of the time" in " ".join(text_of(app).split()))
        assert draft.settings.compute.precision == "auto"
        engine.dry_run = SOUND
        await pilot.press("f")
        await until(pilot, lambda: len(engine.asked) == 2)
        assert draft.settings.compute.precision == "bfloat16"
        assert engine.asked[1] == draft.settings
        await until(pilot, lambda: "✓ learning" in text_of(app) and "Use bfloat16" not in text_of(app))


async def test_who_leaves_ends_the_engine(app: CnntrainApp, engine: Engine, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tmp_path)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: bool(engine.asked))
        await pilot.press("escape")
        await until(pilot, engine.ended.is_set)
        assert engine.ended.is_set()


async def test_an_engine_that_dies_is_explained_and_asked_again(
    app: CnntrainApp, engine: Engine, tmp_path: Path
) -> None:
    engine.error = "it was killed [/red]"
    engine.release.set()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tmp_path)
        await pilot.press("f7")
        await until(pilot, lambda: "it was killed [/red]" in text_of(app))
        assert "✗ The engine died: it was killed [/red]" in text_of(app)
        engine.error = ""
        await pilot.press("r")
        await until(pilot, lambda: "valley" in text_of(app))
        assert "valley" in text_of(app)


async def test_a_rate_is_chosen_and_taken_into_the_settings(app: CnntrainApp, engine: Engine, tmp_path: Path) -> None:
    engine.release.set()
    async with app.run_test(size=(80, 24)) as pilot:
        draft = await opened(pilot, tmp_path)
        before = draft.settings.optimizer.learning_rate
        await pilot.press("f7")
        await until(
            pilot,
            lambda: isinstance(app.screen, RatesScreen) and "steepest" in text_of(app) and "Use it" in text_of(app),
        )
        said = " ".join(text_of(app).split())
        for words in ("1e-5", "1e-1", "◆", "◇", "the loss diverged at 4.1", f"The settings have {before:g}.", "Use it"):
            assert words in said, words
        found = a_range().suggestions
        await pilot.press("down")
        await until(pilot, lambda: f"{found[1].name} {LEARNING_RATE.format(found[1].rate)}" in text_of(app))
        assert draft.settings.optimizer.learning_rate == before
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SettingsScreen))
        assert draft.settings.optimizer.learning_rate == found[1].rate
        assert draft.texts[RATE] == f"{found[1].rate:g}"


async def test_what_is_wrong_comes_first(app: CnntrainApp, engine: Engine, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft = await opened(pilot, tmp_path)
        draft.write("training.batch_size", "many")
        await pilot.press("ctrl+o", "f7")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        assert engine.asked == []


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(("screen", "words"), [(RehearsalScreen, "the whole run"), (RatesScreen, "steepest")])
def test_a_picture(
    size: tuple[int, int], screen: Any, words: str, app: CnntrainApp, engine: Engine, tmp_path: Path, snap_compare: Any
) -> None:
    engine.release.set()

    async def before(pilot: Pilot[None]) -> None:
        draft = await opened(pilot, tmp_path)
        await pilot.app.push_screen(screen(draft))
        await until(pilot, lambda: words in text_of(app))
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)
