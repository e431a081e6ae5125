"""Which picture a line of a list means: by its path as written, or by its last parts.

Lists are written on other machines, for other folders, and sometimes name pictures without their ending, with
the one they had before they were converted, or in other case. A picture is meant if the written path ends like
the picture's or the other way round; a name that fits several pictures means none of them.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import Literal

from tui.core.dataset.listings import Picture
from tui.core.dataset.pictures import EXTENSIONS
from tui.core.dataset.samples import split_named
from tui.core.dataset.walk import Walker

Miss = Literal["missing", "outside", "ambiguous"]


class Lookup:
    """The pictures below a root, by every way to name them.

    Args:
        walker: at the root; all of it is looked through.

    Attributes:
        pictures: all of them by path.
        outside: those that lie out of the root and may be used, by absolute path.

    Raises:
        Cancelled: as asked.
    """

    def __init__(self, walker: Walker) -> None:
        self.walker = walker
        self.root = walker.root
        self._follow = walker.follow_links
        self.pictures = {picture.path: picture for picture in walker.pictures_below("")}
        self.outside: dict[str, Picture] = {}
        self._by_name: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}

    def folder_of(self, path: Path) -> str:
        """Return the folder that a file lies in, relative to the root; empty: the root, or elsewhere."""
        folder = os.path.relpath(os.path.abspath(path.parent), self.root)
        return "" if folder == "." or folder.startswith("..") else folder.replace(os.sep, "/")

    def find(self, written: str, folder: str = "", split: str = "") -> Picture | Miss:
        """Return the picture that a list means.

        Args:
            written: the path in the list.
            folder: of the list, relative to the root; paths may start there.
            split: of the line; of pictures with equal names, the one in a folder of that split is meant.
        """
        known = self.find_there(written, folder)
        if known is not None:
            return known
        if not written or "\0" in written:
            return "missing"
        found = self._find(written, folder, split)
        if found == "missing" and "\\" in written:
            found = self._find(written.replace("\\", "/"), folder, split)
        if found == "missing" and not written.isascii():
            found = self._find(_as_western(written), folder, split)
        return found

    def find_there(self, written: str, folder: str = "") -> Picture | None:
        """Return the picture whose path is written as it is, from the root or from the list's folder."""
        return self.pictures.get(written) or (self.pictures.get(f"{folder}/{written}") if folder else None)

    def _find(self, written: str, folder: str, split: str) -> Picture | Miss:
        if posixpath.isabs(written):
            path = posixpath.relpath(posixpath.normpath(written), self.root)
            if path.startswith("../"):
                # It may come from another machine: what is not here can only be meant by its last parts.
                return self._elsewhere(written) or self._by_tail(posixpath.normpath(written)[1:], split)
            return self.pictures.get(path) or self._by_tail(path, split)
        for start in dict.fromkeys((folder, "")):
            path = posixpath.normpath(posixpath.join(start, written))
            if path in self.pictures:
                return self.pictures[path]
        if path.startswith("../"):
            return self._elsewhere(posixpath.normpath(posixpath.join(self.root, path))) or "outside"
        return self._by_tail(path, split)

    def _elsewhere(self, path: str) -> Picture | Literal["outside"] | None:
        """Return a picture out of the root if there is one and it may be used."""
        path = posixpath.normpath(path)
        if path in self.outside:
            return self.outside[path]
        if not os.path.isfile(path):
            return None
        status = os.stat(path)
        if not self._follow or os.path.splitext(path)[1].lower() not in EXTENSIONS or not status.st_size:
            return "outside"
        self.outside[path] = Picture(path, status.st_size, status.st_mtime_ns)
        return self.outside[path]

    def _by_tail(self, path: str, split: str) -> Picture | Miss:
        if not self._by_name:
            for known in self.pictures:
                name = posixpath.basename(known)
                self._by_name.setdefault(name.casefold(), []).append(known)
                self._by_stem.setdefault(posixpath.splitext(name)[0].casefold(), []).append(known)
        near = self._by_name.get(posixpath.basename(path).casefold(), ())
        fitting = [known for known in near if _alike(path, known)]
        fitting = fitting or [known for known in near if _alike(path.casefold(), known.casefold())]
        if not fitting:
            # Without its ending, or with the one that it had before the pictures were converted.
            stem = path.casefold()
            if posixpath.splitext(stem)[1] in EXTENSIONS:
                stem = posixpath.splitext(stem)[0]
            near = self._by_stem.get(posixpath.basename(stem), ())
            fitting = [known for known in near if _alike(stem, posixpath.splitext(known)[0].casefold())]
        if len(fitting) > 1:
            own = [known for known in fitting if split in map(split_named, known.split("/")[:-1])]
            fitting = own or fitting
        if not fitting:
            return "missing"
        return self.pictures[fitting[0]] if len(fitting) == 1 else "ambiguous"


def _alike(written: str, known: str) -> bool:
    """Whether one path is the end of the other."""
    longer, shorter = (written, known) if len(written) > len(known) else (known, written)
    return longer == shorter or longer.endswith(f"/{shorter}")


def _as_western(text: str) -> str:
    """Return text whose bytes are no UTF-8 as Windows would read them."""
    try:
        return os.fsencode(text).decode("cp1252", "replace") if not text.isprintable() else text
    except UnicodeEncodeError:  # a lone surrogate of JSON
        return text
