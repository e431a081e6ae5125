"""The decoded cache: whole or not there, shared, bounded, and never worth failing for."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from picture_sets import class_folders

from tui.core import caches as stored
from tui.core.dataset.decoders import Decoders
from tui.core.dataset.pictures import load_picture
from tui.core.dataset.scan import scan
from tui.core.files import cache_directory
from tui.engine.data import cache as caches
from tui.engine.data.cache import Cache, NoCache, Recipe, Stopped, is_cached, open_cache

GIB = 1 << 30


@pytest.fixture
def pool() -> Iterator[Decoders]:
    made = Decoders(2)
    yield made
    made.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "data", {"a": 12, "b": 9})


def recipe_of(root: Path, size: int = 8) -> Recipe:
    found = scan(root)
    paths = tuple(sorted(path for path, _ in found.samples["all"]))
    return Recipe(str(root), found.signature, paths, size, 3, "crop")


def opened(recipe: Recipe, pool: Decoders, budget: int = GIB, **more: Any) -> Cache:
    asked = {"progress": lambda *told: None, "stopping": lambda: False, **more}
    return open_cache(recipe, budget=budget, decoders=pool, **asked)


def inside() -> set[str]:
    directory = cache_directory() / "decoded"
    return {path.name for path in directory.iterdir() if path.suffix != ".lock"} if directory.exists() else set()


def test_rows_are_the_pictures(root: Path, pool: Decoders) -> None:
    recipe, told = recipe_of(root), []
    cache = opened(recipe, pool, progress=lambda *what: told.append(what))
    for row, path in enumerate(recipe.paths):
        assert np.array_equal(cache.pixels[row], load_picture(root / path, size=8, channels=3, resize="crop"))
    assert len(set(cache.digests.tolist())) == 21
    assert cache.unreadable == {}
    assert told[-1] == ("decoding pictures", 21, 21)
    with pytest.raises(ValueError, match="read-only"):
        cache.pixels[0, 0, 0, 0] = 1
    assert inside() == {recipe.key}
    assert (cache_directory() / "decoded").stat().st_mode & 0o077 == 0


def test_a_cache_is_made_once(root: Path, pool: Decoders) -> None:
    recipe = recipe_of(root)
    assert not is_cached(recipe)
    first = opened(recipe, pool).pixels.copy()
    assert is_cached(recipe)
    shutil.rmtree(root)  # nothing is read again
    assert np.array_equal(opened(recipe, pool).pixels, first)


def test_whatever_changes_the_content_changes_the_key(root: Path) -> None:
    recipe = recipe_of(root)
    changed: list[dict[str, Any]] = [
        {"size": 9},
        {"channels": 1},
        {"resize": "squash"},
        {"signature": "other"},
        {"paths": recipe.paths[1:]},
        {"root": "/elsewhere"},
    ]
    assert len({recipe.key, *(replace(recipe, **change).key for change in changed)}) == 7


def test_unreadable_pictures_are_remembered(root: Path, pool: Decoders) -> None:
    (root / "a" / "bad.png").write_text("x")
    recipe = recipe_of(root)
    for _ in range(2):
        cache = opened(recipe, pool)
        assert cache.unreadable == {recipe.paths.index("a/bad.png"): "it is no picture of a known format"}


@pytest.mark.parametrize("name", ["pixels.bin", "digests.bin", "entry.json"])
def test_an_incomplete_cache_is_made_anew(root: Path, pool: Decoders, name: str) -> None:
    recipe = recipe_of(root)
    whole = opened(recipe, pool)
    pixels = whole.pixels.copy()
    whole.close()
    path = cache_directory() / "decoded" / recipe.key / name
    os.truncate(path, path.stat().st_size - 3)
    assert np.array_equal(opened(recipe, pool).pixels, pixels)
    assert inside() == {recipe.key}


def test_stopping_leaves_nothing(root: Path, pool: Decoders) -> None:
    with pytest.raises(Stopped):
        opened(recipe_of(root), pool, stopping=lambda: True)
    assert inside() == set()


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_engine_cache import opened, recipe_of
from tui.core.dataset.decoders import Decoders
print("ready", flush=True)
cache = opened(recipe_of(Path(sys.argv[1])), Decoders(1))
print(cache.pixels.sum(), flush=True)
"""


def builder(root: Path) -> subprocess.Popen[str]:
    """Another run that wants the same cache."""
    program = PROGRAM.format(path=[str(Path(__file__).parent), str(Path(__file__).parent.parent)])
    return subprocess.Popen([sys.executable, "-c", program, str(root)], stdout=subprocess.PIPE, text=True)


