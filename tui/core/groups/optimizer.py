"""The settings of the optimizer."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from tui.core.groups.declare import Group, setting


class OptimizerSettings(Group):
    """How a gradient becomes a step."""

    name: Literal["sgd", "adam", "adamw"] = setting(
        "Optimizer",
        "sgd with momentum for networks with BatchNorm; adamw is forgiving and good for fine-tuning.",
        default="sgd",
    )
    learning_rate: float = setting(
        "Learning rate",
        "The peak learning rate. Typical: sgd 0.05-0.1, adam and adamw 0.0003-0.003.",
        default=0.05,
        gt=0,
        le=100,
    )
    momentum: float = setting(
        "Momentum",
        "How much of the last steps is kept.",
        when=("optimizer.name", "sgd"),
        default=0.9,
        ge=0,
        lt=1,
    )
    nesterov: bool = setting("Nesterov", "Nesterov's momentum.", when=("optimizer.name", "sgd"), default=False)
    beta1: float = setting(
        "Beta 1",
        "Decay of the gradient's average.",
        when=("optimizer.name", "adam", "adamw"),
        default=0.9,
        ge=0,
        lt=1,
    )
    beta2: float = setting(
        "Beta 2",
        "Decay of the squared gradient's average.",
        when=("optimizer.name", "adam", "adamw"),
        default=0.999,
        ge=0,
        lt=1,
    )
    weight_decay: float = setting(
        "Weight decay",
        "Pull of the weights towards zero; not applied to biases and norm layers.",
        default=5e-4,
        ge=0,
        le=10,
    )
    clip_norm: float = setting(
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
