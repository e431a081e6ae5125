"""The data of a run, ready to train on: prepared once, then batches for training and evaluation.

Training batches are a pure function of the settings' seed and the step; evaluation shows every picture
once, in the order of the manifest.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tui.core.dataset.changes import all_changes, changes_of
from tui.core.dataset.decoders import Decoders, worker_count
from tui.core.dataset.duplicates import find_duplicates
from tui.core.dataset.manifest import Manifest
from tui.core.dataset.problems import Problem, many
from tui.core.dataset.scan import Cancelled
from tui.core.dataset.targets import targets_of
from tui.core.errors import FailureError, UsageError
from tui.core.settings import Settings
from tui.core.tasks import moved_targets
from tui.core.text import clean, clean_path
from tui.engine.data.augment import Augmentation, stored_size
from tui.engine.data.batches import Batch, Prefetch
from tui.engine.data.cache import NoCache, no_cache
from tui.engine.data.draws import Pictures, Positions
from tui.engine.data.filling import Progress, Stopped
from tui.engine.data.geometry import resized
from tui.engine.data.kept import Kept, are_kept, budget_of, groups
from tui.engine.data.order import balanced, shuffled
from tui.engine.data.sources import CachedSource, Source, StreamedSource, ahead
from tui.engine.data.statistics import MOST_VALUES, mean_and_deviation, spread_evenly
from tui.engine.data.stored import SMALL
from tui.engine.data.unreadable import NOUNS, Unreadable
from tui.engine.device import processors

__all__ = ["Stopped", "TrainingData"]

_SAMPLE, _STREAMED_SAMPLE = 256, 1024
"""Training pictures whose mean and deviation are measured, those that the preflight looks at too; of streamed ones in
runs of older versions. On CIFAR-10 the mean of 256 lies within 8 % of a deviation from that of all 19 times of 20."""
_NICENESS = 10
"""Of decoders: while a step has all processors, they would make its threads wait for each other."""
_STREAMED = "Decoded pictures are not kept, each epoch decodes them again: {}."
_DECODING = "{} are decoded while the first epoch trains, which waits for them. They are kept for all that follows."


class TrainingData:
    """The pictures of a run.

    Args:
        manifest: which pictures, and what they show.
        settings: of the run.
        progress: told (stage, done, total) while preparing; total 0: unknown.
        stopping: asked several times a second while preparing.
        pin: make batches in page-locked memory, for copies to CUDA that do not wait.
        resumed: the run began before, so that its directory may have changed: it is looked through.
        early: training may begin when some pictures are decoded; else all are, if they are kept.
        mean: what the run is trained with; measured where it is empty.
        std: likewise.

    Attributes:
        mean: per channel in 0..1, as set, as given or as measured over a sample of the training pictures.
        std: likewise.
        skipped: pictures that cannot be read; more are found while the set is decoded, or streamed.
        targets: of the training pictures, those that cannot be read with them.
        duplicates: validation pictures that are exact copies of training pictures, as far as all are kept decoded.
        notices: what else a person should know: no room for the cache, changed files, copies between splits.
        images: pictures per split, with those that cannot be read; without them in runs of older versions.
        root: of the dataset.
        steps_per_epoch: full batches in the training split; the rest of an epoch is dropped.

    Raises:
        UsageError: a batch is larger than the training pictures that can be read.
        FailureError: the pictures are gone, or decoders keep dying.
        Stopped: as asked.
    """

    def __init__(
        self,
        manifest: Manifest,
        settings: Settings,
        *,
        progress: Progress,
        stopping: Callable[[], bool],
        pin: bool = False,
        resumed: bool = False,
        early: bool = False,
        mean: Sequence[float] = (),
        std: Sequence[float] = (),
    ) -> None:
        self._splits = manifest.splits
        self._gradual = manifest.gradual
        self.root = str(manifest.root)
        self._settings = settings
        self._pin = pin
        self._batch_size = settings.step_images
        self._augmentation = Augmentation(settings.data, settings.training.seed)
        self._targets = {
            name: targets_of(samples, manifest.task, manifest.outputs) for name, samples in manifest.splits.items()
        }
        self.targets = self._targets["train"]
        self.duplicates = 0
        self._workers = worker_count(settings.data.workers)
        self._decoders = Decoders(self._workers, niceness=_NICENESS)
        self._kept: Kept | None = None
        self._unreadable = Unreadable(manifest.splits, stop=settings.data.unreadable == "stop")
        self.skipped = self._unreadable.problems
        self._usable: dict[str, Positions] = {
            name: np.arange(len(samples), dtype=np.int64) for name, samples in manifest.splits.items()
        }
        self.notices = moved_targets(settings.data, manifest.target_names)
        self._resumed = resumed
        try:
            whole = not (early and manifest.gradual)
            self._sources = self._prepare(manifest, progress, stopping, whole=whole)
            self.images = {name: len(positions) for name, positions in self._usable.items()}
            self.steps_per_epoch = self.images["train"] // self._batch_size
            self._check_enough()
            given = settings.data.mean or mean, settings.data.std or std
            self.mean, self.std = self._measured(*given, progress, stopping)
        except BaseException:
            self.close()
            raise

    def training_batches(self, first_step: int) -> AbstractContextManager[Iterator[Batch]]:
        """Return endless training batches, a context: made ahead by a thread, or at once where that takes less.

        Args:
            first_step: steps already done: 0 gives the first batch of the first epoch.
        """
        if self._kept is not None and self._kept.missing:
            epoch, place = divmod(first_step, self.steps_per_epoch)
            self._kept.plan(np.roll(self._order(epoch) % len(self.targets), -place * self._batch_size))
        if self._at_once:
            return closing(self._training(first_step))
        return Prefetch(lambda: self._training(first_step))

    @property
    def _at_once(self) -> bool:
        """Whether a batch is only copied together, from memory, for a step that needs every core of the processor.

        A thread would have to take a core away from the step's own threads, which then wait for each other.
        """
        kept = self._kept.bytes if self._kept is not None else 0
        busy = torch.get_num_threads() >= processors() and not self._pin
        return busy and 0 < kept < SMALL and self._augmentation.only_copies

    def evaluation_batches(self, split: str, batch_size: int, most: int | None = None) -> Iterator[Batch]:
        """Yield every picture of a split that can be read once, in order and as it is; the last batch is partial.

        Args:
            split: of which.
            batch_size: pictures at a time.
            most: so many of them, evenly spread; None: all.
        """
        source, usable = self._sources[split], self._usable[split]
        if most is not None:
            usable = spread_evenly(usable, most)
        starts = range(0, len(usable), batch_size)
        chunks = (usable[start : start + batch_size] for start in starts)
        some = not len(usable)
        for positions, pending in ahead(source, chunks):
            pictures, reasons = pending.take()
            if reasons:
                self._unreadable.name(split, positions, reasons)
                good = np.array([place for place in range(len(positions)) if place not in reasons], dtype=np.int64)
                pictures, positions = pictures[good], positions[good]
            if len(positions):
                images, some = resized(pictures, self._settings.data.image_size), True
                yield self._batch(images, self._targets[split].take(positions), positions)
        if not some:
            raise FailureError(f"None of the {NOUNS[split]} pictures can be read", self.skipped[0].text)

    def path(self, split: str, position: int) -> str:
        """Return the path of a picture by its place in the split's list, raw, relative to the root."""
        return self._splits[split][position][0]

    def picture(self, split: str, position: int) -> str:
        """Return the name of a picture by its place in the split's list, as it may be shown."""
        return clean(self.path(split, position), 200)

    def close(self) -> None:
        """Give back decoders and cache; batches that are asked for later fail."""
        self._decoders.close()
        if self._kept is not None:
            self._kept.close()

    def __enter__(self) -> TrainingData:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _training(self, first_step: int) -> Generator[Batch, None, None]:
        epochs: dict[int, Positions] = {}
        size = self._batch_size

        def chunks() -> Iterator[Positions]:
            for step in itertools.count(first_step):
                epoch, place = divmod(step, self.steps_per_epoch)
                if epoch not in epochs:
                    epochs.clear()
                    epochs[epoch] = self._order(epoch)
                yield epochs[epoch][place * size : (place + 1) * size]

        total = len(self.targets)
        requests = ahead(self._sources["train"], chunks(), total)
        with closing(requests):
            for step, (keys, pending) in enumerate(requests, first_step):
                if self._unreadable.stop:
                    self._name_found()
                pictures, reasons = pending.take()
                if reasons:
                    self._unreadable.name("train", keys % total, reasons)
                    pictures, keys = _replaced(pictures, keys, reasons)
                epoch, positions = step // self.steps_per_epoch, keys % total
                images = self._augmentation.apply(pictures, epoch, keys)
                targets = self.targets.take(positions)
                if self._augmentation.mixes:
                    images, targets = self._augmentation.mix(images, targets, self.targets.width, epoch, keys)
                yield self._batch(images, targets, positions)

    def _order(self, epoch: int) -> Positions:
        """Return the keys of an epoch: position + total x (times the picture was drawn before in it)."""
        usable, seed = self._usable["train"], self._settings.training.seed
        if self._settings.data.sampler == "balanced":
            return balanced(usable, self.targets.values[usable], len(self.targets), seed, epoch)
        return shuffled(usable, seed, epoch)

    def _batch(self, pictures: Pictures, targets: NDArray[Any], positions: Positions) -> Batch:
        images = torch.from_numpy(np.ascontiguousarray(pictures))
        if self._pin:
            images = images.pin_memory()
        return Batch(images, torch.from_numpy(targets), torch.from_numpy(positions.copy()))

    def _prepare(
        self, manifest: Manifest, progress: Progress, stopping: Callable[[], bool], *, whole: bool
    ) -> dict[str, Source]:
        try:
            return self._cached(manifest, progress, stopping, whole=whole)
        except NoCache as reason:
            if self._kept is not None:
                self._kept.close()
                self._kept = None
            self.notices.append(Problem("streamed", "warning", _STREAMED.format(reason)))
            self._look_again(manifest, progress, stopping, kept=False)
            return {name: self._streamed(name) for name in self._splits}

    def _streamed(self, split: str) -> StreamedSource:
        data = self._settings.data
        size = stored_size(data) if split == "train" else data.image_size
        paths = [path for path, _ in self._splits[split]]
        return StreamedSource(self._decoders, self._workers, self.root, paths, size, data.channels, data.resize)

    def _cached(
        self, manifest: Manifest, progress: Progress, stopping: Callable[[], bool], *, whole: bool
    ) -> dict[str, Source]:
        data = self._settings.data
        found = groups(data, self.root, manifest.signature, self._splits)
        there = are_kept(found)
        signature = self._look_again(manifest, progress, stopping, kept=there)
        if not there:
            found = groups(data, self.root, signature, self._splits)
        self._kept = kept = Kept(found, self._splits, budget_of(data), progress=progress, stopping=stopping)
        if kept.missing:
            kept.plan(self._order(0) % len(self.targets))
            kept.fill(self._decoders, partial(self._filled, whole))
            if whole:
                kept.finish(progress, stopping)
            else:
                self.notices.append(Problem("decoding", "info", _DECODING.format(many(kept.missing, "picture"))))
        else:
            self._filled(whole, None)
        if whole or not kept.missing:
            self._name_found()
        if not self._gradual:
            self._usable = {split: kept.readable(split) for split in self._splits}
        return {name: CachedSource(cache, rows, self._streamed(name)) for name, (cache, rows) in kept.of.items()}

    def _filled(self, whole: bool, refused: OSError | None) -> None:
        """Take notice that all is decoded: who is a copy of whom is known then. Or that the disk has refused it."""
        if refused is not None:
            if not whole:
                self.notices.append(Problem("streamed", "warning", _STREAMED.format(no_cache(refused))))
            return
        assert self._kept is not None
        self._decoders.close()
        digests = self._kept.digests()
        self.notices += find_duplicates(self._splits, digests)
        known = digests["train"][digests["train"] != 0]
        self.duplicates = int(np.isin(digests["validation"], known).sum())
        if not self._unreadable.stop:
            self._name_found()

    def _name_found(self) -> None:
        """Name all pictures of which it is known by now that they cannot be read.

        Raises:
            FailureError: there is one, and ``data.unreadable`` says stop.
        """
        if self._kept is not None:
            for split, positions, reasons in self._kept.unreadable():
                self._unreadable.name(split, positions, reasons)

    def _look_again(self, manifest: Manifest, progress: Progress, stopping: Callable[[], bool], *, kept: bool) -> str:
        """Say what became of the pictures since the run was made; return their signature as they are now.

        Args:
            manifest: of the run.
            progress: told how far.
            stopping: asked whether to give up.
            kept: the pictures are decoded already, as they were then.
        """
        if not os.path.isdir(self.root):
            shown = clean_path(self.root, 200)
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

    def _check_enough(self) -> None:
        for split in ("train", "validation"):
            if self._splits[split] and self._none_readable(split):
                raise FailureError(f"None of the {NOUNS[split]} pictures can be read", self.skipped[0].text)
        if not self.steps_per_epoch:
            cause = f"{self._settings.step_words} but only {self.images['train']} can be read"
            raise UsageError(
                "A step needs more than the training pictures", cause, "Set a smaller training.batch_size."
            )

    def _none_readable(self, split: str) -> bool:
        """Whether it is known already that no picture of a split can be read."""
        return self._kept is not None and not self._kept.missing and not len(self._kept.readable(split))

    def _measured(
        self, mean: Sequence[float], std: Sequence[float], progress: Progress, stopping: Callable[[], bool]
    ) -> tuple[list[float], list[float]]:
        if mean and std:
            return list(mean), list(std)
        data = self._settings.data
        progress("measuring mean and deviation", 0, 0)
        most = _SAMPLE
        if not self._gradual:
            most = MOST_VALUES // (stored_size(data) ** 2 * data.channels) if self._kept else _STREAMED_SAMPLE
        sample = spread_evenly(self._usable["train"], max(1, most))
        if self._kept is not None:
            self._kept.wait("train", sample, stopping)
        measured = mean_and_deviation(self._sources["train"], sample, data.channels)
        return list(mean) or measured[0], list(std) or measured[1]


def _replaced(pictures: Pictures, keys: Positions, reasons: dict[int, str]) -> tuple[Pictures, Positions]:
    """Put readable pictures of the same batch in the place of unreadable ones: a batch keeps its size."""
    good = [place for place in range(len(keys)) if place not in reasons]
    if not good:
        raise FailureError("None of the pictures in a batch can be read", next(iter(reasons.values())))
    places = np.arange(len(keys))
    for number, place in enumerate(sorted(reasons)):
        places[place] = good[number % len(good)]
    return pictures[places], keys[places]
