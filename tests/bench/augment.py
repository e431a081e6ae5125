"""Pictures per second of each augmentation, beside torchvision v2's transform of one picture at a time.

    python tests/bench/augment.py [--size 32] [--batch 128] [--seconds 1.0]

Both work on uint8 pictures in memory with one thread, taking turns; the last column is the ratio of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32, help="side of the pictures")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each side of each line")
    arguments = parser.parse_args()

    import numpy as np
    import torch
    from torchvision.transforms import v2

    from tui.core.settings import DataSettings
    from tui.engine.data.augment import Augmentation, stored_size

    torch.set_num_threads(1)
    size, batch = arguments.size, arguments.batch
    still: dict[str, Any] = {"crop": "none", "flip": False, "image_size": size}
    cases: list[tuple[str, dict[str, Any], Any]] = [
        ("padded crop", {"crop": "padded"}, v2.RandomCrop(size, padding=4)),
        ("resized crop", {"crop": "random_resized"}, v2.RandomResizedCrop(size, scale=(0.35, 1.0), antialias=True)),
        ("horizontal flip", {"flip": True}, v2.RandomHorizontalFlip()),
        ("vertical flip", {"vertical_flip": True}, v2.RandomVerticalFlip()),
        ("rotation", {"rotation": 30.0}, v2.RandomRotation(30)),
        ("brightness", {"brightness": 0.4}, v2.ColorJitter(brightness=0.4)),
        (
            "colour jitter",
            {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
            v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
        ),
        ("RandAugment", {"auto_augment": "randaugment"}, v2.RandAugment()),
        ("TrivialAugment", {"auto_augment": "trivialaugment"}, v2.TrivialAugmentWide()),
        ("erasing", {"erase": 0.5}, v2.RandomErasing(0.5)),
        ("MixUp", {"mixup": 0.2}, v2.MixUp(alpha=0.2, num_classes=10)),
        ("CutMix", {"cutmix": 1.0}, v2.CutMix(alpha=1.0, num_classes=10)),
    ]
    random = np.random.default_rng(0)
    labels = np.arange(batch) % 10
    print(f"{batch} pictures of {size} px, one thread\n{'':18}{'cnntrain':>12}{'torchvision':>14}{'ratio':>8}")
    for name, data, transform in cases:
        settings = DataSettings.model_validate({**still, **data})
        ours = Augmentation(settings, 0)
        side = stored_size(settings)
        images = random.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
        tensors = [torch.from_numpy(image).permute(2, 0, 1).contiguous() for image in images]
        keys = np.arange(batch)
        epoch = iter(range(1 << 30))

        def whole(ours: Augmentation = ours, images: Any = images, keys: Any = keys, epoch: Any = epoch) -> None:
            number = next(epoch)
            made = ours.apply(images.copy(), number, keys)
            if ours.mixes:
                ours.mix(made, labels, 10, number, keys)

        def one_by_one(transform: Any = transform, tensors: Any = tensors, mixes: bool = ours.mixes) -> None:
            if mixes:  # torchvision too mixes whole batches, which have to be floats
                transform(torch.stack(tensors).float(), torch.from_numpy(labels))
            else:
                torch.stack([transform(tensor) for tensor in tensors])

        fast, slow = taking_turns(whole, one_by_one, arguments.seconds)
        print(f"{name:18}{batch / fast:>12,.0f}{batch / slow:>14,.0f}{slow / fast:>8.2f}", flush=True)


def taking_turns(one: Callable[[], None], other: Callable[[], None], seconds: float) -> tuple[float, float]:
    """Return the median seconds of each, called in turn."""
    one()
    other()
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + 2 * seconds
    while time.perf_counter() < end or len(times[0]) < 3:
        for call, into in zip((one, other), times, strict=True):
            began = time.perf_counter()
            call()
            into.append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    main()
