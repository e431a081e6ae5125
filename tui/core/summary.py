"""What a network consists of and what training it takes, as the engine finds it out and a person reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tui.core.sentences import size
from tui.core.text import clean

MODULE = "summary"
"""The job of the engine that answers."""
ASSUMED_OUTPUTS = 10
"""How many outputs a network is shown with while nobody has looked at the pictures."""


@dataclass(frozen=True)
class Layer:
    """A part of the network that is called by itself; one without a name is the network around the others."""

    name: str
    kind: str
    output: tuple[int, ...]
    """Its shape for one picture."""
    parameters: int
    trained: int
    """Of these, how many learn from the first step on."""
    flops: int
    """Of the forward pass for one picture; a multiplication and an addition are two."""

    @property
    def words(self) -> tuple[str, str, str, str, str]:
        """Name, kind, output, parameters and operations, safe to show."""
        shape = "×".join(map(str, self.output))
        frozen = " frozen" if self.parameters and not self.trained else ""
        parameters = f"{self.parameters:,}{frozen}" if self.parameters else ""
        return clean(self.name or "(the rest)", 80), clean(self.kind, 40), shape, parameters, operations(self.flops)


@dataclass(frozen=True)
class Summary:
    """A network before it is trained."""

    model: str
    outputs: int
    input: tuple[int, int, int]
    """Channels, height, width."""
    layers: tuple[Layer, ...]
    memory: dict[str, int]
    """Bytes of a training step at its height, by what they are for."""
    batch_size: int
    precision: str
    device: str
    notes: tuple[str, ...] = ()
    """What the settings ask for and this network lacks, a sentence each."""

    @property
    def parameters(self) -> int:
        """How many numbers the network has."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trained(self) -> int:
        """How many of them learn from the first step on."""
        return sum(layer.trained for layer in self.layers)

    @property
    def flops(self) -> int:
        """Of the forward pass for one picture."""
        return sum(layer.flops for layer in self.layers)

    @property
    def total(self) -> int:
        """Bytes of a training step at its height."""
        return sum(self.memory.values())

    def heading(self) -> str:
        """Return what was asked for."""
        channels, height, width = self.input
        return f"{clean(self.model, 120)} for pictures of {channels}×{height}×{width}, {self.outputs:,} outputs"

    def facts(self) -> list[tuple[str, str]]:
        """Return what there is to say about it as a whole: (what, how much)."""
        frozen = "" if self.trained == self.parameters else f", {self.trained:,} of them learn from the first step on"
        shares = sorted(self.memory.items(), key=lambda share: -share[1])
        made = ", ".join(f"{name} {size(count)}" for name, count in shares if count >= 0.005 * self.total)
        return [
            ("parameters", f"{self.parameters:,}{frozen}"),
            ("operations", f"{operations(self.flops) or '0'} floating point, for one picture forward"),
            ("memory", f"about {size(self.total)} for batches of {self.batch_size:,} in {clean(self.precision, 20)}"),
            ("", made),
        ]


def from_table(table: dict[str, Any]) -> Summary:
    """Return the summary that the engine has sent as plain values."""
    layers = tuple(Layer(**{**layer, "output": tuple(layer["output"])}) for layer in table["layers"])
    return Summary(**{**table, "layers": layers, "input": tuple(table["input"]), "notes": tuple(table["notes"])})


def operations(count: int) -> str:
    """Return a number of operations with a unit: ``3.63 G``; nothing for none."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return str(count) if count else ""
