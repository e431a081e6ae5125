"""The settings of the learning rate over the run."""

from __future__ import annotations

from typing import Literal

from tui.core.groups.declare import Group, setting


class ScheduleSettings(Group):
    """How the learning rate changes over the run."""

    name: Literal["cosine", "plateau", "constant"] = setting(
        "Schedule",
        "cosine falls smoothly to the end of the run; plateau falls when the validation loss stops improving.",
        default="cosine",
    )
    warmup_epochs: float = setting(
        "Warm-up",
        "The learning rate rises linearly from near zero for this long.",
        unit="epochs",
        default=0.5,
        ge=0,
        le=100,
    )
    final_fraction: float = setting(
        "Final share",
        "The share of the peak learning rate that is left at the end of the cosine.",
        when=("schedule.name", "cosine"),
        default=0.0,
        ge=0,
        le=1,
    )
    factor: float = setting(
        "Factor",
        "The learning rate is multiplied by this on a plateau.",
        when=("schedule.name", "plateau"),
        default=0.1,
        gt=0,
        lt=1,
    )
    patience: int = setting(
        "Patience",
        "Validations without a better loss before the learning rate falls.",
        unit="validations",
        when=("schedule.name", "plateau"),
        default=3,
        ge=0,
        le=1000,
    )
