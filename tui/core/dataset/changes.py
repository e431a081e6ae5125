"""What became of the pictures of a run since it was made: added, removed, written again, given another label.

A run goes on with the pictures and labels that its manifest names; this only tells what is different by now.
Files are known by size and time of change: a copy of a dataset that lost its times looks rewritten, and is told
from one that was by its sizes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tui.core.dataset.exclusions import read_list
from tui.core.dataset.manifest import Manifest
from tui.core.dataset.problems import Problem, many, names_of, some_of
from tui.core.dataset.samples import Target
from tui.core.dataset.scan import Scan, scan, signature_of, stamp_now
from tui.core.errors import UsageError
from tui.core.groups.data import DataSettings
from tui.core.metrics import Task
from tui.core.text import clean

_NAMED = 3


@dataclass(frozen=True)
class Changes:
    """Paths, raw and relative to the root of the manifest, each sorted."""

    signature: str
    """`Scan.signature` of the manifest's pictures as they are now."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    """Of another size."""
    touched: tuple[str, ...] = ()
    """Of the same size, changed at another time."""
    relabelled: tuple[str, ...] = ()
    unread: str = ""
    """Why the directory cannot be read as it was, a sanitized clause: what was added is not known then."""
    unknown: bool = False
    """Something changed, and the manifest (of an older version) does not say how its pictures were."""

    def problem(self, kept: bool) -> Problem | None:
        """Return what a person should know, or nothing.

        Args:
            kept: the run goes on with the pictures as they were decoded before.
        """
        if self.unknown:
            text = "Pictures were changed or removed since this run was made: it goes on with what is there now."
            return Problem("changed", "warning", text)
        parts = [
            _part(self.added, "was added", "were added", "not used"),
            _part(self.removed, "is gone", "are gone", ""),
            _part(self.rewritten, "was written again", "were written again", ""),
            _part(self.touched, "has its old size and a new time", "have their old sizes and new times", ""),
            _part(self.relabelled, "has another label now", "have other labels now", "not used"),
        ]
        told = [part for part in parts if part]
        if self.unread:
            told.append(f"it cannot be read as it was any more ({self.unread})")
        if not told:
            return None
        used = "as they were decoded before" if kept else "as they are now"
        text = f"The dataset has changed since this run was made: {'; '.join(told)}. "
        text += f"The run goes on with the pictures and labels that it began with, {used}; a new run takes all changes."
        paths = (*self.added, *self.removed, *self.rewritten, *self.touched, *self.relabelled)
        return Problem("changed", "warning", text, some_of(paths))


def _part(paths: tuple[str, ...], one: str, several: str, rest: str) -> str:
    if not paths:
        return ""
    used = f", {rest}" if rest else ""
    return f"{many(len(paths), 'picture')} {one if len(paths) == 1 else several}{used} ({names_of(paths, _NAMED)})"


def changes_of(manifest: Manifest) -> Changes:
    """Return what became of the pictures that a manifest names; the folders are not looked through."""
    before, now = manifest.pictures(), {}
    for samples in manifest.splits.values():
        for path, _ in samples:
            now[path] = stamp_now(manifest.root, path)
    signature = signature_of((path, *stamp) for path, stamp in now.items())
    if not before:
        return Changes(signature, unknown=signature != manifest.signature)
    changed = sorted(path for path, stamp in now.items() if stamp != before[path])
    return Changes(
        signature,
        removed=tuple(path for path in changed if now[path][0] < 0),
        rewritten=tuple(path for path in changed if now[path][0] not in (-1, before[path][0])),
        touched=tuple(path for path in changed if now[path][0] == before[path][0]),
    )


def all_changes(
    manifest: Manifest,
    data: DataSettings,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Changes:
    """Return what became of a dataset: its directory is looked through as it was for the run.

    Args:
        manifest: of the run.
        data: settings of the run.
        progress: told now and then how many files were seen.
        cancelled: asked now and then whether to give up.

    Raises:
        Cancelled: as asked.
    """
    changes = changes_of(manifest)
    if changes.unknown or not data.directory:
        return changes
    try:
        found = scan(Path(data.directory), data, progress=progress, cancelled=cancelled)
    except UsageError as error:
        return replace(changes, unread=clean(error.cause, 200))
    shown = {path: target for samples in manifest.splits.values() for path, target in samples}
    excluded = _excluded(data, found)
    added, relabelled = [], []
    for samples in found.samples.values():
        for path, target in samples:
            own = _moved(path, found.root, manifest.root)
            if own not in shown:
                added += [own] if path not in excluded else []
            elif _names(target, found.classes, found.task) != _names(shown[own], manifest.classes, manifest.task):
                relabelled.append(own)
    return replace(changes, added=tuple(sorted(added)), relabelled=tuple(sorted(relabelled)))


def _moved(path: str, root: Path, to: Path) -> str:
    return path if root == to else os.path.relpath(os.path.join(root, path), to)


def _excluded(data: DataSettings, found: Scan) -> set[str]:
    try:
        return read_list(Path(data.exclude).expanduser(), found.root) if data.exclude else set()
    except UsageError:
        return set()


def _names(target: Target, classes: tuple[str, ...], task: Task) -> object:
    """Return what a target means whatever the indices of the classes are."""
    if isinstance(target, int):
        return classes[target]
    return target if task == "regression" else tuple(sorted(classes[int(index)] for index in target))
