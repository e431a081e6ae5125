"""The settings of how long, how much at a time, and where."""

from __future__ import annotations

from typing import Literal

from tui.core.groups.declare import Group, setting


class TrainingSettings(Group):
    """How long, how much at a time, and where."""

    epochs: int = setting(
        "Epochs",
        "How often the training pictures are gone through.",
        unit="epochs",
        default=10,
        ge=1,
        le=100_000,
    )
    batch_size: int = setting("Batch size", "Pictures per step.", unit="images", default=128, ge=2, le=65_536)
    seed: int = setting(
        "Seed",
        "Fixes the split, the initial weights, the order and the augmentation.",
        default=0,
        ge=0,
        le=2**31 - 1,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "Device", "auto takes CUDA, then MPS, then the CPU.", default="auto"
    )
    threads: int = setting(
        "Threads",
        "Processor threads of the training step. 0: as many as there are cores.",
        unit="threads",
        default=0,
        ge=0,
        le=1024,
    )
    validate_every: int = setting(
        "Validate every", "How many epochs or steps lie between validations.", default=1, ge=1, le=10_000_000
    )
    validate_unit: Literal["epochs", "steps"] = setting("Validate unit", "What the interval counts.", default="epochs")
    layers_every: int = setting(
        "Layer norms every",
        "Per-layer gradient norms are recorded every so many steps (and in each of the first 64).",
        unit="steps",
        default=1,
        ge=1,
        le=100_000,
    )
    stop_on_nonfinite: bool = setting(
        "Stop on NaN",
        "Stop when the loss is NaN or infinite; the last good checkpoint is kept.",
        default=True,
    )
    restarts: int = setting(
        "Restarts",
        "How often a training that was killed or has crashed goes on by itself from its newest checkpoint. A failure that says why is left to you.",
        default=0,
        ge=0,
        le=1000,
    )
