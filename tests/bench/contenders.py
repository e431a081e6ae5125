"""Other ways to train the same network on the same pictures, each a process of its own for ``throughput.py``.

    python -m tests.bench.contenders NAME WORK.json COUNTER

Each counts the pictures it has trained in COUNTER (8 bytes, memory-mapped) and runs until it is killed. All use
the same network, batch, optimizer, crop, flip and normalisation; what differs is how pictures get to the step,
which for these is what the framework's own documentation shows.
"""

from __future__ import annotations

import json
import mmap
import struct
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@dataclass(frozen=True)
class Work:
    """What everyone trains."""

    folder: str
    """One folder per class."""
    model: str
    size: int
    batch: int
    padding: int
    """Of the random crop; 0: random resized crop."""
    workers: int
    threads: int

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


class Counter:
    """How many pictures were trained, seen by another process."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._file = open(path, "r+b")  # noqa: SIM115
        self._map = mmap.mmap(self._file.fileno(), 8)
        self._count = 0

    def add(self, images: int) -> None:
        self._count += images
        self._map[:8] = struct.pack("<q", self._count)


def network(work: Work, classes: int) -> Any:
    """The same network as cnntrain's."""
    from tui.core.settings import DataSettings, ModelSettings, Settings
    from tui.engine import models

    settings = Settings(data=DataSettings(image_size=work.size), model=ModelSettings(name=work.model))
    return models.build(settings, classes).train()


def optimizer(model: Any) -> Any:
    import torch

    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)


def plain_loop(work: Work, counter: Counter, model: Any, batches: Callable[[], Iterable[Any]]) -> None:
    """The loop of the official tutorial, for ever."""
    import torch

    loss_function, step = torch.nn.CrossEntropyLoss(), optimizer(model)
    while True:
        for images, labels in batches():
            step.zero_grad()
            loss = loss_function(model(images), labels)
            loss.backward()
            step.step()
            counter.add(len(labels))


def limit(work: Work, counter: Counter) -> None:
    """The step on one fixed batch in memory, in the engine's memory format and with its allocator's settings."""
    import torch

    from tui.core.settings import ComputeSettings, TrainingSettings
    from tui.engine import compute, device

    settings = TrainingSettings(device="cpu", threads=work.threads)
    cpu = device.choose(settings)
    device.prepare(cpu, settings)
    classes = len([path for path in Path(work.folder).iterdir() if path.is_dir()])
    model = compute.choose(ComputeSettings(), cpu).place(network(work, classes)).train()
    images = torch.randn(work.batch, 3, work.size, work.size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, classes, (work.batch,))
    plain_loop(work, counter, model, lambda: [(images, labels)] * 64)


def _v1(work: Work) -> Any:
    from torchvision import transforms

    crop = (
        transforms.RandomCrop(work.size, padding=work.padding)
        if work.padding
        else transforms.RandomResizedCrop(work.size)
    )
    flip, normalise = transforms.RandomHorizontalFlip(), transforms.Normalize(MEAN, STD)
    return transforms.Compose([crop, flip, transforms.ToTensor(), normalise])


def _loader(work: Work, dataset: Any, **more: Any) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(
        dataset,
        batch_size=work.batch,
        shuffle=True,
        drop_last=True,
        num_workers=work.workers,
        persistent_workers=work.workers > 0,
        **more,
    )


def tutorial(work: Work, counter: Counter) -> None:
    """ImageFolder, PIL transforms, DataLoader."""
    from torchvision.datasets import ImageFolder

    dataset = ImageFolder(work.folder, _v1(work))
    loader = _loader(work, dataset)
    plain_loop(work, counter, network(work, len(dataset.classes)), lambda: loader)


def torchvision_v2(work: Work, counter: Counter) -> None:
    """Torchvision's transforms v2 on tensors from decode_image."""
    import torch
    from torchvision.datasets import ImageFolder
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms import v2

    crop = v2.RandomCrop(work.size, padding=work.padding) if work.padding else v2.RandomResizedCrop(work.size)
    flip, scale, normalise = v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)
    transform = v2.Compose([crop, flip, scale, normalise])
    dataset = ImageFolder(work.folder, transform, loader=lambda path: decode_image(path, ImageReadMode.RGB))
    loader = _loader(work, dataset)
    plain_loop(work, counter, network(work, len(dataset.classes)), lambda: loader)


