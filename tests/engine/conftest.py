"""What the engine's tests share: small pictures in memory, a run directory, a way to train in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tui.core.dataset.problems import Problem
from tui.core.dataset.samples import Target
from tui.core.dataset.targets import targets_of
from tui.core.events import Event, decode
from tui.core.metrics import Task
from tui.core.records import decode_header
from tui.core.rundir import RunDir
from tui.core.schema import with_changes
from tui.core.settings import Settings
from tui.engine.attempt import begin
from tui.engine.data.augment import Augmentation
from tui.engine.data.batches import Batch
from tui.engine.data.order import balanced, shuffled
from tui.engine.data.statistics import spread_evenly
from tui.engine.link import Link
from tui.engine.trainer import Trainer

CLASSES = 3

SMALL = {
    "data.image_size": 16,
    "data.crop_padding": 2,
    "model.width": 4,
    "model.blocks": 2,
    "training.epochs": 3,
    "training.batch_size": 8,
    "training.device": "cpu",
    "training.threads": 1,
    "schedule.warmup_epochs": 0.5,
    "diagnosis.preflight": "off",
}


class Pictures:
    """Pictures in memory with the shape of `tui.engine.data.training.TrainingData`; each class has its colour."""

    def __init__(
        self, settings: Settings, counts: dict[str, int], noise: int = 60, task: Task = "classification"
    ) -> None:
        random = np.random.default_rng(5)
        size, channels = settings.data.image_size, settings.data.channels
        self.settings = settings
        self.images = counts
        self.root = "/pictures"
        self.mean, self.std = [0.5] * channels, [0.25] * channels
        self.steps_per_epoch = counts["train"] // settings.step_images
        self.skipped: list[Problem] = []
        self.notices: list[Problem] = []
        self.pixels, self.shown = {}, {}
        for split, count in counts.items():
            labels = np.arange(count) % CLASSES
            base = 60 + 60 * labels[:, None, None, None]
            drawn = base + random.integers(-noise, noise + 1, (count, size, size, channels))
            self.pixels[split] = drawn.clip(0, 255).astype(np.uint8)
            samples = [("", _target(int(label), task)) for label in labels]
            self.shown[split] = targets_of(samples, task, CLASSES if task != "regression" else 2)
        self.targets = self.shown["train"]
        self.duplicates = 0
        self.before: Callable[[int], None] = lambda step: None
        """Called with the number of steps done before each training batch."""

    @contextlib.contextmanager
    def training_batches(self, first_step: int) -> Iterator[Iterator[Batch]]:
        yield self._training(first_step)

    def _training(self, step: int) -> Iterator[Batch]:
        seed, batch = self.settings.training.seed, self.settings.step_images
        augmentation = Augmentation(self.settings.data, seed)
        while True:
            self.before(step)
            epoch, place = divmod(step, self.steps_per_epoch)
            total = self.images["train"]
            every = np.arange(total, dtype=np.int64)
            order = shuffled(every, seed, epoch)
            if self.settings.data.sampler == "balanced":
                order = balanced(every, self.targets.values, total, seed, epoch)
            keys = order[place * batch : (place + 1) * batch]
            images = augmentation.apply(self.pixels["train"][keys % total], epoch, keys)
            targets = self.targets.take(keys % total)
            if augmentation.mixes:
                images, targets = augmentation.mix(images, targets, self.targets.width, epoch, keys)
            yield self._batch(images, targets, keys % total)
            step += 1

    def evaluation_batches(self, split: str, batch_size: int, most: int | None = None) -> Iterator[Batch]:
        usable = np.arange(self.images[split], dtype=np.int64)
        usable = usable if most is None else spread_evenly(usable, most)
        for start in range(0, len(usable), batch_size):
            positions = usable[start : start + batch_size]
            yield self._batch(self.pixels[split][positions], self.shown[split].take(positions), positions)

    def path(self, split: str, position: int) -> str:
        return f"{split}/{position}.png"

    picture = path

    @staticmethod
    def _batch(images: Any, targets: Any, positions: Any) -> Batch:
        return Batch(torch.from_numpy(images.copy()), torch.from_numpy(targets), torch.from_numpy(positions))


def _target(label: int, task: Task) -> Target:
    """Return what a picture of a colour shows: the colour, its brightness in two units, or it and all darker ones."""
    if task == "regression":
        return 1000.0 * label, 0.01 * label
    return tuple(range(label + 1)) if task == "multilabel" else label


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks are slower with two threads; results must not depend on what other tests set."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """Make small settings; keys with a dot are changes: ``settings(**{"model.width": 8})``."""
    return lambda **changes: with_changes(Settings(), {**SMALL, **changes}, source="test")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """An empty run directory."""
    made = RunDir(tmp_path / "runs" / "20260101-000000-test")
    made.make()
    return made


@pytest.fixture
def pictures() -> type[Pictures]:
    """The class that makes pictures in memory."""
    return Pictures


@pytest.fixture
def trainer(run: RunDir) -> Iterator[Callable[..., tuple[Trainer, Pictures, Link]]]:
    """Make a trainer for one attempt in this process, on pictures in memory."""
    links = []

    def make(
        settings: Settings, *, attempt: int = 1, where: RunDir = run, counts: dict[str, int] | None = None, **more: Any
    ) -> tuple[Trainer, Pictures, Link]:
        data = Pictures(settings, counts or {"train": 80, "validation": 21, "test": 24}, **more)
        link = Link(where, attempt)
        links.append(link)
        classes = ["depth", "share"] if data.targets.task == "regression" else ["red", "green", "blue"]
        return Trainer(begin(link, settings, data, classes, torch.device("cpu"))), data, link

    yield make
    for link in links:
        link.close()


@pytest.fixture
def events() -> Callable[..., list[Any]]:
    """Read the events of a run, of one kind if asked."""

    def read(run: RunDir, kind: type[Event] | None = None) -> list[Any]:
        found = [decode(line) for line in run.events.read_bytes().splitlines()]
        assert None not in found
        return [event for event in found if kind is None or isinstance(event, kind)]

    return read


@pytest.fixture
def records() -> Callable[..., dict[int, dict[str, float]]]:
    """Read the records of a run as ``{step: {column: value}}``; later attempts win."""

    def read(run: RunDir, kind: str = "batches") -> dict[int, dict[str, float]]:
        found: dict[int, dict[str, float]] = {}
        for path in run.segments(kind):
            data = path.read_bytes()
            decoded = decode_header(data)
            assert decoded
            header, start = decoded
            assert (len(data) - start) % header.width == 0
            names = header.columns
            kind_of = np.dtype(
                [("step", "<u8"), ("time", "<f8"), ("attempt", "<u4"), ("values", "<f4", (len(names),)), ("crc", "<u4")]
            )
            for row in np.frombuffer(data, kind_of, offset=start):
                found[int(row["step"])] = dict(zip(names, row["values"].tolist(), strict=True))
        return dict(sorted(found.items()))

    return read
