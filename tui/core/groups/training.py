"""The settings of how long, how much at a time, and where."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from tui.core.groups.declare import Group, setting
from tui.core.metrics import known_evaluation


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
    max_steps: int = setting(
        "Most steps",
        "The run ends after this many steps, if its epochs have more; the schedule is planned for them. 0: no limit.",
        unit="steps",
        default=0,
        ge=0,
        le=1_000_000_000,
        also="iterations",
    )
    max_minutes: float = setting(
        "Longest time",
        "The run ends, with a last validation and the test, when it has trained this long; pauses do not count. The schedule is not shortened by it. 0: no limit.",
        unit="minutes",
        default=0.0,
        ge=0,
        le=10_000_000,
    )
    batch_size: int = setting(
        "Batch size", "Pictures per step.", unit="images", default=128, ge=2, le=65_536, also="bs minibatch"
    )
    seed: int = setting(
        "Seed",
        "Fixes the split, the initial weights, the order and the augmentation.",
        default=0,
        ge=0,
        le=2**31 - 1,
        also="random reproducible reproducibility",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "Device", "auto takes CUDA, then MPS, then the CPU.", default="auto", also="gpu"
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
    best_by: str = setting(
        "Best by",
        "The validation metric that decides which weights are the best; a tie goes to the lower loss. auto: accuracy, mean_average_precision or mae, by the task.",
        default="auto",
    )
    stop_patience: int = setting(
        "Early stopping",
        "The run ends after this many validations in a row without an improvement. 0: it trains to its end.",
        unit="validations",
        default=0,
        ge=0,
        le=100_000,
        also="earlystopping",
    )
    stop_metric: str = setting(
        "Stop by",
        "The validation metric that early stopping watches, for example loss, accuracy or macro_f1.",
        unless=("training.stop_patience", "0"),
        default="loss",
    )
    stop_change: float = setting(
        "Smallest change",
        "An improvement smaller than this does not count for early stopping; in the metric's own unit, shares as 0.01 for 1 %.",
        unless=("training.stop_patience", "0"),
        default=0.0,
        ge=0,
        le=1_000_000,
    )
    checkpoint_every: int = setting(
        "Save every",
        "How many epochs, steps or minutes lie between checkpoints. The best weights and the last are saved anyway; epochs too short for that are passed over.",
        default=1,
        ge=1,
        le=10_000_000,
        also="resume",
    )
    checkpoint_unit: Literal["epochs", "steps", "minutes"] = setting(
        "Save unit",
        "What that interval counts. With epochs or steps a checkpoint is still never older than ten minutes.",
        default="epochs",
    )
    keep_best: int = setting(
        "Keep best",
        "Checkpoints of so many of the best validations are kept, besides the last two.",
        unit="checkpoints",
        default=1,
        ge=1,
        le=1000,
    )
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
        "How often a training that was killed or has crashed goes on by itself from its newest checkpoint. A failure that says why is left to you, and so is memory that runs out before anything new is saved.",
        default=0,
        ge=0,
        le=1000,
        also="resume",
    )

    @model_validator(mode="after")
    def _consistent(self) -> TrainingSettings:
        for key, name in (("best_by", self.best_by), ("stop_metric", self.stop_metric)):
            if (key, name) != ("best_by", "auto"):
                known_evaluation(f"training.{key}", name)
        return self