def test_a_killed_build_is_never_taken_for_a_whole_one(tmp_path: Path, pool: Decoders) -> None:
    root = class_folders(tmp_path / "many", {"a": 300, "b": 300})
    recipe = recipe_of(root)
    with builder(root) as other:
        deadline = time.monotonic() + 30
        while not any(name.endswith(".tmp") for name in inside()) and time.monotonic() < deadline:
            time.sleep(0.002)
        other.send_signal(signal.SIGKILL)
    assert not is_cached(recipe)
    assert any(name.endswith(".tmp") for name in inside())
    cache = opened(recipe, pool)
    assert np.array_equal(cache.pixels[-1], load_picture(root / recipe.paths[-1], size=8, channels=3, resize="crop"))
    assert inside() == {recipe.key}


def test_two_runs_that_make_the_same_cache_get_the_same_pixels(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "many", {"a": 150, "b": 150})
    others = [builder(root) for _ in range(2)]
    sums = [other.communicate(timeout=60)[0].split()[-1] for other in others]
    assert [other.returncode for other in others] == [0, 0]
    assert sums[0] == sums[1]
    assert inside() == {recipe_of(root).key}


def test_the_second_of_two_runs_waits_for_the_first(root: Path, pool: Decoders) -> None:
    recipe, told = recipe_of(root), []
    (cache_directory() / "decoded").mkdir(parents=True)
    lock = stored.lock(cache_directory() / "decoded" / f"{recipe.key}.lock", exclusive=True)
    assert lock is not None
    threading.Timer(0.6, os.close, [lock]).start()
    opened(recipe, pool, progress=lambda stage, *rest: told.append(stage))
    assert told[0] == "waiting for another run that decodes the same pictures"
    assert told[-1] == "decoding pictures"


def test_over_budget_there_is_no_cache(root: Path, pool: Decoders) -> None:
    with pytest.raises(NoCache, match=r"more than data\.cache_gib allows"):
        opened(recipe_of(root), pool, budget=1000)
    assert inside() == set()


def test_the_cache_unused_for_longest_goes_first(root: Path, pool: Decoders) -> None:
    recipes = [recipe_of(root, size) for size in (8, 9, 10)]
    for age, recipe in zip((300, 100, 200), recipes, strict=True):
        opened(recipe, pool).close()
        os.utime(cache_directory() / "decoded" / recipe.key / "entry.json", (time.time() - age,) * 2)
    new = recipe_of(root, 11)
    room = sum(recipe.total_bytes for recipe in (new, recipes[1], recipes[2])) + 2000
    opened(new, pool, budget=room)
    assert inside() == {recipes[1].key, recipes[2].key, new.key}


def test_a_cache_in_use_is_not_pruned(root: Path, pool: Decoders) -> None:
    first, second = recipe_of(root, 8), recipe_of(root, 9)
    used = opened(first, pool)
    with pytest.raises(NoCache, match="other runs"):
        opened(second, pool, budget=second.total_bytes + 10)
    used.close()
    opened(second, pool, budget=second.total_bytes + 10)
    assert inside() == {second.key}


def test_opening_a_cache_makes_it_the_last_used(root: Path, pool: Decoders) -> None:
    recipe = recipe_of(root)
    opened(recipe, pool).close()
    entry = cache_directory() / "decoded" / recipe.key / "entry.json"
    os.utime(entry, (1, 1))
    opened(recipe, pool)
    assert time.time() - entry.stat().st_mtime < 60


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_with_too_little_room(root: Path, pool: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches.shutil, "disk_usage", lambda path: Usage(0, 0, 1 << 20))
    with pytest.raises(NoCache, match="too little room"):
        opened(recipe_of(root), pool)
    assert inside() == set()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_before(root: Path, pool: Decoders, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(NoCache, match=os.strerror(code)):
        opened(recipe_of(root), pool)
    assert inside() == set()


def test_a_disk_that_fills_up_half_way(root: Path, pool: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Recipe.job
    monkeypatch.setattr(Recipe, "job", lambda recipe, rows, output: job(recipe, rows, "/dev/full"))
    with pytest.raises(NoCache, match="No space left on device"):
        opened(recipe_of(root), pool)
    assert inside() == set()


def test_a_directory_that_cannot_be_written(root: Path, pool: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "file"
    file.touch()
    monkeypatch.setenv("CNNTRAIN_CACHE", str(file))
    with pytest.raises(NoCache, match="Not a directory"):
        opened(recipe_of(root), pool)


def test_a_file_system_without_locks(root: Path, pool: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(stored.fcntl, "flock", unsupported)
    assert opened(recipe_of(root), pool).pixels.shape == (21, 8, 8, 3)
