"""ALL settings of a training run: default, limits, label and help of each, declared once.

The form, ``--set``, the check of presets and the table in the README are made from these classes; the
engine reads ``settings.optimizer.learning_rate`` and never copies it. A new setting is two edits: its
line here and the engine line that uses it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tui.core.architectures import SIMPLE_CNN, known_model


def _setting(title: str, help: str, *, unit: str = "", when: tuple[str, ...] | None = None, **limits: Any) -> Any:
    """Declare a setting. ``when`` is (key, value, ...): it has an effect only if key has one of the values."""
    extra: dict[str, Any] = {"unit": unit, "when": list(when) if when else None}
    return Field(title=title, description=help, json_schema_extra=extra, **limits)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


Channels = Annotated[tuple[float, ...], Field(max_length=3)]


class DataSettings(_Group):
    """What the network sees."""

    directory: str = _setting(
        "Directory",
        "The folder of pictures: one folder per class, or train/val/test folders of them.",
        default="",
    )
    image_size: int = _setting(
        "Image size",
        "Pictures are brought to this many pixels on each side.",
        unit="px",
        default=64,
        ge=8,
        le=1024,
    )
    channels: Literal[3, 1] = _setting("Channels", "3 for colour, 1 to train on greyscale.", default=3)
    resize: Literal["crop", "letterbox", "squash"] = _setting(
        "Resize",
        "crop keeps the shape and cuts the edges off; letterbox keeps everything and adds bars; squash distorts.",
        default="crop",
    )
    crop: Literal["none", "padded", "random_resized"] = _setting(
        "Random crop",
        "Training only. padded shifts the picture by up to the padding (small pictures); random_resized cuts a random part out and scales it up (photographs).",
        default="padded",
    )
    crop_padding: int = _setting(
        "Crop padding",
        "How far a padded crop can shift the picture.",
        unit="px",
        when=("data.crop", "padded"),
        default=4,
        ge=0,
        le=128,
    )
    crop_scale: float = _setting(
        "Crop scale",
        "The smallest share of the picture's area that a random resized crop keeps.",
        when=("data.crop", "random_resized"),
        default=0.35,
        gt=0,
        le=1,
    )
    flip: bool = _setting(
        "Horizontal flip",
        "Training only. Mirror half of the pictures; switch off where left and right differ (text, digits).",
        default=True,
    )
    validation_fraction: float = _setting(
        "Validation share",
        "Share of each class kept for validation when the data has no validation folder.",
        default=0.15,
        ge=0.01,
        le=0.5,
    )
    test_fraction: float = _setting(
        "Test share",
        "Share of each class kept for the final test when the data is in one root. 0 keeps none.",
        default=0.15,
        ge=0,
        le=0.5,
    )
    exclude: str = _setting(
        "Leave out",
        "A text file of pictures to leave out, one path per line, relative to the directory; `cnntrain check --fix-list` writes one.",
        default="",
    )
    follow_links: bool = _setting(
        "Follow links out",
        "Use linked folders and pictures that lie outside of the directory.",
        default=False,
    )
    mean: Channels = _setting(
        "Mean",
        "Per-channel mean for the normalisation, in 0..1. Empty: computed from the training pictures.",
        default=(),
    )
    std: Channels = _setting(
        "Standard deviation",
        "Per-channel deviation for the normalisation, in 0..1. Empty: computed from the training pictures.",
        default=(),
    )
    workers: int = _setting(
        "Decoding workers",
        "Processes that decode pictures. 0: as many as there are processor cores.",
        default=0,
        ge=0,
        le=256,
    )
    cache_gib: float = _setting(
        "Cache budget",
        "Decoded pictures are kept on disk up to this size; larger sets are decoded again in every epoch.",
        unit="GiB",
        default=8.0,
        ge=0,
        le=100_000,
    )

    @model_validator(mode="after")
    def _consistent(self) -> DataSettings:
        if self.validation_fraction + self.test_fraction > 0.8:
            raise ValueError(
                "data.validation_fraction and data.test_fraction together leave less than 20 % to train on"
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values and len(values) != self.channels:
                raise ValueError(f"data.{name} has {len(values)} numbers, data.channels is {self.channels}")
        if any(value <= 0 for value in self.std):
            raise ValueError("data.std must be positive")
        return self


class ModelSettings(_Group):
    """The network."""

    name: str = _setting(
        "Architecture",
        "simple_cnn, built from the settings below, or a classification model of torchvision.",
        default=SIMPLE_CNN,
    )
    pretrained: bool = _setting(
        "Pretrained",
        "Start from torchvision's ImageNet weights (fine-tuning); they are downloaded once.",
        default=False,
    )
    blocks: int = _setting(
        "Blocks",
        "Convolution blocks; each but the last halves the picture.",
        when=("model.name", SIMPLE_CNN),
        default=3,
        ge=1,
        le=8,
    )
    width: int = _setting(
        "Width",
        "Channels of the first block; each block has twice as many as the one before, up to 512.",
        unit="channels",
        when=("model.name", SIMPLE_CNN),
        default=32,
        ge=1,
        le=512,
    )
    kernel_size: Literal[3, 5, 7] = _setting(
        "Kernel size",
        "Side of the convolution kernels.",
        unit="px",
        when=("model.name", SIMPLE_CNN),
        default=3,
    )
    batch_norm: bool = _setting(
        "BatchNorm",
        "Normalise after each convolution; trains faster and keeps early gradients alive.",
        when=("model.name", SIMPLE_CNN),
        default=True,
    )
    activation: Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"] = _setting(
        "Activation",
        "The non-linearity; tanh and sigmoid make gradients vanish in deep networks.",
        when=("model.name", SIMPLE_CNN),
        default="relu",
    )
    pooling: Literal["max", "average"] = _setting(
        "Pooling", "How a block halves the picture.", when=("model.name", SIMPLE_CNN), default="max"
    )
    dropout: float = _setting(
        "Dropout",
        "Share of features switched off before the last layer while training (simple_cnn, and torchvision models that have dropout).",
        default=0.0,
        ge=0,
        lt=1,
    )

    @model_validator(mode="after")
    def _consistent(self) -> ModelSettings:
        known_model(self.name)
        if self.pretrained and self.name == SIMPLE_CNN:
            raise ValueError("model.pretrained needs a torchvision architecture; simple_cnn has no pretrained weights")
        return self


class OptimizerSettings(_Group):
    """How a gradient becomes a step."""

    name: Literal["sgd", "adam", "adamw"] = _setting(
        "Optimizer",
        "sgd with momentum for networks with BatchNorm; adamw is forgiving and good for fine-tuning.",
        default="sgd",
    )
    learning_rate: float = _setting(
        "Learning rate",
        "The peak learning rate. Typical: sgd 0.05-0.1, adam and adamw 0.0003-0.003.",
        default=0.05,
        gt=0,
        le=100,
    )
    momentum: float = _setting(
        "Momentum",
        "How much of the last steps is kept.",
        when=("optimizer.name", "sgd"),
        default=0.9,
        ge=0,
        lt=1,
    )
    nesterov: bool = _setting("Nesterov", "Nesterov's momentum.", when=("optimizer.name", "sgd"), default=False)
    beta1: float = _setting(
        "Beta 1",
        "Decay of the gradient's average.",
        when=("optimizer.name", "adam", "adamw"),
        default=0.9,
        ge=0,
        lt=1,
    )
    beta2: float = _setting(
        "Beta 2",
        "Decay of the squared gradient's average.",
        when=("optimizer.name", "adam", "adamw"),
        default=0.999,
        ge=0,
        lt=1,
    )
    weight_decay: float = _setting(
        "Weight decay",
        "Pull of the weights towards zero; not applied to biases and norm layers.",
        default=5e-4,
        ge=0,
        le=10,
    )
    clip_norm: float = _setting(
        "Gradient clipping",
        "The gradient's norm is scaled down to this when it is larger. 0: off.",
        default=0.0,
        ge=0,
        le=1e6,
    )

    @model_validator(mode="after")
    def _consistent(self) -> OptimizerSettings:
        if self.nesterov and self.name == "sgd" and self.momentum == 0:
            raise ValueError("optimizer.nesterov needs optimizer.momentum above 0")
        return self


class ScheduleSettings(_Group):
    """How the learning rate changes over the run."""

    name: Literal["cosine", "plateau", "constant"] = _setting(
        "Schedule",
        "cosine falls smoothly to the end of the run; plateau falls when the validation loss stops improving.",
        default="cosine",
    )
    warmup_epochs: float = _setting(
        "Warm-up",
        "The learning rate rises linearly from near zero for this long.",
        unit="epochs",
        default=0.5,
        ge=0,
        le=100,
    )
    final_fraction: float = _setting(
        "Final share",
        "The share of the peak learning rate that is left at the end of the cosine.",
        when=("schedule.name", "cosine"),
        default=0.0,
        ge=0,
        le=1,
    )
    factor: float = _setting(
        "Factor",
        "The learning rate is multiplied by this on a plateau.",
        when=("schedule.name", "plateau"),
        default=0.1,
        gt=0,
        lt=1,
    )
    patience: int = _setting(
        "Patience",
        "Validations without a better loss before the learning rate falls.",
        unit="validations",
        when=("schedule.name", "plateau"),
        default=3,
        ge=0,
        le=1000,
    )


class LossSettings(_Group):
    """What is minimised: cross entropy."""

    label_smoothing: float = _setting(
        "Label smoothing",
        "Share of the target spread over all classes; 0.1 helps when some labels are wrong.",
        default=0.0,
        ge=0,
        lt=1,
    )


class TrainingSettings(_Group):
    """How long, how much at a time, and where."""

    epochs: int = _setting(
        "Epochs",
        "How often the training pictures are gone through.",
        unit="epochs",
        default=10,
        ge=1,
        le=100_000,
    )
    batch_size: int = _setting("Batch size", "Pictures per step.", unit="images", default=128, ge=2, le=65_536)
    seed: int = _setting(
        "Seed",
        "Fixes the split, the initial weights, the order and the augmentation.",
        default=0,
        ge=0,
        le=2**31 - 1,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = _setting(
        "Device", "auto takes CUDA, then MPS, then the CPU.", default="auto"
    )
    threads: int = _setting(
        "Threads",
        "Processor threads of the training step. 0: as many as there are cores.",
        unit="threads",
        default=0,
        ge=0,
        le=1024,
    )
    validate_every: int = _setting(
        "Validate every", "How many epochs or steps lie between validations.", default=1, ge=1, le=10_000_000
    )
    validate_unit: Literal["epochs", "steps"] = _setting("Validate unit", "What the interval counts.", default="epochs")
    layers_every: int = _setting(
        "Layer norms every",
        "Per-layer gradient norms are recorded every so many steps (and in each of the first 64).",
        unit="steps",
        default=1,
        ge=1,
        le=100_000,
    )
    stop_on_nonfinite: bool = _setting(
        "Stop on NaN",
        "Stop when the loss is NaN or infinite; the last good checkpoint is kept.",
        default=True,
    )
    restarts: int = _setting(
        "Restarts",
        "How often a training that was killed or has crashed goes on by itself from its newest checkpoint. A failure that says why is left to you.",
        default=0,
        ge=0,
        le=1000,
    )


class Settings(_Group):
    """Everything that decides a run; two runs with equal settings, data and versions give equal results on a CPU."""

    data: DataSettings = Field(default=DataSettings(), title="Data")
    model: ModelSettings = Field(default=ModelSettings(), title="Model")
    optimizer: OptimizerSettings = Field(default=OptimizerSettings(), title="Optimizer")
    schedule: ScheduleSettings = Field(default=ScheduleSettings(), title="Schedule")
    loss: LossSettings = Field(default=LossSettings(), title="Loss")
    training: TrainingSettings = Field(default=TrainingSettings(), title="Training")

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.schedule.warmup_epochs > self.training.epochs:
            raise ValueError("schedule.warmup_epochs is longer than training.epochs")
        return self
