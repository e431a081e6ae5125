"""The settings of the loss."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tui.core.groups.declare import Group, setting

Weights = Annotated[tuple[float, ...], Field(max_length=100_000)]


class LossSettings(Group):
    """What is minimised."""

    name: Literal["auto", "cross_entropy", "focal", "bce", "mse", "l1", "smooth_l1"] = setting(
        "Loss",
        "auto follows the task: cross_entropy for classes, bce for several labels, mse for numbers. focal looks past easy pictures; l1 and smooth_l1 bear outliers.",
        default="auto",
    )
    focal_gamma: float = setting(
        "Focal gamma",
        "How strongly pictures that are right already are played down; 0 is plain cross entropy.",
        when=("loss.name", "focal"),
        default=2.0,
        ge=0,
        le=10,
    )
    label_smoothing: float = setting(
        "Label smoothing",
        "Share of the target spread over all classes; 0.1 helps when some labels are wrong. Numbers are never smoothed.",
        when=("loss.name", "auto", "cross_entropy", "focal", "bce"),
        default=0.0,
        ge=0,
        lt=1,
    )
    class_weights: Literal["none", "balanced", "effective", "given"] = setting(
        "Class weights",
        "balanced weighs a class by the inverse of its training pictures, effective by that of its effective number (milder), given as listed.",
        when=("loss.name", "auto", "cross_entropy", "focal", "bce"),
        default="none",
        also="imbalance imbalanced weighted",
    )
    effective_beta: float = setting(
        "Effective beta",
        "How soon more pictures of a class stop counting: beyond about 1 / (1 - beta) they add nothing.",
        when=("loss.class_weights", "effective"),
        default=0.999,
        ge=0,
        lt=1,
    )
    weights: Weights = setting(
        "Weights",
        "One positive number per class, in the order of the classes; only their ratios count.",
        when=("loss.class_weights", "given"),
        default=(),
    )
    smooth_beta: float = setting(
        "Smooth L1 beta",
        "Where smooth L1 turns from squared to absolute, in standard deviations of the target.",
        when=("loss.name", "smooth_l1"),
        default=1.0,
        gt=0,
        le=1000,
    )
    standardise: bool = setting(
        "Standardise targets",
        "Learn numbers as distances from their training mean in standard deviations; errors are shown in their own units all the same.",
        when=("loss.name", "auto", "mse", "l1", "smooth_l1"),
        default=True,
    )

    @model_validator(mode="after")
    def _consistent(self) -> LossSettings:
        if self.class_weights == "given" and not self.weights:
            raise ValueError("loss.class_weights is given, but loss.weights lists none")
        if any(weight <= 0 for weight in self.weights):
            raise ValueError("loss.weights must be positive")
        return self
