"""The chart as a widget: its legend where there is little room, and its horizontal axis with labels and marks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from textual.app import App, ComposeResult

from tui.app.palette import Tone
from tui.app.widgets.chart import Chart, Plot
from tui.app.widgets.raster import Mark, Trace

STEPS = np.arange(1, 1001)
CHECKPOINTS = [Mark("▴", "muted", step) for step in range(200, 1001, 200)]


class Shown(App[None]):
    """A chart with a batch line, a smoothed one and a validation, over 1,000 steps."""

    def __init__(
        self, marks: Sequence[Mark] = (), *, values: tuple[float, float] = (1.0, 2.0), log: bool = False
    ) -> None:
        super().__init__()
        line = np.linspace(values[1], values[0], len(STEPS))
        traces = [Trace(label, "line", STEPS, line, line) for label in ("batch", "smoothed")]
        self.plot = Plot(1, 1000, traces, [Mark("◆", "mark", 500, values[0], "validation"), *marks], value="1.5000")
        self.chart = Chart("loss", 1, log=log)

    def compose(self) -> ComposeResult:
        yield self.chart

    async def rows(self, width: int, height: int = 14) -> list[str]:
        async with self.run_test(size=(width, height)) as pilot:
            self.chart.show(self.plot)
            await pilot.pause()
            return ["".join(text for text, _ in row) for row in self.chart._shown]


@pytest.mark.parametrize(
    ("width", "legend"),
    [
        (60, "1 loss  ━ batch  ━ smoothed  ◆ validation  log ━"),
        (46, "1 loss  ━ batch  ━ smoothed  log ━"),
        (32, "1 loss  log ━"),
    ],
)
async def test_the_lines_are_told_apart_and_a_logarithmic_axis_is_named_where_a_whole_legend_has_no_room(
    width: int, legend: str
) -> None:
    heading = (await Shown(log=True).rows(width))[0]
    assert heading.startswith(legend)
    assert heading.endswith("1.5000")
    assert len(heading) == width


async def test_labels_of_steps_stand_beside_checkpoints_not_on_them() -> None:
    axis = (await Shown(CHECKPOINTS).rows(70))[-1]
    assert axis.count("▴") == 5
    for label in ("▴200", "▴400", "▴600", "▴800", "1k▴"):
        assert label in axis, axis


@pytest.mark.parametrize("tone", ["bad", "muted"])
async def test_what_is_no_checkpoint_is_never_covered_by_a_label(tone: Tone) -> None:
    crowd = [Mark("✗", tone, step) for step in range(1, 1001)]
    axis = (await Shown(crowd).rows(70))[-1]
    assert ("400" in axis) == (tone == "muted")


async def test_a_logarithmic_axis_comes_close_to_values_that_hardly_differ() -> None:
    rows = await Shown(values=(0.31, 0.36), log=True).rows(60)
    labels = [row[:7].strip() for row in rows[1:-1] if row[:7].strip()]
    assert 0.28 <= float(labels[-1]) <= 0.31
    assert 0.36 <= float(labels[0]) <= 0.4
    drawn = [row for row in rows[1:-1] if any("\u2800" < character <= "\u28ff" for character in row)]
    assert len(drawn) >= 8  # of twelve
