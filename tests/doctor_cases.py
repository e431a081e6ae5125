"""The cases of the doctor's benchmark: planted faults, with what may be said of each, and sound configurations.

A fault is expressed in settings where settings can express it; where they cannot, a hook plants it into the real
engine (`planting`), and stays planted when a change is tried. First weights are changed as the code of a network's
author would do it: there alone ``model.init`` has the last word, as it has with such a network.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests import planting
from tui.engine.attempt import Attempt
from tui.engine.data.batches import Batch

BASE: dict[str, Any] = {
    "data.image_size": 32,
    "data.crop": "none",
    "data.flip": False,
    "data.workers": 1,
    "diagnosis.training_pictures": 300,
    "model.width": 8,
    "optimizer.learning_rate": 0.05,
    "schedule.name": "constant",
    "schedule.warmup_epochs": 0.0,
    "training.epochs": 1000,
    "training.max_steps": 350,
    "training.batch_size": 32,
    "training.device": "cpu",
    "training.threads": 1,
    "training.validate_every": 50,
    "training.validate_unit": "steps",
}
"""A small network that learns either family in 350 steps."""

PLAIN: dict[str, Any] = {"model.batch_norm": False}
DEEP: dict[str, Any] = {"model.blocks": 5, "model.batch_norm": False}

RATE_HIGH = ("rate_high", "rate_blew_up", "died")
"""Of `died` the text says that too large steps did it, and offers a lower learning rate."""
WIRING = ("unwired", "frozen")
VALIDATION = ("validation_input", "validation_differs")
RARE = ("imbalanced", "neglected")

DataChange = Callable[[Any], Any]


@dataclass(frozen=True)
class Case:
    """One configuration.

    Attributes:
        name: unique.
        group: of faults, or "healthy".
        changes: settings beside `BASE`.
        causes: the codes that name the fault; empty for a sound configuration.
        twin: settings of the same run without the fault, beside `BASE`.
        plant: what settings cannot express.
        data: likewise, of the data.
        pictures: which selection of the family: all, few, lost, long_tail, leak.
        twin_pictures: of the twin; ", even": as many pictures, as many of each class.
    """

    name: str
    group: str
    changes: dict[str, Any]
    causes: tuple[str, ...] = ()
    twin: dict[str, Any] = field(default_factory=dict)
    plant: planting.Plant | None = None
    data: DataChange | None = None
    pictures: str = "all"
    twin_pictures: str = "all"
    lies: str = ""
    """Where the fault lies, which says who can mend it: in the settings, in the pictures (their labels, number, values)
    or in code (weights, wiring, how pictures are prepared); by default as it is planted."""

    @property
    def place(self) -> str:
        """Return `lies`."""
        if self.lies or not (self.plant or self.data or self.pictures != "all"):
            return self.lies or "settings"
        return "pictures" if self.pictures != "all" else "code"


# --- what settings cannot express -------------------------------------------------------------------------


def scaled(factor: float, only: str = "") -> planting.Plant:
    """Multiply the first weights (kernels and matrices)."""
    return planting.weights(lambda name, p: p.mul_(factor) if p.ndim >= 2 and only in name else None)


def biases(value: float, *, norms: bool) -> planting.Plant:
    """Set the biases of convolutions, or of norm layers, before the first step."""

    def change(model: nn.Module) -> None:
        kind = nn.BatchNorm2d if norms else nn.Conv2d
        for module in model.modules():
            if isinstance(module, kind) and module.bias is not None:
                nn.init.constant_(module.bias, value)

    return planting.designed(change)


def equal_weights(name: str, parameter: Tensor) -> None:
    """Make all elements of a kernel equal."""
    if parameter.ndim >= 2:
        parameter.fill_(0.05)


def softmaxed(attempt: Attempt) -> None:
    """End the network in a softmax."""
    attempt.model.register_forward_hook(lambda _module, _inputs, output: output.softmax(1))


def overflowing(step: int) -> planting.Plant:
    """Let the last block's output pass through numbers of 1e6 from a step on: half precision ends at 65,504."""

    def plant(attempt: Attempt) -> None:
        def hook(module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
            late = module.training and attempt.progress.step + 1 >= step
            return (output * 1e6) / 1e6 if late else None

        attempt.model.get_submodule("blocks").register_forward_hook(hook)

    return plant


def random_labels(share: float) -> DataChange:
    """Give a share of the training pictures a random label."""
    change = planting.noisy_labels(share, 10)

    def evaluation(batch: Batch, split: str) -> Batch:
        return change(batch, 0) if split == "train" else batch

    return lambda data: planting.Changed(data, training=change, evaluation=evaluation)


def other_validation(scale: float, shift: float) -> DataChange:
    """Prepare the validation pictures differently."""
    return lambda data: planting.Changed(data, evaluation=planting.other_validation(scale, shift))


def coarse_validation(data: Any) -> Any:
    """Show the validation pictures at a quarter of their size, as another resize does."""

    def evaluation(batch: Batch, split: str) -> Batch:
        if split != "validation":
            return batch
        small = functional.avg_pool2d(batch.images.permute(0, 3, 1, 2).float(), 4)
        large = functional.interpolate(small, scale_factor=4).permute(0, 2, 3, 1)
        return dataclasses.replace(batch, images=large.to(torch.uint8).contiguous())

    return planting.Changed(data, evaluation=evaluation)


class InOrder(planting.Changed):
    """Training batches in the order of the classes, as a list of files has them."""

    @contextlib.contextmanager
    def training_batches(self, first_step: int) -> Iterator[Iterator[Batch]]:
        parts = list(self._data.evaluation_batches("train", 256))
        images, targets = torch.cat([p.images for p in parts]), torch.cat([p.targets for p in parts])
        size = 32

        def batches() -> Iterator[Batch]:
            step = first_step
            while True:
                place = np.arange(step * size, (step + 1) * size) % (len(targets) // size * size)
                index = torch.from_numpy(place)
                yield dataclasses.replace(parts[0], images=images[index], targets=targets[index], indices=index)
                step += 1

        yield batches()


# --- the faults ---------------------------------------------------------------------------------------------

_SOUND_DEEP = {"model.blocks": 5}
_ADAM = {"optimizer.name": "adam", "optimizer.learning_rate": 1e-3}
_ADAMW = {"optimizer.name": "adamw", "optimizer.learning_rate": 1e-3}
"""Sound: the learning rate of their authors."""
_LOW = {**PLAIN, "optimizer.learning_rate": 1e-4}

FAULTS = (
    # gradients vanish
    Case("deep sigmoid", "vanish", {**DEEP, "model.activation": "sigmoid"}, ("vanishing",), _SOUND_DEEP),
    Case(
        "deep plain relu",
        "vanish",
        {**DEEP, "model.blocks": 6},
        ("vanishing",),
        _SOUND_DEEP,
        scaled(0.3),
    ),
    Case(
        "small init, tanh",
        "vanish",
        {**DEEP, "model.activation": "tanh"},
        ("vanishing",),
        _SOUND_DEEP,
        scaled(0.2),
    ),
    Case("lenet sigmoid", "vanish", {**PLAIN, "model.blocks": 4, "model.activation": "sigmoid"}, ("vanishing",)),
    Case("init x0.1", "vanish", {**DEEP, "model.blocks": 4}, ("vanishing",), _SOUND_DEEP, scaled(0.1)),
    # explode
    Case("init x4", "explode", {**PLAIN, "model.blocks": 4}, ("bad_start",), plant=scaled(4)),
    Case("init x6", "explode", {**PLAIN, "model.blocks": 4}, ("bad_start",), plant=scaled(6)),
    Case("head x40", "explode", {}, ("bad_start",), plant=scaled(40, "head")),
    Case("late spike x50", "explode", PLAIN, ("exploding", "nonfinite"), PLAIN, planting.rate_spike(200, 50, 3)),
    # learning rate too high
    Case("sgd 1", "rate high", {**PLAIN, "optimizer.learning_rate": 1.0}, RATE_HIGH, PLAIN),
    Case("sgd 0.5", "rate high", {**DEEP, "optimizer.learning_rate": 0.5}, RATE_HIGH, DEEP),
    Case(
        "adam 0.1",
        "rate high",
        {**PLAIN, "optimizer.name": "adam", "optimizer.learning_rate": 0.1},
        RATE_HIGH,
        {**PLAIN, **_ADAM},
    ),
    Case(
        "adam 0.03",
        "rate high",
        {**DEEP, "optimizer.name": "adam", "optimizer.learning_rate": 0.03},
        RATE_HIGH,
        {**DEEP, **_ADAM},
    ),
    Case("batchnorm sgd 5", "rate high", {"optimizer.learning_rate": 5.0}, RATE_HIGH),
    Case("batchnorm sgd 50", "rate high", {"optimizer.learning_rate": 50.0}, RATE_HIGH),
    Case(
        "adamw 0.3",
        "rate high",
        {**PLAIN, "optimizer.name": "adamw", "optimizer.learning_rate": 0.3},
        RATE_HIGH,
        {**PLAIN, **_ADAMW},
    ),
    # learning rate too low
    Case("sgd 1e-5", "rate low", {"optimizer.learning_rate": 1e-5}, ("rate_low",)),
    Case("sgd 1e-4, plain", "rate low", {**_LOW, "optimizer.momentum": 0.0}, ("rate_low",), PLAIN),
    Case("adam 1e-6", "rate low", {"optimizer.name": "adam", "optimizer.learning_rate": 1e-6}, ("rate_low",), _ADAM),
    Case(
        "milestones too early",
        "rate low",
        {"schedule.name": "multistep", "schedule.milestones": (0.03, 0.06), "schedule.factor": 0.01},
        ("decayed_early",),
    ),
    Case(
        "exponential too fast", "rate low", {"schedule.name": "exponential", "schedule.decay": 0.01}, ("decayed_early",)
    ),
    # dead or saturated
    Case("conv bias -2", "dead", PLAIN, ("dead_start",), PLAIN, biases(-2, norms=False)),
    Case("norm bias -8", "dead", {}, ("dead_start",), plant=biases(-8, norms=True)),
    Case(
        "tanh x8",
        "dead",
        {**PLAIN, "model.activation": "tanh"},
        ("saturated", "bad_start"),
        PLAIN,
        scaled(8),
    ),
    Case(
        "sigmoid on 0-255",
        "input",
        {**PLAIN, "model.activation": "sigmoid", "data.mean": (0.0,) * 3, "data.std": (0.0039,) * 3},
        ("input_scale",),
    ),
    # numbers
    Case("nan pixel", "numbers", {}, ("nonfinite",), plant=planting.bad_pixel(float("nan"), 120), lies="pictures"),
    Case("inf pixel", "numbers", {}, ("nonfinite",), plant=planting.bad_pixel(float("inf"), 60), lies="pictures"),
    Case(
        "overflow",
        "numbers",
        {"compute.precision": "float16"},
        ("nonfinite",),
        plant=overflowing(90),
        lies="settings",
    ),
    # inputs
    Case("0-255, batchnorm", "input", {"data.mean": (0.0,) * 3, "data.std": (0.0039,) * 3}, ("input_scale",)),
    Case(
        "0-255, plain", "input", {**PLAIN, "data.mean": (0.0,) * 3, "data.std": (0.0039,) * 3}, ("input_scale",), PLAIN
    ),
    Case(
        "1/50 of the range",
        "input",
        {**PLAIN, "data.mean": (0.0,) * 3, "data.std": (50.0,) * 3},
        ("input_scale",),
        PLAIN,
    ),
    Case("validation coarse", "input", {}, VALIDATION, data=coarse_validation),
    Case("validation darker", "input", {}, VALIDATION, data=other_validation(0.3, 0)),
    # labels
    Case("labels 100 % random", "labels", {}, ("no_signal",), data=random_labels(1.0), lies="pictures"),
    Case("labels 45 % random", "labels", {}, ("label_noise",), data=random_labels(0.45), lies="pictures"),
    Case("labels 20 % random", "labels", {}, ("label_noise",), data=random_labels(0.2), lies="pictures"),
    # fit
    Case(
        "few pictures",
        "fit",
        {"training.batch_size": 16, "model.width": 16, "optimizer.name": "adam", "optimizer.learning_rate": 3e-3},
        ("overfit",),
        pictures="few",
    ),
    Case("width 1", "fit", {"model.width": 1, "model.blocks": 2}, ("underfit", "plateau")),
    Case("dropout 0.95", "fit", {"model.dropout": 0.95}, ("underfit", "plateau")),
    Case("weight decay 0.5", "fit", {**PLAIN, "optimizer.weight_decay": 0.5}, ("decay_dominates",), PLAIN),
    Case(
        "weight decay 0.1",
        "fit",
        {**PLAIN, "optimizer.weight_decay": 0.1},
        ("decay_dominates", "underfit", "plateau"),
        PLAIN,
    ),
    # wiring
    Case("frozen blocks", "wiring", PLAIN, WIRING, PLAIN, planting.frozen("blocks.0", "blocks.1")),
    Case("not in the optimizer", "wiring", {}, WIRING, plant=planting.not_in_optimizer("blocks.0", "blocks.1")),
    Case("detached", "wiring", {}, WIRING, plant=planting.detached("blocks.1")),
    Case("constant init", "wiring", PLAIN, ("constant_weights",), PLAIN, planting.weights(equal_weights)),
    Case("two softmaxes", "wiring", {}, ("probabilities",), plant=softmaxed),
    # data
    Case("one class rules", "data", {}, (*RARE, "collapsed"), pictures="lost", twin_pictures="lost, even"),
    Case("long tail", "data", {}, RARE, pictures="long_tail", twin_pictures="long_tail, even"),
    Case("leak", "data", {}, ("leak",), pictures="leak"),
    Case("unshuffled", "data", {}, ("unshuffled",), data=InOrder),
    # batch and oscillation
    Case("batchnorm, batch 2", "batch", {"training.batch_size": 2}, ("small_norm_batch",)),
    Case("batch 2", "batch", {**PLAIN, "training.batch_size": 2}, ("oscillating", "batch_noise", *RATE_HIGH), PLAIN),
    Case("momentum 0.999", "batch", {**PLAIN, "optimizer.momentum": 0.999}, ("oscillating", *RATE_HIGH), PLAIN),
    Case(
        "0.15 at momentum 0.95",
        "batch",
        {**PLAIN, "optimizer.momentum": 0.95, "optimizer.learning_rate": 0.15},
        ("oscillating", *RATE_HIGH),
        PLAIN,
    ),
    # two at once
    Case(
        "low rate, long tail",
        "compound",
        {"optimizer.learning_rate": 1e-5},
        ("rate_low", *RARE),
        pictures="long_tail",
        twin_pictures="long_tail, even",
    ),
    Case(
        "deep sigmoid on 0-255",
        "compound",
        {**DEEP, "model.activation": "sigmoid", "data.mean": (0.0,) * 3, "data.std": (0.0039,) * 3},
        ("input_scale", "vanishing"),
        _SOUND_DEEP,
    ),
    Case(
        "high rate, noisy labels",
        "compound",
        {**PLAIN, "optimizer.learning_rate": 1.0},
        RATE_HIGH,
        PLAIN,
        data=random_labels(0.2),
        lies="pictures",
    ),
    Case(
        "frozen, low rate",
        "compound",
        {"optimizer.learning_rate": 1e-5},
        (*WIRING, "rate_low"),
        plant=planting.frozen("blocks.0"),
    ),
    Case(
        "init x6, validation darker",
        "compound",
        PLAIN,
        ("bad_start", *VALIDATION),
        PLAIN,
        scaled(6),
        other_validation(0.3, 0),
    ),
    Case(
        "dead, high rate",
        "compound",
        {**PLAIN, "optimizer.learning_rate": 0.5},
        ("dead_start", *RATE_HIGH),
        PLAIN,
        biases(-2, norms=False),
    ),
)


# --- what must stay silent ----------------------------------------------------------------------------------


def _sound(name: str, pictures: str = "all", **changes: Any) -> Case:
    return Case(name, "healthy", {key.replace("__", "."): value for key, value in changes.items()}, pictures=pictures)


HEALTHY = (
    _sound("sgd, constant"),
    _sound("sgd, cosine", schedule__name="cosine"),
    _sound("sgd, warm-up", schedule__name="cosine", schedule__warmup_epochs=1.0, optimizer__learning_rate=0.1),
    _sound("sgd, no momentum", optimizer__momentum=0.0, optimizer__learning_rate=0.1, training__max_steps=700),
    _sound("nesterov", optimizer__nesterov=True),
    _sound("adam", optimizer__name="adam", optimizer__learning_rate=2e-3, optimizer__weight_decay=0.0),
    _sound("adamw, cosine", optimizer__name="adamw", optimizer__learning_rate=3e-3, schedule__name="cosine"),
    _sound("adam, one cycle", optimizer__name="adam", optimizer__learning_rate=5e-3, schedule__name="onecycle"),
    _sound("lenet, relu", model__batch_norm=False),
    _sound("lenet, tanh", model__batch_norm=False, model__activation="tanh"),
    _sound("leaky relu", model__batch_norm=False, model__activation="leaky_relu"),
    _sound("sigmoid, batchnorm", model__activation="sigmoid", optimizer__learning_rate=0.1, training__max_steps=1000),
    _sound("gelu", model__activation="gelu"),
    _sound("silu, adam", model__activation="silu", optimizer__name="adam", optimizer__learning_rate=2e-3),
    _sound("label smoothing", loss__label_smoothing=0.1),
    _sound("dropout 0.3", model__dropout=0.3),
    _sound("batch 16", training__batch_size=16, optimizer__learning_rate=0.02),
    _sound("batch 128", training__batch_size=128, training__max_steps=200, optimizer__learning_rate=0.1),
    _sound("clipping", optimizer__clip_norm=1.0),
    _sound("steps", schedule__name="multistep", schedule__milestones=(0.6, 0.85)),
    _sound("plateau schedule", schedule__name="plateau"),
    _sound("augmented", data__crop="padded", data__crop_padding=2, training__max_steps=400),
    _sound("wide", model__width=16, training__max_steps=250),
    _sound("four blocks", model__blocks=4),
    _sound("two blocks, kernel 5", model__blocks=2, model__kernel_size=5),
    _sound("average pooling", model__pooling="average"),
    _sound("greyscale", data__channels=1),
    _sound("mild imbalance", pictures="mild"),
    _sound(
        "to zero",
        training__max_steps=500,
        optimizer__name="adam",
        optimizer__learning_rate=3e-3,
        schedule__name="cosine",
    ),
    _sound(
        "resnet18",
        model__name="resnet18",
        training__max_steps=120,
        optimizer__name="adam",
        optimizer__learning_rate=1e-3,
    ),
)

CASES = {case.name: case for case in (*FAULTS, *HEALTHY)}
