"""What the folders of a dataset held when they were last looked through, kept in the user's cache.

A folder is known again by its device, inode and times of change, which every file that is added, removed or renamed
in it moves on. Then its names, sizes and times are taken from here instead of asking for each file, which is most
of a scan: a million pictures are found again in a third of the time, and on a file server without a million requests.

A file that is written over in place changes no folder. What a scan took from here may therefore have old sizes and
times, so that only those who ask for it get it (`tui.core.dataset.scan.scan`, ``recall``), and a run is begun only
when `tui.core.dataset.scan.Scan.is_current` has asked for every picture; where one differs all is scanned anew. Not
kept are folders with links or empty files (what these are changes elsewhere), folders that changed in the last
seconds (the clock of a file system has steps), and anything on file systems that may not keep a folder's times.
"""

from __future__ import annotations

import contextlib
import os
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tui.core.dataset import listing_store
from tui.core.dataset.listing_store import Kept, Stamp, bytes_of

LEAST = 10_000
"""Files; fewer are looked at as fast as they are looked up."""
SETTLED_NS = 2_000_000_000
_MOUNTS = "/proc/self/mounts"
_TRUSTED = frozenset(
    "ext2 ext3 ext4 xfs btrfs zfs f2fs jfs bcachefs tmpfs overlay nfs nfs4 lustre gpfs ceph beegfs".split()
)


class Picture(NamedTuple):
    """A file whose name promises a picture; ``path`` is relative to the root, with ``/``."""

    path: str
    size: int
    mtime_ns: int


@dataclass
class Listing:
    """What lies directly in one folder, sorted by name."""

    folders: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)


class Listings:
    """Those of one scan: what was kept of it before, and what is to be kept now.

    Args:
        root: the directory that is scanned, absolute.
        rules: what decides how names are sorted in; what other rules have sorted is not used.
        recall: use what was kept; without, everything is looked into again and kept anew.
    """

    def __init__(self, root: str, rules: str, recall: bool) -> None:
        self._root = root
        self._rules = rules
        self._now: dict[str, Kept] = {}
        self._device = _trusted_device(root)
        self._before = listing_store.load(root, rules) if recall and self._device is not None else {}

    def stamp(self, folder: str) -> Stamp | None:
        """Return what a folder (an absolute path) is known by; None: it is not to be kept.

        Raises:
            OSError: it cannot be asked.
        """
        if self._device is None:
            return None
        now = time.time_ns()
        found = os.stat(folder)
        settled = now - max(found.st_mtime_ns, found.st_ctime_ns) > SETTLED_NS
        if found.st_dev != self._device or not settled:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns

    def find(self, folder: str, stamp: Stamp | None) -> Kept | None:
        """Return what is known of a folder that has not changed since."""
        kept = self._now.get(folder) or self._before.get(folder)
        if stamp is None or kept is None or kept.stamp != stamp:
            return None
        self._now[folder] = kept
        return kept

    def keep(self, folder: str, stamp: Stamp, listing: Listing, others: Sequence[str], hidden: Sequence[str]) -> None:
        """Remember what lies in a folder: what is used, and the paths of other files and of what is hidden."""
        paths = [*(picture.path for picture in listing.pictures), *others, *hidden]
        text = "\0".join([*listing.folders, *(path.rpartition("/")[2] for path in paths)])
        counts = (len(listing.folders), len(listing.pictures), len(others), len(hidden))
        numbers = array("q", [picture.size for picture in listing.pictures])
        numbers.extend([picture.mtime_ns for picture in listing.pictures])
        self._now[folder] = Kept(stamp, counts, text.encode("utf-8", "surrogateescape"), bytes_of(numbers))

    def save(self) -> None:
        """Write down what this scan has seen, if it is worth it; where that cannot be done nothing is lost."""
        if sum(kept.counts[1] for kept in self._now.values()) < LEAST:
            return
        with contextlib.suppress(OSError):
            if self._now == self._before:
                listing_store.touch(self._root)
            else:
                listing_store.save(self._root, self._rules, self._now)


def _trusted_device(root: str) -> int | None:
    """Return the device of a directory on a file system that keeps the times of its folders; None: another."""
    try:
        real, device = os.path.realpath(root), os.stat(root).st_dev
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split(" ")[1:3] for line in file]
    except OSError:
        return None
    best, kind = "", ""
    for place, name in mounts:
        place = place.replace("\\040", " ")
        if len(place) >= len(best) and (place == "/" or real == place or real.startswith(f"{place}/")):
            best, kind = place, name
    return device if kind in _TRUSTED else None
