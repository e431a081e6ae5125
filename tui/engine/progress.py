"""What a run has done so far besides its weights: the part of a checkpoint that is plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tui.core.metrics import Metric
from tui.engine.schedules import Plateau

_NOW = {"accuracy": "score"}
"""Names that checkpoints of older versions use."""


@dataclass
class Best:
    """The best validation so far."""

    step: int = 0
    score: float | None = None
    """By the metric that decides (``training.best_by``); None: there was none yet."""
    loss: float = float("inf")

    def beaten_by(self, metric: Metric, score: float, loss: float) -> bool:
        """Whether a validation is better: by the metric, or as good with a lower loss."""
        return metric.is_better(score, self.score) or (score == self.score and loss < self.loss)


@dataclass
class Patience:
    """What early stopping remembers."""

    best: float = math.nan
    """Of ``training.stop_metric``; moved only by an improvement of ``training.stop_change`` or more."""
    waited: int = 0
    """Validations since then."""


@dataclass
class Progress:
    """Steps, and what has been accumulated or decided at them. Saved and restored exactly."""

    step: int = 0
    """Steps done."""
    epochs: int = 0
    """Epochs that have been reported as ended."""
    validated: int = 0
    """The step of the last scheduled validation."""
    loss: float = 0.0
    """Sum over the steps of the current epoch, of their mean losses."""
    score: float = 0.0
    """Likewise of their scores."""
    seconds: float = 0.0
    """Time spent on the steps of the current epoch."""
    counted: int = 0
    """Steps in these sums."""
    best: Best = field(default_factory=Best)
    others: list[Best] = field(default_factory=list)
    """The next best validations, of which checkpoints are kept too; the better first."""
    plateau: Plateau = field(default_factory=Plateau)
    patience: Patience = field(default_factory=Patience)
    elapsed: float = 0.0
    """Seconds trained, validations and saves included, pauses not; as of the newest step."""
    end: int = 0
    """The step at which the run ends before its planned last one; 0: it does not."""
    end_reason: str = ""

    def to_table(self) -> dict[str, Any]:
        """Return it as JSON's types; floats survive bit for bit."""
        return asdict(self)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Progress:
        """Return what `to_table` gave.

        Raises:
            KeyError, TypeError: something is missing or unknown.
        """
        parts: dict[str, Any] = {
            "best": Best(**{_NOW.get(key, key): value for key, value in table["best"].items()}),
            "others": [Best(**other) for other in table.get("others", ())],
            "plateau": Plateau(**table["plateau"]),
            "patience": Patience(**table.get("patience", {})),
        }
        return cls(**{**{_NOW.get(key, key): value for key, value in table.items()}, **parts})

    def go_on(self) -> None:
        """Forget what ended the run, because it was extended: patience and time count anew."""
        self.end, self.end_reason = 0, ""
        self.patience, self.elapsed = Patience(), 0.0

    def start_epoch(self) -> None:
        """Empty the sums."""
        self.loss = self.score = self.seconds = 0.0
        self.counted = 0
