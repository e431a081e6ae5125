"""``cnntrain cache``: what is kept is listed, and cleared unless it is in use."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.picture_sets import class_folders, write_picture
from tui.core import caches
from tui.core.dataset import listing_store, listings
from tui.core.dataset.decoders import Decoders
from tui.core.dataset.scan import scan
from tui.engine.data.cache import Cache, Recipe, open_cache


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    """Make caches of a folder of pictures; what is returned is in use."""
    folder = tmp_path / "my pictures"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        write_picture(folder / name)

    def make(signature: str, size: int = 8) -> Cache:
        recipe = Recipe(str(folder), signature, ("a.png", "b.png"), size, 3, "crop")
        decoders = Decoders(1)
        try:
            return open_cache(
                recipe, budget=1 << 30, decoders=decoders, progress=lambda *_: None, stopping=lambda: False
            )
        finally:
            decoders.close()

    return make


def test_caches_are_listed_with_their_source_and_cleared_unless_in_use(cnntrain: Any, kept: Any) -> None:
    assert cnntrain("cache").stdout == ""
    old, used = kept("one"), kept("two", 16)
    old.close()
    keys = {path.name for path in caches.directory().iterdir() if path.is_dir()}
    assert len(keys) == 2
    (first,) = [one for one in caches.listed() if one.size == 8]
    os.utime(caches.directory() / first.key / caches.ENTRY, (1_700_000_000, 1_700_000_000))
    table = json.loads(cnntrain("cache", "list", "--json").stdout)
    assert [(one["size"], one["in_use"], one["pictures"]) for one in table] == [(16, True, 2), (8, False, 2)]
    assert table[1]["used"] == 1_700_000_000
    assert table[0]["root"].endswith("my pictures")
    assert table[0]["bytes"] >= 2 * 16 * 16 * 3
    told = cnntrain("cache").stdout
    assert "2023-11-1" in told
    assert "16x16x3" in told

    done = cnntrain("cache", "clear")
    assert done.exit_code == 1
    assert done.stdout.startswith("removed 1 ")
    assert "stays: a run uses it" in done.stderr
    assert used.pixels.shape == (2, 16, 16, 3)
    assert [one.size for one in caches.listed()] == [16]
    used.close()
    (left,) = caches.listed()
    assert cnntrain("cache", "clear", "zzz").exit_code == 2
    assert cnntrain("cache", "clear", left.key[:6]).exit_code == 0
    assert caches.listed() == []
    assert list(caches.directory().iterdir()) == []


def test_leftovers_are_listed_and_cleared_and_strangers_left_alone(cnntrain: Any, kept: Any) -> None:
    kept("one").close()
    (cache,) = caches.listed()
    leftover = caches.directory() / f"{'0' * 32}.abc{caches.UNFINISHED}"
    leftover.mkdir()
    (leftover / "pixels.bin").write_bytes(b"x" * 1000)
    stranger = caches.directory() / "notes"
    stranger.mkdir()
    link = caches.directory() / ("1" * 32)
    link.symlink_to(stranger)
    (caches.directory() / cache.key / caches.ENTRY).write_text('{"about": {"size": "\\u001b[2J"}}')  # damaged
    assert sorted(one.finished for one in caches.listed()) == [False, True]  # its size is unknown, no more
    assert "unfinished" in cnntrain("cache").stdout
    assert cnntrain("cache", "clear").exit_code == 0
    assert not leftover.exists()
    assert stranger.is_dir()
    assert link.is_symlink()


def test_what_folders_held_is_listed_and_cleared(
    cnntrain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "LEAST", 1)
    monkeypatch.setattr(listings, "SETTLED_NS", -(1 << 62))
    monkeypatch.setattr(listings, "_trusted_device", lambda root: os.stat(root).st_dev)
    scan(class_folders(tmp_path / "my \x1b[2J pictures", {"a": 2, "b": 3}))
    (one,) = json.loads(cnntrain("cache", "list", "--json").stdout)
    assert (one["kind"], one["pictures"], one["in_use"], one["finished"]) == ("folders", 5, False, True)
    told = cnntrain("cache").stdout
    assert "names" in told
    assert "\x1b" not in told
    assert "my \\x1b[2J pictures" in told
    assert cnntrain("cache", "clear", one["key"][:6]).stdout == "removed 1 (0.0 MiB)\n"
    assert "nothing is kept in" in cnntrain("cache").stderr
    assert list(listing_store.directory().iterdir()) == []
