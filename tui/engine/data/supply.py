"""Where the pictures of a run are taken from: a cache of decoded ones, old, new or being filled, or decoders.

What became of the pictures since the run was made, which cannot be read and which are copies of each other is found
out on the way.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from tui.core.dataset.changes import all_changes, changes_of
from tui.core.dataset.decoders import Decoders, worker_count
from tui.core.dataset.duplicates import find_duplicates
from tui.core.dataset.manifest import Manifest
from tui.core.dataset.problems import Problem, many
from tui.core.dataset.scan import Cancelled
from tui.core.errors import FailureError
from tui.core.settings import Settings
from tui.core.tasks import moved_targets
from tui.core.text import clean_path
from tui.engine.data.augment import stored_size
from tui.engine.data.cache import NoCache, no_cache
from tui.engine.data.draws import Positions
from tui.engine.data.filling import Progress, Stopped
from tui.engine.data.kept import Kept, are_kept, budget_of, groups
from tui.engine.data.sources import CachedSource, Source, StreamedSource
from tui.engine.data.unreadable import Unreadable

_NICENESS = 10
"""Of decoders: while a step has all processors, they would make its threads wait for each other."""
_STREAMED = "Decoded pictures are not kept, each epoch decodes them again: {}."
_DECODING = "{} are decoded while the first epoch trains, which waits for them. They are kept for all that follows."


class Supply:
    """The sources of a run's pictures; `prepare` fills it.

    Args:
        manifest: which pictures, and what they show.
        settings: of the run.
        whole: all pictures are decoded before `prepare` returns, if they are kept.
        resumed: the run began before, so that its directory may have changed: it is looked through.

    Attributes:
        sources: of each split.
        kept: the decoded pictures; None: each epoch decodes them again.
        usable: positions of each split that may be trained on or evaluated.
        unreadable: what could not be read so far.
        notices: what else a person should know.
        duplicates: validation pictures that are exact copies of training pictures, as far as all are kept decoded.
        decoders: the processes that decode.
    """

    def __init__(self, manifest: Manifest, settings: Settings, *, whole: bool, resumed: bool) -> None:
        self._manifest, self._settings, self._whole, self._resumed = manifest, settings, whole, resumed
        self._splits, self._root = manifest.splits, str(manifest.root)
        self._workers = worker_count(settings.data.workers)
        self.decoders = Decoders(self._workers, niceness=_NICENESS)
        self.kept: Kept | None = None
        self.sources: dict[str, Source] = {}
        self.unreadable = Unreadable(manifest.splits, stop=settings.data.unreadable == "stop")
        self.usable: dict[str, Positions] = {
            name: np.arange(len(samples), dtype=np.int64) for name, samples in manifest.splits.items()
        }
        self.notices = moved_targets(settings.data, manifest.target_names)
        self.duplicates = 0

    def prepare(self, order: Callable[[], Positions], progress: Progress, stopping: Callable[[], bool]) -> None:
        """Open the cache or begin to fill it; where there is none, have the pictures decoded when they are needed.

        Args:
            order: positions of the training pictures as they will be needed first.
            progress: told (stage, done, total); total 0: unknown.
            stopping: asked several times a second.

        Raises:
            FailureError: the pictures are gone, or decoders keep dying.
            Stopped: as asked.
        """
        try:
            self.sources = self._cached(order, progress, stopping)
        except NoCache as reason:
            if self.kept is not None:
                self.kept.close()
                self.kept = None
            self.notices.append(Problem("streamed", "warning", _STREAMED.format(reason)))
            self._look_again(progress, stopping, kept=False)
            self.sources = {name: self._streamed(name) for name in self._splits}

    def close(self) -> None:
        """Give back decoders and cache; pictures that are asked for later fail."""
        self.decoders.close()
        if self.kept is not None:
            self.kept.close()

    def name_found(self) -> None:
        """Name all pictures of which it is known by now that they cannot be read.

        Raises:
            FailureError: there is one, and ``data.unreadable`` says stop.
        """
        if self.kept is not None:
            for split, positions, reasons in self.kept.unreadable():
                self.unreadable.name(split, positions, reasons)

    def _streamed(self, split: str) -> StreamedSource:
        data = self._settings.data
        size = stored_size(data) if split == "train" else data.image_size
        paths = [path for path, _ in self._splits[split]]
        return StreamedSource(self.decoders, self._workers, self._root, paths, size, data.channels, data.resize)

    def _cached(
        self, order: Callable[[], Positions], progress: Progress, stopping: Callable[[], bool]
    ) -> dict[str, Source]:
        data, manifest, whole = self._settings.data, self._manifest, self._whole
        found = groups(data, self._root, manifest.signature, self._splits)
        there = are_kept(found)
        signature = self._look_again(progress, stopping, kept=there)
        if not there:
            found = groups(data, self._root, signature, self._splits)
        self.kept = kept = Kept(found, self._splits, budget_of(data), progress=progress, stopping=stopping)
        if kept.missing:
            kept.plan(order())
            kept.fill(self.decoders, self._filled)
            if whole:
                kept.finish(progress, stopping)
            else:
                self.notices.append(Problem("decoding", "info", _DECODING.format(many(kept.missing, "picture"))))
        else:
            self._filled(None)
        if whole or not kept.missing:
            self.name_found()
        if not manifest.gradual:
            self.usable = {split: kept.readable(split) for split in self._splits}
        return {name: CachedSource(cache, rows, self._streamed(name)) for name, (cache, rows) in kept.of.items()}

    def _filled(self, refused: OSError | None) -> None:
        """Take notice that all is decoded: who is a copy of whom is known then. Or that the disk has refused it."""
        if refused is not None:
            if not self._whole:
                self.notices.append(Problem("streamed", "warning", _STREAMED.format(no_cache(refused))))
            return
        assert self.kept is not None
        self.decoders.close()
        digests = self.kept.digests()
        self.notices += find_duplicates(self._splits, digests)
        known = digests["train"][digests["train"] != 0]
        self.duplicates = int(np.isin(digests["validation"], known).sum())
        if not self.unreadable.stop:
            self.name_found()

    def _look_again(self, progress: Progress, stopping: Callable[[], bool], *, kept: bool) -> str:
        """Say what became of the pictures since the run was made; return their signature as they are now.

        Args:
            progress: told how far.
            stopping: asked whether to give up.
            kept: the pictures are decoded already, as they were then.
        """
        manifest = self._manifest
        if not os.path.isdir(self._root):
            shown = clean_path(self._root, 200)
            if not kept:
                step = "Bring it back, or start a new run elsewhere."
                raise FailureError("The pictures cannot be read", f"the directory {shown} is gone", step)
            text = f"The directory {shown} is gone: the run goes on with the pictures as they were decoded before."
            self.notices.append(Problem("gone", "warning", text))
            return manifest.signature
        if self._resumed:
            stage = "looking for changed pictures"
            progress(stage, 0, 0)
            try:
                changes = all_changes(manifest, self._settings.data, lambda seen: progress(stage, seen, 0), stopping)
            except Cancelled:
                raise Stopped from None
        else:
            changes = changes_of(manifest)
        problem = changes.problem(kept)
        if problem is not None:
            self.notices.append(problem)
        return changes.signature
