"""What came of an attack: kills, and everything that should not have happened."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tui.core.files import write_atomic

VICTIMS = ("screen", "data worker", "engine", "supervisor", "everything")
PATIENCE = 5.0
"""Seconds after which nothing of a killed run may be left."""


@dataclass
class Report:
    """What happened."""

    kills: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    stalled: list[str] = field(default_factory=list)
    """Trainings that did not go on, or runs that could not be resumed."""
    different: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    """Attempts that did not go on from the newest checkpoint that was published."""
    runs: int = 0
    attempts: int = 0
    in_saves: int = 0
    slowest_leave: float = 0.0
    late: int = 0
    """Kills after which it took longer than that because the machine was busy elsewhere."""

    @property
    def problems(self) -> list[str]:
        """All of them, in one list."""
        return [*self.unreadable, *self.lost, *self.orphans, *self.stalled, *self.different, *self.forgotten]

    def save(self, path: Path) -> None:
        """Keep what has happened so far."""
        write_atomic(path, json.dumps(vars(self), indent=1))

    @staticmethod
    def load(path: Path) -> Report:
        """Return what was kept, or a new one."""
        if not path.exists():
            return Report()
        fields = json.loads(path.read_bytes())
        return Report(**{**fields, "kills": Counter(fields["kills"])})

    def __str__(self) -> str:
        lines = ["victim        kills"]
        lines += [f"{victim:<12} {self.kills[victim]:>6}" for victim in VICTIMS if self.kills[victim]]
        lines += [
            f"{'all':<12} {self.kills.total():>6}  ({self.in_saves} of them aimed into a save)",
            "",
            f"unreadable runs          {len(self.unreadable)}",
            f"lost records or events   {len(self.lost)}",
            f"orphans after {PATIENCE:g} s       {len(self.orphans)}  (the slowest left in {self.slowest_leave:.1f} s)",
            f"later than that on a busy machine  {self.late}",
            f"not resumed or stalled   {len(self.stalled)}",
            f"finished runs            {self.runs}, after {self.attempts} attempts",
            f"different from the undisturbed run  {len(self.different)}",
            f"not resumed from the newest checkpoint  {len(self.forgotten)}",
            *self.problems,
        ]
        return "\n".join(lines)
