"""Recent folders: kept in order, bounded, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tui.core import recent
from tui.core.files import cache_directory


def test_the_last_used_comes_first_and_once(tmp_path: Path) -> None:
    for name in ("a", "b", "a"):
        recent.remember(tmp_path / name)
    assert recent.directories() == [tmp_path / "a", tmp_path / "b"]


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    for number in range(recent.MOST + 5):
        recent.remember(tmp_path / str(number))
    assert len(recent.directories()) == recent.MOST
    assert recent.directories()[0] == tmp_path / str(recent.MOST + 4)


def test_a_name_that_is_not_utf8_comes_back(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff\xfe")
    recent.remember(odd)
    assert recent.directories() == [odd]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"directories": 3}', b'{"directories": ["relative", 5]}', b"\xff"]
)
def test_damage_is_as_if_nothing_was_remembered(damage: bytes, tmp_path: Path) -> None:
    cache_directory().mkdir(parents=True)
    (cache_directory() / "recent.json").write_bytes(damage)
    assert recent.directories() == []
    recent.remember(tmp_path)
    assert recent.directories() == [tmp_path]


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CNNTRAIN_CACHE", str(tmp_path / "file"))
    recent.remember(tmp_path)
    assert recent.directories() == []
