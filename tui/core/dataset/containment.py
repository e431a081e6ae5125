"""Whether pictures lie where they seem to: links that lead out of a dataset's directory.

A scan leaves such links out unless ``data.follow_links`` says otherwise. The list of pictures of a run may come
from someone else, or a folder may have become a link since, so that who opens pictures by a list asks here first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from tui.core.dataset.problems import names_of
from tui.core.errors import FailureError
from tui.core.text import clean_path


def leading_out(root: str | os.PathLike[str], paths: Sequence[str]) -> list[str]:
    """Return those of the paths (relative to ``root``, with ``/``) that links lead out of ``root``.

    Each folder is listed once, which tells its links without asking for every picture. What is not there is not
    told here.
    """
    real = os.path.realpath(root)
    folders: set[str] = set()
    links: set[str] = set()
    for folder in {path.rpartition("/")[0] for path in paths}:
        full = os.path.join(root, folder)
        if not _inside(full, real):
            folders.add(folder)
        else:
            links.update(f"{folder}/{name}" if folder else name for name in _links_out(full, real))
    if not folders and not links:
        return []
    return [path for path in paths if path in links or path.rpartition("/")[0] in folders]


def check_contained(root: Path, paths: Iterable[str], follow_links: bool) -> None:
    """Refuse pictures that links lead out of ``root``, unless the run's settings follow them.

    Raises:
        FailureError: there are some; the message names them.
    """
    if follow_links or not (out := leading_out(root, list(paths))):
        return
    lead = "a link leads" if len(out) == 1 else "links lead"
    cause = f"{lead} out of {clean_path(root, 120)}: {names_of(out, 3)}"
    step = "Put the pictures themselves there, or start a new run with data.follow_links set to true."
    raise FailureError("The pictures cannot be read", cause, step)


def _inside(path: str, real: str) -> bool:
    return PurePath(os.path.realpath(path)).is_relative_to(real)


def _links_out(folder: str, real: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_symlink() and not _inside(entry.path, real)]
    except OSError:
        return []
