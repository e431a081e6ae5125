"""The same dashboard as the watch screen, made with the plotting widgets that Textual apps usually take.

    python tests/bench/rivals.py plotext|plot RUN

Five charts, bars for the layers, a progress bar and numbers of a run, drawn as often as on the watch screen, from the
same series: only the drawing differs. Needs textual-plotext (with plotext 5) or textual-plot.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from textual.app import App, ComposeResult
from textual.containers import Grid
from textual.widgets import Footer, ProgressBar, Static

from tui.core.rundir import RunDir
from tui.runs.follow import RunFollower

CHARTS = ("loss", "accuracy", "gradient_norm", "learning_rate", "images_per_second")
LIBRARIES = {"plotext": "textual_plotext", "plot": "textual_plot"}


class Rival(App[None]):
    """A dashboard of one run."""

    CSS = """
    Grid { grid-size: 3 2; }
    #numbers, #progress { height: 1; }
    """

    def __init__(self, library: str, run: RunDir) -> None:
        super().__init__()
        self.library = library
        self.follower = RunFollower(run)
        self.beat = 0

    def compose(self) -> ComposeResult:
        yield Static(id="numbers")
        yield ProgressBar(id="progress")
        with Grid():
            for name in CHARTS:
                yield self.chart(name)
            yield Static(id="layers", markup=False)
        yield Footer()

    def chart(self, name: str) -> Any:
        if self.library == "plotext":
            from textual_plotext import PlotextPlot

            return PlotextPlot(id=name)
        from textual_plot import PlotWidget

        return PlotWidget(id=name)

    def on_mount(self) -> None:
        self.set_interval(0.25, self.tick)

    def tick(self) -> None:
        self.follower.poll(0.15)
        self.beat += 1
        if self.beat % 2:
            return
        state, half = self.follower.state, self.beat // 2
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in state.latest.items())
        self.query_one("#numbers", Static).update(f"step {state.step:,}  {numbers}", layout=False)
        self.query_one(ProgressBar).update(total=state.total_steps, progress=state.step)
        for number, name in enumerate(CHARTS):
            if half % 4 in ((0, 2), (1,), (3,), (0,), (2,))[number]:
                self.draw(name)
        if half % 2:
            layers = self.follower.layers
            _, recent = layers.matrix(1, max(1, layers.last_step - 49), layers.last_step)
            norms = zip(layers.columns, recent[:, 0].tolist(), strict=True)
            rows = [f"{name:<30.30} {'━' * int(20 * norm**0.3)} {norm:.2e}" for name, norm in norms]
            self.query_one("#layers", Static).update("\n".join(rows), layout=False)

    def draw(self, name: str) -> None:
        widget: Any = self.query_one(f"#{name}")
        points = max(2, 2 * widget.size.width)
        plain = self.follower.batches.series(name, points=points)
        smooth = self.follower.batches.smoothed(name, points=points // 2)
        lines = [(plain.steps, plain.mean), (smooth.steps, smooth.mean)]
        if self.library == "plotext":
            widget.plt.clear_data()
            widget.plt.title(name)
            for steps, values in lines:
                widget.plt.plot(steps.tolist(), values.tolist(), marker="braille")
            widget.refresh()
            return
        from textual_plot import HiResMode

        widget.clear()
        for (steps, values), colour in zip(lines, ("blue", "cyan"), strict=True):
            widget.plot(steps, values, line_style=colour, hires_mode=HiResMode.BRAILLE)


if __name__ == "__main__":
    Rival(sys.argv[1], RunDir(Path(sys.argv[2]))).run()