def timm(work: Work, counter: Counter) -> None:
    """Timm's dataset, transforms, loader with its prefetching collate, as its train script sets them up."""
    from timm.data import create_dataset, create_loader

    dataset = create_dataset("", root=work.folder)
    loader = create_loader(
        dataset,
        input_size=(3, work.size, work.size),
        batch_size=work.batch,
        is_training=True,
        use_prefetcher=False,
        num_workers=work.workers,
        mean=tuple(MEAN),
        std=tuple(STD),
        hflip=0.5,
        color_jitter=0.0,
        train_crop_mode="rkrc" if work.padding else "rrc",
        auto_augment=None,
        persistent_workers=work.workers > 0,
    )
    plain_loop(work, counter, network(work, len(dataset.reader.class_to_idx)), lambda: loader)


def lightning(work: Work, counter: Counter) -> None:
    """Lightning's Trainer with its defaults, without its checkpoints and progress bar."""
    import lightning as L
    import torch
    from torchvision.datasets import ImageFolder

    dataset = ImageFolder(work.folder, _v1(work))

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = network(work, len(dataset.classes))

        def training_step(self, batch: Any, index: int) -> Any:
            images, labels = batch
            loss = torch.nn.functional.cross_entropy(self.model(images), labels)
            self.log("loss", loss)
            counter.add(len(labels))
            return loss

        def configure_optimizers(self) -> Any:
            return optimizer(self.model)

    trainer = L.Trainer(
        max_epochs=-1, accelerator="cpu", enable_checkpointing=False, enable_progress_bar=False, logger=False
    )
    trainer.fit(Module(), _loader(work, dataset))


def fastai(work: Work, counter: Counter) -> None:
    """Fastai's ImageDataLoaders and Learner."""
    import torch
    from fastai.vision.all import Callback, ImageDataLoaders, Learner, Normalize, OptimWrapper, RandomCrop
    from fastai.vision.augment import FlipItem, RandomResizedCrop
    from fastcore.basics import partialler

    crop = RandomCrop(work.size) if work.padding else RandomResizedCrop(work.size)
    data = ImageDataLoaders.from_folder(
        work.folder,
        valid_pct=0.01,
        item_tfms=[crop, FlipItem(0.5)],
        batch_tfms=[Normalize.from_stats(MEAN, STD, cuda=False)],
        bs=work.batch,
        num_workers=work.workers,
        device=torch.device("cpu"),
    )

    class Count(Callback):
        def after_batch(self) -> None:
            if self.learn.training:
                counter.add(len(self.learn.yb[0]))

    wrapped = partialler(OptimWrapper, opt=torch.optim.SGD)
    learner = Learner(
        data, network(work, len(data.vocab)), loss_func=torch.nn.CrossEntropyLoss(), opt_func=wrapped, cbs=[Count()]
    )
    with learner.no_bar(), learner.no_logging():
        learner.fit(1_000_000, lr=0.01)


def ultralytics(work: Work, counter: Counter) -> None:
    """Ultralytics' classification dataset and augmentation, as its trainer builds them."""
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import ClassificationDataset

    off = {"flipud": 0.0, "erasing": 0.0, "auto_augment": None, "hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0}
    options = get_cfg(overrides={"imgsz": work.size, "scale": 0.9, "fliplr": 0.5, **off})
    folder = counter.path.with_name("pictures")  # it writes a file beside the folder that it is given
    folder.symlink_to(work.folder, target_is_directory=True)
    dataset = ClassificationDataset(str(folder), args=options, augment=True)
    loader = _loader(work, dataset)
    model = network(work, len(dataset.base.classes))
    plain_loop(work, counter, model, lambda: ((batch["img"], batch["cls"]) for batch in loader))


CONTENDERS: dict[str, tuple[Callable[[Work, Counter], None], str]] = {
    "limit": (limit, ""),
    "tutorial": (tutorial, ""),
    "torchvision v2": (torchvision_v2, ""),
    "timm": (timm, "timm"),
    "lightning": (lightning, "lightning"),
    "fastai": (fastai, "fastai"),
    "ultralytics": (ultralytics, "ultralytics"),
}
"""By name: what trains, and the package that it needs beside ours."""


def main() -> None:
    import torch

    name, work_path, counter_path = sys.argv[1:]
    work = Work(**json.loads(Path(work_path).read_text()))
    if work.threads:
        torch.set_num_threads(work.threads)
    torch.manual_seed(0)
    CONTENDERS[name][0](work, Counter(counter_path))


if __name__ == "__main__":
    main()
