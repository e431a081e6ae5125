"""What is wrong with a disk, in words: full, crowded, a quota, and whatever else the system says."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui.core.disk import trouble


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "your disk quota is used up"),
        (OSError(errno.EROFS, "Read-only file system"), "the disk is read-only"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open"),
        (OSError(errno.ENOTDIR, "Not a directory"), "Not a directory"),
        (OSError("it reads\x1b[2J back differently"), "it reads\\x1b[2J back differently"),
    ],
)
def test_trouble_in_words(error: OSError, words: str) -> None:
    assert trouble(error) == words


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk in memory with room for a megabyte and few files."""
    place = tmp_path / "disk"
    place.mkdir()
    options = "size=1m,nr_inodes=8"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_without_inodes_is_not_called_full(small_disk: Path) -> None:
    def fill() -> None:
        for number in range(20):
            (small_disk / str(number)).touch()

    with pytest.raises(OSError, match="No space left") as crowded:
        fill()
    assert trouble(crowded.value) == "the disk holds as many files as it can (no inodes left)"
    assert trouble(crowded.value, small_disk / "not" / "there") == trouble(crowded.value)


def test_a_full_disk_is_not_called_crowded(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left") as full:
        (small_disk / "large").write_bytes(bytes(2 << 20))
    assert trouble(full.value, small_disk) == "the disk is full"


def test_a_disk_whose_inodes_cannot_be_counted_is_called_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(path: object) -> os.statvfs_result:
        raise PermissionError

    monkeypatch.setattr(os, "statvfs", fail)
    assert trouble(OSError(errno.ENOSPC, "No space left on device"), tmp_path) == "the disk is full"
