"""The settings of the optimizer."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from tui.core.groups.declare import Group, setting

_ADAPTIVE = ("adam", "adamw", "nadam", "radam", "muon")

USUAL_RATES = {
    "sgd": 0.05,
    "adam": 1e-3,
    "adamw": 1e-3,
    "rmsprop": 1e-3,
    "adagrad": 1e-2,
    "nadam": 1e-3,
    "radam": 1e-3,
    "muon": 2e-3,
}
"""The learning rate to begin with, which the doctor falls back on: Adam's is its authors' (arXiv:1412.6980) and serves
its kin; SGD's is for a momentum of `USUAL_MOMENTUM` and is the default here."""
USUAL_MOMENTUM = 0.9


class OptimizerSettings(Group):
    """How a gradient becomes a step."""

    name: Literal["sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "radam", "muon"] = setting(
        "Optimizer",
        "sgd with momentum for networks with BatchNorm; adamw is forgiving and good for fine-tuning; muon is for kernels and matrices, adamw then does the rest.",
        default="sgd",
    )
    learning_rate: float = setting(
        "Learning rate",
        "The peak learning rate. Typical: sgd 0.05-0.1, adagrad 0.01, the adams, muon and rmsprop 0.0003-0.003.",
        default=USUAL_RATES["sgd"],
        gt=0,
        le=100,
        also="lr",
    )
    head_factor: float = setting(
        "Head's factor",
        "The last layer learns at this times the learning rate; 10 is usual when a pretrained network gets a new head.",
        default=1.0,
        gt=0,
        le=1000,
    )
    momentum: float = setting(
        "Momentum",
        "How much of the last steps is kept.",
        when=("optimizer.name", "sgd", "rmsprop", "muon"),
        default=USUAL_MOMENTUM,
        ge=0,
        lt=1,
    )
    nesterov: bool = setting("Nesterov", "Nesterov's momentum.", when=("optimizer.name", "sgd", "muon"), default=False)
    alpha: float = setting(
        "Alpha",
        "Decay of the squared gradient's average in rmsprop.",
        when=("optimizer.name", "rmsprop"),
        default=0.99,
        gt=0,
        lt=1,
    )
    beta1: float = setting(
        "Beta 1",
        "Decay of the gradient's average.",
        when=("optimizer.name", *_ADAPTIVE),
        default=0.9,
        ge=0,
        lt=1,
        also="betas",
    )
    beta2: float = setting(
        "Beta 2",
        "Decay of the squared gradient's average.",
        when=("optimizer.name", *_ADAPTIVE),
        default=0.999,
        ge=0,
        lt=1,
        also="betas",
    )
    epsilon: float = setting(
        "Epsilon",
        "Added to the root of the squared gradient's average, so that a tiny gradient makes no huge step.",
        when=("optimizer.name", *_ADAPTIVE, "rmsprop", "adagrad"),
        default=1e-8,
        gt=0,
        le=1,
    )
    weight_decay: float = setting(
        "Weight decay",
        "Pull of the weights towards zero; beside the gradient with adamw, nadam, radam and muon, in it (L2) with the others.",
        default=5e-4,
        ge=0,
        le=10,
        also="wd l2 regularization",
    )
    decay_all: bool = setting(
        "Decay everything",
        "Weight decay pulls at biases, norm layers and embeddings too, not only at kernels and matrices.",
        default=False,
    )
    l1: float = setting(
        "L1",
        "This times the sum of the absolute weights (kernels and matrices) is minimised too: it makes small ones zero. The recorded loss is without it.",
        default=0.0,
        ge=0,
        le=1,
    )
    clip_norm: float = setting(
        "Gradient clipping",
        "The gradient's norm is scaled down to this when it is larger. 0: off.",
        default=0.0,
        ge=0,
        le=1e6,
        also="grad clip clipnorm",
    )
    clip_value: float = setting(
        "Clipping by value",
        "Each number of the gradient is cut to at most this, after clipping by norm. 0: off.",
        default=0.0,
        ge=0,
        le=1e6,
    )
    clip_update: float = setting(
        "Update clipping",
        "A step that would move the weights by more than this share of their length is shortened to it, whatever made it long; 0.03 is generous. 0: off.",
        default=0.0,
        ge=0,
        le=10,
    )
    accumulate: int = setting(
        "Accumulate",
        "Batches that one step is made of: more pictures per step than fit into memory at once. BatchNorm still sees single batches; records are per step.",
        unit="batches",
        default=1,
        ge=1,
        le=4096,
        also="gradient accumulation",
    )
    ema_decay: float = setting(
        "Average of weights",
        "A moving average of the weights (EMA) with this decay per step (at most (1+t)/(10+t) in step t) is validated beside them, and exported with --weights averaged; 0.999 is usual. 0: off.",
        default=0.0,
        ge=0,
        lt=1,
    )

    @model_validator(mode="after")
    def _consistent(self) -> OptimizerSettings:
        if self.nesterov and self.name in ("sgd", "muon") and self.momentum == 0:
            raise ValueError("optimizer.nesterov needs optimizer.momentum above 0")
        return self
