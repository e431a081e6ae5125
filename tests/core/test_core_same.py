"""Equal files are found whatever their size, and no others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tui.core.dataset import same
from tui.core.dataset.same import find_same


def sizes(root: Path) -> list[tuple[str, int]]:
    return [(path.name, path.stat().st_size) for path in sorted(root.iterdir()) if path.is_file()]


def test_equal_files_of_all_sizes(tmp_path: Path) -> None:
    small, large = b"small", os.urandom(300_000)
    for name, content in (("a", small), ("b", small), ("c", b"other"), ("d", large), ("e", large)):
        (tmp_path / name).write_bytes(content)
    changed = bytearray(large)
    changed[100_000] ^= 1  # in no piece that is looked at first
    (tmp_path / "f").write_bytes(changed)
    (tmp_path / "g").write_bytes(b"")
    (tmp_path / "h").write_bytes(b"")
    found = find_same(tmp_path, sizes(tmp_path))
    assert found is not None
    assert set(found) == {"a", "b", "d", "e"}
    assert found["a"] == found["b"] != found["d"] == found["e"]


def test_a_file_that_is_gone_is_equal_to_none(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"x")
    seen: list[tuple[int, int]] = []
    assert find_same(tmp_path, [*sizes(tmp_path), ("gone", 1)], lambda *told: seen.append(told)) == {"a": 0, "b": 0}


def test_too_many_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same, "MOST_FILES", 1)
    assert find_same(tmp_path, [("a", 1), ("b", 1)]) is None
    assert find_same(tmp_path, [("a", 1), ("b", 2)]) == {}
