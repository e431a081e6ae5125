"""The settings of the network."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from tui.core.architectures import SIMPLE_CNN, is_code, known_model
from tui.core.groups.declare import Group, setting


class ModelSettings(Group):
    """The network."""

    name: str = setting(
        "Architecture",
        "simple_cnn, built from the settings below; a model of torchvision; timm:NAME with cnntrain[timm]. Your own as package.module:name, from the command line only.",
        default=SIMPLE_CNN,
        also="network backbone net",
    )
    pretrained: bool = setting(
        "Pretrained",
        "Start from torchvision's or timm's ImageNet weights (fine-tuning); they are downloaded once.",
        default=False,
        also="imagenet transfer learning finetune",
    )
    blocks: int = setting(
        "Blocks",
        "Convolution blocks; each but the last halves the picture.",
        when=("model.name", SIMPLE_CNN),
        default=3,
        ge=1,
        le=8,
    )
    width: int = setting(
        "Width",
        "Channels of the first block; each block has twice as many as the one before, up to 512.",
        unit="channels",
        when=("model.name", SIMPLE_CNN),
        default=32,
        ge=1,
        le=512,
    )
    kernel_size: Literal[3, 5, 7] = setting(
        "Kernel size",
        "Side of the convolution kernels.",
        unit="px",
        when=("model.name", SIMPLE_CNN),
        default=3,
    )
    batch_norm: bool = setting(
        "BatchNorm",
        "Normalise after each convolution; trains faster and keeps early gradients alive.",
        when=("model.name", SIMPLE_CNN),
        default=True,
    )
    activation: Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"] = setting(
        "Activation",
        "The non-linearity; tanh and sigmoid make gradients vanish in deep networks.",
        when=("model.name", SIMPLE_CNN),
        default="relu",
    )
    pooling: Literal["max", "average"] = setting(
        "Pooling", "How a block halves the picture.", when=("model.name", SIMPLE_CNN), default="max"
    )
    dropout: float = setting(
        "Dropout",
        "Share of features switched off before the last layer while training (simple_cnn, and models that have dropout).",
        default=0.0,
        ge=0,
        lt=1,
    )
    stochastic_depth: float = setting(
        "Stochastic depth",
        "Share of the last residual block's outputs left out while training; less in the blocks before (convnext, efficientnet, maxvit, swin, many of timm).",
        default=0.0,
        ge=0,
        lt=1,
    )
    init: Literal[
        "auto", "torch", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"
    ] = setting(
        "Initialisation",
        "How kernels and matrices are drawn. auto: as the network's authors do; torch: each layer's own default. Pretrained weights stay: only the new head is drawn.",
        default="auto",
    )
    zero_last_norm: bool = setting(
        "Silent blocks",
        "The last BatchNorm of each residual block starts at zero: a deep network begins as a shallow one. Pretrained weights stay.",
        when=("model.pretrained", "false"),
        default=False,
    )
    freeze_backbone: bool = setting(
        "Freeze backbone",
        "Only the last layer learns, on what the rest of the network (pretrained) sees; its BatchNorm statistics stay too.",
        default=False,
        also="transfer learning",
    )
    unfreeze_epoch: int = setting(
        "Unfreeze after",
        "Epochs after which the whole network learns. 0: the backbone stays frozen to the end.",
        unit="epochs",
        when=("model.freeze_backbone", "true"),
        default=0,
        ge=0,
        le=100_000,
    )

    @model_validator(mode="after")
    def _consistent(self) -> ModelSettings:
        known_model(self.name)
        if self.pretrained and self.name == SIMPLE_CNN:
            raise ValueError("model.pretrained needs a torchvision architecture; simple_cnn has no pretrained weights")
        if self.pretrained and is_code(self.name):
            raise ValueError(
                f"model.pretrained is for models of torchvision and timm; {self.name} starts as its package makes it"
            )
        return self
