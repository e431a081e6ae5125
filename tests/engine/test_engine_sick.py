"""A data worker that hangs or dies while a run prepares or trains: the picture is named, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import sick_decoder
from picture_sets import class_folders, settings_for

from tests.engine.test_engine_data import STREAMED, first, prepared
from tui.core.dataset.decoders import Decoders


@pytest.mark.parametrize("more", [{}, STREAMED], ids=["cached", "streamed"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("endless", "reading it took more than 3 s"),
        ("deadly", "its decoder was killed (SIGKILL), perhaps because memory ran out"),
    ],
)
def test_the_picture_at_which_a_data_worker_is_lost_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, float], name: str, why: str
) -> None:
    root = class_folders(tmp_path / "data", {"a": 20, "b": 20})
    (root / "a" / "000.png").rename(root / "a" / f"{name}.png")
    sick_decoder.install(tmp_path, monkeypatch)
    monkeypatch.setitem(Decoders.__init__.__kwdefaults__, "timeout", 3.0)
    settings = settings_for(data=more)
    with prepared(root, settings) as data:
        assert len(first(data, data.steps_per_epoch)) == data.steps_per_epoch
        list(data.evaluation_batches("validation", 4))  # wherever the split has put it
        list(data.evaluation_batches("test", 4))
        told = [problem for problem in (*data.skipped, *data.notices) if problem.paths]
        assert [problem.paths for problem in told] == [(f"a/{name}.png",)]
        assert why in told[0].text
        assert f"a/{name}.png" in told[0].text
