"""A run that begins while its pictures are still decoded: what a crash then costs, and what is told of it."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from PIL import Image
from test_engine_process import start, steps, train_here, until, weights_of

from tui.core.dataset.manifest import make_manifest, save_manifest
from tui.core.dataset.scan import scan
from tui.core.events import Message
from tui.core.files import cache_directory
from tui.core.rundir import FORMAT, RunDir
from tui.core.schema import nested
from tui.core.settings import Settings

__all__ = ["start"]

PICTURES = 40


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Pictures of which each takes long to decode; one is damaged."""
    random = np.random.default_rng(0)
    for index, name in enumerate(("red", "green")):
        (tmp_path / "large" / name).mkdir(parents=True)
        pixels = random.integers(0, 120, (24, 24, 3)).astype(np.uint8)
        pixels[..., index] += 90
        encoded = io.BytesIO()
        Image.fromarray(pixels).resize((2600, 2600), Image.Resampling.NEAREST).save(encoded, "PNG")
        for number in range(PICTURES):
            data = encoded.getvalue() + b"%d" % number  # behind its end: the same picture, another file
            (tmp_path / "large" / name / f"{number:03d}.png").write_bytes(
                data[:9000] if number == PICTURES // 2 else data
            )
    return tmp_path / "large"


@pytest.fixture
def make_large(large: Path, settings: Callable[..., Settings], tmp_path: Path) -> Callable[[str], RunDir]:
    def make(name: str) -> RunDir:
        chosen = settings(**{"data.directory": str(large), "data.workers": 1, "training.epochs": 2})
        run = RunDir(tmp_path / name)
        run.make()
        save_manifest(make_manifest(scan(large), chosen), run.dataset)
        run.settings.write_text(tomli_w.dumps({"run": {"format": FORMAT, "name": name}, **nested(chosen)}))
        return run

    return make


def decoded() -> list[str]:
    """The names of caches, finished or not."""
    return [path.name for path in (cache_directory() / "decoded").iterdir() if path.is_dir()]


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_run_that_is_killed_while_it_decodes_and_trains_loses_nothing(
    make_large: Callable[[str], RunDir], start: Any, events: Any, records: Any
) -> None:
    run = make_large("run")
    engine = start(run, 1)
    until(lambda: steps(run) > 3, 240)
    assert [name.endswith(".tmp") for name in decoded()] == [True]  # it trains already
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    before = records(run)

    engine = start(run, 2)
    until(lambda: engine.poll() is not None, 240)
    assert engine.returncode == 0
    assert [name.endswith(".tmp") for name in decoded()] == [False]

    whole = make_large("whole")
    train_here(whole, 1)  # what is decoded already is used
    assert weights_of(run) == weights_of(whole)
    mine, theirs = records(run), records(whole)
    assert list(mine) == list(theirs)
    assert before
    for name in ("loss", "accuracy", "learning_rate", "gradient_norm"):
        assert [row[name] for row in mine.values()] == [row[name] for row in theirs.values()]
        assert [row[name] for row in before.values()] == [row[name] for row in theirs.values()][: len(before)]
    told = [event.text for event in events(run, Message)]
    assert sum("pictures are decoded while the first epoch trains" in text for text in told) == 2
    assert any('/020.png"' in text for text in told if "cannot be read" in text)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_run_whose_cache_is_being_made_by_another_waits_and_ends_alike(
    make_large: Callable[[str], RunDir], start: Any
) -> None:
    runs = [make_large("one"), make_large("two")]
    engines = [start(run, 1) for run in runs]
    until(lambda: all(engine.poll() is not None for engine in engines), 240)
    assert [engine.returncode for engine in engines] == [0, 0]
    assert weights_of(runs[0]) == weights_of(runs[1])
    assert len(decoded()) == 1
