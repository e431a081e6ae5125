"""Gradient norms per layer: a bar for now, and where there is room a strip of heat for the whole run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tui.app.palette import Tone, heat_levels
from tui.app.widgets.axis import Scale, fitted, ticks
from tui.app.widgets.panel import Ink, Row, Run, ScrollPanel, fit
from tui.core.metrics import GRADIENT_NORM

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VALUE = 9
_LEAST_BAR = 8
_BAR = 12
_ROOM_FOR_HEAT = 76
"""From this width on, the strips of heat are shown."""


class LayerNorms(ScrollPanel):
    """One row per layer: its name, its norm as a bar on a logarithmic axis, the number, and its history as heat."""

    def __init__(self, title: str, number: int = 0, *, id: str | None = None) -> None:
        super().__init__(title, number, id=id)
        self._names: list[str] = []
        self._norms: list[float] = []
        self._heat: NDArray[Any] | None = None
        self._scale: Scale | None = None
        self._over = ""
        self._at: int | None = None

    def name_layers(self, names: Sequence[str]) -> None:
        """Take the layers' names, for which the strips of heat make room."""
        self._names = shortened(names)

    @property
    def points(self) -> int:
        """How many bins the strips of heat have; 0 where there is no room for them."""
        width = self.size.width
        if width < _ROOM_FOR_HEAT:
            return 0
        beside = max((len(name) for name in self._names), default=0) + 1 + _BAR + _VALUE + 2
        return max(width // 4, min(width // 2, width - beside))

    def show(
        self,
        names: Sequence[str],
        norms: Sequence[float],
        heat: NDArray[Any] | None = None,
        over: str = "",
        at: int | None = None,
    ) -> None:
        """Show the layers.

        Args:
            names: sanitized, in the model's order.
            norms: one for each name.
            heat: [names, bins] norms over some steps, NaN where nothing was recorded.
            over: which steps these are, in words.
            at: the step that the norms are from, if not the newest.
        """
        self._over, self._at = over, at
        self.name_layers(names)
        self._norms, self._heat = list(norms), heat
        positive = [norm for norm in norms if math.isfinite(norm) and norm > 0]
        if positive:
            self._scale = fitted(min(positive), max(positive), log=True, before=self._scale)
        self.redraw()

    def note(self) -> Row:
        """Return where the axis is logarithmic."""
        return (("log", "muted"),)

    def value(self) -> Row:
        """Return the step, if it is not the newest, and which layers are shown, if not all are."""
        rows = super().value()
        if self._at is None:
            return rows
        return ((f"step {self._at:,}", "mark"), *((("  ", "muted"), *rows) if rows else ()))

    def count(self, width: int) -> int:
        """Return how many layers there are."""
        return len(self._names)

    def body(self, width: int, height: int) -> list[Row]:
        """Return the layers that are scrolled to, and the axis under them."""
        if not self._names or self._scale is None:
            return [(), (("  no gradient norms yet", "muted"),)]
        rows = super().body(width, height - 1)
        rows += [()] * (min(height - 1, self._total) - len(rows))
        return [*rows, self._axis(width)]

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return the rows of some layers."""
        name, bar = self._widths(width)
        levels = self._levels(first, last)
        rows: list[Row] = []
        for index in range(first, last):
            norm = self._norms[index]
            row: list[Run] = [(fit(self._names[index], name) + " ", "text"), *self._bar(norm, bar)]
            good = math.isfinite(norm)
            tone: Tone = "bad" if not good else "muted" if norm == 0 else "text"
            row.append((f"{GRADIENT_NORM.format(norm):>{_VALUE}}", tone))
            if levels is not None:
                row.append(("  ", "text"))
                row += self._strip(levels[index - first])
            rows.append(tuple(row))
        return rows

    def _widths(self, width: int) -> tuple[int, int]:
        room = width - _VALUE - 1 - (self.points + 2 if self.points else 0)
        longest = max((len(name) for name in self._names), default=0)
        name = min(longest, max(room - 60, room // 2, min(24, room - _BAR)), room - _LEAST_BAR)
        return max(1, name), max(1, room - name)

    def _bar(self, norm: float, width: int) -> list[Run]:
        assert self._scale is not None
        if not math.isfinite(norm) or norm <= 0:
            return [("·", "bad" if norm != 0 else "muted"), (" " * (width - 1), "text")]
        halves = max(1, round(min(1.0, max(0.0, self._scale.share_of(norm))) * 2 * width))
        bar = "━" * (halves // 2) + "╸" * (halves % 2)
        return [(bar, "line"), (" " * (width - len(bar)), "text")]

    def _levels(self, first: int, last: int) -> NDArray[Any] | None:
        if self._heat is None or not self.points or self._scale is None:
            return None
        import numpy as np

        share = self._scale.share(self._heat[first:last])
        most = heat_levels(self.theme)
        levels = 1 + np.clip(np.nan_to_num(share, nan=0.0) * most, 0, most - 1).astype(np.int64)
        return np.where(np.isnan(share), 0, levels)

    def _strip(self, levels: NDArray[Any]) -> list[Run]:
        shades = ""
        if self.app.no_color:
            from tui.app.widgets.heatmap import SHADES  # for which the first paint does not wait

            shades = SHADES
        most = heat_levels(self.theme)
        runs: list[Run] = []
        for level in levels.tolist():
            ink: Ink = "line" if shades else level
            text = shades[round(level * (len(shades) - 1) / most)] if shades else " "
            if runs and runs[-1][1] == ink:
                runs[-1] = (runs[-1][0] + text, ink)
            else:
                runs.append((text, ink))
        return runs

    def _axis(self, width: int) -> Row:
        assert self._scale is not None
        name, bar = self._widths(width)
        line = ["─"] * bar
        end = -1
        for value, label in ticks(self._scale, max(2, bar // 8)):
            at = min(bar - len(label), max(0, round(self._scale.share_of(value) * bar) - len(label) // 2))
            if at > end:
                line[at : at + len(label)] = label
                end = at + len(label)
        axis: list[Run] = [(" " * (name + 1), "faint")]
        for character in line:
            tone: Tone = "faint" if character == "─" else "muted"
            if axis[-1][1] == tone:
                axis[-1] = (axis[-1][0] + character, tone)
            else:
                axis.append((character, tone))
        if self.points:
            axis.append((" " * (_VALUE + 2) + fit(self._over, self.points), "muted"))
        return tuple(axis)


def shortened(names: Sequence[str]) -> list[str]:
    """Return the names without an ending that all have in common: ``.weight``."""
    if names and all(name.endswith(".weight") for name in names):
        return [name.removesuffix(".weight") for name in names]
    return list(names)
