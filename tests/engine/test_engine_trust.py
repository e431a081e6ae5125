"""What other users of the machine could plant: a cache of pixels, a pipe between processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from picture_sets import class_folders

from tui.core.dataset.decoders import Decoders
from tui.core.dataset.scan import scan
from tui.core.files import cache_directory
from tui.engine.data.cache import NoCache, Recipe, open_cache


@pytest.fixture
def pixels(tmp_path: Path) -> Recipe:
    """Return the recipe of a cache of a few pictures."""
    root = class_folders(tmp_path / "data", {"a": 4, "b": 4})
    found = scan(root)
    return Recipe(str(root), found.signature, tuple(sorted(path for path, _ in found.samples["all"])), 8, 3, "crop")


def opened(recipe: Recipe) -> int:
    decoders = Decoders(1)
    try:
        cache = open_cache(
            recipe, budget=1 << 30, decoders=decoders, progress=lambda *told: None, stopping=lambda: False
        )
        cache.close()
        return len(cache.pixels)
    finally:
        decoders.close()


def test_decoded_pictures_of_another_user_are_not_used(pixels: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(pixels) == 8
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(NoCache, match="decoded belongs to another user"):
        opened(pixels)


@pytest.mark.parametrize("name", ["", "decoded"])
def test_a_link_that_another_user_has_planted_is_not_followed(
    pixels: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In a shared /tmp anybody may have made the folder's name before, as a link to wherever they like."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "decoded").mkdir(parents=True)
    planted = cache_directory() / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.symlink_to(elsewhere)
    looked = Path.lstat

    def foreign(path: Path) -> os.stat_result:
        found = looked(path)
        return os.stat_result((*found[:4], 12345, *found[5:])) if path == planted else found

    monkeypatch.setattr(Path, "lstat", foreign)
    with pytest.raises(NoCache, match="is a link that belongs to another user"):
        opened(pixels)
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]
    monkeypatch.undo()


def test_a_cache_that_others_could_write_is_closed_to_them(pixels: Recipe) -> None:
    directory = cache_directory() / "decoded"
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    assert opened(pixels) == 8
    assert directory.stat().st_mode & 0o777 == 0o700
