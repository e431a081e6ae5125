"""Looking into folders: what lies in each, each visited once, nothing opened.

Dataset folders come with links, loops, system litter and names in any bytes. This module lists them and
keeps account of what was passed over; `tui.core.dataset.scan` judges what the folders mean.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath

from tui.core.dataset.listing_store import Kept, Stamp
from tui.core.dataset.listings import Listing, Listings, Picture
from tui.core.dataset.pictures import EXTENSIONS

SYSTEM = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "__pycache__"})
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
RULES = repr([sorted(names) for names in (EXTENSIONS, SYSTEM, SYSTEM_FILES)])
"""What decides how a name is sorted in, for what is kept of folders; another version may have others."""
_TICK = 512


class Cancelled(Exception):  # noqa: N818 (no error: a wish)
    """The person no longer wants the answer."""


@dataclass
class Account:
    """What a walk passed over: relative paths, except where noted."""

    hidden: list[str] = field(default_factory=list)
    not_pictures: list[str] = field(default_factory=list)
    empty_files: list[str] = field(default_factory=list)
    broken_links: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    """Folders that may not be opened."""
    visited_before: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    """Links that lead out of the root."""
    suffixes: Counter[str] = field(default_factory=Counter)
    """Endings of the files in ``not_pictures``."""

    def use(self, path: str) -> None:
        """Take back that a file was passed over: it is no picture, and used."""
        if path in self.not_pictures:
            self.not_pictures.remove(path)
            self.suffixes -= Counter([os.path.splitext(path.casefold())[1]])


class Walker:
    """Lists folders below one root and counts the files it sees."""

    def __init__(
        self,
        root: str,
        progress: Callable[[int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        follow_links: bool = False,
        listings: Listings | None = None,
    ) -> None:
        self.root = root
        self.follow_links = follow_links
        """Whether links that lead out of the root are used."""
        self.account = Account()
        self._real = os.path.realpath(root)
        self._progress = progress
        self._cancelled = cancelled
        self._seen_files = 0
        self._visited: set[tuple[int, int]] = set()
        self._listings = listings
        self._plain = True

    def at(self, root: str) -> Walker:
        """Return a walker like this one at another root."""
        return Walker(root, self._progress, self._cancelled, self.follow_links, self._listings)

    def look(self, folder: str) -> Listing:
        """Return what lies in ``folder`` (relative to the root, ``""`` for the root itself).

        Raises:
            OSError: the folder cannot be read.
            Cancelled: as asked.
        """
        full, prefix = os.path.join(self.root, folder), f"{folder}/" if folder else ""
        stamp, kept = self._kept(full)
        if kept is not None:
            return self._from(kept, prefix)
        listing, account = Listing(), self.account
        self._plain, hidden, others = True, len(account.hidden), len(account.not_pictures)
        with os.scandir(full) as entries:
            for entry in entries:
                self._sort_in(entry, prefix + entry.name, listing)
                self._count()
        listing.folders.sort()
        listing.pictures.sort(key=lambda picture: picture.path)
        if self._listings is not None and stamp is not None and self._plain:
            self._listings.keep(full, stamp, listing, account.not_pictures[others:], account.hidden[hidden:])
        return listing

    def other_names(self, folder: str) -> list[str]:
        """Return the names of what lies in ``folder`` and may be no picture; nothing is asked of them.

        Raises:
            OSError: the folder cannot be read.
        """
        full = os.path.join(self.root, folder)
        _, kept = self._kept(full)
        if kept is not None:
            return kept.read()[2]
        with os.scandir(full) as entries:
            return [entry.name for entry in entries]

    def _kept(self, full: str) -> tuple[Stamp | None, Kept | None]:
        """Return what a folder is known by, and what is known of it."""
        if self._listings is None:
            return None, None
        stamp = self._listings.stamp(full)
        return stamp, self._listings.find(full, stamp)

    def _from(self, kept: Kept, prefix: str) -> Listing:
        """Return what lay in a folder that has not changed since, and note what was passed over there."""
        folders, pictures, others, hidden, sizes, times = kept.read()
        account = self.account
        account.hidden += [prefix + name for name in hidden]
        account.not_pictures += [prefix + name for name in others]
        account.suffixes.update(os.path.splitext(name.casefold())[1] for name in others)
        self._seen_files += len(pictures) + len(others)
        self._tick()
        return Listing(folders, list(map(Picture, [prefix + name for name in pictures], sizes, times)))

    def _sort_in(self, entry: os.DirEntry[str], path: str, listing: Listing) -> None:
        account, name = self.account, entry.name
        folded = name.casefold()
        if name.startswith(".") or folded in SYSTEM or folded in SYSTEM_FILES:
            account.hidden.append(path)
            return
        self._plain &= not entry.is_symlink()
        try:
            if entry.is_dir():
                if self._leads_up(entry):
                    account.visited_before.append(path)
                elif self._may_use(entry, path):
                    listing.folders.append(name)
                return
            suffix = os.path.splitext(folded)[1]
            if suffix not in EXTENSIONS or not entry.is_file():
                if entry.is_symlink() and not os.path.exists(entry.path):
                    account.broken_links.append(path)
                else:
                    account.not_pictures.append(path)
                    account.suffixes[suffix] += 1
                return
            if not self._may_use(entry, path):
                return
            found = entry.stat()
        except OSError:
            self._plain = False
            account.closed.append(path)
            return
        if found.st_size == 0:
            self._plain = False
            account.empty_files.append(path)
        else:
            listing.pictures.append(Picture(path, found.st_size, found.st_mtime_ns))

    def _may_use(self, entry: os.DirEntry[str], path: str) -> bool:
        """Note a link that leads out of the root; return whether what it leads to is used."""
        if not entry.is_symlink() or PurePath(os.path.realpath(entry.path)).is_relative_to(self._real):
            return True
        self.account.outside.append(path)
        return self.follow_links

    @staticmethod
    def _leads_up(entry: os.DirEntry[str]) -> bool:
        """Return whether a link leads to a folder that it lies in: its class would get the pictures of others."""
        here = os.path.dirname(entry.path)
        return entry.is_symlink() and PurePath(os.path.realpath(here)).is_relative_to(os.path.realpath(entry.path))

    def pictures_below(self, folder: str) -> list[Picture]:
        """Return all pictures in ``folder`` (``""``: the root) and below it, each folder visited once in a walk.

        Raises:
            Cancelled: as asked.
        """
        found: list[Picture] = []
        waiting = [folder]
        while waiting:
            path = waiting.pop()
            if not self._enter(path):
                continue
            try:
                listing = self.look(path)
            except OSError:
                self.account.closed.append(path)
                continue
            found += listing.pictures
            waiting += [f"{path}/{name}" if path else name for name in reversed(listing.folders)]
        found.sort(key=lambda picture: picture.path)
        self._tick()
        return found

    def _enter(self, path: str) -> bool:
        full = os.path.join(self.root, path)
        try:
            status = os.stat(full)
        except OSError:
            self.account.closed.append(path)
            return False
        if (status.st_dev, status.st_ino) in self._visited:
            self.account.visited_before.append(path)
            return False
        self._visited.add((status.st_dev, status.st_ino))
        return True

    def _count(self) -> None:
        self._seen_files += 1
        if self._seen_files % _TICK == 0:
            self._tick()

    def _tick(self) -> None:
        if self._progress is not None:
            self._progress(self._seen_files)
        if self._cancelled is not None and self._cancelled():
            raise Cancelled
