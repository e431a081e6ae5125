"""The settings of the diagnostics: what is measured beside the training, and how often."""

from __future__ import annotations

from typing import Literal

from tui.core.groups.declare import Group, setting


class DiagnosisSettings(Group):
    """What is measured beside the training; nothing of it changes a weight."""

    probes: Literal["on", "off"] = setting(
        "Probes",
        "Measure weights, updates, activations and halves of batches now and then, and judge them while training.",
        default="on",
    )
    preflight: Literal["warn", "stop", "off"] = setting(
        "Preflight",
        "Look at the pictures, the first loss and the wiring before the first step: warn and train, stop when something is wrong, or off.",
        default="warn",
    )
    updates_every: int = setting(
        "Updates every",
        "Weight norms and update ratios are measured every so many steps (and in each of the first 64).",
        unit="steps",
        when=("diagnosis.probes", "on"),
        default=16,
        ge=1,
        le=100_000,
    )
    activations_every: int = setting(
        "Activations every",
        "Dead channels and saturated units are counted every so many steps.",
        unit="steps",
        when=("diagnosis.probes", "on"),
        default=50,
        ge=1,
        le=100_000,
    )
    agreement_every: int = setting(
        "Halves every",
        "Two halves of a batch are compared every so many steps, which costs one step; more often while nothing is learned.",
        unit="steps",
        when=("diagnosis.probes", "on"),
        default=800,
        ge=1,
        le=1_000_000,
    )
    training_pictures: int = setting(
        "Training sample",
        "So many training pictures are evaluated beside each validation, without augmentation. 0: none.",
        unit="images",
        default=800,
        ge=0,
        le=100_000,
    )
    overhead_limit: float = setting(
        "Overhead limit",
        "When the diagnostics take a larger share of the time than this, their intervals double.",
        when=("diagnosis.probes", "on"),
        default=0.01,
        gt=0,
        le=1,
    )
