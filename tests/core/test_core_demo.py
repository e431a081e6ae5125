"""The demo's pictures: complete or not there, the same every time, and nothing that colour gives away."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tui.core.dataset.demo import SHAPES, draw, make_demo
from tui.core.dataset.pictures import load_picture
from tui.core.dataset.scan import scan
from tui.core.errors import FailureError


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_set_that_can_be_trained_on(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = make_demo(tmp_path / "demo", per_class=6, progress=lambda done, total: told.append((done, total)))
    found = scan(made)
    assert len(found.classes) >= 6
    assert set(found.counts["all"]) == {6}
    assert found.problems == []
    assert told[-1] == (found.total, found.total)
    assert {Path(path).suffix for path, _ in found.samples["all"]} == {".jpg", ".png"}
    for path, _ in found.samples["all"]:
        with Image.open(made / path) as image:
            assert image.size == (64, 64)


def test_the_same_every_time_and_other_with_another_seed(tmp_path: Path) -> None:
    first, second = (files(make_demo(tmp_path / name, per_class=2)) for name in "ab")
    assert first == second
    assert first != files(make_demo(tmp_path / "c", per_class=2, seed=1))
    assert len(set(first.values())) == len(first)


def test_a_complete_set_is_used_again_and_a_damaged_one_made_anew(tmp_path: Path) -> None:
    made = make_demo(tmp_path, per_class=2)
    before = files(made)
    picture = next(made.rglob("*.png"))
    stamp = picture.stat().st_mtime_ns
    assert make_demo(tmp_path, per_class=2) == made
    assert picture.stat().st_mtime_ns == stamp
    picture.unlink()
    assert files(make_demo(tmp_path, per_class=2)) == before


def test_an_interrupted_set_is_never_taken_for_a_complete_one(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path, per_class=20, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_is_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    made = make_demo(tmp_path, per_class=1)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", made.name}


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailureError, match="demo's pictures cannot be made"):
        make_demo(tmp_path / "file" / "demo", per_class=1)


def test_colour_says_nothing_about_the_class() -> None:
    means = {
        name: np.mean(
            [np.asarray(draw(name, random.Random(f"{name}{n}"))).mean(axis=(0, 1)) for n in range(60)], axis=0
        )
        for name in SHAPES
    }
    spread = np.ptp(np.array(list(means.values())), axis=0)
    assert (spread < 45).all(), means


def test_classes_look_different(tmp_path: Path) -> None:
    """With everything random about them switched off, no two classes are nearly the same picture."""

    class Still(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return (a + b) / 2

        def randint(self, a: int, b: int) -> int:
            return 0

        def randbytes(self, n: int) -> bytes:
            return bytes(n)

    shown = {}
    for name in SHAPES:
        path = tmp_path / f"{name}.png"
        draw(name, Still(0)).save(path)
        shown[name] = load_picture(path, size=64, channels=1, resize="crop").astype(int)
    for one in SHAPES:
        for other in SHAPES:
            if one < other:
                assert np.abs(shown[one] - shown[other]).mean() > 3, (one, other)
