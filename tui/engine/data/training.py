"""The data of a run, ready to train on: prepared once, then batches for training and evaluation.

Training batches are a pure function of the settings' seed and the step; evaluation shows every picture
once, in the order of the manifest.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from tui.core.dataset.changes import all_changes, changes_of
from tui.core.dataset.decoders import Decoders, worker_count
from tui.core.dataset.duplicates import find_duplicates
from tui.core.dataset.manifest import Manifest
from tui.core.dataset.problems import Problem, many, some_of
from tui.core.dataset.scan import Cancelled
from tui.core.dataset.targets import targets_of
from tui.core.errors import FailureError, UsageError
from tui.core.settings import Settings
from tui.core.tasks import moved_targets
from tui.core.text import clean, clean_path
from tui.engine.data.augment import Augmentation, stored_size
from tui.engine.data.batches import Batch, Prefetch
from tui.engine.data.cache import SMALL, Cache, NoCache, Progress, Recipe, Stopped, is_cached, open_cache
from tui.engine.data.draws import Pictures, Positions
from tui.engine.data.geometry import resized
from tui.engine.data.order import balanced, shuffled
from tui.engine.data.sources import CachedSource, Source, StreamedSource, ahead
from tui.engine.data.statistics import MOST_VALUES, mean_and_deviation, spread_evenly
from tui.engine.device import processors

__all__ = ["Stopped", "TrainingData"]

_STREAMED_SAMPLE = 1024
_EVALUATION = ("validation", "test")
_NOUNS = {"train": "training", "validation": "validation", "test": "test"}


class TrainingData:
    """The pictures of a run.

    Args:
        manifest: which pictures, and what they show.
        settings: of the run.
        progress: told (stage, done, total) while preparing; total 0: unknown.
        stopping: asked several times a second while preparing.
        pin: make batches in page-locked memory, for copies to CUDA that do not wait.
        resumed: the run began before, so that its directory may have changed: it is looked through.

    Attributes:
        mean: per channel in 0..1, as given or as measured over the training pictures.
        std: likewise.
        skipped: pictures that cannot be read, a problem per split; a streamed set finds more while it trains.
        targets: of the training pictures, those that cannot be read with them.
        duplicates: validation pictures that are exact copies of training pictures; 0 too where none are kept decoded.
        notices: what else a person should know: no room for the cache, changed files, copies between splits.
        images: pictures per split that can be read.
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
    ) -> None:
        self._splits = manifest.splits
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
        self._caches: list[Cache] = []
        self._workers = worker_count(settings.data.workers)
        self._decoders = Decoders(self._workers)
        self._named: set[str] = set()
        self.skipped: list[Problem] = []
        self.notices = moved_targets(settings.data, manifest.target_names)
        self._resumed = resumed
        try:
            self._sources, self._usable = self._prepare(manifest, progress, stopping)
            self.images = {name: len(positions) for name, positions in self._usable.items()}
            self.steps_per_epoch = self.images["train"] // self._batch_size
            self._check_enough()
            self.mean, self.std = self._measured(progress)
        except BaseException:
            self.close()
            raise

    def training_batches(self, first_step: int) -> AbstractContextManager[Iterator[Batch]]:
        """Return endless training batches, a context: made ahead by a thread, or at once where that takes less.

        Args:
            first_step: steps already done: 0 gives the first batch of the first epoch.
        """
        if self._at_once:
            return closing(self._training(first_step))
        return Prefetch(lambda: self._training(first_step))

    @property
    def _at_once(self) -> bool:
        """Whether a batch is only copied together, from memory, for a step that needs every core of the processor.

        A thread would have to take a core away from the step's own threads, which then wait for each other.
        """
        kept = sum(cache.pixels.nbytes for cache in self._caches)
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
        for positions, pending in ahead(source, chunks):
            pictures, reasons = pending.take()
            if reasons:
                self._name(split, positions, reasons)
                good = np.array([place for place in range(len(positions)) if place not in reasons], dtype=np.int64)
                pictures, positions = pictures[good], positions[good]
            if len(positions):
                images = resized(pictures, self._settings.data.image_size)
                yield self._batch(images, self._targets[split].take(positions), positions)

    def path(self, split: str, position: int) -> str:
        """Return the path of a picture by its place in the split's list, raw, relative to the root."""
        return self._splits[split][position][0]

    def picture(self, split: str, position: int) -> str:
        """Return the name of a picture by its place in the split's list, as it may be shown."""
        return clean(self.path(split, position), 200)

    def close(self) -> None:
        """Give back decoders and cache; batches that are asked for later fail."""
        self._decoders.close()
        for cache in self._caches:
            cache.close()

    def __enter__(self) -> TrainingData:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _training(self, first_step: int) -> Generator[Batch, None, None]:
        epochs: dict[int, Positions] = {}

        def chunks() -> Iterator[Positions]:
            for step in itertools.count(first_step):
                epoch, place = divmod(step, self.steps_per_epoch)
                if epoch not in epochs:
                    epochs.clear()
                    epochs[epoch] = self._order(epoch)
                yield epochs[epoch][place * self._batch_size : (place + 1) * self._batch_size]

        total = len(self.targets)
        requests = ahead(self._sources["train"], chunks(), total)
        with closing(requests):
            for step, (keys, pending) in enumerate(requests, first_step):
                pictures, reasons = pending.take()
                if reasons:
                    self._name("train", keys % total, reasons)
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
        self, manifest: Manifest, progress: Progress, stopping: Callable[[], bool]
    ) -> tuple[dict[str, Source], dict[str, Positions]]:
        try:
            prepared = self._cached(manifest, progress, stopping)
        except NoCache as reason:
            text = f"Decoded pictures are not kept, each epoch decodes them again: {reason}."
            self.notices.append(Problem("streamed", "warning", text))
            self._look_again(manifest, progress, stopping, kept=False)
            sources: dict[str, Source] = {name: self._streamed(name) for name in self._splits}
            return sources, {name: np.arange(len(samples), dtype=np.int64) for name, samples in self._splits.items()}
        self._decoders.close()
        return prepared

    def _streamed(self, split: str) -> StreamedSource:
        data = self._settings.data
        size = stored_size(data) if split == "train" else data.image_size
        paths = [path for path, _ in self._splits[split]]
        return StreamedSource(self._decoders, self._workers, self.root, paths, size, data.channels, data.resize)

    def _cached(
        self, manifest: Manifest, progress: Progress, stopping: Callable[[], bool]
    ) -> tuple[dict[str, Source], dict[str, Positions]]:
        data = self._settings.data
        budget = int(data.cache_gib * (1 << 30))
        recipes = self._recipes(manifest.signature)
        needed = sum(recipe.total_bytes for _, recipe in recipes)
        if needed > budget:
            raise NoCache(f"they take {needed / (1 << 30):.2g} GiB and data.cache_gib is {data.cache_gib:g}")
        kept = all(is_cached(recipe) for _, recipe in recipes)
        signature = self._look_again(manifest, progress, stopping, kept=kept)
        if not kept:
            recipes = self._recipes(signature)
        sources: dict[str, Source] = {}
        usable: dict[str, Positions] = {}
        digests = {}
        for group, recipe in recipes:
            cache = open_cache(recipe, budget=budget, decoders=self._decoders, progress=progress, stopping=stopping)
            self._caches.append(cache)
            row_of = {path: row for row, path in enumerate(recipe.paths)}
            for split in group:
                rows = np.array([row_of[path] for path, _ in self._splits[split]], dtype=np.int64)
                sources[split] = CachedSource(cache.pixels, rows)
                bad = np.isin(rows, np.array(list(cache.unreadable), dtype=np.int64))
                usable[split] = np.flatnonzero(~bad)
                digests[split] = cache.digests[rows]
                reasons = {place: cache.unreadable[int(rows[place])] for place in np.flatnonzero(bad).tolist()}
                self._name(split, np.arange(len(rows)), reasons)
        self.notices += find_duplicates(self._splits, digests)
        if "validation" in digests:
            known = digests["train"][digests["train"] != 0]
            self.duplicates = int(np.isin(digests["validation"], known).sum())
        return sources, usable

    def _recipes(self, signature: str) -> list[tuple[tuple[str, ...], Recipe]]:
        """Return which splits share a cache, and what it holds."""
        data = self._settings.data
        room = stored_size(data)
        # Training pictures that are decoded with some room have a cache of their own.
        groups = [(tuple(self._splits), room)]
        if room != data.image_size:
            groups = [(("train",), room), (_EVALUATION, data.image_size)]
        found = []
        for group, size in groups:
            paths = tuple(sorted(path for split in group for path, _ in self._splits[split]))
            found.append((group, Recipe(self.root, signature, paths, size, data.channels, data.resize)))
        return found

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
            if self._splits[split] and not self.images[split]:
                raise FailureError(f"None of the {_NOUNS[split]} pictures can be read", self.skipped[0].text)
        if not self.steps_per_epoch:
            cause = f"{self._settings.step_words} but only {self.images['train']} can be read"
            raise UsageError(
                "A step needs more than the training pictures", cause, "Set a smaller training.batch_size."
            )

    def _measured(self, progress: Progress) -> tuple[list[float], list[float]]:
        data = self._settings.data
        if data.mean and data.std:
            return list(data.mean), list(data.std)
        progress("measuring mean and deviation", 0, 0)
        most = MOST_VALUES // (stored_size(data) ** 2 * data.channels) if self._caches else _STREAMED_SAMPLE
        sample = spread_evenly(self._usable["train"], max(1, most))
        mean, std = mean_and_deviation(self._sources["train"], sample, data.channels)
        return list(data.mean) or mean, list(data.std) or std

    def _name(self, split: str, positions: Positions, reasons: dict[int, str]) -> None:
        """Report pictures that cannot be read, each once."""
        paths = {self._splits[split][int(positions[place])][0]: reason for place, reason in reasons.items()}
        new = {path: reason for path, reason in paths.items() if path not in self._named}
        if not new:
            return
        self._named.update(new)
        if self._settings.data.unreadable == "stop":
            self._refuse(split, new)
        shown = ", ".join(f'"{clean(path, 120)}" ({clean(reason, 160)})' for path, reason in list(new.items())[:3])
        more = f" and {len(new) - 3:,} more" if len(new) > 3 else ""
        are = "is" if len(new) == 1 else "are"
        text = f"{many(len(new), f'{_NOUNS[split]} picture')} cannot be read and {are} skipped: {shown}{more}."
        self.skipped.append(Problem("unreadable", "warning", text, some_of(list(new))))

    def _refuse(self, split: str, new: dict[str, str]) -> NoReturn:
        path, reason = next(iter(new.items()))
        more = f", and so are {len(new) - 1:,} more" if len(new) > 1 else ""
        cause = f'the {_NOUNS[split]} picture "{clean(path, 120)}" cannot be read ({clean(reason, 160)}){more}'
        step = "Mend or exclude it, or set data.unreadable to skip, and resume the run."
        raise FailureError("The run stopped at a picture, as data.unreadable says", cause, step)


def _replaced(pictures: Pictures, keys: Positions, reasons: dict[int, str]) -> tuple[Pictures, Positions]:
    """Put readable pictures of the same batch in the place of unreadable ones: a batch keeps its size."""
    good = [place for place in range(len(keys)) if place not in reasons]
    if not good:
        raise FailureError("None of the pictures in a batch can be read", next(iter(reasons.values())))
    places = np.arange(len(keys))
    for number, place in enumerate(sorted(reasons)):
        places[place] = good[number % len(good)]
    return pictures[places], keys[places]
