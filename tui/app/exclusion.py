"""What a person leaves out of a run: a list file of their own, named by ``data.exclude``; no widget here."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from tui.app.draft import Draft
from tui.core.dataset.exclusions import read_list, write_list
from tui.core.errors import FailureError, UsageError
from tui.core.files import config_directory
from tui.core.text import clean_path

SETTING = "data.exclude"
_TITLE = "The list of pictures to leave out cannot be written"


class Exclusion:
    """The pictures left out of what a draft would train on. Nothing is ever written into the dataset.

    Args:
        draft: its ``data.exclude`` names the list; a list that was not made here is read, and never changed.
        root: of the dataset.
    """

    def __init__(self, draft: Draft, root: Path) -> None:
        self._draft, self._root = draft, root
        self.paths: set[str] = set()
        """Raw, relative to the root."""
        self.trouble = ""
        """Why the list that is set cannot be read, a sentence."""
        listed = draft.settings.data.exclude
        if listed:
            try:
                self.paths = read_list(Path(listed).expanduser(), root)
            except UsageError as error:
                self.trouble = str(error)

    @property
    def file(self) -> Path:
        """Where the list of this dataset is kept."""
        root = os.path.realpath(self._root)
        digest = hashlib.blake2b(os.fsencode(root), digest_size=4).hexdigest()
        name = re.sub(r"[^\w.-]+", "-", os.path.basename(root), flags=re.ASCII).strip("-.")[:40] or "pictures"
        return config_directory() / "exclude" / f"{name}-{digest}.txt"

    def change(self, add: Iterable[str] = (), take_back: Iterable[str] = ()) -> None:
        """Leave pictures out, or take them in again, and have the draft say so.

        Raises:
            FailureError: the list cannot be written.
        """
        paths = (self.paths | set(add)) - set(take_back)
        if paths == self.paths:
            return
        file = self.file
        if Path(os.path.realpath(file)).is_relative_to(os.path.realpath(self._root)):
            cause = f"{clean_path(file)} lies in the dataset, where nothing is ever written"
            raise FailureError(_TITLE, cause, "Set CNNTRAIN_CONFIG to a folder elsewhere.")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_list(file, sorted(paths))
        except OSError as error:
            raise FailureError(_TITLE, f"{clean_path(file)}: {error.strerror}") from error
        self.paths = paths
        self.trouble = ""
        self._draft.write(SETTING, str(file) if paths else "")
