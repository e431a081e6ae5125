"""The settings of the learning rate over the run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tui.core.groups.declare import Group, setting

Shares = Annotated[tuple[float, ...], Field(max_length=20)]


class ScheduleSettings(Group):
    """How the learning rate changes over the run; the formulas are in `tui.core.schedule`."""

    name: Literal["cosine", "plateau", "constant", "step", "multistep", "exponential", "onecycle", "polynomial"] = (
        setting(
            "Schedule",
            "cosine falls smoothly to the end of the run; plateau when the validation loss stops improving; onecycle rises and falls once, for short runs.",
            default="cosine",
            also="scheduler lr annealing",
        )
    )
    warmup_epochs: float = setting(
        "Warm-up",
        "Before the schedule the learning rate rises linearly from near zero for this long.",
        unit="epochs",
        default=0.5,
        ge=0,
        le=100,
    )
    final_fraction: float = setting(
        "Final share",
        "The share of the peak learning rate that is left at the end.",
        when=("schedule.name", "cosine", "onecycle", "polynomial"),
        default=0.0,
        ge=0,
        le=1,
    )
    cycles: int = setting(
        "Cycles",
        "How often the cosine falls; before each cycle but the first the learning rate jumps back to its peak (warm restarts).",
        unit="cycles",
        when=("schedule.name", "cosine"),
        default=1,
        ge=1,
        le=100,
    )
    cycle_growth: float = setting(
        "Cycle growth",
        "How many times as long as the one before each cycle is.",
        when=("schedule.name", "cosine"),
        default=1.0,
        ge=1,
        le=10,
    )
    factor: float = setting(
        "Factor",
        "The learning rate is multiplied by this at each fall.",
        when=("schedule.name", "plateau", "step", "multistep"),
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
    step_epochs: int = setting(
        "Step length",
        "The learning rate falls each time so many epochs have passed since the start.",
        unit="epochs",
        when=("schedule.name", "step"),
        default=5,
        ge=1,
        le=100_000,
    )
    milestones: Shares = setting(
        "Milestones",
        "The shares of the run at which the learning rate falls: 0.5, 0.75 are epochs 10 and 15 of 20.",
        when=("schedule.name", "multistep"),
        default=(0.5, 0.75),
    )
    decay: float = setting(
        "Decay per epoch",
        "The learning rate is multiplied by this over each epoch, a little at every step.",
        when=("schedule.name", "exponential"),
        default=0.9,
        gt=0,
        lt=1,
    )
    power: float = setting(
        "Power",
        "The exponent of the polynomial: 1 is a straight line, above 1 falls early.",
        when=("schedule.name", "polynomial"),
        default=1.0,
        gt=0,
        le=10,
    )
    rise: float = setting(
        "Rise",
        "The share of the run in which the one cycle rises to the peak.",
        when=("schedule.name", "onecycle"),
        default=0.3,
        gt=0,
        lt=1,
    )
    start_fraction: float = setting(
        "Start share",
        "The share of the peak learning rate at which the one cycle starts.",
        when=("schedule.name", "onecycle"),
        default=0.04,
        gt=0,
        le=1,
    )

    @model_validator(mode="after")
    def _consistent(self) -> ScheduleSettings:
        if not self.milestones and self.name == "multistep":
            raise ValueError("schedule.milestones is empty, but multistep falls only there; 0.5, 0.75 is usual")
        if any(not 0 < share < 1 for share in self.milestones):
            raise ValueError("schedule.milestones are shares of the run: each must be above 0 and below 1")
        return self
