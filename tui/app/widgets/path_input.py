"""A path, typed with completion: what is offered is taken with Tab or the right arrow, as in a shell."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from textual.binding import Binding
from textual.suggester import Suggester

from tui.app.widgets.folder_tree import inside
from tui.app.widgets.text_field import TextField
from tui.core.text import clean, clean_path


class PathSuggester(Suggester):
    """Offers the first folder or list file, or with ``files`` any file, that what was typed could become.

    Args:
        base: what paths are relative to; empty: they have to be absolute.
        files: of any kind.
    """

    def __init__(self, base: str = "", *, files: bool = False) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._base, self._files = base, files

    async def get_suggestion(self, value: str) -> str | None:
        """Return the completed path, or None; looks into the folder in a thread."""
        return await asyncio.to_thread(completed, value, self._base, files=self._files)


def completed(typed: str, base: str = "", *, files: bool = False) -> str | None:
    """Return ``typed`` completed to the path of a folder with ``/`` at its end, or of a list file; None: of nothing.

    Nothing is offered behind a slash: Tab goes on to the next field there. What has a name that cannot be
    printed as it is is not offered either: the tree has it.

    Args:
        typed: an absolute path, or one that begins with ``~``.
        base: what other paths are relative to.
        files: any file may be it, too, if no folder is.
    """
    around, slash, start = typed.rpartition("/")
    if not start or not (base or around or slash):
        return None
    place = Path(os.path.join(base, os.path.expanduser(around or slash)))
    folders, lists = inside(place)
    for name in (*(f"{folder}/" for folder in folders), *lists):
        if name.startswith(start) and name.rstrip("/") != start and name == clean(name):
            return f"{around}{slash}{name}"
    found = _file_in(place, start) if files else None
    return f"{around}{slash}{found}" if found else None


def _file_in(folder: Path, start: str) -> str | None:
    """Return the first name in a folder that begins so and can be shown as it is."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(start) and entry.name != start]
    except OSError:
        return None
    return min((name for name in names if name == clean(name)), default=None)


class PathInput(TextField):
    """The field. `path` is what it names; a path that cannot be shown as it is can be set all the same."""

    BINDINGS = [
        Binding(
            "enter",
            "submit",
            "Choose",
            id="path.enter",
            tooltip="Look at the folder; then use it.",
        ),
        Binding(
            "tab", "complete", "Complete", id="path.complete", show=False, tooltip="Take the completion, or go on."
        ),
    ]

    def __init__(
        self,
        *,
        id: str | None = None,
        placeholder: str = "path of a folder or list file: ~/pictures or ~/labels.csv",
        files: bool = False,
    ) -> None:
        super().__init__(
            placeholder=placeholder,
            suggester=PathSuggester(files=files),
            select_on_focus=False,
            id=id,
        )
        self._shown: tuple[str, Path] | None = None

    @property
    def path(self) -> Path | None:
        """What is named, absolute; None while nothing is."""
        typed = self.value.strip()
        if not typed:
            return None
        if self._shown is not None and self.value == self._shown[0]:
            return self._shown[1]
        return Path(os.path.abspath(os.path.expanduser(typed)))

    def show(self, path: Path) -> None:
        """Put a path into the field."""
        shown = clean_path(path)
        self._shown = (shown, path)
        with self.prevent(TextField.Changed):
            self.value = shown
        self.cursor_position = len(shown)

    def action_complete(self) -> None:
        """Take the completion if one is offered, else go to the next field."""
        if self._suggestion and self.cursor_position == len(self.value):
            self.action_cursor_right()
        else:
            self.screen.focus_next()
