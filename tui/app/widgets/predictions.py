"""How predicted numbers lie to the true ones: a map of both, and how far off they are."""

from __future__ import annotations

from math import sqrt

from tui.app.format import compact
from tui.app.palette import heat_levels
from tui.app.widgets.heatmap import SHADES
from tui.app.widgets.panel import Panel, Row, Run
from tui.core.evaluations import Density, Residuals

_CELLS = 32
"""Parts of the range, as `tui.engine.tallies.regression.CELLS`."""
_LABEL = 9
_BLOCKS = " ▁▂▃▄▅▆▇█"


class DensityMap(Panel):
    """Truths to the right, predictions upwards; what is right lies on the diagonal."""

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(title, id=id)
        self._density: Density | None = None
        self._waiting = ""

    def show(self, title: str, density: Density | None, waiting: str = "") -> None:
        """Show a map, or why there is none."""
        self.title, self._density, self._waiting = title, density, waiting
        self.redraw()

    def note(self) -> Row:
        """Return what the axes are."""
        return (("predicted ↑  true →", "muted"),) if self._density is not None else ()

    def body(self, width: int, height: int) -> list[Row]:
        """Return the map and its axes."""
        if self._density is None:
            return [(), ((f"  {self._waiting}", "muted"),)]
        down = max(1, min(_CELLS, height - 1))
        wide = max(1, (width - _LABEL - 1) // _CELLS)
        counts: dict[tuple[int, int], int] = {}
        for true, predicted, n in self._density.cells:
            key = (min(_CELLS - 1, true), min(_CELLS - 1, predicted) * down // _CELLS)
            counts[key] = counts.get(key, 0) + n
        most, levels = max(counts.values(), default=1), heat_levels(self.theme)
        rows: list[Row] = []
        for place in reversed(range(down)):
            label = self._density.high if place == down - 1 else self._density.low if place == 0 else None
            runs: list[Run] = [(f"{'' if label is None else number(label):>{_LABEL - 1}} ", "muted"), ("│", "faint")]
            for true in range(_CELLS):
                n = counts.get((true, place), 0)
                if n:
                    level = max(1, round(sqrt(n / most) * levels))
                    shade = SHADES[round(level * (len(SHADES) - 1) / levels)] if self.app.no_color else " "
                    runs.append((shade * wide, level))
                else:
                    runs.append((("╱" if true * down // _CELLS == place else " ") * wide, "faint"))
            rows.append(tuple(runs))
        low, high = number(self._density.low), number(self._density.high)
        gap = max(1, _CELLS * wide - len(low) - len(high))
        return [*rows, ((" " * (_LABEL + 1) + low + "─" * gap + high, "muted"),)]


class Histogram(Panel):
    """How many pictures are off by how much: columns around zero."""

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(title, id=id)
        self._residuals: Residuals | None = None
        self._waiting = ""

    def show(self, residuals: Residuals | None, waiting: str = "") -> None:
        """Show residuals, or why there are none."""
        self._residuals, self._waiting = residuals, waiting
        self.redraw()

    def note(self) -> Row:
        """Return which way is which."""
        return (("left: predicted too low", "muted"),) if self._residuals is not None else ()

    def body(self, width: int, height: int) -> list[Row]:
        """Return the columns and the axis."""
        residuals = self._residuals
        if residuals is None or not residuals.counts:
            return [(), ((f"  {self._waiting}", "muted"),)]
        many, most = len(residuals.counts), max(1, *residuals.counts)
        wide, rows = max(1, width // many), max(1, height - 2)
        eighths = [max(round(n / most * rows * 8), 1 if n else 0) for n in residuals.counts]
        body: list[Row] = [((f"{'most: ' + compact(most):>{many * wide}}", "muted"),)]
        for y in reversed(range(rows)):
            line = "".join(_BLOCKS[max(0, min(8, eighth - 8 * y))] * wide for eighth in eighths)
            body.append(((line, "line"),))
        low, high = f"-{number(residuals.limit)}", f"+{number(residuals.limit)}"
        half = many * wide // 2
        left = low + "─" * max(0, half - len(low))
        right = "0" + "─" * max(0, many * wide - half - 1 - len(high)) + high
        return [*body, ((left + right, "muted"),)]


def number(value: float) -> str:
    """Return a number in at most eight characters."""
    text = f"{value:.4g}"
    return text if len(text) <= 8 else f"{value:.1e}"
