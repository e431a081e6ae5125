"""The data of a run, ready to train on: prepared once, then batches for training and evaluation.

Training batches are a pure function of the settings' seed and the step; evaluation shows every picture
once, in the order of the manifest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tui.core.dataset.manifest import Manifest
from tui.core.dataset.targets import targets_of
from tui.core.errors import FailureError, UsageError
from tui.core.settings import Settings
from tui.core.text import clean
from tui.engine import vision
from tui.engine.data.augment import Augmentation, stored_size
from tui.engine.data.batches import Batch, Prefetch
from tui.engine.data.draws import Pictures, Positions
from tui.engine.data.filling import Progress, Stopped
from tui.engine.data.geometry import resized
from tui.engine.data.order import balanced, shuffled
from tui.engine.data.sources import ahead
from tui.engine.data.statistics import MOST_VALUES, mean_and_deviation, spread_evenly
from tui.engine.data.stored import SMALL
from tui.engine.data.supply import Supply
from tui.engine.data.unreadable import NOUNS
from tui.engine.device import processors

__all__ = ["Stopped", "TrainingData"]

_SAMPLE, _STREAMED_SAMPLE = 256, 1024
"""Training pictures whose mean and deviation are measured, those that the preflight looks at too; of streamed ones in
runs of older versions. On CIFAR-10 the mean of 256 lies within 8 % of a deviation from that of all 19 times of 20."""


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
        if settings.data.crop == "random_resized":
            vision.transforms()  # here, not in the thread that makes batches
        self._supply = Supply(manifest, settings, whole=not (early and manifest.gradual), resumed=resumed)
        self._unreadable, self.skipped = self._supply.unreadable, self._supply.unreadable.problems
        self.notices = self._supply.notices
        try:
            self._supply.prepare(lambda: self._order(0) % len(self.targets), progress, stopping)
            self.images = {name: len(positions) for name, positions in self._supply.usable.items()}
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
        if self._supply.kept is not None and self._supply.kept.missing:
            epoch, place = divmod(first_step, self.steps_per_epoch)
            self._supply.kept.plan(np.roll(self._order(epoch) % len(self.targets), -place * self._batch_size))
        if self._at_once:
            return closing(self._training(first_step))
        return Prefetch(lambda: self._training(first_step))

    @property
    def duplicates(self) -> int:
        """Validation pictures that are exact copies of training pictures, as far as all are kept decoded."""
        return self._supply.duplicates

    @property
    def _at_once(self) -> bool:
        """Whether a batch is only copied together, from memory, for a step that needs every core of the processor.

        A thread would have to take a core away from the step's own threads, which then wait for each other.
        """
        kept = self._supply.kept.bytes if self._supply.kept is not None else 0
        busy = torch.get_num_threads() >= processors() and not self._pin
        return busy and 0 < kept < SMALL and self._augmentation.only_copies

    def evaluation_batches(self, split: str, batch_size: int, most: int | None = None) -> Iterator[Batch]:
        """Yield every picture of a split that can be read once, in order and as it is; the last batch is partial.

        Args:
            split: of which.
            batch_size: pictures at a time.
            most: so many of them, evenly spread; None: all.
        """
        source, usable = self._supply.sources[split], self._supply.usable[split]
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
        self._supply.close()

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
        requests = ahead(self._supply.sources["train"], chunks(), total)
        with closing(requests):
            for step, (keys, pending) in enumerate(requests, first_step):
                if self._unreadable.stop:
                    self._supply.name_found()
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
        usable, seed = self._supply.usable["train"], self._settings.training.seed
        if self._settings.data.sampler == "balanced":
            return balanced(usable, self.targets.values[usable], len(self.targets), seed, epoch)
        return shuffled(usable, seed, epoch)

    def _batch(self, pictures: Pictures, targets: NDArray[Any], positions: Positions) -> Batch:
        images = torch.from_numpy(np.ascontiguousarray(pictures))
        if self._pin:
            images = images.pin_memory()
        return Batch(images, torch.from_numpy(targets), torch.from_numpy(positions.copy()))

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
        return (
            self._supply.kept is not None
            and not self._supply.kept.missing
            and not len(self._supply.kept.readable(split))
        )

    def _measured(
        self, mean: Sequence[float], std: Sequence[float], progress: Progress, stopping: Callable[[], bool]
    ) -> tuple[list[float], list[float]]:
        if mean and std:
            return list(mean), list(std)
        data = self._settings.data
        progress("measuring mean and deviation", 0, 0)
        most = _SAMPLE
        if not self._gradual:
            most = MOST_VALUES // (stored_size(data) ** 2 * data.channels) if self._supply.kept else _STREAMED_SAMPLE
        sample = spread_evenly(self._supply.usable["train"], max(1, most))
        if self._supply.kept is not None:
            self._supply.kept.wait("train", sample, stopping)
        measured = mean_and_deviation(self._supply.sources["train"], sample, data.channels)
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
