"""ALL settings of a training run; each is declared once, in the group's module in `tui.core.groups`.

The form, ``--set``, the check of presets and the table in the README are made from these classes; the
engine reads ``settings.optimizer.learning_rate`` and never copies it. A new setting is two edits: its
line in its group and the engine line that uses it.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from tui.core.groups.compute import ComputeSettings
from tui.core.groups.data import DataSettings
from tui.core.groups.declare import Group
from tui.core.groups.diagnosis import DiagnosisSettings
from tui.core.groups.logging import LoggingSettings
from tui.core.groups.loss import LossSettings
from tui.core.groups.model import ModelSettings
from tui.core.groups.notices import NoticeSettings
from tui.core.groups.optimizer import OptimizerSettings
from tui.core.groups.schedule import ScheduleSettings
from tui.core.groups.training import TrainingSettings
from tui.core.metrics import AVERAGED

__all__ = [
    "ComputeSettings",
    "DataSettings",
    "DiagnosisSettings",
    "LoggingSettings",
    "LossSettings",
    "ModelSettings",
    "NoticeSettings",
    "OptimizerSettings",
    "ScheduleSettings",
    "Settings",
    "TrainingSettings",
]


class Settings(Group):
    """Everything that decides a run; two runs with equal settings, data and versions give equal results on a CPU."""

    data: DataSettings = Field(default=DataSettings(), title="Data")
    model: ModelSettings = Field(default=ModelSettings(), title="Model")
    optimizer: OptimizerSettings = Field(default=OptimizerSettings(), title="Optimizer")
    schedule: ScheduleSettings = Field(default=ScheduleSettings(), title="Schedule")
    loss: LossSettings = Field(default=LossSettings(), title="Loss")
    training: TrainingSettings = Field(default=TrainingSettings(), title="Training")
    compute: ComputeSettings = Field(default=ComputeSettings(), title="Compute")
    diagnosis: DiagnosisSettings = Field(default=DiagnosisSettings(), title="Diagnosis")
    logging: LoggingSettings = Field(default=LoggingSettings(), title="Logging")
    notices: NoticeSettings = Field(default=NoticeSettings(), title="Notices")

    @property
    def step_images(self) -> int:
        """Pictures that one optimizer step is made of."""
        return self.training.batch_size * self.optimizer.accumulate

    @property
    def step_words(self) -> str:
        """That number with the settings that it comes from."""
        times = " times optimizer.accumulate" if self.optimizer.accumulate > 1 else ""
        return f"training.batch_size{times} is {self.step_images}"

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.schedule.warmup_epochs > self.training.epochs:
            raise ValueError(
                f"schedule.warmup_epochs is {self.schedule.warmup_epochs:g}, longer than training.epochs, which is "
                f"{self.training.epochs}; take a part of the run"
            )
        for key, metric in (("best_by", self.training.best_by), ("stop_metric", self.training.stop_metric)):
            if metric.startswith(AVERAGED) and not self.optimizer.ema_decay:
                raise ValueError(f"training.{key} is {metric}, which is measured only with optimizer.ema_decay above 0")
        return self
